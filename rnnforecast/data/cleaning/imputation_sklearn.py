"""Shared code of the imputation methods that use scikit-learn's imputers.

Each cell becomes a row of a matrix: the value itself, the values some steps and one and two seasons
earlier, and the cycles of the calendar. Values are differences from the mean of the last season,
divided by the mean absolute difference, so that series of any level share one imputer. Only earlier
values are used, so an estimate holds for every origin. Missing earlier values are left to the
imputer.

No pickle is stored: a run keeps a sample of the matrix of the training part, and the imputer is
refitted to it when needed, with the same result for the same seed.

Source: van Buuren and Groothuis-Oudshoorn 2011 (chained equations).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.cleaning.imputation import Estimates, ImputerOptions, impute
from rnnforecast.data.cleaning.observations import RowWindowIndexer, expanding_statistic
from rnnforecast.types import Bools, Floats, Ints

MAX_SAMPLE_ROWS = 2000
"""The largest number of rows in the sample."""
MAX_ITER = 2
MIN_LEVEL_WINDOW = 6
"""The steps that the level is the mean of, unless the season is longer."""
CLIP_LIMIT = 100.0
"""Scaled values are clipped to this absolute value, so that one extreme value does not dominate
the distances."""
BATCH_ROWS = 4096
"""Rows that are estimated at once."""

EstimatorBuilder = Callable[[Floats, int, int], Any]
"""(sample `[n, F]`, the number of its leading columns that hold values, seed) -> a fitted imputer
of scikit-learn."""


@dataclass(frozen=True)
class LagImputer:
    """A fitted imputer, stored as the rows that it is fitted to."""

    build: EstimatorBuilder
    sample: Floats
    """`[n, 1 + lags + D]` the value, earlier values (NaN if missing), the calendar."""
    season: int
    seed: int

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The sample, and season and seed."""
        numbers = np.array([self.season, self.seed], dtype=np.int64)
        return {"sample": self.sample, "numbers": numbers}

    @classmethod
    def from_arrays(
        cls, build: EstimatorBuilder, arrays: Mapping[str, npt.NDArray[Any]]
    ) -> LagImputer:
        """The imputer whose `arrays` these are."""
        season, seed = (int(number) for number in arrays["numbers"])
        return cls(build, np.asarray(arrays["sample"]), season, seed)

    def estimate(
        self, values: Floats, observed_mask: Bools, offsets: Ints, options: ImputerOptions
    ) -> Estimates:
        """Observed values, and estimates of cells after a series' first observation; 0 before."""
        result = impute(values, observed_mask, offsets, "ffill").inputs
        matrix = _LagMatrix(values, observed_mask, offsets, self.season, options.calendar)
        # a series that has not varied yet keeps its last value
        rows, columns = np.nonzero(~observed_mask & (matrix.scale > 0))
        if len(self.sample):
            for begin in range(0, len(rows), BATCH_ROWS):
                row, column = rows[begin : begin + BATCH_ROWS], columns[begin : begin + BATCH_ROWS]
                scaled = self.predict(matrix.rows_at(row, column))
                result[row, column] = matrix.level[row, column] + scaled * matrix.scale[row, column]
        return Estimates(result, result)

    def predict(self, rows: Floats) -> Floats:
        """The scaled values `[n]` of rows `[n, F]` whose first column is NaN, each row by itself.

        Raises:
            ValueError: if the rows have another number of columns than the sample.
        """
        if rows.shape[1] != self.sample.shape[1]:
            raise ValueError(f"{rows.shape[1]} columns for an imputer of {self.sample.shape[1]}")
        known = self._known_columns
        # scikit-learn skips its models if all cells are missing, so the first row has a value
        table = np.vstack([self.sample[:1, known], rows[:, known]])
        estimates: Floats = self._estimator.transform(table)[1:, 0]
        return estimates

    @cached_property
    def _known_columns(self) -> Ints:
        """Columns with a value in the training part."""
        return np.flatnonzero(np.isfinite(self.sample).any(axis=0))

    @cached_property
    def _estimator(self) -> Any:
        known = self._known_columns
        n_value_columns = int(np.sum(known <= len(imputer_lags(self.season))))
        return self.build(self.sample[:, known], n_value_columns, self.seed)


