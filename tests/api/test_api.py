"""The Python API: the same results as the commands, in memory or in a run folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import rnnforecast as rf
from rnnforecast.pipeline.evaluation_table import read_evaluation_table
from rnnforecast.spec.load import dump_spec
from rnnforecast.workflow.backtest import backtest
from rnnforecast.workflow.predict import predict
from tests.workflow.runs import all_files, contents, trained

TINY = {
    "window": {"horizon": 7},
    "model": {"hidden_size": 4, "dropout": 0.2},
    "training": {"max_steps": 20, "batch_size": 8, "patience": 30},
    "forecast": {"plots": 0},
}
"""The spec of `trained`."""


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Two series of sixty days, with a weekly pattern."""
    days, random = pd.date_range("2024-01-01", periods=60), np.random.default_rng(0)
    values = np.arange(60) % 7 + random.random((2, 60)).round(3) + np.array([[10.0], [20.0]])
    names = np.repeat(["a", "b"], 60)
    return pd.DataFrame({"unique_id": names, "ds": [*days, *days], "y": values.ravel().round(3)})


@pytest.fixture(scope="module")
def run(frame: pd.DataFrame) -> rf.Run:
    """A run in memory."""
    return _train(TINY, frame)


@pytest.fixture
def folder(run: rf.Run, tmp_path: Path, without_pictures: None) -> Path:
    """The folder of the run."""
    run.save(tmp_path / "run")
    return tmp_path / "run"


def _train(*given: Any, **options: Any) -> rf.Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rf.ForecastWarning)
        return rf.train(*given, **options)


