"""Scores of issued forecasts: joined once, equal to those of utilsforecast, with drift and page."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from utilsforecast import losses

from rnnforecast.batch.issue import id_of_run
from rnnforecast.batch.ledger.ledger import Issue, IssueInfo
from rnnforecast.batch.ledger.parquet import ParquetLedger
from rnnforecast.pipeline.run_folder import load_run
from tests.workflow.runs import all_files, shared

Given = Callable[..., None]
Command = Callable[..., Any]

SEASON, HORIZON = 7, 7


@pytest.fixture
def data(given: Given, table: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """A run in the folder ``run``, and ``later.csv`` that goes on after its training."""
    given()
    shared("run")
    later = table(steps=140)
    known = pd.read_csv("data.csv", parse_dates=["ds"])
    later.loc[later["ds"].isin(known["ds"]), "y"] = known["y"].to_numpy()
    later.to_csv("later.csv", index=False)
    return later


def issues(
    data: pd.DataFrame,
    nights: int,
    *,
    first: int = 60,
    error: Callable[[int], float] = lambda _: 0.0,
) -> list[pd.DataFrame]:
    """Adds an issue a night to ``run.ledger``: the values since, with noise and an error."""
    rng = np.random.default_rng(0)
    run_id, ledger = id_of_run(load_run(Path("run"))), ParquetLedger(Path("run.ledger"))
    wide = data.pivot(index="ds", columns="unique_id", values="y")
    future = pd.date_range(wide.index[0], periods=len(wide) + HORIZON, freq="D")
    added = []
    for night in range(nights):
        cutoff = first + night
        parts = []
        for name in wide.columns:
            values = np.resize(wide[name].to_numpy(), len(future))[cutoff : cutoff + HORIZON]
            yhat = values + rng.normal(size=HORIZON) + error(cutoff)
            parts.append(
                pd.DataFrame(
                    {
                        "unique_id": name,
                        "target": "y",
                        "ds": future[cutoff : cutoff + HORIZON].as_unit("us"),
                        "cutoff": future[cutoff - 1].as_unit("us"),
                        "step": np.arange(1, HORIZON + 1),
                        "yhat": yhat,
                        "q0.1": yhat - 1.2816,
                        "q0.9": yhat + 1.2816,
                        "status": "model",
                    }
                )
            )
        rows = pd.concat(parts, ignore_index=True)
        when = datetime(2024, 3, 1, 2, tzinfo=UTC) + timedelta(days=night)
        ledger.append(Issue(IssueInfo("run", run_id, f"{night:016x}", when), rows))
        added.append(rows)
    return added


def scored(rnnforecast: Command, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The result of the command on ``later.csv``."""
    done = rnnforecast(
        "score", "run", "--data", "later.csv", "-o", "out", "--no-calibrate", "--json", *arguments
    )
    assert done.exit_code == code, done.stderr
    return dict(json.loads(done.stdout))


def test_live_metrics_are_those_of_utilsforecast(data: pd.DataFrame, rnnforecast: Command) -> None:
    rows = pd.concat(issues(data, 12), ignore_index=True)
    found = scored(rnnforecast)
    joined = rows.merge(data, on=["unique_id", "ds"])
    joined["unique_id"] += joined["cutoff"].dt.strftime("/%Y-%m-%d")  # a window is a series
    history = pd.concat(
        data[data["ds"] <= cutoff].assign(
            unique_id=data["unique_id"] + cutoff.strftime("/%Y-%m-%d")
        )
        for cutoff in joined["cutoff"].unique()
    )
    mase = losses.mase(joined, ["yhat"], seasonality=SEASON, train_df=history)["yhat"].mean()
    assert found["metrics"]["mase"] == pytest.approx(mase, rel=1e-9)
    assert found["metrics"]["mae"] == pytest.approx((joined["yhat"] - joined["y"]).abs().mean())
    assert found["metrics"]["bias"] == pytest.approx((joined["yhat"] - joined["y"]).mean())
    coverage = losses.coverage(
        joined.rename(columns={"q0.1": "yhat-lo-80", "q0.9": "yhat-hi-80"}), ["yhat"], 80
    )
    assert found["metrics"]["coverage_80"] == pytest.approx(coverage["yhat"].mean())
    # the seasonal naive forecast from the same cutoffs repeats the values of a week ago
    week = data.assign(ds=data["ds"] + pd.Timedelta(days=7)).rename(columns={"y": "naive"})
    naive = joined.assign(unique_id=joined["unique_id"].str[0]).merge(week, on=["unique_id", "ds"])
    naive["unique_id"] = joined["unique_id"].to_numpy()
    expected = losses.mase(naive, ["naive"], seasonality=SEASON, train_df=history)["naive"].mean()
    assert found["baseline"] == "seasonal naive"
    assert found["baseline_metrics"]["mase"] == pytest.approx(expected, rel=1e-9)
    assert found["values"] == len(joined)
    assert (found["windows"], found["series"], found["issues"]) == (24, 2, 12)


