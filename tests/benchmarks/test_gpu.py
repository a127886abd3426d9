"""`benchmarks/gpu.py` with the CPU in the place of the card: what it checks and its exit codes."""

from __future__ import annotations

import argparse
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
    out = tmp_path / "gpu.md"
    given = [*CPU, "--only", "agreement", "--out", str(out)]
    assert gpu.main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith(("| one", "| two"))]
    assert [row.split("|")[2].strip() for row in rows] == ["0.0e+00, 0.0e+00, 0.0e+00"] * 2
    assert lines[-1].startswith("PASSED: 2 of 2 checks")
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


FAKE = """
import sys, time
print("one", "fast", sep="\\t", flush=True)
if sys.argv[1] == "panel":
    time.sleep(60)
if sys.argv[1] == "modes":
    sys.exit("no compiler")
"""


def test_measured_parts_add_their_rows_as_they_come_and_are_ended_at_their_limits(
    gpu: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(gpu, "SPEED_SCRIPT", tmp_path / "fake.py")
    monkeypatch.setitem(gpu.MEASURED, "panel", 2.0)
    (tmp_path / "fake.py").write_text(FAKE, encoding="utf-8")
    out = tmp_path / "gpu.md"
    given = [*CPU, "--only", "speed", "modes", "panel", "--out", str(out)]
    assert gpu.main(given) == 1
    rows = out.read_text(encoding="utf-8").splitlines()
    assert rows.count("| one | fast |  |") == 3
    assert "| modes | **exit code 1: no compiler** |  |" in rows
    assert "| panel | **ended after 2 s** |  |" in rows
    assert "FAILED: 1 of 3" in capsys.readouterr().out


@pytest.mark.cuda  # profiles on a CPU, too, but takes seconds to load
def test_speed_is_measured_for_each_width(
    gpu: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main([*CPU, "--only", "speed", "--seconds", "0.01", "--widths", "4", "8"]) == 0
    rows = [row for row in capsys.readouterr().out.splitlines() if row.startswith("| windows")]
    assert [row.split("|")[1].split()[-1] for row in rows] == ["4", "8"]
    assert all(word in rows[0] for word in ("DataLoader", "CPU", "busy"))


def test_panels_and_modes_are_measured(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu_speed  # type: ignore[import-not-found]

    given = argparse.Namespace(seconds=0.0, widths=[4], panel_series=20)
    ((name, result),) = gpu_speed.panel(torch.device("cpu"), given)
    assert "20 series" in name
    assert "windows/s" in result
    assert len(list(gpu_speed.modes(torch.device("cpu"), given))) == 2


@pytest.mark.cuda  # trains and forecasts by command four times
def test_forecasts_and_determinism_are_measured(
    gpu: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu.main([*CPU, "--only", "forecast", "determinism", "--series", "300"]) == 0
    assert "the same bytes" in capsys.readouterr().out


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
