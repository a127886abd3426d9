"""Errors of the imputation report as numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnnforecast.data.cleaning.imputation_plan import ImputationPlan
from rnnforecast.data.cleaning_plan import TransformedTargets
from rnnforecast.data.panel.panel import Panel
from rnnforecast.registry import IMPUTERS
from rnnforecast.workflow.check_imputation import (
    HIDDEN_SHARE,
    compare_imputation_methods,
    imputation_error,
    mean_deviation,
    sample_hidden_masks,
)
from tests.data.panels import panel as panel_of


def prepared(panel: Panel, methods: tuple[str, ...] = ("mask",)) -> Any:
    """What the report reads of prepared data."""
    outliers: Any = None
    cleaned = SimpleNamespace(
        panel=panel, values=panel.targets, target_mask=panel.observed_mask, outliers=outliers
    )
    plan = SimpleNamespace(seed=1, season=7, imputation=ImputationPlan(methods, (0.0,), season=7))
    split = SimpleNamespace(train_end=panel.lengths - 10)
    return SimpleNamespace(cleaned=cleaned, plan=plan, split=split)


@pytest.mark.parametrize("season", [1, 24, 200])
def test_a_tenth_of_the_known_cells_is_hidden_one_by_one_and_in_runs(season: int) -> None:
    rng = np.random.default_rng(0)
    panel = panel_of(*rng.normal(size=(60, 500)))
    known = rng.random((len(panel.targets), 2)) < 0.7
    hidden = sample_hidden_masks(panel, known, season, rng)
    assert hidden.keys() == {"single", "runs"}
    for mask in hidden.values():
        assert not (mask & ~known).any()
    assert hidden["single"][known].mean() == pytest.approx(HIDDEN_SHARE, abs=0.005)
    # runs that overlap, or end with their series, cover less: 1 - exp(-0.1) = 0.095 at most
    assert 0.08 < hidden["runs"][known].mean() < 0.1
    every = sample_hidden_masks(panel, np.ones_like(known), season, np.random.default_rng(1))
    lengths = every["runs"].sum() / (np.diff(every["runs"].astype(int), axis=0) == 1).sum()
    assert lengths == pytest.approx(np.clip(season / 2, 3, 24), rel=0.2)


def test_errors_are_in_mean_distances_from_the_mean_of_the_series() -> None:
    panel = panel_of(*np.array([[1.0, 3.0, 5.0, 7.0], [4.0, 4.0, 4.0, 4.0], [0.0, 0.0, 9.0, 9.0]]))
    known = np.ones((12, 1), dtype=bool)
    known[11] = False
    scale = mean_deviation(panel.targets, known, panel).reshape(3, 4)
    assert scale[:, 0].tolist() == [2.0, 1.0, 4.0]  # 1 for a constant series
    assert (scale == scale[:, :1]).all()


@pytest.mark.parametrize(("method", "error"), [("ffill", 2.0), ("linear", 0.0), ("bfill", 1.0)])
def test_the_error_of_a_method_is_that_of_its_values_at_the_hidden_cells(
    method: str, error: float
) -> None:
    panel = panel_of(np.arange(1.0, 9.0) * 2)
    hidden = np.zeros((8, 1), dtype=bool)
    hidden[5] = True  # 12, between 10 and 14
    if method == "bfill":
        hidden[6] = True  # 14 and 12 become 16, the last value: 2 and 4 away
    transformed = TransformedTargets(panel.targets, panel.observed_mask, None)  # type: ignore[arg-type]
    scale = np.full((8, 1), 3.0 if method == "bfill" else 1.0)
    plan = prepared(panel).plan
    assert imputation_error(method, panel, transformed, hidden, plan, scale) == error


@pytest.mark.usefixtures("quick_rnn_imputer")
def test_every_method_that_estimates_values_is_compared_and_the_best_comes_first() -> None:
    rng = np.random.default_rng(3)
    step = np.arange(120)
    panel = panel_of(*(10 + np.sin(2 * np.pi * step / 7) + 0.01 * rng.normal(size=(2, 120))))
    scores = compare_imputation_methods(prepared(panel))
    names = [score.method for score in scores]
    assert set(names) == set(IMPUTERS.names()) - {
        "mask", "masked_constant", "constant", "zero"
    }  # fmt: skip
    totals = [score.single + score.runs for score in scores]
    assert totals == sorted(totals)
    found = {score.method: score for score in scores}
    assert found["seasonal"].single < 0.05
    assert found["mean"].single == pytest.approx(1.0, abs=0.25)
    looks_ahead = {name for name in names if found[name].looks_ahead}
    assert looks_ahead == set(IMPUTERS.having("looks_ahead"))
    assert {"linear", "rnn"} < looks_ahead
