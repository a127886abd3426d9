"""`check --impute-report`: the error of each imputation method at values that are hidden from it.

Observed values of the training part are hidden, once one by one and once in runs; every method
fills them from the others, and the filled values are compared with the hidden ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning_plan import CleaningPlan, TransformedTargets
from rnnforecast.data.panel.panel import Panel
from rnnforecast.pipeline.prepare import PreparedData
from rnnforecast.pipeline.rnn_imputation import NETWORK_IMPUTERS
from rnnforecast.registry import IMPUTERS
from rnnforecast.types import Bools, Floats

HIDDEN_SHARE = 0.1
"""Share of the observed values that is hidden in each of the two ways."""
MAX_CELLS = 100_000
"""Most values that are used; of more, about every k-th series."""


@dataclass(frozen=True)
class ImputationScore:
    """Errors of one method, relative to those of the mean of the series (1: no better)."""

    method: str
    single: float
    """Mean absolute error at values hidden one by one."""
    runs: float
    """The same at values hidden in runs."""
    looks_ahead: bool
    """Whether it uses the values after a gap."""


def compare_imputation_methods(prepared: PreparedData) -> list[ImputationScore]:
    """Scores of all methods that estimate values, on the training part, the best first."""
    panel, transformed, plan = _sample_series(prepared)
    known = transformed.target_mask
    hidden = sample_hidden_masks(panel, known, plan.season, np.random.default_rng(plan.seed))
    scale = mean_deviation(transformed.values, known, panel)
    scores = []
    for method in IMPUTERS.names():
        traits = IMPUTERS.traits(method)
        if {"masks", "value"}.intersection(traits):  # it estimates nothing
            continue
        errors = {
            pattern: imputation_error(method, panel, transformed, mask, plan, scale)
            for pattern, mask in hidden.items()
        }
        scores.append(
            ImputationScore(method, errors["single"], errors["runs"], "looks_ahead" in traits)
        )
    return sorted(scores, key=lambda score: np.nan_to_num(score.single + score.runs, nan=np.inf))


def _sample_series(prepared: PreparedData) -> tuple[Panel, TransformedTargets, CleaningPlan]:
    """The series that are used, without target values after the training part."""
    cleaned, panel = prepared.cleaned, prepared.cleaned.panel
    train_mask = panel.step < prepared.split.train_end[panel.series]
    if not cleaned.target_mask[train_mask].any():
        train_mask = np.ones_like(train_mask)
    stride = max(1, int(np.ceil(cleaned.target_mask.sum() / MAX_CELLS)))
    chosen = np.arange(panel.n_series) % stride == 0
    rows = chosen[panel.series]
    values = np.where(train_mask[:, None], cleaned.values, np.nan)[rows]
    target_mask = (cleaned.target_mask & train_mask[:, None])[rows]
    transformed = TransformedTargets(values, target_mask, cleaned.outliers)
    return panel.filter_series(chosen), transformed, prepared.plan


def sample_hidden_masks(
    panel: Panel, known: Bools, season: int, rng: np.random.Generator
) -> dict[str, Bools]:
    """Masks of cells to hide, ``single`` and ``runs``: about `HIDDEN_SHARE` of `known [N, C]`."""
    run_length = float(np.clip(season / 2, 3, 24))
    return {
        "single": known & (rng.random(known.shape) < HIDDEN_SHARE),
        "runs": known & _random_runs(panel, known.shape, run_length, rng),
    }


def _random_runs(
    panel: Panel, shape: tuple[int, ...], mean_length: float, rng: np.random.Generator
) -> Bools:
    """Runs of geometric length that cover about `HIDDEN_SHARE` of all cells."""
    count = max(1, round(HIDDEN_SHARE * shape[0] * shape[1] / mean_length))
    row = rng.integers(shape[0], size=count)
    column = rng.integers(shape[1], size=count)
    size = rng.geometric(1 / mean_length, size=count)
    end = np.minimum(row + size, panel.offsets[1:][panel.series[row]])
    change = np.zeros((shape[0] + 1, shape[1]), dtype=np.int64)
    np.add.at(change, (row, column), 1)
    np.add.at(change, (end, column), -1)
    return np.cumsum(change, axis=0)[:-1] > 0


def mean_deviation(values: Floats, target_mask: Bools, panel: Panel) -> Floats:
    """`[N, C]` mean absolute deviation of the values of each series; 1 where that is 0."""
    known = pd.DataFrame(np.where(target_mask, values, np.nan))
    distance = (known - known.groupby(panel.series).transform("mean")).abs()
    unit = distance.groupby(panel.series).transform("mean").to_numpy()
    return np.where(unit > 0, unit, 1.0)


def imputation_error(
    method: str,
    panel: Panel,
    transformed: TransformedTargets,
    hidden_mask: Bools,
    plan: CleaningPlan,
    scale: Floats,
) -> float:
    """Mean absolute error divided by `scale`, at the hidden cells that the method fills; NaN if
    there are none."""
    values = np.where(hidden_mask, np.nan, transformed.values)
    target_mask = transformed.target_mask & ~hidden_mask
    methods = (method,) * hidden_mask.shape[1]
    train_mask = np.asarray(target_mask.any(axis=1))
    imputation = replace(plan.imputation, methods=methods, imputers={}, max_gap=None).fit(
        values, target_mask, panel, train_mask, NETWORK_IMPUTERS
    )
    filled = imputation.apply(values, target_mask, panel)
    estimated = hidden_mask & filled.value_mask
    if not estimated.any():
        return float("nan")
    return float((np.abs(filled.inputs - transformed.values) / scale)[estimated].mean())
