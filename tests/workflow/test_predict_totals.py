"""Totals over several steps and sample paths, from the run to the files beside the forecast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import UsageError
from rnnforecast.workflow.predict_totals import ExtraTablesRequest, sibling_path
from tests.workflow.runs import shared

pytestmark = pytest.mark.usefixtures("without_pictures")

Given = Callable[..., None]
Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]
LEVELS = ["q0.025", "q0.1", "q0.5", "q0.9", "q0.975"]


@pytest.fixture
def forecast(rnnforecast: Run) -> Callable[..., tuple[pd.DataFrame, ...]]:
    """Predicts to ``f.csv``; returns it and the tables beside it."""

    def run(*arguments: str, code: int = 0) -> tuple[pd.DataFrame, ...]:
        result = rnnforecast("predict", "run", "-o", "f.csv", *arguments)
        assert result.exit_code == code, result.stderr
        names = (Path(name) for name in ("f.csv", "f-totals.csv", "f-paths.csv"))
        return tuple(pd.read_csv(name) for name in names if name.exists())

    return run


def test_totals_have_a_row_for_each_series_and_number_of_steps(given: Given, forecast: Run) -> None:
    given(more="forecast: {totals: [7, 3]}\n")
    shared("run")
    _, found = forecast()
    assert list(found.columns) == [
        *("unique_id", "from", "to", "cutoff", "steps", "yhat"),
        *LEVELS,
        "status",
    ]
    assert set(found["cutoff"]) == {"2024-02-29"}
    assert found["unique_id"].tolist() == ["a"] * 2 + ["b"] * 2
    assert sorted(found["steps"][:2]) == [3, 7]
    assert set(found["from"]) == {"2024-03-01"}
    ends = found.groupby("steps")["to"].unique().to_dict()
    assert {steps: list(to) for steps, to in ends.items()} == {3: ["2024-03-03"], 7: ["2024-03-07"]}
    assert (np.diff(found[LEVELS], axis=1) >= 0).all()
    assert found["yhat"].equals(found["q0.5"])


def test_the_total_of_one_step_is_that_step(given: Given, forecast: Run) -> None:
    given()
    shared("run")
    full, found = forecast("--total", "1")
    first = full.groupby("unique_id", as_index=False).first()
    spread = (first["q0.975"] - first["q0.025"]).to_numpy()[:, None]
    assert (np.abs(found[LEVELS].to_numpy() - first[LEVELS].to_numpy()) < 0.1 * spread).all()
    np.testing.assert_allclose(found["yhat"], first["yhat"], rtol=0.01)


def test_the_interval_of_a_total_is_narrower_than_the_sum_of_the_intervals(
    given: Given, forecast: Run
) -> None:
    given()
    shared("run", "training.loss=normal")
    full, found = forecast("--total", "7")
    sums = full.groupby("unique_id")[LEVELS].sum().to_numpy()
    np.testing.assert_allclose(found["yhat"], sums[:, 2], rtol=0.02)
    assert (found["q0.025"] >= sums[:, 0]).all()
    assert (found["q0.975"] <= sums[:, -1]).all()


def test_paths_have_the_quantiles_of_the_forecast(given: Given, forecast: Run) -> None:
    given()
    shared("run")
    full, found = forecast("--paths", "500")
    assert list(found.columns) == ["unique_id", "path", "ds", "cutoff", "yhat", "status"]
    assert len(found) == 2 * 500 * 7
    assert found["path"].tolist()[:8] == [1] * 7 + [2]
    assert found["ds"].tolist()[:7] == full["ds"].tolist()[:7]
    samples = found["yhat"].to_numpy().reshape(2, 500, 7)
    got = np.quantile(samples, (0.1, 0.5, 0.9), axis=1)
    wanted = full[["q0.1", "q0.5", "q0.9"]].to_numpy().reshape(2, 7, 3)
    spread = (full["q0.9"] - full["q0.1"]).to_numpy().reshape(2, 7)
    assert (np.abs(np.moveaxis(got, 0, -1) - wanted) < 0.2 * spread[..., None]).all()


def test_the_same_call_gives_the_same_bytes(given: Given, forecast: Run) -> None:
    given(more="forecast: {totals: 7, sample_paths: 3}\n")
    shared("run")
    names = ("f.csv", "f-totals.csv", "f-paths.csv")
    forecast()
    first = [Path(name).read_bytes() for name in names]
    forecast()
    assert [Path(name).read_bytes() for name in names] == first


def test_totals_and_paths_of_a_series_do_not_depend_on_other_series_or_the_order_of_rows(
    given: Given, table: Table, rnnforecast: Run, forecast: Run
) -> None:
    rows = table(("a", "b", "c"))
    given(rows)
    shared("run")
    arguments = ("--total", "3", "--total", "7", "--paths", "2")
    _, totals, paths = forecast(*arguments)
    mixed = rows.sample(frac=1.0, random_state=np.random.default_rng(0))
    for name, other in (("mixed", mixed), ("fewer", rows[rows["unique_id"] != "b"])):
        other.to_csv(f"{name}.csv", index=False)
        _, again, samples = forecast(*arguments, "--data", f"{name}.csv")
        kept = set(other["unique_id"])
        for left, right in ((totals, again), (paths, samples)):
            left = left[left["unique_id"].isin(kept)].reset_index(drop=True)
            pd.testing.assert_frame_equal(left, right, rtol=1e-5)


def counted(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of small counts, many of them zero."""
    return rows.assign(y=np.random.default_rng(0).poisson(0.7, len(rows)))


