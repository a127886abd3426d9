"""Forecasts of data without a training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.io.frame_source import from_frame
from rnnforecast.errors import DataError
from rnnforecast.pipeline.run import Run
from rnnforecast.spec.load import spec_from_values
from rnnforecast.workflow.predict_forecast import Prediction
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.predict_subject import UntrainedSubject
from rnnforecast.workflow.predict_totals import ExtraTablesRequest
from rnnforecast.workflow.predict_untrained import forecast_untrained
from rnnforecast.workflow.report_forecast import ForecastTotals, TotalKind
from rnnforecast.workflow.report_methods import untrained_methods
from tests.workflow.runs import StopAt

ORIGIN = "2024-02-10"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Three series of sixty days with a weekly pattern."""
    days, random = pd.date_range("2024-01-01", periods=60), np.random.default_rng(0)
    values = 20 + 3 * (np.arange(60) % 7) + random.normal(size=(3, 60))
    names = np.repeat(["a", "b", "c"], 60)
    return pd.DataFrame({"shop": names, "ds": np.tile(days, 3), "y": values.ravel().round(2)})


def predict(
    frame: pd.DataFrame,
    spec: dict[str, Any] | None = None,
    *,
    horizon: int | None = 5,
    **options: Any,
) -> Prediction:
    return run_and_prediction(frame, spec, horizon=horizon, **options)[1]


def run_and_prediction(
    frame: pd.DataFrame,
    spec: dict[str, Any] | None = None,
    *,
    horizon: int | None = 5,
    **options: Any,
) -> tuple[Run, Prediction]:
    values = {**(spec or {}), "window": {"horizon": horizon or 1}}
    subject = UntrainedSubject(
        "data",
        "data",
        (from_frame(frame),),
        spec_from_values(values, needs_path=False),
        has_horizon=horizon is not None,
    )
    return forecast_untrained(subject, ForecastRequest(**options))


def table(*given: Any, **options: Any) -> pd.DataFrame:
    return predict(*given, **options).tables["forecast"]


@pytest.fixture(scope="module")
def usual(frame: pd.DataFrame) -> pd.DataFrame:
    """The forecast of all series."""
    return table(frame)


