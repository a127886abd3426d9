"""Adaptive intervals on simulated errors: changes of size, of bias, and none."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from rnnforecast.evaluation.adaptive_intervals import AdaptiveIntervals, has_mirrored_levels
from rnnforecast.types import Floats

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
DATES, CHANGE = 132, 75


def simulated(scale: float, bias: float, series: int = 14) -> tuple[Floats, Floats]:
    """Coverage of the 80 and 95 % intervals at the last dates, and the ratio of Winkler scores to
    those of unchanged intervals, over all dates; each series is adapted alone."""
    rng = np.random.default_rng(0)
    covered, adapted, plain = [], [], []
    for _ in range(series):
        state = AdaptiveIntervals(LEVELS)
        for date in range(DATES):
            error = rng.normal() * (scale if date >= CHANGE else 1)
            error += bias if date >= CHANGE else 0
            quantiles = NORMAL * state.factors()
            adapted.append(winkler(error, quantiles))
            plain.append(winkler(error, NORMAL))
            if date >= DATES - 15:
                covered.append(
                    [quantiles[1] <= error <= quantiles[3], quantiles[0] <= error <= quantiles[4]]
                )
            state = state.update(np.array([[error]]), NORMAL[None, None])
    return np.mean(covered, 0), np.mean(adapted, 0) / np.mean(plain, 0)


def winkler(error: float, quantiles: Floats) -> list[float]:
    """The scores of the 80 and 95 % intervals."""
    found = []
    for low, high, tail in ((1, 3, 0.2), (0, 4, 0.05)):
        below, above = max(quantiles[low] - error, 0), max(error - quantiles[high], 0)
        found.append(quantiles[high] - quantiles[low] + 2 / tail * (below + above))
    return found


@pytest.mark.parametrize(("scale", "bias"), [(2.0, 0.0), (0.5, 0.0), (1.0, 1.0), (2.0, 2.0)])
def test_intervals_are_right_again_fifty_dates_after_a_change(scale: float, bias: float) -> None:
    coverage, ratio = simulated(scale, bias)
    np.testing.assert_allclose(coverage, [0.8, 0.95], atol=0.05 + 0.06)  # noise of 210 values
    assert (ratio < 0.99).all()


def test_little_is_lost_while_nothing_changes() -> None:
    _, ratio = simulated(1.0, 0.0)
    assert (ratio < 1.06).all()  # of 14 series; 1.01 of many


def test_the_factor_follows_a_panel_faster_than_one_series() -> None:
    rng = np.random.default_rng(1)
    one, many = AdaptiveIntervals(LEVELS), AdaptiveIntervals(LEVELS)
    for _ in range(150):
        errors = 1.3 * rng.normal(size=(500, 1))
        many = many.update(errors, np.broadcast_to(NORMAL, (500, 1, 5)))
        one = one.update(errors[:1], NORMAL[None, None])
    assert np.exp(many.log_factor) == pytest.approx(1.3, rel=0.05)
    assert many.dates == one.dates == 150
    assert many.factor_variance < one.factor_variance


def test_units_and_missing_values_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    errors = rng.normal(size=(30, 4, 2)) * 3
    quantiles = np.broadcast_to(NORMAL, (4, 2, 5))
    plain = moved = AdaptiveIntervals(LEVELS)
    for each in errors:
        plain = plain.update(each, quantiles)
        more = np.concatenate([7 + 10 * each, np.full((4, 1), np.nan)], 1)
        wide = np.concatenate([7 + 10 * quantiles, quantiles[:, :1]], 1)
        moved = moved.update(more, wide)
    assert moved.fast == pytest.approx(plain.fast)
    assert moved.bias == pytest.approx(plain.bias)
    assert plain.update(np.full((4, 2), np.nan), quantiles) == plain


def test_before_any_date_nothing_is_changed() -> None:
    np.testing.assert_array_equal(AdaptiveIntervals(LEVELS).factors(), np.ones(5))
    assert has_mirrored_levels(LEVELS)
    assert not has_mirrored_levels((0.2, 0.5))