def test_a_score_by_partitions_has_the_figures_of_one_of_all_data(
    data: pd.DataFrame, rnnforecast: Command
) -> None:
    rows = issues(data, 12, error=lambda cutoff: 4.0 * (cutoff > 66))
    strange = pd.concat([rows[0].assign(unique_id="z"), rows[0].assign(cutoff=data["ds"].max())])
    before = rows[0].assign(unique_id="y", cutoff=data["ds"].min() - pd.Timedelta(days=9))
    info = IssueInfo("run", "0" * 16, "f" * 16, datetime(2024, 2, 1, tzinfo=UTC))
    ParquetLedger(Path("run.ledger")).append(Issue(info, pd.concat([strange, before])))
    Path("parts").mkdir()
    for name, each in data.groupby("unique_id"):
        each.to_parquet(f"parts/{name}.parquet")
    expected = scored(rnnforecast)
    table, drift = pd.read_parquet("out/score.parquet"), pd.read_csv("out/drift.csv")
    arguments = ("run", "--data", "parts", "--partitions", "-o", "out", "--json", "--workers", "1")
    done = rnnforecast("score", *arguments)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    for each in ("metrics", "baseline_metrics"):
        assert found.pop(each) == pytest.approx(expected.pop(each), rel=1e-12)
    runs = [pd.DataFrame(each.pop("runs")) for each in (found, expected)]
    pd.testing.assert_frame_equal(*runs)
    assert found == expected
    assert [each["code"] for each in found["findings"]] == ["not_in_data"]
    order = ["by", "value", "model"]
    pd.testing.assert_frame_equal(
        pd.read_parquet("out/score.parquet").sort_values(order, ignore_index=True),
        table.sort_values(order, ignore_index=True),
    )
    pd.testing.assert_frame_equal(pd.read_csv("out/drift.csv"), drift)


def test_tables_are_by_cutoff_step_and_series(data: pd.DataFrame, rnnforecast: Command) -> None:
    rows = pd.concat(issues(data, 5), ignore_index=True).merge(data, on=["unique_id", "ds"])
    scored(rnnforecast)
    found = pd.read_parquet("out/score.parquet")
    assert found["by"].unique().tolist() == ["all", "run", "cutoff", "step", "series"]
    ours = found[found["model"] == "rnnforecast"].set_index(["by", "value"])
    error = (rows["yhat"] - rows["y"]).abs()
    for by, group in (
        ("step", rows["step"].astype(str)),
        ("series", rows["unique_id"]),
        ("cutoff", rows["cutoff"].dt.strftime("%Y-%m-%d")),
    ):
        for name, mae in error.groupby(group).mean().items():
            assert ours.loc[(by, name), "mae"] == pytest.approx(mae)
    assert set(found["model"]) == {"rnnforecast", "seasonal_naive"}


def test_a_forecast_that_was_issued_again_counts_once_with_its_latest_values(
    data: pd.DataFrame, rnnforecast: Command
) -> None:
    rows = issues(data, 3)
    first = scored(rnnforecast)
    later = rows[-1].assign(yhat=rows[-1]["yhat"] + 5)
    when = datetime(2024, 3, 20, tzinfo=UTC)
    info = IssueInfo("run", "another", "ffffffffffffffff", when)
    ParquetLedger(Path("run.ledger")).append(Issue(info, later))
    second = scored(rnnforecast)
    assert second["values"] == first["values"]
    assert second["metrics"]["mae"] > first["metrics"]["mae"]
    assert [each["run_id"] for each in second["runs"]] == [first["run_id"], "another"]
    assert scored(rnnforecast, "--since", "2024-03-20")["windows"] == 2


def test_without_actual_values_it_says_when_there_will_be_some(
    data: pd.DataFrame, rnnforecast: Command
) -> None:
    issues(data, 1, first=140)
    done = rnnforecast("score", "run", "--data", "later.csv", "-o", "out", "--fail-on", "drift")
    assert done.exit_code == 0, done.stderr
    assert "No forecast has an actual value yet: the next ones are of 2024-05-20" in done.stderr
    found = json.loads(Path("out/score.json").read_text())
    assert (found["values"], found["awaiting"], found["drift"]) == (0, 2, False)
    assert "2024-05-20" in Path("out/score.html").read_text()


def test_an_empty_place_is_a_ledger_without_issues(
    data: pd.DataFrame, rnnforecast: Command
) -> None:
    assert scored(rnnforecast)["issues"] == 0
    assert not Path("run.ledger").exists()
    assert "has no issue of run yet" in Path("out/score.html").read_text(encoding="utf-8")


