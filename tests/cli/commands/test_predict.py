"""`rnnforecast predict`: the table that it writes, for all kinds of data."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

SMALL = ["--set", "training.max_steps=4", "--set", "model.hidden_size=8"]


def test_new_data_may_come_from_stdin_with_unknown_series(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    given()
    assert train().exit_code == 0
    text = table(("b", "z"), steps=90).to_csv(index=False)
    result = rnnforecast("predict", "run", "--data", "-", "-o", "-", stdin=text)
    assert result.exit_code == 0, result.stderr
    found = pd.read_csv(io.StringIO(result.stdout), parse_dates=["ds"])
    assert found["unique_id"].unique().tolist() == ["b", "z"]
    expected = pd.date_range("2024-03-31", periods=7)  # 90 days from 1 January 2024
    assert found.loc[found["unique_id"] == "z", "ds"].tolist() == expected.tolist()


def test_without_data_the_spec_s_own_file_is_read_as_it_is_now(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    given()
    assert train().exit_code == 0
    table(steps=75).to_csv("data.csv", index=False)
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv")["ds"].min() == "2024-03-16"  # 75 days from 1 January 2024


def test_parquet_is_written_by_its_suffix_and_others_are_refused(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    assert train().exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.parquet").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    columns = ["yhat", "q0.025", "q0.975"]
    left, right = pd.read_parquet("f.parquet"), pd.read_csv("f.csv")
    pd.testing.assert_frame_equal(left[columns], right[columns])
    assert rnnforecast("predict", "run", "-o", "f.xlsx").exit_code == 2


def test_another_horizon_truncates_or_continues_with_wider_intervals(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    assert train().exit_code == 0
    found = {}
    for horizon in (3, 7, 20):
        assert rnnforecast("predict", "run", "-o", "f.csv", f"--horizon={horizon}").exit_code == 0
        frame = pd.read_csv("f.csv")
        assert len(frame) == 2 * horizon
        found[horizon] = frame[frame["unique_id"] == "a"]
    pd.testing.assert_frame_equal(found[7].head(3), found[3])
    pd.testing.assert_frame_equal(found[20].head(7), found[7])
    quiet = rnnforecast("predict", "run", "-o", "far", "--horizon=20", "--no-plots", "-q")
    assert quiet.stderr == ""
    (warning,) = json.loads(Path("far/run.json").read_text())["warnings"]
    assert warning["code"] == "beyond_horizon"
    assert (warning["count"], warning["threshold"]) == (20, 7)
    assert warning["message"].startswith("horizon 20 is beyond the 7 steps")
    width = found[20]["q0.975"] - found[20]["q0.025"]
    assert width[7:].min() >= width[6]


def test_much_less_history_than_the_lookback_is_warned_of(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    given()
    assert train("window.lookback=49").exit_code == 0
    for steps, told in ((24, True), (25, False)):
        table().groupby("unique_id").tail(steps).to_csv("late.csv", index=False)
        result = rnnforecast("predict", "run", "--data=late.csv", "-o", "f.csv")
        assert result.exit_code == 0, result.stderr
        said = "2 of 2 series have less than half of the 49 steps that the network reads"
        assert (said in result.stderr) == told


def test_series_that_end_before_the_others_are_warned_of(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    rows = table()
    given(rows[(rows["unique_id"] != "b") | (rows["ds"] < "2024-02-20")])
    assert train().exit_code == 0
    result = rnnforecast("predict", "run", "-o", "f.csv")
    said = "1 of 2 series end before the latest does, b by 10 steps, on 2024-02-19"
    assert said in result.stderr
    begins = pd.read_csv("f.csv").groupby("unique_id")["ds"].min()
    assert begins.to_dict() == {"a": "2024-03-01", "b": "2024-02-20"}


@pytest.mark.parametrize("freq", ["h", "B", "W-WED", "MS", "ME", "QE", "YS"])
def test_timestamps_continue_on_the_calendar_of_the_data(
    given: Run, train: Run, rnnforecast: Run, table: Table, freq: str
) -> None:
    frame = table(steps=60, freq=freq).rename(columns={"unique_id": "shop", "ds": "when"})
    given(frame)
    assert train("window.season=1").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    found = pd.read_csv("f.csv", parse_dates=["when"])
    expected = pd.date_range(frame["when"].max(), periods=8, freq=freq)[1:]
    assert found.loc[found["shop"] == "a", "when"].tolist() == expected.tolist()


def test_an_integer_index_stays_one(given: Run, train: Run, rnnforecast: Run, table: Table) -> None:
    frame = table()
    frame["ds"] = frame.groupby("unique_id").cumcount() * 5
    given(frame)
    assert train().exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv")["ds"].tolist()[:7] == list(range(300, 335, 5))


@pytest.mark.parametrize("missing", ["mask", "ffill", "mean", "median", "zero", "linear"])
def test_every_simple_imputation_method_trains_and_forecasts(
    given: Run, train: Run, rnnforecast: Run, table: Table, missing: str
) -> None:
    frame = table()
    frame.loc[::5, "y"] = float("nan")
    given(frame, more=f"clean: {{missing: {missing}}}\n")
    assert train().exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv").notna().all(axis=None)


@pytest.mark.parametrize("loss", ["mae", "mse", "huber"])
def test_a_point_loss_has_intervals_from_its_errors(
    given: Run, train: Run, rnnforecast: Run, loss: str
) -> None:
    given()
    assert train(f"training.loss={loss}").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    found = pd.read_csv("f.csv")
    quantiles = found[["q0.025", "q0.1", "q0.5", "q0.9", "q0.975"]]
    assert (quantiles.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (found["q0.9"] > found["q0.1"]).all()
    if loss == "mse":  # the mean of a log ratio that is undone lies above its median, but little
        assert (found["yhat"] > found["q0.5"]).all()
        assert (found["yhat"] < 1.05 * found["q0.5"]).all()
    else:
        pd.testing.assert_series_equal(found["q0.5"], found["yhat"], check_names=False)


def test_a_counter_that_is_large_beside_its_steps_keeps_its_digits(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table(("a",))
    frame["y"] += 1e9
    given(frame)
    assert train("training.max_steps=40").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    found = pd.read_csv("f.csv")["yhat"] - 1e9
    assert found.between(5, 25).all()
    assert found.nunique() == 7


def test_what_predict_did_not_write_is_replaced_by_force_only(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    assert train().exit_code == 0
    data = Path("data.csv").read_text()
    result = rnnforecast("predict", "run", "-o", "data.csv")
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert Path("data.csv").read_text() == data
    mine = Path("mine", "run.json")
    mine.parent.mkdir()
    mine.touch()
    result = rnnforecast("predict", "run", "-o", "mine")
    assert result.exit_code == 2
    assert "run.json" in result.stderr
    assert mine.exists()
    result = rnnforecast("predict", "run", "-o", "run", "--no-plots")
    assert result.exit_code == 2
    assert "another kind" in result.stderr
    for _ in range(2):
        assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "mine", "--force", "--no-plots").exit_code == 0
    assert not mine.with_name("notes.txt").exists()
    mine.with_name("notes.txt").touch()
    result = rnnforecast("predict", "run", "-o", "mine", "--no-plots")
    assert result.exit_code == 2
    assert "notes.txt" in result.stderr
    assert mine.with_name("notes.txt").exists()


def test_plots_that_do_not_fit_never_cost_the_table(
    given: Run, train: Run, rnnforecast: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given()
    assert train().exit_code == 0

    def full(folder: Path, *_: Any, **__: Any) -> int:
        (folder / "half.png").write_bytes(b"...")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("rnnforecast.pipeline.series_plots.plot_series_forecasts", full)
    result = rnnforecast("predict", "run", "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert "plots_not_written" in result.stderr
    assert sorted(each.name for each in Path("out").iterdir()) == [
        ".rnnforecast.json",
        "forecast.csv",
        "run.json",
    ]
    stored = json.loads(Path("out/run.json").read_text())
    assert stored["warnings"][-1]["code"] == "plots_not_written"
    assert stored["plots"] == 0


@pytest.mark.parametrize("place", ["/proc/forecast", "/proc/f.csv", "data.csv/out"])
def test_a_place_where_nothing_can_be_written_is_wrong_use(
    given: Run, train: Run, rnnforecast: Run, place: str
) -> None:
    given()
    assert train().exit_code == 0
    result = rnnforecast("predict", "run", "-o", place)
    assert result.exit_code == 2, result.stderr
    assert "choose another path" in result.stderr
