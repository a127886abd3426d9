"""`compare`: the accuracy of several runs or backtests on the windows that all have forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.evaluation.metrics import forecast_metrics
from rnnforecast.evaluation.verdict import Verdict, compare_forecasts
from rnnforecast.pipeline.evaluation_table import (
    evaluation_table_in,
    quantile_column,
    quantile_level,
    read_evaluation_table,
    windows_of_table,
)
from rnnforecast.pipeline.run_folder import read_run_folder
from rnnforecast.wording import count_of, join_names

TABLE_FILES = ("backtest.parquet", "holdout.parquet")
"""Evaluation tables in a folder of a backtest, and of a run."""

KEYS = ["unique_id", "target", "cutoff", "step", "ds"]
"""Columns that say which value is forecast, and from where."""

RELATIVE_TOLERANCE = 1e-9
"""Of observed values that are equal."""


@dataclass(frozen=True)
class ComparedForecasts:
    """The scores of one run or backtest."""

    name: str
    path: Path
    metrics: dict[str, float]
    """On the shared values, see `evaluation.metrics`."""
    values: int
    """Values that it has forecast, shared or not."""


@dataclass(frozen=True)
class CompareResult:
    """Scores of several runs or backtests on what they share."""

    compared: tuple[ComparedForecasts, ...]
    against: str
    """The one that all others are compared with."""
    verdicts: dict[str, Verdict]
    """Of each other against it, by name."""
    series: int
    windows: int
    values: int
    """Shared by all."""
    levels: tuple[float, ...]
    """The quantiles that all have."""

    def to_json(self) -> dict[str, Any]:
        """The result with the outcome and the words of each verdict."""
        stored = asdict(self)
        for name, verdict in self.verdicts.items():
            stored["verdicts"][name] |= {"outcome": verdict.outcome, "words": verdict.words()}
        return stored

    def dropped(self) -> list[str]:
        """What was left out of each, a sentence without a full stop."""
        return [
            f"{each.name}: {count_of(each.values - self.values, 'value')} of {each.values:,} left"
            " out, which not all have forecast"
            for each in self.compared
            if each.values > self.values
        ]

    def sentences(self) -> list[str]:
        """Each verdict in words."""
        return [f"{name}: {verdict.words()}" for name, verdict in self.verdicts.items()]


def compare(paths: Sequence[Path], against: str | None = None) -> CompareResult:
    """Compares the forecasts in several folders of `train` or `backtest`.

    Args:
        paths: two or more folders, or their evaluation tables.
        against: the folder, or its name, that the others are compared with; the first by default.

    Raises:
        UsageError: there are fewer than two, or none is the one of `against`.
        DataError: a table cannot be read, nothing is shared, or the observed values differ.
    """
    names = _names(paths)
    reference = _find_reference(paths, names, against)
    tables = [_read(path) for path in paths]
    shared = _shared_rows(tables, paths)
    _check_observed(shared, paths)
    levels = _common_levels(tables)
    forecasts = [_windows(table, levels) for table in shared]
    windows = forecasts[reference]
    verdicts = {}
    for name, each in zip(names, forecasts, strict=True):
        if each is not windows:
            pair = EvaluatedWindows(**(vars(windows) | {"forecast": each.forecast}))
            other = {names[reference]: windows.forecast}
            verdicts[name] = compare_forecasts(pair, other)[names[reference]]
    return CompareResult(
        tuple(
            ComparedForecasts(name, path, forecast_metrics(windows, each.forecast), len(table))
            for name, path, each, table in zip(names, paths, forecasts, tables, strict=True)
        ),
        names[reference],
        verdicts,
        series=len(np.unique(windows.series)),
        windows=len(windows.series),
        values=len(shared[0]),
        levels=levels,
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """The name of each folder, or its whole path where names are equal."""
    if len(paths) < 2:
        cure = "give two or more folders that 'rnnforecast train' or 'backtest' wrote"
        raise UsageError(Problem("compare", "there is only one folder", cure))
    names = [path.resolve().name for path in paths]
    names = [
        name if names.count(name) == 1 else str(path)
        for name, path in zip(names, paths, strict=True)
    ]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError(Problem("compare", "a folder is given twice", "give each of them once"))
    return names


def _find_reference(paths: Sequence[Path], names: Sequence[str], against: str | None) -> int:
    if against is None:
        return 0
    for index, (path, name) in enumerate(zip(paths, names, strict=True)):
        if against == name or Path(against).resolve() == path.resolve():
            return index
    cure = f"give one of {join_names(names, len(names))}"
    raise UsageError(Problem(f"--against {against}", "is not among the folders", cure))


def _read(path: Path) -> pd.DataFrame:
    """The evaluation table of a folder, with a column ``target``."""
    if path.is_dir():
        folder = read_run_folder(path, lambda found: found.load(TABLE_FILES))
        name = next(filter(folder.has, TABLE_FILES), TABLE_FILES[-1])
        table = evaluation_table_in(folder, name)
    else:
        table = read_evaluation_table(path)
    return table if "target" in table else table.assign(target="")


def _shared_rows(tables: Sequence[pd.DataFrame], paths: Sequence[Path]) -> list[pd.DataFrame]:
    """The rows of each table that all have, in the same order; DataError without any."""
    first = tables[0]
    for table, path in zip(tables, paths, strict=True):
        kinds = [(first[name].dtype, table[name].dtype) for name in ("cutoff", "ds")]
        if any(a.kind != b.kind or getattr(a, "tz", 0) != getattr(b, "tz", 0) for a, b in kinds):
            found = f"its timestamps are {kinds[1][1]}, those of {paths[0]} are {kinds[1][0]}"
            raise DataError(Problem(str(path), found, "compare forecasts of the same data"))
    rows = first[KEYS].assign(row_0=np.arange(len(first)))
    for number, table in enumerate(tables[1:], 1):
        other = table[KEYS].assign(**{f"row_{number}": np.arange(len(table))})
        rows = rows.merge(other, on=KEYS)
    if not len(rows):
        found = "no value was forecast from the same cutoff in all of them"
        cure = "compare forecasts of the same series, targets and cutoffs, such as backtests"
        raise DataError(Problem(", ".join(map(str, paths)), found, cure))
    return [table.iloc[rows[f"row_{number}"]] for number, table in enumerate(tables)]


def _check_observed(shared: Sequence[pd.DataFrame], paths: Sequence[Path]) -> None:
    """DataError for each table whose observed values are not those of the first."""
    first = shared[0]["y"].to_numpy()
    problems = []
    for table, path in zip(shared[1:], paths[1:], strict=True):
        values = table["y"].to_numpy()
        wrong = np.flatnonzero(~np.isclose(values, first, rtol=RELATIVE_TOLERANCE, atol=0.0))
        if wrong.size:
            row = table.iloc[wrong[0]]
            found = (
                f"{count_of(wrong.size, 'observed value')} of {len(first):,} are not those of "
                f"{paths[0]}: series {row['unique_id']}, {row['ds']}: {values[wrong[0]]:.7g}, "
                f"not {first[wrong[0]]:.7g}"
            )
            cure = "train or backtest them on the same data, cleaned in the same way"
            problems.append(Problem(str(path), found, cure))
    if problems:
        raise DataError(*problems)


def _common_levels(tables: Sequence[pd.DataFrame]) -> tuple[float, ...]:
    """The levels of the quantiles that all tables have."""
    levels = [{quantile_level(name) for name in table.columns} for table in tables]
    return tuple(sorted(level for level in set.intersection(*levels) if level is not None))


def _windows(table: pd.DataFrame, levels: Sequence[float]) -> EvaluatedWindows:
    """The windows of a table, with these quantiles only, and without baselines."""
    columns = [*KEYS, "mase_scale", "rmsse_scale", "y", "yhat"]
    return windows_of_table(table[columns + [quantile_column(level) for level in levels]]).windows