def test_drift_is_an_error_on_request_with_its_day(
    data: pd.DataFrame, rnnforecast: Command
) -> None:
    issues(data, 40, error=lambda cutoff: 8.0 if cutoff >= 90 else 0.0)
    found = scored(rnnforecast)
    assert found["drift"]
    bias = next(each for each in found["alarms"] if each["statistic"] == "bias")
    changed = pd.Timestamp("2024-01-01") + pd.Timedelta(days=90)
    assert changed <= pd.Timestamp(bias["raised"]) <= changed + pd.Timedelta(days=4)
    assert bias["direction"] == "up"
    done = rnnforecast(
        "score", "run", "--data", "later.csv", "-o", "out", "--no-calibrate", "--fail-on",
        "drift,baseline",
    )  # fmt: skip
    assert done.exit_code == 8
    assert bias["raised"] in done.stderr
    drift = pd.read_csv("out/drift.csv")
    raised = drift[(drift["statistic"] == "bias") & (drift["alarm"] == 1)]
    assert raised["day"].tolist() == [bias["raised"]]
    page = Path("out/score.html").read_text(encoding="utf-8")
    assert page.count("<svg class=") >= 6
    assert f"alarm on {bias['raised']}" in page
    assert "series-data" not in page


def test_forecasts_worse_than_the_baseline_are_an_error_on_request(
    data: pd.DataFrame, rnnforecast: Command
) -> None:
    issues(data, 8, error=lambda _: 30.0)
    assert scored(rnnforecast, "--fail-on", "drift")["worse_than_baseline"]
    done = rnnforecast("score", "run", "--data", "later.csv", "--fail-on", "baseline")
    assert done.exit_code == 8
    assert "MASE" in done.stderr
    assert Path("scores/run/score.json").exists()


def test_the_intervals_are_calibrated_unless_not_asked_for(
    data: pd.DataFrame, rnnforecast: Command
) -> None:
    rng = np.random.default_rng(0)
    is_later = data["ds"] > "2024-02-29"
    noisy = data.assign(y=data["y"] + is_later * 8.0 * rng.normal(size=len(data)))
    noisy.to_csv("later.csv", index=False)
    issues(noisy, 3)
    before = all_files("run")
    scored(rnnforecast)
    assert all_files("run") == before
    done = rnnforecast("score", "run", "--data", "later.csv", "-o", "out", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["calibration"]["changed"]
    assert load_run(Path("run")).refreshed.windows


def test_a_run_that_cannot_be_written_is_a_finding(
    data: pd.DataFrame, rnnforecast: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnforecast.errors import OutputError, Problem

    def refuse(*_: object, **__: object) -> None:
        raise OutputError(Problem("run", "could not be written: Read-only file system"))

    monkeypatch.setattr("rnnforecast.batch.score.score.calibrate_run", refuse)
    issues(data, 2)
    done = rnnforecast("score", "run", "--data", "later.csv", "-o", "out", "--json")
    assert done.exit_code == 0, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["code"] == "not_calibrated"
    assert "Read-only" in finding["message"]


def test_foreign_and_damaged_files_are_named_and_left_out(
    data: pd.DataFrame, rnnforecast: Command
) -> None:
    issues(data, 3)
    first, second, _ = sorted(Path("run.ledger").rglob("*.parquet"))
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2])
    data.to_parquet(second)
    Path("run.ledger/issued=2024-03-01/notes.txt").write_text("mine")
    before = all_files("run.ledger")
    found = scored(rnnforecast)
    (finding,) = found["findings"]
    assert finding["code"] == "ledger_file"
    assert all(path.name in finding["message"] for path in (first, second))
    assert found["windows"] == 2
    assert all_files("run.ledger") == before


def test_a_ledger_that_is_a_file_is_refused(data: pd.DataFrame, rnnforecast: Command) -> None:
    done = rnnforecast("score", "run", "--data", "later.csv", "--ledger", "later.csv")
    assert done.exit_code == 4
    assert "cannot be read as a ledger" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fail-on", "weather"),
        ("--since", "yesterday"),
        ("--ledger", "none"),
        ("--ledger", "x://y"),
    ],
)
def test_wrong_options_are_named(
    arguments: tuple[str, str], data: pd.DataFrame, rnnforecast: Command
) -> None:
    done = rnnforecast("score", "run", *arguments)
    assert done.exit_code == 2
    assert arguments[0] in done.stderr or arguments[1] in done.stderr


def test_the_help_needs_nothing_heavy(rnnforecast: Command) -> None:
    assert "--fail-on" in rnnforecast("score", "--help").stdout
    assert "pandas" in sys.modules  # of the tests


def test_python_scores_frames(data: pd.DataFrame) -> None:
    import rnnforecast as rf

    rows = pd.concat(issues(data, 3), ignore_index=True)
    found = rf.load_run("run").score(data, since="2024-03-02", progress=False)
    expected = (rows["yhat"] - rows.merge(data, on=["unique_id", "ds"], how="left")["y"]).abs()
    late = rows["cutoff"] >= "2024-03-01"
    assert found.metrics["mae"] == pytest.approx(expected[late].mean())
    assert found.calibration is None
    assert len(list(Path().iterdir())) == 5  # data, later, spec, run and ledger
