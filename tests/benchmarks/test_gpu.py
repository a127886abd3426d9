"""`benchmarks/gpu.py` with the CPU in the place of the card: what it checks and its exit codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.benchmarks.scripts import FOLDER, script

CPU = ["--device", "cpu", "--steps", "2"]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return script("gpu")


@pytest.fixture
def networks(gpu: ModuleType) -> Any:
    import gpu_networks  # type: ignore[import-not-found]

    return gpu_networks


def test_every_backbone_decoder_and_loss_has_a_network(networks: Any) -> None:
    found = networks.cases().values()
    assert {case.backbone for case in found} == set(networks.BACKBONES.names())
    assert {case.decoder for case in found} == set(networks.DECODERS.names())
    assert {case.loss for case in found} == set(networks.LOSSES.names())


def test_a_device_agrees_with_itself_to_the_last_bit(
    gpu: ModuleType,
    networks: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    some = {"one": networks.Case(), "two": networks.Case("gru_d", "forking", "mae")}
    monkeypatch.setattr(networks, "cases", lambda: some)
    monkeypatch.setattr(gpu, "WIDTHS", (4, 8))
    out = tmp_path / "gpu.md"
    given = [*CPU, "--only", "agreement", "speed", "--seconds", "0.05", "--out", str(out)]
    assert gpu.main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith(("| one", "| two"))]
    assert [row.split("|")[2].strip() for row in rows] == ["0.0e+00, 0.0e+00, 0.0e+00"] * 2
    assert lines[-1].startswith("PASSED: 2 of 2 checks")
    assert sum(line.startswith("| windows per second") for line in lines) == 2
    assert set(rows) < set(out.read_text(encoding="utf-8").splitlines())


def test_a_network_that_computes_something_else_differs_before_and_after_training(
    networks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = networks.fit_network
    number = iter(range(2))

    def with_other_width(case: Any, device: Any, steps: int) -> Any:
        return fit(replace(case, hidden_size=16 + next(number)), device, steps)

    monkeypatch.setattr(networks, "fit_network", with_other_width)
    differences = networks.compare_devices(networks.Case(), networks.CPU, 2)
    assert min(differences) > 1e-3


@pytest.mark.parametrize("difference", [0.021, float("nan")])
def test_one_difference_above_its_tolerance_fails_the_whole(
    gpu: ModuleType,
    networks: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    difference: float,
) -> None:
    some = {"one": networks.Case(), "two": networks.Case()}
    measured = iter([[0.0, 0.02, 0.05], [0.0, difference, 0.0]])
    monkeypatch.setattr(networks, "cases", lambda: some)
    monkeypatch.setattr(networks, "compare_devices", lambda *_: next(measured))
    assert gpu.main([*CPU, "--only", "agreement"]) == 1
    assert "FAILED: 1 of 2 checks" in capsys.readouterr().out


def test_after_the_time_limit_checks_are_not_run_and_count_as_failed(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "TIME_LIMIT", 0.0)
    assert gpu.main([*CPU, "--only", "precision", "resume"]) == 1
    assert "out of time" in capsys.readouterr().out


@pytest.mark.cuda  # half a minute; kills and resumes on a CPU are tested with `train`
def test_runs_are_killed_resumed_and_forecast_on_the_other_device(
    gpu: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main([*CPU, "--only", "resume", "predict", "--run-steps", "40"]) == 0
    assert "PASSED: 3 of 3 checks" in capsys.readouterr().out


def test_without_a_card_it_says_so(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "no CUDA device" in capsys.readouterr().err


def test_all_missing_packages_are_named_at_once(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "find_spec", lambda name: None if name in ("yaml", "torch") else name)
    assert gpu.main(CPU) == 2
    assert "not installed: pyyaml, torch" in capsys.readouterr().err


@pytest.mark.cuda
def test_the_card_agrees_with_the_cpu(gpu: ModuleType) -> None:
    assert gpu.main(["--only", "agreement", "precision"]) == 0