def test_totals_and_paths_of_counts_are_whole_numbers_of_at_least_zero(
    given: Given, table: Table, forecast: Run
) -> None:
    given(counted(table()), more="forecast: {totals: [1, 2, 5, 7], sample_paths: 50}\n")
    shared("run", "training.loss=normal")
    _, totals, paths = forecast()
    for numbers in (totals[["yhat", *LEVELS]].to_numpy(), paths["yhat"].to_numpy()):
        assert (numbers >= 0).all()
        assert (numbers == np.round(numbers)).all()
    assert (paths["yhat"] == 0).any()


def test_each_target_has_its_own_totals_paths_and_bounds(
    given: Given, table: Table, forecast: Run
) -> None:
    rows = counted(table()).rename(columns={"y": "sold"})
    rows["warmth"] = np.random.default_rng(1).normal(0, 5, len(rows))
    given(rows)
    shared("run", "data.targets=[sold, warmth]")
    full, totals, paths = forecast("--total", "7", "--paths", "20")
    assert totals["target"].tolist() == ["sold", "warmth"] * 2
    assert list(totals.columns)[:3] == ["unique_id", "target", "from"]
    assert list(paths.columns) == [
        *("unique_id", "target", "path", "ds", "cutoff", "yhat", "status")
    ]
    assert len(paths) == 2 * 2 * 20 * 7
    of = {name: paths.loc[paths["target"] == name, "yhat"] for name in ("sold", "warmth")}
    assert (of["sold"] >= 0).all()
    assert (of["sold"] == of["sold"].round()).all()
    assert (of["warmth"] < 0).any()
    middle = full.groupby(["unique_id", "target"], sort=False)["yhat"].sum()
    spread = (totals["q0.975"] - totals["q0.025"]).to_numpy()
    assert (np.abs(totals["yhat"].to_numpy() - middle.to_numpy()) <= spread).all()


@pytest.mark.parametrize("loss", ["mse", "rmse"])
def test_the_total_of_mean_forecasts_is_their_sum(given: Given, forecast: Run, loss: str) -> None:
    given()
    shared("run", f"training.loss={loss}")
    full, found = forecast("--total", "7", "--total", "2")
    for steps, group in found.groupby("steps"):
        first = full.groupby("unique_id").head(int(str(steps)))
        sums = first.groupby("unique_id")["yhat"].sum()
        np.testing.assert_allclose(group["yhat"], sums, rtol=1e-5)


