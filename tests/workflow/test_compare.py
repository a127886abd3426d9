"""`compare` on evaluation tables: what is shared, scores, verdicts and refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import DataError, UsageError
from rnnforecast.workflow.compare import CompareResult, compare

SERIES = [f"s{number}" for number in range(8)]


def evaluation_rows(seed: int = 0, noise: float = 1.0, windows: int = 6) -> pd.DataFrame:
    """Forecasts of two days at each of six cutoffs; values do not depend on the seed."""
    cutoffs = pd.date_range("2024-03-01", periods=windows, freq="2D")
    rows = pd.MultiIndex.from_product(
        [SERIES, cutoffs, [1, 2]], names=["unique_id", "cutoff", "step"]
    )
    table = rows.to_frame(index=False)
    table["ds"] = table["cutoff"] + pd.to_timedelta(table["step"], unit="D")
    day = (table["ds"] - pd.Timestamp("2024-01-01")).dt.days
    table["y"] = 20 + np.sin(day) + table["unique_id"].str[1:].astype(int)
    table["mase_scale"], table["rmsse_scale"] = 2.0, 3.0
    error = noise * np.random.default_rng(seed).normal(size=len(table))
    table["yhat"] = table["y"] + error
    for level, shift in ((0.1, -1.0), (0.5, 0.0), (0.9, 1.0)):
        table[f"q{level}"] = table["yhat"] + shift
    table["naive"] = 20.0
    return table


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a table as a run folder or a backtest."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, table: pd.DataFrame, file: str = "backtest.parquet") -> Path:
        Path(name).mkdir(parents=True)
        table.to_parquet(Path(name, file))
        return Path(name)

    return write


def test_scores_are_of_the_shared_values_and_the_rest_is_counted(
    store: Callable[..., Path],
) -> None:
    good, bad = evaluation_rows(0, 1.0), evaluation_rows(1, 2.0)
    shorter = bad[(bad["unique_id"] != "s3") & (bad["cutoff"] < "2024-03-10")]
    shorter = shorter.sample(frac=1.0, random_state=0).drop(columns="q0.9")
    result = compare([store("good", good), store("bad", shorter, "holdout.parquet")])
    assert (result.series, result.windows, result.values) == (7, 35, 70)
    assert result.levels == (0.1, 0.5)
    assert [each.values for each in result.compared] == [96, 70]
    assert result.dropped() == ["good: 26 values of 96 left out, which not all have forecast"]
    shared = (good["unique_id"] != "s3") & (good["cutoff"] < "2024-03-10")
    for each, table in zip(result.compared, (good, bad), strict=True):
        error = (table["yhat"] - table["y"])[shared]
        assert each.metrics["mae"] == pytest.approx(error.abs().mean())
        assert each.metrics["mase"] == pytest.approx(error.abs().mean() / 2)
        assert each.metrics["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
        assert "coverage_80" not in each.metrics
    verdict = result.verdicts["bad"]
    assert verdict.other == "good"
    assert verdict.outcome == "worse"
    assert verdict.score == pytest.approx(result.compared[1].metrics["mase"])
    assert verdict.resampled == ("series", "origins")


def test_all_are_compared_with_the_one_that_is_named(store: Callable[..., Path]) -> None:
    folders = [store(f"runs/{name}", evaluation_rows(seed, 2.0 - seed / 2)) for seed, name in
               enumerate(["a", "b", "c"])]  # fmt: skip
    for against in ("c", "runs/c", str(folders[2].resolve())):
        result = compare(folders, against)
        assert result.against == "c"
        assert list(result.verdicts) == ["a", "b"]
        assert result.verdicts["a"].outcome == "worse"


def test_errors_are_divided_by_the_scale_of_the_reference(store: Callable[..., Path]) -> None:
    other = evaluation_rows(1).assign(mase_scale=200.0)
    result = compare([store("a", evaluation_rows(0)), store("b", other)])
    masses = [each.metrics["mase"] for each in result.compared]
    assert masses[1] == pytest.approx(result.compared[1].metrics["mae"] / 2)


def test_several_targets_are_scored_together(store: Callable[..., Path]) -> None:
    def both(seed: int) -> pd.DataFrame:
        parts = [evaluation_rows(seed).assign(target=name) for name in ("x", "y")]
        return pd.concat(parts, ignore_index=True)

    result = compare([store("a", both(0)), store("b", both(1))])
    assert result.windows == 48
    assert "mae" not in result.compared[0].metrics
    assert result.compared[0].metrics["smape"] > 0


def test_other_observed_values_are_refused(store: Callable[..., Path]) -> None:
    changed = evaluation_rows(1)
    changed.loc[5, "y"] += 1
    with pytest.raises(DataError, match="1 observed value of 96 are not those of a: series s0"):
        compare([store("a", evaluation_rows(0)), store("b", changed)])


def test_what_shares_nothing_is_refused(store: Callable[..., Path]) -> None:
    a, table = store("a", evaluation_rows(0)), evaluation_rows(1)
    days = pd.Timedelta(days=100)
    later = table.assign(cutoff=table["cutoff"] + days, ds=table["ds"] + days)
    with pytest.raises(DataError, match="no value was forecast"):
        compare([a, store("b", later)])
    in_zone = table.assign(ds=table["ds"].dt.tz_localize("UTC"))
    with pytest.raises(DataError, match="timestamps are"):
        compare([a, store("c", in_zone)])
    with pytest.raises(DataError, match="evaluation table"):
        compare([a, Path("missing")])


@pytest.mark.parametrize(
    "change",
    [
        {"y": "text"},
        {"yhat": np.nan},
        {"step": 0},
        {"step": 2**40},
        {"step": "1"},
        {"unique_id": 7},
        {"ds": "2024-01-01"},
        {"cutoff": pd.NaT},
        {"q0.9": "text"},
        {"mase_scale": "text"},
    ],
)
def test_a_table_with_other_content_is_refused(store: Callable[..., Path], change: Any) -> None:
    table = evaluation_rows()
    with pytest.raises(DataError, match="not an evaluation table"):
        compare([store("own", table), store("forged", table.assign(**change))])


def test_a_table_with_repeated_rows_is_refused(store: Callable[..., Path]) -> None:
    table = evaluation_rows()
    with pytest.raises(DataError, match="several rows"):
        compare([store("own", table), store("twice", pd.concat([table, table]))])


def test_folders_are_two_or_more_and_have_names(store: Callable[..., Path]) -> None:
    a = store("a", evaluation_rows(0))
    with pytest.raises(UsageError, match="only one"):
        compare([a])
    with pytest.raises(UsageError, match="twice"):
        compare([a, a])
    Path("link").symlink_to("a")
    with pytest.raises(UsageError, match="twice"):
        compare([a, Path("link")])
    with pytest.raises(UsageError, match="not among"):
        compare([a, store("b", evaluation_rows(1))], "d")
    shutil.copytree("a", "more/a")
    same = compare([a, Path("more/a")])
    assert [each.name for each in same.compared] == ["a", "more/a"]
    assert same.verdicts["more/a"].outcome == "not shown"


def test_the_command_prints_a_table_and_says_the_verdict(
    store: Callable[..., Path], rnnforecast: Callable[..., Any]
) -> None:
    folders = store("good", evaluation_rows(0)), store("bad", evaluation_rows(1, 3.0, windows=5))
    result = rnnforecast("compare", *folders)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["8", "series,", "40", "windows", "good", "bad"]
    assert "coverage of the 80 % interval, %" in result.stdout
    assert lines[-1].split() == ["against", "good", "–", "worse"]
    assert "good: 16 values of 96 left out" in result.stderr
    assert "bad: worse than good, 95 %: MASE" in result.stderr
    stored = json.loads(rnnforecast("compare", *folders, "--json", "-q").stdout)
    assert stored["verdicts"]["bad"]["outcome"] == "worse"
    assert stored["verdicts"]["bad"]["words"].startswith("worse than good")
    assert [each["name"] for each in stored["compared"]] == ["good", "bad"]
    assert set(stored) == set(CompareResult.__dataclass_fields__)
