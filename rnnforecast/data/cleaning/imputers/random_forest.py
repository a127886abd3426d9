"""Chained random forests (Stekhoven and Bühlmann 2012)."""

from __future__ import annotations

from functools import partial
from typing import Any

from rnnforecast.data.cleaning.imputation_sklearn import (
    LagImputer,
    fit_chained_equations,
    fit_lag_imputer,
)
from rnnforecast.types import Floats

TRAITS = ("fitted", "needs_calendar")

N_ESTIMATORS = 30
MIN_SAMPLES_LEAF = 5


def build_estimator(sample: Floats, n_value_columns: int, seed: int) -> Any:
    """An IterativeImputer fitted to `sample [n, F]`."""
    from sklearn.ensemble import RandomForestRegressor  # slow to import (about a second)

    forest = RandomForestRegressor(
        N_ESTIMATORS, min_samples_leaf=MIN_SAMPLES_LEAF, max_features=0.5, random_state=seed
    )
    return fit_chained_equations(forest, sample, n_value_columns, seed)


fit = partial(fit_lag_imputer, build_estimator, None)
from_arrays = partial(LagImputer.from_arrays, build_estimator)