def fit_lag_imputer(
    build: EstimatorBuilder,
    select: Callable[[Floats, np.random.Generator], Floats] | None,
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    train_mask: Bools,
    options: ImputerOptions,
) -> LagImputer:
    """One imputer for all columns of `values [N, C]`, fitted to the rows `train_mask [N]`.

    `select` returns the rows of the sample that are kept; None keeps all.
    """
    matrix = _LagMatrix(
        values, observed_mask & train_mask[:, None], offsets, options.season, options.calendar
    )
    rows, columns = np.nonzero(matrix.observed_mask & (matrix.scale > 0))
    # a random row of each interval: evenly spaced rows could all have the same seasonal phase
    edges = np.linspace(0, len(rows), min(len(rows), MAX_SAMPLE_ROWS) + 1).astype(np.int64)
    generator = np.random.default_rng(options.seed)
    kept = generator.integers(edges[:-1], edges[1:])
    sample = matrix.rows_at(rows[kept], columns[kept])
    sample[:, 0] = matrix.standardize(values[rows[kept], columns[kept]], rows[kept], columns[kept])
    if select is not None:
        sample = select(sample, generator)
    return LagImputer(build, sample, options.season, options.seed)


def fit_chained_equations(estimator: Any, sample: Floats, n_value_columns: int, seed: int) -> Any:
    """An IterativeImputer: each of the first `n_value_columns` is regressed on all other columns,
    in rounds. The remaining columns are the calendar, which is never missing."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    imputer = IterativeImputer(
        estimator, max_iter=MAX_ITER, tol=0.0, skip_complete=True, random_state=seed
    )
    # columns without missing cells get no model, so a row without values is added
    incomplete = sample[:1].copy()
    incomplete[:, :n_value_columns] = np.nan
    with warnings.catch_warnings():  # few rounds are intended
        warnings.simplefilter("ignore", ConvergenceWarning)
        return imputer.fit(np.vstack([sample, incomplete]))


def imputer_lags(season: int) -> tuple[int, ...]:
    """The lags, in steps, of the earlier values in a row of the matrix."""
    seasonal = (season, season + 1, 2 * season) if season > 1 else ()
    return tuple(dict.fromkeys((1, 2, 3, *seasonal)))


class _LagMatrix:
    """Rows of the matrix, built on demand."""

    def __init__(
        self,
        values: Floats,
        observed_mask: Bools,
        offsets: Ints,
        season: int,
        calendar: Floats | None,
    ) -> None:
        self.values, self.observed_mask = values, observed_mask
        self.calendar = np.empty((len(values), 0)) if calendar is None else calendar
        self.lags = imputer_lags(season)
        self.series_start = np.repeat(offsets[:-1], np.diff(offsets))
        rows = np.arange(len(values), dtype=np.int64)
        previous = np.maximum(rows - 1, 0)
        inside = (rows > self.series_start)[:, None]
        # [N, C] whether the series has a value before each row
        forward = impute(values, observed_mask, offsets, "ffill")
        known = forward.value_mask[previous] & inside
        self.level = _trailing_mean(
            values, observed_mask, self.series_start, max(season, MIN_LEVEL_WINDOW)
        )
        # after a gap as long as the window, the last value
        self.level = np.where(np.isnan(self.level), forward.inputs[previous], self.level)
        known = observed_mask & known
        distance = np.abs(np.where(known, values, 0.0) - np.where(known, self.level, 0.0))
        mean = expanding_statistic(distance, known, offsets, "mean")[previous]
        self.scale = np.where(inside & np.isfinite(mean), mean, 0.0)

    def standardize(self, values: Floats, rows: Ints, columns: Ints) -> Floats:
        """`[n]` scaled differences of `values` from the level of these cells."""
        scale = self.scale[rows, columns]
        distance = (values - self.level[rows, columns]) / np.where(scale > 0, scale, 1.0)
        return np.clip(distance, -CLIP_LIMIT, CLIP_LIMIT)

    def rows_at(self, rows: Ints, columns: Ints) -> Floats:
        """`[n, F]` the matrix rows of these cells; the first column, their value, is NaN."""
        parts = [np.full(len(rows), np.nan)]
        for lag in self.lags:
            row = np.maximum(rows - lag, self.series_start[rows])
            observed = (rows - lag >= row) & self.observed_mask[row, columns]
            earlier = np.where(observed, self.values[row, columns], np.nan)
            parts.append(self.standardize(earlier, rows, columns))
        return np.column_stack([*parts, self.calendar[rows]])


def _trailing_mean(values: Floats, observed_mask: Bools, series_start: Ints, window: int) -> Floats:
    """`[N, C]` mean of the observed values in the `window` rows before each row; NaN if there are
    none."""
    if values.size == 0:
        return np.empty(values.shape)
    rows = np.arange(len(values), dtype=np.int64)
    observed = pd.DataFrame(np.where(observed_mask, values, np.nan))
    indexer = RowWindowIndexer(np.maximum(series_start, rows - window), rows)
    return observed.rolling(indexer, min_periods=1).mean().to_numpy()
