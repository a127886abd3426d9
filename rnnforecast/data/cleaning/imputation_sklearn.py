"""Missing values estimated by scikit-learn's imputers, from earlier values and the calendar.

Each cell becomes a row of a matrix: the value itself, the values some steps and one and two seasons
before, and the calendar's cycles. Values count from the mean of the last season and in units of the
usual distance from it, so that series of any level share one imputer. Only earlier values are used:
an estimate holds for every origin. Where earlier values are missing themselves, the imputer deals
with that too.

No pickle may be stored, so what is kept is a sample of rows of the training part; the imputer is
fitted to it again where it is needed, with the same result for the same seed.

Sources: Troyanskaya et al. 2001 (nearest neighbours); van Buuren and Groothuis-Oudshoorn 2011
(chained equations); Stekhoven and Bühlmann 2012 (chained random forests).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.cleaning.imputation import fill_missing
from rnnforecast.data.cleaning.observations import RowWindowIndexer, expanding_statistic
from rnnforecast.types import Bools, Floats, Ints

SklearnMethod = Literal["knn", "random_forest", "svr"]
SKLEARN_METHODS: tuple[SklearnMethod, ...] = get_args(SklearnMethod)

MAX_SAMPLE_ROWS = 2000
"""The most rows that are kept."""
N_NEIGHBORS = 10
MIN_DONORS = 10 * N_NEIGHBORS
"""Neighbours are looked for among the rows of which the most is known, but in no fewer than this:
a row of which little is known is near to all."""
N_ESTIMATORS = 30
MIN_SAMPLES_LEAF = 5
MAX_ITER = 2
MIN_LEVEL_WINDOW = 6
"""Steps that the level is a mean of where the season is shorter."""
CLIP_LIMIT = 100.0
"""Scaled values are cut to this size, so that one wild value does not decide all distances."""
JITTER = 1e-4
"""Donors are moved apart by about this share of the usual distance. Many are equally near to a row
of which little is known; rounding would choose among them, and that hangs on which rows are
estimated together."""
BATCH_ROWS = 4096
"""Rows that are estimated at once."""


@dataclass(frozen=True)
class FittedImputer:
    """An imputer, as the rows it is fitted to."""

    method: SklearnMethod
    sample: Floats
    """`[n, 1 + lags + D]` the value, earlier values (NaN if missing), the calendar."""
    season: int
    seed: int

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it as arrays; `from_arrays` reads them."""
        numbers = np.array([self.season, self.seed], dtype=np.int64)
        return {"sample": self.sample, "numbers": numbers}

    @classmethod
    def from_arrays(cls, method: str, arrays: Mapping[str, npt.NDArray[Any]]) -> FittedImputer:
        """What `arrays` gave. ValueError for a method there is none of."""
        for known in SKLEARN_METHODS:
            if known == method:
                season, seed = (int(number) for number in arrays["numbers"])
                return cls(known, np.asarray(arrays["sample"]), season, seed)
        raise ValueError(f"there is no imputer '{method}'")


def fit_sklearn_imputer(
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    train_mask: Bools,
    method: SklearnMethod,
    *,
    season: int,
    calendar: Floats,
    seed: int,
) -> FittedImputer:
    """An imputer of the values `[N, C]` (all targets alike), from the rows `told [N]` alone.

    `calendar [N, D]` are numbers of about 1 that tell where in its cycles a row lies.
    """
    matrix = _LagMatrix(values, observed_mask & train_mask[:, None], offsets, season, calendar)
    rows, columns = np.nonzero(matrix.observed_mask & (matrix.scale > 0))
    # one of each stretch; at equal distances all might be of one phase of the season
    edges = np.linspace(0, len(rows), min(len(rows), MAX_SAMPLE_ROWS) + 1).astype(np.int64)
    generator = np.random.default_rng(seed)
    kept = generator.integers(edges[:-1], edges[1:])
    sample = matrix.rows_at(rows[kept], columns[kept])
    sample[:, 0] = matrix.standardize(values[rows[kept], columns[kept]], rows[kept], columns[kept])
    if method == "knn":
        sample = _most_complete_rows(sample)
        sample[:, 1:] += JITTER * generator.normal(size=sample[:, 1:].shape)
    return FittedImputer(method, sample, season, seed)


def apply_sklearn_imputer(
    fitted_imputer: FittedImputer,
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    *,
    calendar: Floats,
) -> Floats:
    """`[N, C]` the values, and estimates where they are missing behind a series' first one; 0
    before it. `calendar [N, D]` as in `learn`."""
    result = fill_missing(values, observed_mask, offsets, "ffill").inputs
    matrix = _LagMatrix(values, observed_mask, offsets, fitted_imputer.season, calendar)
    # a series that has not varied yet goes on as it is
    rows, columns = np.nonzero(~observed_mask & (matrix.scale > 0))
    if not len(rows) or not len(fitted_imputer.sample):
        return result
    estimate = refit_estimator(fitted_imputer)
    for begin in range(0, len(rows), BATCH_ROWS):
        row, column = rows[begin : begin + BATCH_ROWS], columns[begin : begin + BATCH_ROWS]
        found = estimate(matrix.rows_at(row, column))
        result[row, column] = matrix.level[row, column] + found * matrix.scale[row, column]
    return result


def _most_complete_rows(sample: Floats) -> Floats:
    """The rows of which the most is known."""
    gaps = np.isnan(sample).sum(axis=1)
    kept = np.flatnonzero(gaps <= np.sort(gaps)[:MIN_DONORS].max(initial=0))
    return sample[kept]


