"""Chained support vector regressions."""

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


def build_estimator(sample: Floats, n_value_columns: int, seed: int) -> Any:
    """An IterativeImputer fitted to `sample [n, F]`."""
    from sklearn.pipeline import make_pipeline  # slow to import (about a second)
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    return fit_chained_equations(
        make_pipeline(StandardScaler(), SVR()), sample, n_value_columns, seed
    )


fit = partial(fit_lag_imputer, build_estimator, None)
from_arrays = partial(LagImputer.from_arrays, build_estimator)
