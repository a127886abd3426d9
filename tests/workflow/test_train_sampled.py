"""A training on a sample of the series under `training.memory_budget`, and what follows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import SpecError
from rnnforecast.pipeline.checks.context import CheckContext, CheckedData
from rnnforecast.pipeline.checks.series_changes import SERIES_CHECKS
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.training_memory import BASE_BYTES
from rnnforecast.spec.load import read_spec
from rnnforecast.workflow.backtest_subject import subject_of_run
from rnnforecast.workflow.check import check
from rnnforecast.workflow.predict import predict
from tests.workflow.runs import StopAt, trained

N_SERIES, N_ROWS = 40, 60
BUDGET = f"{BASE_BYTES / 1e6 + 0.25}MB"
"""For about half of the series."""
SETS = (
    f"training.memory_budget={BUDGET}",
    "training.max_steps=4",
    "ensemble.network_weight=1",
    "window.lookback=14",
)


def frame(names: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(len(names))
    days = np.datetime64("2024-01-01") + np.arange(N_ROWS)
    values = 50 + 10 * np.sin(np.arange(N_ROWS) * 2 * np.pi / 7)
    table = {"store": np.repeat(names, N_ROWS), "day": np.tile(days, len(names))}
    noise = rng.normal(0, 2, (len(names), N_ROWS))
    return pd.DataFrame({**table, "sales": (values + noise).ravel()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset in four partitions, a spec, and the run of a sample of its series."""
    path = tmp_path_factory.mktemp("sampled")
    (path / "data").mkdir()
    for part in range(4):
        names = [f"s{number}" for number in range(part, N_SERIES, 4)]
        frame(names).to_parquet(path / "data" / f"{part}.parquet", index=False)
    (path / "spec.yaml").write_text("data: {path: data}\nwindow: {horizon: 3, season: 7}\n")
    listener = StopAt()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        trained("run", *SETS, stop=listener)
    (path / "said.json").write_text(json.dumps(listener.infos))
    return path


def test_the_log_the_metrics_and_the_run_say_how_many_series_were_sampled(folder: Path) -> None:
    stored = json.loads((folder / "run" / "metrics.json").read_text())
    sampled = load_run(folder / "run").sampled
    assert sampled is not None
    assert 10 < stored["series"] == sampled.series < 35
    assert abs(stored["sampled_from"] - N_SERIES) < 10
    words = f"trained on {sampled.series} of about {stored['sampled_from']} series"
    said = json.loads((folder / "said.json").read_text())
    assert any(line.startswith(words) and "memory_budget" in line for line in said)


def test_a_forecast_has_all_series_and_calls_those_outside_of_the_sample_no_cold_start(
    folder: Path, tmp_path: Path
) -> None:
    new = [f"new{number}" for number in range(20)]
    frame(new).to_parquet(tmp_path / "new.parquet", index=False)
    run = load_run(folder / "run")
    expected = run.reads_in_training(pd.DataFrame({"store": new}))
    assert 0 < expected.sum() < len(new)
    paths = [str(folder / "data"), str(tmp_path / "new.parquet")]
    predict(folder / "run", str(tmp_path / "out.csv"), data=paths, plots=False)
    table = pd.read_csv(tmp_path / "out.csv")
    status = table.groupby("store")["status"].first()
    assert len(status) == N_SERIES + len(new)
    cold = {name for name, known in zip(new, expected, strict=True) if known}
    assert set(status.index[status == "cold_start"]) == cold
    assert set(status) == {"model", "cold_start"}


def test_checks_of_series_look_at_those_of_the_sample(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    run = load_run(folder / "run")
    everything = prepare(Path("spec.yaml"))
    context = CheckContext(run, CheckedData.of_cleaned(everything.cleaned), 3, run.trained_at)
    vanished, new, renamed = (check.measure(context, 0.0) for check in SERIES_CHECKS)
    assert vanished is not None
    assert new is not None
    assert vanished.count == new.count == 0
    assert renamed is None or renamed.count == 0
    assert context.is_expected.sum() == context.is_known.sum() < N_SERIES


def test_a_smaller_sample_of_newer_data_has_lost_no_series(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    run = load_run(folder / "run")
    smaller = prepare(Path("spec.yaml"), [f"training.memory_budget={BASE_BYTES / 1e6 + 0.1}MB"])
    context = CheckContext(run, CheckedData.of_cleaned(smaller.cleaned), 3, run.trained_at)
    assert not context.has_whole_sample
    assert SERIES_CHECKS[0].measure(context, 0.0) is None


def test_a_backtest_of_the_run_reads_its_sample(folder: Path) -> None:
    subject = subject_of_run(folder / "run")
    run = load_run(folder / "run")
    assert run.sampled is not None
    assert subject.data.panel.n_series == run.sampled.series
    assert subject.data.table.sampled == run.sampled


def test_check_says_what_train_would_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = check(Path("spec.yaml"), overrides=[SETS[0]])
    assert any("are read" in line for line in found.report.summary_lines())


@pytest.mark.parametrize(
    ("value", "words"),
    [("2GB", ""), ("1.5 GiB", ""), ("2", "unit"), ("0GB", "size"), ("much", "size")],
)
def test_a_budget_is_a_size_with_a_unit(folder: Path, value: str, words: str) -> None:
    overrides = [f"training.memory_budget={value}"]
    if not words:
        assert read_spec(folder / "spec.yaml", overrides).training.memory_budget == value
        return
    with pytest.raises(SpecError, match=words):
        read_spec(folder / "spec.yaml", overrides)


def test_a_budget_below_what_any_training_needs_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(SpecError, match=r"needs 650 MB .* more than 650MB"):
        prepare(Path("spec.yaml"), ["training.memory_budget=1MB"])
