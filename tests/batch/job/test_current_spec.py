"""The spec of a job tonight: what counts at once, and what waits for a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.batch.job.current_spec import CurrentSpec, read_current_spec
from rnnforecast.batch.job.files import find_job_files
from rnnforecast.errors import SpecError
from rnnforecast.spec.load_job import parse_job

TRAINED = "data: {path: old.csv}\nwindow: {horizon: 7}\nchecks: {new_series: off}\n"


def _read(folder: Path, spec: str, more: str = "") -> CurrentSpec:
    model = folder / "runs" / "job"
    model.mkdir(parents=True, exist_ok=True)
    (model / "spec.yaml").write_text(TRAINED, encoding="utf-8")
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    settings = parse_job(f"spec: spec.yaml\n{more}", name="job")
    return read_current_spec(find_job_files(folder / "job.yaml", settings))


def test_an_unchanged_spec_changes_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path, TRAINED) == CurrentSpec((str(tmp_path / "old.csv"),))


def test_the_data_are_where_the_spec_says_tonight(tmp_path: Path) -> None:
    found = _read(tmp_path, TRAINED.replace("old.csv", "new.csv"))
    assert found == CurrentSpec((str(tmp_path / "new.csv"),))


def test_the_files_of_the_job_come_before_those_of_the_spec(tmp_path: Path) -> None:
    found = _read(tmp_path, TRAINED.replace("old.csv", "new.csv"), "data: job.csv\n")
    assert found == CurrentSpec((str(tmp_path / "job.csv"),))


def test_changed_limits_and_fallbacks_count_at_once(tmp_path: Path) -> None:
    spec = "data: {path: old.csv}\nwindow: {horizon: 7}\n"
    spec += "checks: {level_shift: 3}\nforecast: {fallback: dot}\n"
    found = _read(tmp_path, spec)
    assert found.finding is None
    keys = [override.partition("=")[0] for override in found.overrides]
    assert keys == ["forecast.fallback", "checks.new_series", "checks.level_shift"]


def test_keys_of_the_training_are_named_and_wait_for_it(tmp_path: Path) -> None:
    spec = TRAINED.replace("7", "14") + "forecast: {quantiles: [0.1, 0.5, 0.9]}\n"
    found = _read(tmp_path, spec)
    assert found.overrides == ()
    assert found.finding is not None
    assert found.finding.code == "spec_changed"
    assert found.finding.count == 2
    assert "window.horizon, forecast.quantiles" in found.finding.message
    assert "rnnforecast train" in found.finding.cure


def test_a_spec_that_is_not_valid_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="horizn"):
        _read(tmp_path, TRAINED.replace("horizon", "horizn"))
