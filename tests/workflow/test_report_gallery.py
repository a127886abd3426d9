"""Which series a report shows, and how much of each."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.workflow.report_forecast import steps_of_year
from rnnforecast.workflow.report_gallery import (
    MAX_ITEMS,
    MAX_VALUES,
    choose_items,
    item_names,
    plan_page,
)


@pytest.mark.parametrize("horizon", [1, 12, 48, 720])
@pytest.mark.parametrize("n_items", [1, 50, 1000, 100_000])
def test_a_page_keeps_to_its_size(n_items: int, horizon: int) -> None:
    budget = plan_page(n_items, horizon, 24, (0.95, 0.8, 0.5))
    size = budget.n_history + horizon * (1 + 2 * len(budget.coverages))
    assert 1 <= budget.n_items <= min(n_items, MAX_ITEMS)
    assert budget.n_items * size <= MAX_VALUES or budget.n_items == 1
    assert budget.n_history >= min(horizon, 24)


def test_a_thousand_series_are_all_shown_with_two_intervals_and_some_seasons() -> None:
    budget = plan_page(1000, 48, 24, (0.95, 0.8))
    assert budget.n_items == 1000
    assert budget.coverages == (0.95, 0.8)
    assert budget.n_history >= 3 * 24


def test_the_widest_interval_and_the_one_nearest_to_80_are_kept() -> None:
    assert plan_page(1, 7, 7, (0.98, 0.9, 0.8, 0.5)).coverages == (0.98, 0.8)
    assert plan_page(1, 7, 7, (0.5,)).coverages == (0.5,)
    assert plan_page(1, 7, 7, ()).coverages == ()


def test_chosen_items_are_spread_from_the_smallest_to_the_largest() -> None:
    sizes = np.random.default_rng(0).permutation(1000).astype(float)
    chosen = choose_items(sizes, 10, always=(3, 500))
    assert len(chosen) == 10
    assert {3, 500} <= set(chosen.tolist())
    others = np.sort(sizes[[item for item in chosen.tolist() if item not in (3, 500)]])
    assert others[0] <= 2
    assert others[-1] >= 997
    assert np.diff(others).max() < 200
    assert choose_items(sizes[:5], 10).tolist() == [0, 1, 2, 3, 4]


def test_items_without_ids_have_the_name_of_their_target() -> None:
    assert item_names(["series"], ["co2"], has_ids=False) == ["co2"]
    assert item_names(["a", "a"], ["x", "y"], has_ids=True) == ["a · x", "a · y"]
    assert item_names(["a"], [""], has_ids=True) == ["a"]


@pytest.mark.parametrize(
    ("alias", "steps"),
    [("D", 364), ("h", 8736), ("MS", 12), ("QS", 4), ("YS", 1), ("W-SUN", 52), ("B", 260),
     ("30min", 17472), ("1", 0)],
)  # fmt: skip
def test_a_year_is_counted_in_whole_weeks_or_months(alias: str, steps: int) -> None:
    assert steps_of_year(parse_frequency(alias)) == steps