def refit_estimator(fitted_imputer: FittedImputer) -> Callable[[Floats], Floats]:
    """From rows `[n, F]` without their value to the value `[n]`, one row not minding the others.

    Raises:
        ValueError: if the rows have another number of columns than the sample.
    """
    # what was never known in training tells nothing
    some = np.flatnonzero(np.isfinite(fitted_imputer.sample).any(axis=0))
    sample, columns = fitted_imputer.sample[:, some], fitted_imputer.sample.shape[1]
    if fitted_imputer.method == "knn":
        imputer = _fit_knn(sample)
    else:
        own = int(np.sum(some <= len(imputer_lags(fitted_imputer.season))))
        imputer = _fit_iterative(sample, own, fitted_imputer.method, fitted_imputer.seed)

    def estimate(rows: Floats) -> Floats:
        if rows.shape[1] != columns:
            raise ValueError(f"{rows.shape[1]} columns for an imputer of {columns}")
        # where all cells of a table are missing the models are not asked: the first row is whole
        found: Floats = imputer.transform(np.vstack([sample[:1], rows[:, some]]))[1:, 0]
        return found

    return estimate


def _fit_knn(sample: Floats) -> Any:
    """The mean of the nearest rows."""
    from sklearn.impute import KNNImputer

    return KNNImputer(n_neighbors=N_NEIGHBORS).fit(sample)


def _fit_iterative(sample: Floats, n_value_columns: int, method: SklearnMethod, seed: int) -> Any:
    """Each of the `own` first columns from all others, again and again; the rest is the calendar,
    of which nothing is ever missing."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    if method == "svr":
        model = make_pipeline(StandardScaler(), SVR())
    else:
        model = RandomForestRegressor(
            N_ESTIMATORS, min_samples_leaf=MIN_SAMPLES_LEAF, max_features=0.5, random_state=seed
        )
    imputer = IterativeImputer(
        model, max_iter=MAX_ITER, tol=0.0, skip_complete=True, random_state=seed
    )
    # columns without a gap get no model: here is a row with a gap in all that are to have one
    asking = sample[:1].copy()
    asking[:, :n_value_columns] = np.nan
    with warnings.catch_warnings():  # that few rounds are not many: they are what is asked for
        warnings.simplefilter("ignore", ConvergenceWarning)
        return imputer.fit(np.vstack([sample, asking]))


def imputer_lags(season: int) -> tuple[int, ...]:
    """How many steps before a cell the values lie that it is estimated from."""
    more = (season, season + 1, 2 * season) if season > 1 else ()
    return tuple(dict.fromkeys((1, 2, 3, *more)))


class _LagMatrix:
    """Rows of the matrix, made where they are asked for."""

    def __init__(
        self, values: Floats, observed_mask: Bools, offsets: Ints, season: int, calendar: Floats
    ) -> None:
        self.values, self.observed_mask, self.calendar = values, observed_mask, calendar
        self.lags = imputer_lags(season)
        self.series_start = np.repeat(offsets[:-1], np.diff(offsets))
        rows = np.arange(len(values), dtype=np.int64)
        above = np.maximum(rows - 1, 0)
        inside = (rows > self.series_start)[:, None]
        # [N, C] what is known just before each row
        forward = fill_missing(values, observed_mask, offsets, "ffill")
        begun = forward.value_mask[above] & inside
        self.level = _trailing_mean(
            values, observed_mask, self.series_start, max(season, MIN_LEVEL_WINDOW)
        )
        # after a gap as long as the window: the last value
        self.level = np.where(np.isnan(self.level), forward.inputs[above], self.level)
        known = observed_mask & begun
        away = np.abs(np.where(known, values, 0.0) - np.where(known, self.level, 0.0))
        usual = expanding_statistic(away, known, offsets, "mean")[above]
        self.scale = np.where(inside & np.isfinite(usual), usual, 0.0)

    def standardize(self, values: Floats, rows: Ints, columns: Ints) -> Floats:
        """`[n]` values as distances from the level of these cells."""
        unit = self.scale[rows, columns]
        away = (values - self.level[rows, columns]) / np.where(unit > 0, unit, 1.0)
        return np.clip(away, -CLIP_LIMIT, CLIP_LIMIT)

    def rows_at(self, rows: Ints, columns: Ints) -> Floats:
        """`[n, F]` what is known before these cells, in the first column NaN for their value."""
        parts = [np.full(len(rows), np.nan)]
        for lag in self.lags:
            place = np.maximum(rows - lag, self.series_start[rows])
            there = (rows - lag >= place) & self.observed_mask[place, columns]
            earlier = np.where(there, self.values[place, columns], np.nan)
            parts.append(self.standardize(earlier, rows, columns))
        return np.column_stack([*parts, self.calendar[rows]])


def _trailing_mean(values: Floats, observed_mask: Bools, series_start: Ints, window: int) -> Floats:
    """`[N, C]` the mean of what is observed in the `window` rows before each; NaN if nothing is."""
    if values.size == 0:
        return np.empty(values.shape)
    rows = np.arange(len(values), dtype=np.int64)
    known = pd.DataFrame(np.where(observed_mask, values, np.nan))
    span = RowWindowIndexer(np.maximum(series_start, rows - window), rows)
    return known.rolling(span, min_periods=1).mean().to_numpy()
