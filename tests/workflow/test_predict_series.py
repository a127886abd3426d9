"""Series with errors: what becomes of them, and that they cost the others nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.errors import DataError
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.workflow.predict_forecast import Prediction, forecast_data
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.train import train
from tests.benchmarks.scripts import script

BENCHMARK = script("series_errors")
ROWS = BENCHMARK.healthy(60)
LABELS = ROWS["unique_id"].unique().tolist()
BROKEN = dict(zip(LABELS[::6], BENCHMARK.WAYS, strict=True))
"""The code of each broken series, and the way."""

DATA = BENCHMARK.broken(ROWS, list(BROKEN))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run."""
    path = tmp_path_factory.mktemp("series")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        ROWS.to_csv("train.csv", index=False)
        Path("spec.yaml").write_text(BENCHMARK.SPEC)
        train(Path("spec.yaml"), Path("run"))
        yield path


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return load_run(folder / "run")


def predicted(run: Run, rows: pd.DataFrame, folder: Path, **options: Any) -> Prediction:
    """The forecast of the rows by the run, with other keys of the section `forecast`."""
    forecast = run.spec.forecast.model_copy(update=options)
    run = replace(run, spec=run.spec.model_copy(update={"forecast": forecast}))
    rows.to_csv(folder / "data.csv", index=False)
    return forecast_data(run, [str(folder / "data.csv")], ForecastRequest(checks=None))


@pytest.fixture(scope="module")
def beside(run: Run, folder: Path) -> Prediction:
    """The forecast of the file with broken series."""
    return predicted(run, DATA, folder)


def table(prediction: Prediction, *labels: str) -> pd.DataFrame:
    found = prediction.tables["forecast"]
    chosen = found[found["unique_id"].isin(labels)] if labels else found
    return chosen.reset_index(drop=True)


def label_of(way: str) -> str:
    return next(label for label, each in BROKEN.items() if each == way)


def test_broken_series_do_not_change_a_byte_of_the_others(
    run: Run, folder: Path, beside: Prediction
) -> None:
    others = [label for label in LABELS if label not in BROKEN]
    alone = predicted(run, ROWS[ROWS["unique_id"].isin(others)], folder)
    pd.testing.assert_frame_equal(table(alone), table(beside, *others), check_exact=True)
    assert set(table(alone)["status"]) == {"model"}


def test_each_error_has_its_code(beside: Prediction) -> None:
    expected: dict[str, list[str]] = {}
    for label, way in BROKEN.items():
        expected.setdefault(way.split(" ")[0], []).append(label)
    found = {error.code: list(error.series) for error in beside.errors.by_code()}
    assert found == expected
    assert beside.series_status() == {"model": 50, "fallback": 9, "skipped": 1}
    assert list(beside.failed) == [label_of("no_values")]


def test_a_series_without_a_value_has_blank_rows_after_the_latest_end(beside: Prediction) -> None:
    found = table(beside, label_of("no_values"))
    assert found["status"].tolist() == ["skipped"] * 7
    assert found.filter(regex=r"yhat|q0").isna().all(axis=None)
    assert set(found["cutoff"].astype(str)) == {"2024-02-29"}
    assert str(found["ds"].iloc[0])[:10] == "2024-03-01"


@pytest.mark.parametrize(
    "way",
    ["unreadable_cell (a number)", "unreadable_cell (a time)", "off_grid", "repeated_timestamps"],
)
def test_the_fallback_is_the_week_before_of_what_is_readable(beside: Prediction, way: str) -> None:
    label = label_of(way)
    values = ROWS.loc[ROWS["unique_id"] == label, "y"].astype(float).to_numpy(copy=True)
    if way == "repeated_timestamps":  # the last row counts
        values[-2:] = 1.0
    found = table(beside, label)
    np.testing.assert_allclose(found["yhat"], values[-7:], rtol=1e-6)
    assert (found["q0.1"] < found["yhat"]).all()
    assert (found["q0.9"] > found["yhat"]).all()


def test_a_far_date_is_not_the_end_of_its_series(beside: Prediction) -> None:
    assert set(table(beside, label_of("far_date"))["cutoff"].astype(str)) == {"2024-02-28"}


def test_a_constant_series_goes_on_exactly(beside: Prediction) -> None:
    found = table(beside, label_of("constant"))
    assert (found.filter(regex=r"yhat|q0") == 12.5).all(axis=None)


def test_other_keys_skip_such_series_or_refuse_all(run: Run, folder: Path) -> None:
    skipped = predicted(run, DATA, folder, on_series_error="skip")
    assert skipped.series_status() == {"model": 50, "skipped": 10}
    assert sorted(skipped.failed) == sorted(BROKEN)
    assert predicted(run, DATA, folder, exit_on_failed="never").failed == {}
    every = predicted(run, DATA, folder, exit_on_failed="fallback", fallback="dot")
    assert sorted(every.failed) == sorted(BROKEN)
    found = table(every, label_of("off_grid"))
    assert set(found["status"]) == {"fallback"}
    assert not np.allclose(found["yhat"], table(skipped, LABELS[1])["yhat"])
    with pytest.raises(DataError) as caught:
        predicted(run, DATA, folder, on_series_error="fail")
    assert {problem.where for problem in caught.value.problems} == {
        f"series '{label}'" for label in BROKEN
    }


def test_a_series_that_was_not_in_the_training_data_is_a_cold_start(run: Run, folder: Path) -> None:
    rows = ROWS[ROWS["unique_id"] == LABELS[0]].assign(unique_id="new")
    found = predicted(run, rows, folder)
    assert set(table(found)["status"]) == {"cold_start"}
    assert found.errors.by_code() == ()


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from(LABELS), min_size=1, unique=True), st.randoms())
def test_any_series_in_any_order_have_the_same_forecasts(
    run: Run, folder: Path, beside: Prediction, labels: list[str], random: Any
) -> None:
    usual = [label for label in labels if label not in BROKEN] or [LABELS[1]]
    rows = ROWS[ROWS["unique_id"].isin(usual)]
    rows = rows.sample(frac=1.0, random_state=random.randrange(1000))
    pd.testing.assert_frame_equal(
        table(predicted(run, rows, folder)), table(beside, *usual), check_exact=True
    )