def test_every_series_has_the_columns_of_a_forecast(usual: pd.DataFrame) -> None:
    quantiles = ["q0.025", "q0.1", "q0.5", "q0.9", "q0.975"]
    assert list(usual) == ["shop", "ds", "cutoff", "yhat", *quantiles, "status"]
    assert usual["shop"].value_counts().to_dict() == {"a": 5, "b": 5, "c": 5}
    assert (usual["status"] == "model").all()
    assert (usual[quantiles].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    weekend = usual[usual["ds"] == "2024-03-03"]["yhat"]  # the highest day of each week
    assert weekend.between(35, 41).all()


def test_other_series_and_their_order_do_not_matter(
    frame: pd.DataFrame, usual: pd.DataFrame
) -> None:
    turned = table(frame.iloc[::-1])
    pd.testing.assert_frame_equal(turned, usual, check_exact=True)
    alone = table(frame[frame["shop"] != "b"])
    expected = usual[usual["shop"] != "b"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected, check_exact=True)


def test_values_after_an_origin_change_nothing(frame: pd.DataFrame) -> None:
    before = table(frame[frame["ds"] < ORIGIN])
    assert before["ds"].min() == pd.Timestamp(ORIGIN)
    noise = 1000 * np.random.default_rng(1).normal(size=len(frame)).round(2)
    changed = frame.assign(y=frame["y"].where(frame["ds"] < ORIGIN, noise))
    prediction = predict(changed, origin=ORIGIN)
    pd.testing.assert_frame_equal(prediction.tables["forecast"], before, check_exact=True)
    assert prediction.warnings == ()
    is_early = (frame["shop"] == "a") & (frame["ds"] >= "2024-02-01")
    codes = {each.code for each in predict(frame[~is_early], origin=ORIGIN).warnings}
    assert codes == {"ends_early"}, "no network was trained on these values"


def test_series_with_a_single_value_or_none_cost_the_others_nothing(
    frame: pd.DataFrame, usual: pd.DataFrame
) -> None:
    days = pd.to_datetime(["2024-02-29"] * 2)
    others = pd.DataFrame({"shop": ["d", "e"], "ds": days, "y": [7.25, np.nan]})
    prediction = predict(pd.concat([frame, others]))
    found = prediction.tables["forecast"]
    known = found[~found["shop"].isin(["d", "e"])]
    pd.testing.assert_frame_equal(known, usual, check_exact=True)
    assert found.loc[found["shop"] == "d", "yhat"].between(7, 8).all()
    assert (found.loc[found["shop"] == "e", "status"] == "skipped").all()
    assert list(prediction.failed) == ["e"]


def test_counts_are_whole_and_not_negative(frame: pd.DataFrame) -> None:
    counts = np.random.default_rng(0).poisson(0.3, len(frame)).astype(float)
    found = table(frame.assign(y=counts), {"forecast": {"quantiles": [0.3, 0.95]}})
    numbers = found[["yhat", "q0.3", "q0.95"]].to_numpy()
    assert (numbers >= 0).all()
    np.testing.assert_array_equal(numbers, numbers.round())


@pytest.mark.parametrize("transform", ["log", "log1p"])
def test_a_transform_of_the_spec_is_inverted(frame: pd.DataFrame, transform: str) -> None:
    found = table(frame, {"clean": {"transform": transform}})
    assert found["yhat"].between(15, 45).all()


def test_several_targets_are_forecast_each(frame: pd.DataFrame, usual: pd.DataFrame) -> None:
    wide = frame.pivot_table(index="ds", columns="shop", values="y").reset_index()
    found = table(wide)
    assert found["target"].unique().tolist() == ["a", "b", "c"]
    left = found.sort_values(["target", "ds"])["yhat"].to_numpy()
    np.testing.assert_array_equal(left, usual["yhat"].to_numpy())


def test_what_was_detected_and_what_is_not_read_is_said(frame: pd.DataFrame) -> None:
    listener, more = StopAt(), frame.assign(size=1.5, promo=np.arange(len(frame)) % 2)
    prediction = predict(more, {"data": {"targets": ["y"]}}, horizon=None, listener=listener)
    said = {line.split()[0]: line for line in listener.infos}
    assert "shop" in said["series"]
    assert "targets" not in said, "they were given"
    assert "size, promo" in said["not"]
    assert said["frequency"].split()[1] == "D:"
    assert said["season"].split()[1] == "7:"
    assert said["horizon"].split()[1] == "15:"  # a quarter of sixty days
    assert prediction.forecasts.yhat.shape[1] == 15


def test_covariates_of_a_spec_are_not_read(frame: pd.DataFrame, usual: pd.DataFrame) -> None:
    more = frame.assign(promo=np.arange(len(frame)) % 2)
    found = table(more, {"features": {"future": ["promo"], "holidays": "DE"}})
    pd.testing.assert_frame_equal(found, usual, check_exact=True)


def test_totals_and_sample_paths_are_written_from_few_quantiles(frame: pd.DataFrame) -> None:
    tables = predict(frame, extra_tables=ExtraTablesRequest((5,), 20)).tables
    sums = tables["forecast"].groupby("shop")["yhat"].sum()
    totals = tables["totals"].set_index("shop")
    np.testing.assert_allclose(totals["yhat"], sums, rtol=0.02)
    assert (totals["q0.025"] < totals["yhat"]).all()
    assert len(tables["paths"]) == 3 * 20 * 5


def test_totals_of_rare_values_are_not_those_of_their_medians(frame: pd.DataFrame) -> None:
    rare = frame.assign(y=np.random.default_rng(0).poisson(0.3, len(frame)).astype(float))
    totals = predict(rare, horizon=10, extra_tables=ExtraTablesRequest((10,), 0)).tables["totals"]
    assert totals["yhat"].between(1, 6).all()  # 3 on average, and the median of each day is 0


def test_the_mean_is_forecast_for_a_loss_of_means(frame: pd.DataFrame) -> None:
    skewed = frame.assign(y=np.exp(np.random.default_rng(0).normal(size=len(frame))))
    options = {"clean": {"transform": "log"}}
    median = table(skewed, options)
    mean = table(skewed, {**options, "training": {"loss": "mse"}})
    assert (mean["yhat"] > median["yhat"]).all()
    np.testing.assert_allclose(mean["q0.5"], median["q0.5"])


def wrong_times(frame: pd.DataFrame, change: str) -> pd.DataFrame:
    """Data that a training refuses; ``one`` if only a single series of them cannot be used."""
    rows, alone = frame.astype(object), (frame["shop"] == "a").to_numpy()
    match change:
        case "a word in place of a number":
            return rows[alone].assign(y=["abc", *rows["y"][alone][1:]])
        case "several offsets":
            late = (frame["ds"] >= "2024-02-20").map({True: "+02:00", False: "+01:00"})
            return rows.assign(ds=frame["ds"].dt.strftime("%Y-%m-%dT00:00:00") + late)
        case "series without a name":
            return rows[["ds", "y"]]
        case "irregular times":
            minutes = np.random.default_rng(0).integers(0, 60 * 24 * 60, len(frame))
            return rows.assign(ds=pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, "min"))
    return rows.assign(y=np.where(alone & (frame["ds"] == ORIGIN), "abc", rows["y"]))


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        ("a word in place of a number", "correct the cell"),
        ("several offsets", "data.timezone"),
        ("series without a name", "clean.duplicates"),
        ("irregular times", "clean.resample"),
    ],
)
def test_data_that_are_read_wrongly_are_refused_as_by_a_training(
    frame: pd.DataFrame, change: str, cure: str
) -> None:
    rows = wrong_times(frame, change)
    with pytest.raises(DataError, match=cure):
        predict(rows)
    if change != "irregular times":
        found = table(rows, {"forecast": {"on_series_error": "fallback"}})
        assert (found["status"] == "fallback").all(), "as the spec says"