def test_a_training_on_a_frame_is_that_of_the_command_on_the_same_file(
    run: rf.Run, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    without_pictures: None,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    frame.to_csv("data.csv", index=False)
    Path("spec.yaml").write_text("data: {path: data.csv}\nwindow: {horizon: 7}\n", encoding="utf-8")
    result = trained("command")
    predict(Path("command"), "forecast.csv")
    expected = pd.read_csv("forecast.csv", parse_dates=["ds", "cutoff"])
    pd.testing.assert_frame_equal(run.predict(), expected, check_dtype=False, rtol=0, atol=0)
    assert run.metrics["model_metrics"] == result.model_metrics
    stored = rf.load_run("command")
    pd.testing.assert_frame_equal(stored.holdout, run.holdout, check_dtype=False)
    assert stored.predict(frame).equals(run.predict())
    assert stored.predict().equals(run.predict()), "the files of the spec are read again"


def test_a_saved_run_is_the_run(run: rf.Run, folder: Path, frame: pd.DataFrame) -> None:
    loaded = rf.load_run(folder)
    assert loaded.spec == run.spec
    assert loaded.metrics == run.metrics
    assert loaded.predict(frame).equals(run.predict(frame))
    assert repr(loaded) == repr(run)
    assert "2 series, horizon 7 at D" in repr(run)
    loaded.save(folder.parent / "copy")
    assert all_files(str(folder.parent / "copy")) == all_files(str(folder))


def test_a_run_without_its_data_asks_for_them(folder: Path) -> None:
    with pytest.raises(rf.DataError, match="the data are a data frame"):
        rf.load_run(folder).predict()


def test_a_training_into_a_folder_leaves_what_the_command_does(
    run: rf.Run, frame: pd.DataFrame, folder: Path, without_pictures: None
) -> None:
    written = _train(TINY, frame, folder=folder.parent / "other")
    assert written.predict().equals(run.predict())
    ours, theirs = contents(str(folder)), contents(str(folder.parent / "other"))
    assert ours.keys() == theirs.keys()
    assert ours == theirs
    assert written.messages == run.messages


def test_no_file_is_written_unless_asked(
    run: rf.Run, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run.predict(frame)
    rf.check(TINY, frame)
    assert list(tmp_path.iterdir()) == []


def test_the_forecast_begins_after_the_given_history(run: rf.Run, frame: pd.DataFrame) -> None:
    with pytest.warns(rf.ForecastWarning, match="ends_before_training"):
        table = run.predict(frame[frame["ds"] < "2024-02-01"], horizon=3)
    assert table.columns.tolist()[:4] == ["unique_id", "ds", "cutoff", "yhat"]
    assert table["cutoff"].unique().tolist() == [pd.Timestamp("2024-01-31")]
    assert set(table["status"]) == {"model"}
    assert table["unique_id"].tolist() == ["a"] * 3 + ["b"] * 3
    assert table["ds"].tolist() == [*pd.date_range("2024-02-01", periods=3)] * 2
    with pytest.raises(rf.UsageError, match="horizon: expected a whole number of at least 1"):
        run.predict(horizon=0)
    for wrong in ("3", 2.5, True):
        with pytest.raises(rf.UsageError, match="horizon: expected a whole number"):
            run.predict(horizon=wrong)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:the networks were trained on values after this origin")
@pytest.mark.filterwarnings("ignore:the data end on 2024-01-31, 29 periods before the training")
@pytest.mark.parametrize("origin", ["2024-02-01", date(2024, 2, 1), pd.Timestamp("2024-02-01")])
def test_an_origin_is_a_date_in_any_form(run: rf.Run, frame: pd.DataFrame, origin: Any) -> None:
    ended = run.predict(frame[frame["ds"] < "2024-02-01"])
    pd.testing.assert_frame_equal(run.predict(frame, origin=origin), ended)


def test_times_of_the_forecast_have_the_zone_of_the_data(run: rf.Run, frame: pd.DataFrame) -> None:
    utc = run.predict(frame.assign(ds=frame["ds"].dt.tz_localize("UTC")))
    assert str(utc["ds"].dt.tz) == "UTC"
    assert utc["ds"].dt.tz_localize(None).equals(run.predict()["ds"])
    assert utc["yhat"].equals(run.predict()["yhat"])


def test_a_series_without_a_forecast_is_a_warning(run: rf.Run, frame: pd.DataFrame) -> None:
    blank = frame.assign(y=frame["y"].where(frame["unique_id"] == "a"))
    with pytest.warns(rf.ForecastWarning) as issued:
        table = run.predict(blank)
    assert table.loc[table["unique_id"] == "a", "status"].eq("model").all()
    left_out = table[table["unique_id"] == "b"]
    assert left_out["status"].eq("skipped").all()
    assert left_out["yhat"].isna().all()
    assert any("lack a forecast: b" in str(warning.message) for warning in issued)
    assert {warning.filename for warning in issued} == {__file__}


def test_a_plot_is_a_figure_that_a_notebook_shows(run: rf.Run) -> None:
    figure = run.plot("b", horizon=3)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert any("b · y" in text.get_text() for text in figure.texts)
    with pytest.raises(rf.UsageError, match="there is no series 'c' — the series are a"):
        run.plot("c")


def test_errors_are_those_of_the_commands(frame: pd.DataFrame) -> None:
    with pytest.raises(rf.SpecError, match=r"window\.horizn: unknown key"):
        rf.train({"window": {"horizn": 7}}, frame)
    with pytest.raises(rf.SpecError, match=r"data\.path: this key is required"):
        rf.train(TINY)
    with pytest.raises(rf.UsageError, match="spec: expected a path, a dict or a Spec, found list"):
        rf.check([1], frame)  # type: ignore[arg-type]
    faulty = frame.astype({"y": object})
    faulty.loc[6, "y"] = "closed"
    with pytest.raises(rf.DataError, match="data, row 7, column 'y': 'closed' is not a number"):
        rf.train(TINY, faulty)


def test_a_check_says_what_a_training_would_do(frame: pd.DataFrame) -> None:
    found = rf.check(TINY, frame.drop(index=[5]))
    assert found.problems == ()
    assert found.series["label"].tolist() == ["a", "b"]
    assert set(found.choices.columns) == {"key", "value", "reason"}
    assert "auto  data.series: unique_id" in repr(found)
    assert "1 step without a row: added as missing" in repr(found)


@pytest.mark.filterwarnings("ignore::rnnforecast.errors.ForecastWarning")
def test_a_backtest_is_that_of_the_command_on_the_same_file(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_pictures: None
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = {**TINY, "training": {"max_steps": 4}, "backtest": {"windows": 5}}
    found = rf.backtest(spec, frame, windows=2, step=3)
    assert list(tmp_path.iterdir()) == []
    frame.to_csv("data.csv", index=False)
    values: Any = {**spec, "data": {"path": "data.csv"}}
    Path("spec.yaml").write_text(dump_spec(rf.read_spec(values)), encoding="utf-8")
    result = backtest(
        Path("spec.yaml"), Path("out"), overrides=["backtest.windows=2", "backtest.step=3"]
    )
    assert found.result.metrics == result.metrics
    assert found.forecasts.equals(read_evaluation_table(Path("out/backtest.parquet")))
    assert set(found.scores["model"]) >= {"rnnforecast", "seasonal_naive"}
    assert found.metrics.loc["rnnforecast", "mase"] == result.metrics["mase"]
    assert found.verdicts.keys() == result.baselines.keys()
    assert "2 windows of 2 series, 7 steps" in repr(found)


def test_a_run_is_backtested_with_its_networks_as_they_are(
    run: rf.Run, frame: pd.DataFrame, without_pictures: None
) -> None:
    with pytest.warns(rf.ForecastWarning, match="training data of the run"):
        found = rf.backtest(run, frame, windows=1)
    assert found.result.trainings == 0
    with pytest.raises(rf.DataError, match=r"2090-01-01 00:00:00: less than a horizon"):
        rf.backtest(run, frame, first_time=pd.Timestamp("2090-01-01"))
    with pytest.raises(rf.UsageError, match=r"backtest\.refit"):
        rf.backtest(run, frame, refit="always")
    with pytest.raises(rf.SpecError, match=r"backtest\.window: unknown key"):
        rf.backtest(run, frame, window=1)
    with pytest.raises(rf.UsageError, match="expected a path, a dict, a Spec or a Run, found int"):
        rf.backtest(3, frame)  # type: ignore[arg-type]


def test_the_keys_of_a_search_are_checked_before_it_begins(frame: pd.DataFrame) -> None:
    with pytest.raises(rf.SpecError, match=r"search\.trails: unknown key .* 'trials'"):
        rf.tune(TINY, frame, trails=3)


@pytest.fixture
def listener() -> Iterator[Any]:
    """Keeps what it is told."""

    class Listener:
        def __init__(self) -> None:
            self.said: list[str] = []

        def info(self, text: str) -> None:
            self.said.append(text)

        warning = info

        def progress(self, progress: Any) -> None:
            self.said.append(progress.phase)

    return Listener()


def test_a_listener_of_the_caller_receives_warnings_and_progress(
    run: rf.Run, frame: pd.DataFrame, listener: Any
) -> None:
    run.predict(frame, horizon=8, progress=listener)
    assert any("horizon 8 is beyond the 7 steps" in text for text in listener.said)
