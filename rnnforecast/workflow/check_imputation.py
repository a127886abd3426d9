"""`check --impute-report`: how well each method fills gaps that were made on purpose.

Known values of the training part are hidden, some one by one and some in runs; every method fills
them from the rest, and its error is compared with the value that was hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from rnnforecast.data.cleaning.imputation import LOOK_AHEAD_METHODS
from rnnforecast.data.cleaning_plan import CleaningPlan, TransformedTargets
from rnnforecast.data.panel.panel import Panel
from rnnforecast.pipeline.prepare import PreparedData
from rnnforecast.pipeline.rnn_imputation import fit_rnn_imputer, load_rnn_imputer
from rnnforecast.spec.types import ImputationMethod
from rnnforecast.types import Bools, Floats

HIDDEN_SHARE = 0.1
"""Share of the known values that is hidden, in each of the two ways."""
MAX_CELLS = 100_000
"""Values that are looked at: of larger data some series, evenly spread."""
EXCLUDED_METHODS = ("mask", "masked_constant", "constant")
"""They estimate nothing: `mask` and `special` say that a value is missing, `constant` is told."""


@dataclass(frozen=True)
class ImputationScore:
    """One method's errors, in usual distances from the series' mean (1: as good as its mean)."""

    method: str
    single: float
    """Mean absolute error at values hidden one by one."""
    runs: float
    """The same at values hidden in runs."""
    looks_ahead: bool
    """Whether it uses the values behind a gap, once they are known."""


def compare_imputation_methods(prepared: PreparedData) -> list[ImputationScore]:
    """Every method on the training part of prepared data, the best at runs and singles first."""
    panel, treated, plan = _sample_series(prepared)
    known = treated.target_mask
    rng = np.random.default_rng(plan.imputation.seed)
    length = float(np.clip(plan.season / 2, 3, 24))
    hidden = {
        "single": known & (rng.random(known.shape) < HIDDEN_SHARE),
        "runs": known & _random_runs(panel, known.shape, length, rng),
    }
    unit = _mean_deviation(treated.values, known, panel)
    found = []
    for method in get_args(ImputationMethod):
        if method in EXCLUDED_METHODS:
            continue
        errors = {
            kind: _imputation_error(method, panel, treated, mask, plan, unit)
            for kind, mask in hidden.items()
        }
        looks_ahead = method in (*LOOK_AHEAD_METHODS, "rnn")
        found.append(ImputationScore(method, errors["single"], errors["runs"], looks_ahead))
    return sorted(found, key=lambda one: np.nan_to_num(one.single + one.runs, nan=np.inf))


def _sample_series(prepared: PreparedData) -> tuple[Panel, TransformedTargets, CleaningPlan]:
    """The series that are looked at, without the steps after the training part."""
    cleaned, plan = prepared.cleaned, prepared.plan
    panel, offsets = cleaned.panel, cleaned.panel.offsets
    step = np.arange(offsets[-1]) - np.repeat(offsets[:-1], panel.lengths)
    told = step < np.repeat(prepared.split.train_end, panel.lengths)
    if not cleaned.target_mask[told].any():
        told = np.ones_like(told)
    each = max(1, int(np.ceil(cleaned.target_mask.sum() / MAX_CELLS)))
    chosen = np.arange(panel.n_series) % each == 0
    rows = np.repeat(chosen, panel.lengths)
    values = np.where(told[:, None], cleaned.values, np.nan)[rows]
    counted = (cleaned.target_mask & told[:, None])[rows]
    return panel.filter_series(chosen), TransformedTargets(values, counted, cleaned.outliers), plan


def _random_runs(
    panel: Panel, shape: tuple[int, ...], mean_length: float, rng: np.random.Generator
) -> Bools:
    """Runs of about `length` steps, of geometric length, that cover about `HIDDEN` of all cells."""
    marks = np.zeros(shape, dtype=np.bool_)
    count = max(1, round(HIDDEN_SHARE * marks.size / mean_length))
    row = rng.integers(shape[0], size=count)
    column = rng.integers(shape[1], size=count)
    size = rng.geometric(1 / mean_length, size=count)
    end = np.minimum(row + size, np.repeat(panel.offsets[1:], panel.lengths)[row])
    change = np.zeros((shape[0] + 1, shape[1]), dtype=np.int64)
    np.add.at(change, (row, column), 1)
    np.add.at(change, (end, column), -1)
    marks |= np.cumsum(change, axis=0)[:-1] > 0
    return marks


def _mean_deviation(values: Floats, target_mask: Bools, panel: Panel) -> Floats:
    """[N, C] the mean distance of a series' known values from their mean; 1 where that is 0."""
    offsets, lengths = panel.offsets[:-1], panel.lengths
    count = np.maximum(np.add.reduceat(target_mask.astype(np.int64), offsets), 1)
    mean = np.add.reduceat(np.where(target_mask, values, 0.0), offsets) / count
    distance = np.abs(np.where(target_mask, values - np.repeat(mean, lengths, axis=0), 0.0))
    unit = np.add.reduceat(distance, offsets) / count
    return np.repeat(np.where(unit > 0, unit, 1.0), lengths, axis=0)


def _imputation_error(
    method: str,
    panel: Panel,
    transformed: TransformedTargets,
    hidden_mask: Bools,
    plan: CleaningPlan,
    scale: Floats,
) -> float:
    """Mean absolute error in units at the hidden cells that the method fills; NaN if there is
    none."""
    left = TransformedTargets(
        np.where(hidden_mask, np.nan, transformed.values),
        transformed.target_mask & ~hidden_mask,
        transformed.outliers,
    )
    targets = hidden_mask.shape[1]
    told = np.asarray(left.target_mask.any(axis=1))
    filling = replace(
        plan.imputation,
        methods=(method,) * targets,
        fitted_imputers={},
        rnn_weights={},
        max_gap=None,
    )
    plan = replace(plan, imputation=filling.fit(left.values, left.target_mask, panel, told))
    plan = fit_rnn_imputer(plan, left, panel, told)
    filled = plan.imputation.apply(left.values, left.target_mask, panel, load_rnn_imputer(plan))
    asked = hidden_mask & filled.value_mask
    if not asked.any():
        return float("nan")
    return float((np.abs(filled.inputs - transformed.values) / scale)[asked].mean())