def test_one_series_that_cannot_be_read_costs_the_others_nothing(
    frame: pd.DataFrame, usual: pd.DataFrame
) -> None:
    found = table(wrong_times(frame, "one"))
    assert (found["status"] == "fallback").sum() == 5
    expected = usual[usual["shop"] != "a"].reset_index(drop=True)
    found = found[found["shop"] != "a"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_series_with_a_simple_forecast_count_as_written(frame: pd.DataFrame) -> None:
    constant = frame.assign(y=frame["y"].where(frame["shop"] != "a", 5.0))
    prediction = predict(constant, {"forecast": {"exit_on_failed": "fallback"}})
    (problem,) = prediction.part_failed_error("out").problems
    assert (
        problem.found == "1 series lack a forecast by the model: a (all observed values are equal)"
    )
    assert problem.cure.startswith("the forecasts of 3 series were written to out; ")
    (warning,) = prediction.warnings
    assert (warning.code, warning.count, warning.series) == ("constant", 1, ("a",))
    assert "seasonal naive" in warning.message


def test_a_spike_that_has_passed_hides_nothing(frame: pd.DataFrame, usual: pd.DataFrame) -> None:
    is_spike = (frame["shop"] == "b") & (frame["ds"] == "2024-02-26")
    spiked = frame.assign(y=frame["y"].where(~is_spike, 9000.0))
    prediction = predict(spiked)
    (warning,) = prediction.warnings
    assert warning.code == "doubtful_reading"
    assert "b has 9000 at 2024-02-26" in warning.message
    found = prediction.tables["forecast"]
    np.testing.assert_allclose(found["yhat"], usual["yhat"], rtol=0.15)
    kept = predict(spiked, {"clean": {"implausible": "keep"}})
    assert kept.warnings == ()
    assert not np.allclose(kept.tables["forecast"]["yhat"], usual["yhat"], rtol=0.15)


def test_the_change_to_a_year_before_is_of_the_total_that_is_said() -> None:
    days = pd.date_range("2021-01-01", periods=500)
    values = np.random.default_rng(0).poisson(0.3, 500).astype(float)
    run, prediction = run_and_prediction(pd.DataFrame({"ds": days, "y": values}), horizon=14)
    panel = prediction.cleaned.panel
    kind = TotalKind(True, "")
    totals = ForecastTotals(run, panel, prediction.forecasts, 0, kind, correlation=np.nan)
    summary = totals.of_all()
    before = values[500 - 364 :][:14].sum()
    assert summary.center > 0
    assert summary.change == pytest.approx(summary.center / before - 1)


def test_the_page_counts_the_methods_of_the_series(frame: pd.DataFrame) -> None:
    rare = np.random.default_rng(0).poisson(0.3, len(frame)).astype(float)
    values = frame["y"].where(frame["shop"] != "a", 5.0).where(frame["shop"] != "b", rare)
    run, prediction = run_and_prediction(frame.assign(y=values))
    words = untrained_methods(run, prediction)
    assert "1 series by the pretrained network and by statistical methods" in words
    assert "1 series with many zeros by the pretrained network alone" in words
    assert "1 series by the seasonal naive method (all observed values are equal)" in words
