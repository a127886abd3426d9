"""The structural forecast against the joint normal distribution, known series and itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag

from rnnforecast.statistical import structural
from rnnforecast.statistical.structural_filter import (
    DIFFUSE,
    WIDTH,
    BlockFilter,
    Candidates,
    candidates,
    filter_tables,
)
from rnnforecast.types import Floats
from tests.statistical.series import histories_of, noise

SEASON, HORIZON = 4, 6


def gaussian_forecast(values: Floats, models: Candidates, k: int) -> tuple[Floats, Floats]:
    """Mean and variance by conditioning the joint normal distribution of past and future, without
    a filter: the states of every step are a linear map of the initial states and all noise."""
    steps = len(values) + HORIZON
    alpha, beta = models.alpha[k], models.slope_noise[k]
    transition = block_diag(
        [[models.reversion[k], models.damping[k]], [0, models.damping[k]]], np.eye(SEASON)
    )
    centered = (np.eye(SEASON) - 1 / SEASON) * SEASON / (SEASON - 1)
    seasonal = models.seasonal_noise[k] * centered
    # the slope's noise reaches the level one step later, as the slope is added before its noise
    noise_covariance = block_diag(np.diag([alpha**2, (alpha * beta) ** 2]), seasonal)
    start = block_diag(
        np.diag([DIFFUSE, models.slope_variance[k]]), models.seasonal_variance[k] * centered
    )
    covariance = {(0, 0): start}
    for step in range(1, steps):
        before = covariance[step - 1, step - 1]
        covariance[step, step] = transition @ before @ transition.T + noise_covariance
    joint = np.zeros((steps, steps))
    for early in range(steps):
        state = covariance[early, early]
        for late in range(early, steps):
            rows = [np.r_[1, 0, np.eye(SEASON)[step % SEASON]] for step in (late, early)]
            joint[late, early] = joint[early, late] = rows[0] @ state @ rows[1]
            state = transition @ state
    joint += (1 - alpha) * np.eye(steps)
    past, future = slice(0, len(values)), slice(len(values), steps)
    weights = np.linalg.solve(joint[past, past], joint[past, future])
    spread = joint[future, future] - joint[future, past] @ weights
    return values @ weights, np.diag(spread)


def test_filter_agrees_with_the_joint_normal_distribution() -> None:
    models = candidates((0.1, 0.6), structural.TRENDS[:6], structural.SEASONS)
    values = np.cumsum(noise(23, 7)) + np.tile([1.0, -1.0, 0.5, -0.5], 6)[:23]
    values -= values.mean()
    tables = filter_tables(models, len(values), SEASON)
    block_filter = BlockFilter(models, tables, HORIZON)
    series = np.repeat(values[:, None], WIDTH, axis=1)
    (states,) = block_filter.run(series, [len(values)])
    found = block_filter.forecast(states, len(values))
    assert (found.mean == found.mean[..., :1]).all()  # wherever a series is among others
    for k in range(0, len(models), 5):
        mean, variance = gaussian_forecast(values, models, k)
        np.testing.assert_allclose(found.mean[k, :, 0], mean, rtol=1e-4, atol=1e-4)
        ratio = found.unit_variance[:, k] / variance  # one-step variances are the same
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)


def test_forecasts_at_earlier_origins_are_those_of_shorter_histories() -> None:
    series = np.exp(np.cumsum(noise(40, 3)) / 10)
    back = structural.forecast(
        histories_of(series), season=SEASON, horizon=HORIZON, back=(0, 5)
    ).quantiles([0.1, 0.5, 0.9])
    for row, history in enumerate((series, series[:-5])):
        alone = structural.forecast(histories_of(history), season=SEASON, horizon=HORIZON)
        np.testing.assert_allclose(back[row], alone.quantiles([0.1, 0.5, 0.9])[0], rtol=2e-3)


def test_season_of_many_steps_is_repeated() -> None:
    season = 80
    series = np.tile(10 + np.sin(np.arange(season) * 2 * np.pi / season), 4)
    found = structural.forecast(histories_of(series), season=season, horizon=season)
    middle = found.quantiles([0.5])[0, :, 0]
    np.testing.assert_allclose(middle, series[:season], atol=0.02)


@pytest.mark.parametrize("slope", [0.05, -0.05])
def test_exponential_growth_is_continued_on_the_scale_of_logarithms(slope: float) -> None:
    series = 100 * np.exp(slope * np.arange(40) + 0.01 * noise(40, 5))
    found = structural.forecast(histories_of(series), season=1, horizon=HORIZON)
    assert found.logarithm_weight[0] > 0.9
    expected = 100 * np.exp(slope * np.arange(40, 40 + HORIZON))
    np.testing.assert_allclose(found.quantiles([0.5])[0, :, 0], expected, rtol=0.03)


def test_values_of_large_logarithms_grow_linearly() -> None:
    one = np.array(1.0)
    logarithms = np.array([0.5, 1.0, 2.0, 50.0])
    np.testing.assert_allclose(
        structural.grow(logarithms, one), [np.exp(0.5), np.e, 2 * np.e, 50 * np.e]
    )
