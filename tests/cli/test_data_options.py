"""Options of the section data, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Run = Callable[..., Any]


def shop(*, steps: int = 60, ahead: int = 7, known: int | None = None) -> pd.DataFrame:
    """Two series whose sales follow a promotion; its dates are known `known` steps ahead."""
    rng = np.random.default_rng(0)
    frames = []
    for name, region in (("a", "north"), ("b", "south")):
        size = steps + ahead
        promo = rng.integers(0, 2, size).astype(float)
        frame = pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2024-01-01", periods=size),
                "y": 10 + np.arange(size) % 7 + 20 * promo + rng.random(size).round(2),
                "promo": promo,
                "price": rng.normal(5, 1, size).round(2),
                "kind": rng.choice(["x", "z"], size),
                "note": rng.choice(["rain all day", "sunshine", ""], size),
                "region": region,
            }
        )
        frame.loc[steps:, ["y", "price", "kind", "note"]] = np.nan
        frame.loc[steps + (ahead if known is None else known) :, "promo"] = np.nan
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


FEATURES = (
    "features: {past: [price, kind, note], future: [promo], static: [region], text: [note],\n"
    "  calendar: auto, age: true, holidays: DE-BY}\n"
)


def test_covariates_of_every_kind_go_from_the_file_to_the_forecast(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given(shop(), more=FEATURES)
    assert train().exit_code == 0
    result = rnnforecast("predict", "run", "-o", "f.csv")
    assert result.exit_code == 0, result.stderr
    found = pd.read_csv("f.csv")
    assert len(found) == 14
    assert found["ds"].iloc[0] == "2024-03-01"
    assert found["yhat"].notna().all()


def test_what_is_known_ahead_is_used(given: Run, train: Run, rnnforecast: Run) -> None:
    scores = {}
    for more in (FEATURES, ""):
        given(shop(steps=200), more=more)
        learnt = ("training.max_steps=150", "training.learning_rate=0.01", "model.hidden_size=16")
        assert train(*learnt, "data.targets=[y]").exit_code == 0
        scores[more] = json.loads(Path("run/metrics.json").read_text())["model_metrics"]["mae"]
    assert scores[FEATURES] < 0.6 * scores[""]


def test_a_promotion_moved_to_another_day_moves_the_forecast(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given(shop(), more=FEATURES)
    assert train("training.max_steps=30").exit_code == 0
    other = shop()
    ahead = other["y"].isna()
    other.loc[ahead, "promo"] = 1 - other.loc[ahead, "promo"]
    other.to_csv("other.csv", index=False)
    rnnforecast("predict", "run", "-o", "one.csv")
    rnnforecast("predict", "run", "--data", "other.csv", "-o", "two.csv")
    one, two = pd.read_csv("one.csv"), pd.read_csv("two.csv")
    assert (one["yhat"] != two["yhat"]).all()


def test_a_covariate_that_is_not_known_far_enough_is_an_error_with_series_and_dates(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given(shop(known=4), more=FEATURES)
    assert train().exit_code == 0
    result = rnnforecast("predict", "run", "-o", "f.csv")
    assert result.exit_code == 4
    assert "series 'a': promo not known at 3 of the steps" in result.stderr
    assert "from 2024-03-05 to 2024-03-07" in result.stderr
    assert not Path("f.csv").exists()
    part = shop()
    last = part.groupby("unique_id").cumcount(ascending=False) < 3
    part.loc[last & (part["unique_id"] == "b"), "promo"] = np.nan
    part.to_csv("part.csv", index=False)
    result = rnnforecast("predict", "run", "--data", "part.csv", "-o", "f.csv")
    assert result.exit_code == 0, result.stderr
    assert "b; promo not known at steps to forecast (unknown_covariates)" in result.stderr
    found = pd.read_csv("f.csv").groupby("unique_id")["status"].unique().map(list)
    assert found.to_dict() == {"a": ["model"], "b": ["fallback"]}


def test_or_a_rule_stands_in(given: Run, train: Run, rnnforecast: Run) -> None:
    given(shop(known=4), more=FEATURES)
    assert train("features.missing_future=seasonal").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert len(pd.read_csv("f.csv")) == 14


def test_what_is_known_ahead_may_come_in_a_file_of_its_own(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    whole = shop()
    given(whole, more=FEATURES)
    assert train().exit_code == 0
    rnnforecast("predict", "run", "-o", "one.csv")
    ahead = whole["y"].isna()
    whole[~ahead].to_csv("past.csv", index=False)
    whole.loc[ahead, ["unique_id", "ds", "promo"]].to_csv("ahead.csv", index=False)
    result = rnnforecast("predict", "run", "--data", "past.csv", "--data", "ahead.csv", "-o", "-")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == Path("one.csv").read_text()


def test_a_category_that_is_new_is_forecast_with_a_warning(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given(shop(), more=FEATURES)
    assert train().exit_code == 0
    other = shop()
    other.loc[3, "kind"] = "brand new"
    other.to_csv("other.csv", index=False)
    result = rnnforecast("predict", "run", "--data", "other.csv", "-o", "f.csv")
    assert result.exit_code == 0
    assert "cells with a category that was not in the training data: 1" in result.stderr


def test_beyond_the_trained_horizon_what_is_known_ahead_is_used_too(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given(shop(ahead=10), more=FEATURES, horizon=7)
    assert train().exit_code == 0
    result = rnnforecast("predict", "run", "--horizon", "11", "-o", "f.csv")
    assert result.exit_code == 4
    assert "promo not known at 1 of the steps to forecast" in result.stderr
    result = rnnforecast("predict", "run", "--horizon", "10", "-o", "f.csv")
    assert result.exit_code == 0, result.stderr
    assert len(pd.read_csv("f.csv")) == 20


def test_init_finds_what_is_static_and_what_is_known_ahead(given: Run, rnnforecast: Run) -> None:
    given(shop(ahead=5))
    result = rnnforecast("init", "data.csv", "-o", "new.yaml")
    assert result.exit_code == 0, result.stderr
    assert "static     region: one value per series" in result.stderr + result.stdout
    text = Path("new.yaml").read_text()
    assert "future: [promo]" in text
    assert "static: [region]" in text
    assert "could be price, kind, note" in text.replace("\n  # ", " ")
    assert "horizon: 5" in text
    tiny = ("--set", "training.max_steps=2", "--set", "model.hidden_size=4")
    assert rnnforecast("train", "new.yaml", "-o", "run", *tiny).exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0


@pytest.mark.parametrize(
    ("start", "hours", "offsets"),
    [
        ("2024-03-25", 24 * 7 - 1, ["+02:00"]),  # the clocks go forward on the last day
        ("2024-10-21", 24 * 7 + 1, ["+01:00"]),  # and back
        ("2024-10-20", 24 * 7, ["+02:00", "+01:00"]),  # back inside the forecast
    ],
)
def test_days_of_23_and_25_hours_come_out_right(
    given: Run, train: Run, rnnforecast: Run, start: str, hours: int, offsets: list[str]
) -> None:
    timestamps = pd.date_range(start, periods=hours + 24, freq="h", tz="Europe/Berlin")
    local = timestamps[:hours].strftime("%Y-%m-%d %H:%M")
    y = 10 + np.sin(np.arange(hours) * np.pi / 12)
    given(pd.DataFrame({"ds": local, "y": y}), more="clean: {ambiguous_hour: infer}\n", horizon=24)
    zone = "data.timezone=Europe/Berlin"
    result = train(zone)
    assert result.exit_code == 0, result.stderr
    assert "without a row" not in result.stderr
    checked = rnnforecast("check", "spec.yaml", "--set", zone)
    assert f"{local[0].removesuffix(' 00:00')} to {local[-1]}" in checked.stdout
    result = rnnforecast("predict", "run", "-o", "f.csv")
    assert result.exit_code == 0
    said = timestamps[hours].isoformat(sep=" ").replace(":00:00+", ":00+")
    assert f"{said} to " in result.stderr
    written = pd.read_csv("f.csv")["ds"]
    expected = [time.isoformat(sep=" ") for time in timestamps[hours:]]
    assert written.tolist() == expected
    assert list(dict.fromkeys(text[-6:] for text in written)) == offsets
    rnnforecast("predict", "run", "-o", "f.parquet")
    parquet = pd.read_parquet("f.parquet")["ds"]
    assert str(parquet.dt.tz) == "Europe/Berlin"
    assert (parquet.to_numpy() == timestamps[hours:].to_numpy()).all()


def test_an_ambiguous_hour_is_reported_once_and_its_series_alone_left_out(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    local = pd.date_range("2024-10-21", periods=24 * 7 - 1, freq="h").strftime("%Y-%m-%d %H:%M")
    y = 10 + np.sin(np.arange(len(local)) * np.pi / 12)
    one = pd.DataFrame({"unique_id": "a", "ds": local, "y": y})[:140]
    given(pd.concat([one, one.assign(unique_id="b")]), horizon=4)
    zone = "data.timezone=Europe/Berlin"
    assert train(zone).exit_code == 0
    twice = pd.DataFrame({"unique_id": "b", "ds": ["2024-10-27 02:00"] * 2, "y": [1.0, 2.0]})
    pd.concat([one, one.assign(unique_id="b"), twice]).to_csv("data.csv", index=False)
    result = train(zone, out="other")
    assert result.exit_code == 4
    assert "comes twice in Europe/Berlin" in result.stderr
    assert "again, after" not in result.stderr
    result = rnnforecast("predict", "run", "-o", "f.csv")
    assert result.exit_code == 0
    assert "b; local hours that come twice" in result.stderr
    assert pd.read_csv("f.csv").groupby("unique_id")["status"].unique().map(list).to_dict() == {
        "a": ["model"],
        "b": ["fallback"],
    }


def test_hours_become_local_days(given: Run, train: Run, rnnforecast: Run) -> None:
    timestamps = pd.date_range("2024-03-01", "2024-04-15", freq="h", tz="Europe/Berlin")[:-1]
    frame = pd.DataFrame({"ds": timestamps.strftime("%Y-%m-%dT%H:%M:%S%z"), "y": 1.0})
    given(frame, more="clean: {frequency: D, resample: sum}\n", horizon=3)
    assert train("data.timezone=Europe/Berlin", "model.normalize=none").exit_code == 0
    rnnforecast("check", "spec.yaml", "--set", "data.timezone=Europe/Berlin")
    lengths = json.loads(Path("checks/spec/data_report.json").read_text())["profile"]["lengths"]
    assert lengths["50%"] == 45
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv")["ds"].tolist() == ["2024-04-15", "2024-04-16", "2024-04-17"]


METHODS = ("ffill", "bfill", "mode", "spline", "time", "seasonal", "knn", "random_forest", "rnn")


@pytest.mark.usefixtures("quick_rnn_imputer")
@pytest.mark.parametrize("method", METHODS)
def test_every_fill_is_stored_and_applied_again(
    given: Run, train: Run, rnnforecast: Run, table: Run, method: str
) -> None:
    frame = table()
    frame.loc[np.random.default_rng(0).random(len(frame)) < 0.2, "y"] = np.nan
    given(frame, more=f"clean: {{missing: {method}}}\n")
    assert train("training.seed=3").exit_code == 0
    one = rnnforecast("predict", "run", "-o", "-")
    two = rnnforecast("predict", "run", "-o", "-")
    assert one.exit_code == 0, one.stderr
    assert one.stdout == two.stdout
    assert pd.read_csv(pd.io.common.StringIO(one.stdout))["yhat"].notna().all()


def test_a_fill_value_is_in_the_units_of_the_data(given: Run, train: Run, table: Run) -> None:
    frame = table()
    frame.loc[::9, "y"] = np.nan
    given(frame, more="clean: {missing: constant, fill_value: 3, transform: log1p}\n")
    assert train().exit_code == 0
    plan = json.loads(Path("run/state.json").read_text())["plan"]
    assert plan["imputation"]["fill_values"] == [pytest.approx(np.log(4))]
    given(frame, more="clean: {missing: zero, transform: log1p}\n")
    assert train().exit_code == 0
    result = train("clean.transform=log")
    assert result.exit_code == 3
    assert "clean.missing: 0 cannot replace missing values of 'y'" in result.stderr


TRANSFORMS = ("log", "log1p", "box_cox", "yeo_johnson", "difference", "seasonal_difference")


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("loss", ["quantile", "mse"])
def test_forecasts_come_back_in_the_units_of_the_data(
    given: Run, train: Run, rnnforecast: Run, transform: str, loss: str
) -> None:
    given(more=f"clean: {{transform: {transform}}}\n")
    assert train(f"training.loss={loss}").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    found = pd.read_csv("f.csv").groupby("unique_id")["yhat"].mean()
    assert 9 < found["a"] < 18
    assert 19 < found["b"] < 28


def test_a_difference_and_a_log_normalizer_exclude_each_other(given: Run, train: Run) -> None:
    given(more="clean: {transform: difference}\nmodel: {normalize: log_mean}\n")
    result = train()
    assert result.exit_code == 3
    assert "model.normalize: 'log_mean' needs values of one sign" in result.stderr


def test_targets_can_be_forecast_together(given: Run, train: Run, rnnforecast: Run) -> None:
    days = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d")
    wide = pd.DataFrame({"ds": days, "x": np.arange(60) % 7 + 1.0, "z": np.arange(60) % 5 + 9.0})
    wide.loc[5:9, "x"] = np.nan
    wide.loc[20:22, "z"] = np.nan
    given(wide, more="model: {channels: joint}\n")
    assert train().exit_code == 0
    stored = json.loads(Path("run/state.json").read_text())
    assert stored["members"][0]["config"]["channels"] == 2
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    found = pd.read_csv("f.csv")
    assert found["target"].tolist() == ["x"] * 7 + ["z"] * 7
    assert found.loc[found["target"] == "x", "yhat"].between(0, 9).all()
    assert found.loc[found["target"] == "z", "yhat"].between(7, 15).all()


def test_counts_stay_whole_and_not_below_zero(
    given: Run, train: Run, rnnforecast: Run, table: Run
) -> None:
    frame = table()
    frame["y"] = (np.random.default_rng(0).random(len(frame)) < 0.4).astype(int)
    given(frame)
    assert train().exit_code == 0
    rnnforecast("predict", "run", "-o", "f.csv")
    numbers = pd.read_csv("f.csv").filter(regex=r"yhat|q0").to_numpy()
    assert (numbers >= 0).all()
    assert (numbers == np.round(numbers)).all()
    assert train("forecast.whole_numbers=false").exit_code == 0
    rnnforecast("predict", "run", "-o", "f.csv")
    numbers = pd.read_csv("f.csv").filter(regex=r"yhat|q0").to_numpy()
    assert (numbers != np.round(numbers)).any()


def test_irregular_rows_kept_as_they_are_go_on_in_usual_steps(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    rng = np.random.default_rng(0)
    minutes = np.cumsum(rng.integers(30, 90, 100))
    timestamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, unit="min")
    given(pd.DataFrame({"ds": timestamps, "y": rng.normal(5, 1, 100)}), horizon=3)
    assert train("clean.irregular=keep").exit_code == 0
    stored = json.loads(Path("run/state.json").read_text())
    assert stored["members"][0]["config"]["covariates"]["past"] == 1  # the time between rows
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    ahead = pd.to_datetime(pd.read_csv("f.csv")["ds"])
    assert (ahead - timestamps[-1]).tolist() == [pd.Timedelta(hours=h) for h in (1, 2, 3)]


def test_a_name_that_is_no_target_is_refused_with_the_closest(given: Run, train: Run) -> None:
    given(more="clean: {missing: {yy: linear}}\n")
    result = train()
    assert result.exit_code == 3
    assert "clean.missing: 'yy' is no target" in result.stderr
    assert "did you mean 'y'" in result.stderr


@pytest.mark.usefixtures("quick_rnn_imputer")
def test_the_impute_report_ranks_the_methods(given: Run, rnnforecast: Run, table: Run) -> None:
    given(table(steps=60))
    result = rnnforecast("check", "spec.yaml", "--impute-report", "--json", "--no-report")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["imputation"]
    errors = [one["single"] + one["runs"] for one in found]
    assert errors == sorted(errors)
    methods = [one["method"] for one in found]
    assert {"ffill", "linear", "seasonal", "knn", "random_forest", "svr", "rnn"} <= set(methods)
    assert methods.index("seasonal") < methods.index("mean")
    assert not Path("checks").exists()


@pytest.mark.pictures
def test_check_and_train_leave_a_report_that_people_can_look_at(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    result = rnnforecast("check", "spec.yaml", "--report", "look")
    assert result.exit_code == 0, result.stderr
    assert train().exit_code == 0
    for folder in ("look", "run"):
        stored = json.loads((Path(folder) / "data_report.json").read_text())
        assert stored["totals"]["series"] == 2
        assert [one["grade"] for one in stored["profile"]["quality_grades"]] == ["good"] * 5
        assert (Path(folder) / "data_report.html").read_text().startswith("<!doctype html>")


def test_an_outlier_is_not_learnt_from_but_scored_as_it_was(
    given: Run, train: Run, table: Run
) -> None:
    frame = table(steps=80)
    frame.loc[frame.index[75], "y"] = 5000.0
    given(frame)
    result = train("clean.outliers=hampel")
    assert result.exit_code == 0
    assert "1 outlier: taken as missing" in result.stderr
    ours = json.loads(Path("run/metrics.json").read_text())["model_metrics"]
    assert ours["mae"] > 300  # 5,000 among 14 held-out values


def test_a_table_without_its_zeros_gives_the_same_forecasts_and_totals(
    given: Run, train: Run, rnnforecast: Run, table: Run
) -> None:
    frame = table()
    frame["y"] = np.random.default_rng(1).poisson(0.6, len(frame))
    frame.loc[frame["ds"] == frame["ds"].min(), "y"] = 1
    written = []
    for rows in (frame, frame[frame["y"] > 0]):
        given(rows, more="clean: {missing: zero, frequency: D}\n")
        assert train().exit_code == 0
        assert rnnforecast("predict", "run", "-o", "f.csv", "--total", "3").exit_code == 0
        written.append((Path("f.csv").read_bytes(), Path("f-totals.csv").read_bytes()))
    assert written[0] == written[1]
