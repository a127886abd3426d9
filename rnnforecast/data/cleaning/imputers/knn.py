"""The mean of the nearest training rows (Troyanskaya et al. 2001)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from rnnforecast.data.cleaning.imputation_sklearn import LagImputer, fit_lag_imputer
from rnnforecast.types import Floats

TRAITS = ("fitted", "needs_calendar")

N_NEIGHBORS = 10
MIN_DONORS = 10 * N_NEIGHBORS
"""The neighbors are chosen among the most complete rows, at least this many: rows with few values
are close to every row."""
JITTER = 1e-4
"""Standard deviation of the noise added to the donors, in scaled units. Many donors are equally
close to a row with few values; without noise, rounding, which depends on the batch, would choose
among them."""


def build_estimator(sample: Floats, n_value_columns: int, seed: int) -> Any:
    """A KNNImputer fitted to `sample [n, F]`."""
    from sklearn.impute import KNNImputer  # slow to import (about a second)

    return KNNImputer(n_neighbors=N_NEIGHBORS).fit(sample)


def select_donors(sample: Floats, generator: np.random.Generator) -> Floats:
    """The most complete rows of `sample [n, F]`, with noise added to all columns but the value."""
    gaps = np.isnan(sample).sum(axis=1)
    donors: Floats = sample[gaps <= np.sort(gaps)[:MIN_DONORS].max(initial=0)]
    donors[:, 1:] += JITTER * generator.normal(size=donors[:, 1:].shape)
    return donors


fit = partial(fit_lag_imputer, build_estimator, select_donors)
from_arrays = partial(LagImputer.from_arrays, build_estimator)