@pytest.mark.parametrize("loss", ["mae", "poisson"])
def test_totals_may_be_longer_than_the_trained_horizon(
    given: Given, forecast: Run, loss: str
) -> None:
    given()
    shared("run", f"training.loss={loss}")
    full, totals, paths = forecast(
        "--horizon", "17", "--total", "7", "--total", "17", "--paths", "4"
    )
    assert totals.loc[totals["steps"] == 17, "to"].unique().tolist() == ["2024-03-17"]
    assert len(paths) == 2 * 4 * 17
    sums = full.groupby("unique_id")["q0.5"].sum().to_numpy()
    np.testing.assert_allclose(totals.loc[totals["steps"] == 17, "yhat"], sums, rtol=0.05)


def test_a_series_without_a_value_has_no_totals_and_the_others_have(
    given: Given, table: Table, forecast: Run
) -> None:
    given(table(("a", "b")).assign(z=1.5))
    shared("run", "data.targets=[y, z]")
    rows = table(("a", "b")).assign(z=1.5)
    rows.loc[rows["unique_id"] == "a", "z"] = np.nan
    rows.to_csv("data.csv", index=False)
    _, totals, paths = forecast("--total", "7", "--paths", "2", code=6)
    rows_of = list(zip(totals["unique_id"], totals["target"], strict=True))
    assert rows_of == [("a", "y"), ("a", "z"), ("b", "y"), ("b", "z")]
    assert totals["status"].tolist() == ["model", "skipped", "model", "fallback"]
    assert totals["yhat"].isna().tolist() == [False, True, False, False]
    assert paths.notna().all(axis=None)
    assert len(paths) == 3 * 2 * 7


def test_an_ensemble_has_totals_of_its_combined_forecast(given: Given, forecast: Run) -> None:
    given(more="ensemble: {members: 2, vary: {training.loss: [quantile, mae]}}\n")
    shared("run")
    full, totals = forecast("--total", "7")
    sums = full.groupby("unique_id")["q0.5"].sum().to_numpy()
    np.testing.assert_allclose(totals["yhat"], sums, rtol=0.02)


@pytest.mark.parametrize("steps", [0, -1, 8])
def test_a_total_of_more_steps_than_the_forecast_is_refused(steps: int) -> None:
    with pytest.raises(UsageError, match=f"a total of {steps} steps: 7 steps are forecast"):
        ExtraTablesRequest((steps,)).resolve(cast("Any", None), 7)


def test_totals_of_the_spec_that_do_not_fit_a_forecast_are_left_out(
    given: Given, rnnforecast: Run
) -> None:
    given(more="forecast: {totals: [2, 7], sample_paths: 2}\n")
    shared("run")
    assert rnnforecast("predict", "run", "-o", "f.csv", "--horizon", "3").exit_code == 0
    assert set(pd.read_csv("f-totals.csv")["steps"]) == {2}
    assert rnnforecast("predict", "run", "-o", "-").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "g.csv", "--total", "4").exit_code == 0
    assert set(pd.read_csv("g-totals.csv")["steps"]) == {4}
    assert Path("g-paths.csv").is_file()  # those of the spec
    result = rnnforecast("predict", "run", "-o", "-", "--total", "4")
    assert result.exit_code == 2
    assert "totals and paths are files beside the forecast" in result.stderr


def test_files_are_named_after_the_forecast() -> None:
    assert sibling_path(Path("x/f.csv"), "totals") == Path("x/f-totals.csv")
    assert sibling_path(Path("f.parquet"), "paths") == Path("f-paths.parquet")


def test_a_forecast_may_have_a_name_with_braces(given: Given, rnnforecast: Run) -> None:
    given()
    shared("run")
    assert rnnforecast("predict", "run", "-o", "{x}.csv", "--total", "2").exit_code == 0
    assert Path("{x}-totals.csv").is_file()
