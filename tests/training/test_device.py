"""The device: the choice of `auto`, and messages on a missing one."""

from __future__ import annotations

import pytest
import torch

from rnnforecast.training import device


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device_there_is(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    machine(monkeypatch, cuda=cuda, mps=mps)
    assert device.select_device("auto").type == expected


@pytest.mark.parametrize("wanted", ["cpu", "cuda", "mps"])
def test_a_device_that_is_there_is_taken_as_asked(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    machine(monkeypatch, cuda=True, mps=True)
    assert device.select_device(wanted).type == wanted


@pytest.mark.parametrize(("wanted", "text"), [("cuda", "no CUDA device"), ("mps", "no Apple GPU")])
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, wanted: str, text: str
) -> None:
    machine(monkeypatch, cuda=False, mps=False)
    with pytest.raises(ValueError, match=text):
        device.select_device(wanted)


@pytest.mark.parametrize(
    ("wanted", "kind", "able", "expected"),
    [
        ("auto", "cpu", True, torch.float32),
        ("auto", "mps", True, torch.float32),
        ("auto", "cuda", True, torch.bfloat16),
        ("auto", "cuda", False, torch.float32),
        ("float32", "cuda", True, torch.float32),
        ("bfloat16", "cpu", False, torch.bfloat16),
    ],
)
def test_bfloat16_is_for_a_cuda_device_that_has_it_or_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, wanted: str, kind: str, able: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: able)
    assert device.select_dtype(wanted, torch.device(kind)) == expected


def test_threads_are_limited_in_a_context_only_and_never_raised() -> None:
    before = torch.get_num_threads()
    large, small = device.limit_threads(512, 512), device.limit_threads(8, 8)
    try:
        torch.set_num_threads(2)
        with small:
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with device.one_thread(), large:
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_device_is_described_by_its_kind_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda which: "Fast One")
    assert device.describe_device(torch.device("cpu")) == "cpu"
    assert device.describe_device(torch.device("cuda")) == "cuda (Fast One)"
    assert device.describe_device(torch.device("mps")) == "mps"


def test_the_device_of_a_network_is_that_of_its_parameters() -> None:
    assert device.device_of(torch.nn.Linear(1, 1)) == torch.device("cpu")


def test_a_seed_starts_the_random_numbers_anew() -> None:
    device.seed_torch(7)
    first = torch.rand(3)
    torch.rand(9)
    device.seed_torch(7)
    assert torch.equal(torch.rand(3), first)
