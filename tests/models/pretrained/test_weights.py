"""Files of weights: what is written is read, and what is no such file is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from rnnforecast.errors import DataError
from rnnforecast.models.pretrained.network import PretrainedNetwork
from rnnforecast.models.pretrained.weights import (
    load_network,
    load_pretrained_network,
    save_tensors,
    save_weights,
)
from tests.models.pretrained.contexts import small_network


@pytest.fixture(scope="module")
def net() -> PretrainedNetwork:
    return small_network()


@pytest.fixture
def file(net: PretrainedNetwork, tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_weights(net.state_dict(), net.config, path, pretraining={"windows": 7, "seed": 1})
    return path


def test_weights_come_back_rounded_to_half_precision(net: PretrainedNetwork, file: Path) -> None:
    found = load_network(file)
    assert found.config == net.config
    assert not found.training
    for name, value in net.state_dict().items():
        assert torch.equal(found.state_dict()[name], value.half().float()), name
    n_weights = sum(value.numel() for value in net.state_dict().values())
    assert 2 * n_weights < file.stat().st_size < 2 * n_weights + 4000


def test_the_same_weights_make_the_same_bytes(net: PretrainedNetwork, file: Path) -> None:
    first = file.read_bytes()
    for _ in range(3):
        save_weights(net.state_dict(), net.config, file, pretraining={"windows": 7, "seed": 1})
        assert file.read_bytes() == first


def test_the_file_says_what_its_weights_come_from(file: Path) -> None:
    with safe_open(file, "pt") as stored:
        facts = json.loads(stored.metadata()["config"])
    assert facts["pretraining"] == {"windows": 7, "seed": 1}


def test_the_weights_of_the_package_make_a_network() -> None:
    weights = load_pretrained_network().state_dict().values()
    assert all(value.isfinite().all() for value in weights)


def foreign(file: Path, config: Any, **changes: torch.Tensor) -> None:
    """Writes the same tensors but for `changes`, with another `config`."""
    with safe_open(file, "pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        given = json.loads(stored.metadata()["config"])
    words = None if config is None else {"config": json.dumps({**given, **config})}
    save_file({**tensors, **changes}, file, words)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "weights of the pretrained network"),
        ({"hidden_size": 16}, "other sizes"),
        ({"n_layers": 2}, "other sizes"),
        ({"n_layers": 10**9}, "fewer weights than layers"),
        ({"hidden_size": 10**7}, "other sizes"),
        ({"hidden_size": "8"}, "weights of the pretrained network"),
        ({"backbone": "lstn"}, "none of"),
        ({"width": 8}, "width"),
    ],
)
def test_a_file_of_another_network_is_refused(file: Path, config: Any, words: str) -> None:
    foreign(file, config)
    with pytest.raises(DataError, match=words) as caught:
        load_network(file)
    assert caught.value.problems[0].where == str(file)
    assert "install the package again" in caught.value.problems[0].cure


def test_weights_that_are_not_finite_are_refused(file: Path) -> None:
    foreign(file, {}, **{"output.bias": torch.full((240,), torch.inf).half()})
    with pytest.raises(DataError, match="not finite"):
        load_network(file)


def test_a_damaged_missing_or_empty_file_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for damaged in (content[:-10], content[:20], b"", b"PK" + content, b"\xff" * 64):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=r"weights\.safetensors"):
            load_network(file)
    with pytest.raises(DataError, match="No such file"):
        load_network(file.with_name("none.safetensors"))


def test_a_failed_write_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_: object, new: Path, *__: object) -> None:
        new.write_bytes(b"half of")
        raise OSError(28, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr("rnnforecast.models.pretrained.weights.save_file", fail)
    with pytest.raises(OSError, match="No space"):
        save_tensors({"a": torch.zeros(3)}, {}, file, "config")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
