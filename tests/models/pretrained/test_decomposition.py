"""Pattern, levels, slopes and errors against plain loops over steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnnforecast.models.pretrained.context import Context
from rnnforecast.models.pretrained.decomposition import (
    ALPHAS,
    CYCLE_DECAY,
    ERROR_STEPS,
    N_SLOPES,
    PRIORS,
    Decomposition,
    cycle_change,
    decompose,
    level_errors,
    masked_mean,
)
from rnnforecast.types import Floats
from tests.models.pretrained.contexts import context_of, noisy_season

AHEAD = 32


@pytest.fixture(scope="module")
def context() -> Context:
    """A series with two seasons and gaps, a short one, and one without a season."""
    random = np.random.default_rng(1)
    step = np.arange(224)
    long = np.sin(2 * np.pi * step / 7) * 2 + random.normal(size=7 * 4)[step % 28] + 0.01 * step
    long = np.where(random.random(224) < 0.1, np.nan, long + 0.1 * random.normal(size=224))
    return context_of(long, noisy_season(50, 12.0), random.normal(size=224), seasons=(7, 28))


def decomposed(context: Context, ahead: int) -> Decomposition:
    return decompose(context.z, context.observed.float(), context.periods.lags, ahead)


def moving_average(z: Floats, known: Floats, width: int) -> Floats:
    def mean(start: int) -> float:
        inside = slice(start, start + width)
        return float(z[inside].sum() / max(known[inside].sum(), 1))

    last = len(z) - width
    first = min(int(known.argmax()), last)
    found = []
    for step in range(len(z)):
        center = step - width // 2
        if center < first:
            rise = mean(min(first + width, last)) - mean(first)
            found.append(mean(first) + rise / width * (center - first))
        elif center > last:
            rise = mean(last) - mean(max(last - width, first))
            found.append(mean(last) + rise / width * (center - last))
        else:
            found.append(mean(center))
    return np.array(found)


def phase_means(x: Floats, known: Floats, lag: int, prior: float) -> Floats:
    """The pattern of the context and of the steps ahead."""
    if lag == 1:
        return np.zeros(len(x) + AHEAD)
    found = []
    for step in range(len(x) + AHEAD):
        total, weights = 0.0, prior
        for other in range(len(x)):
            if known[other] and (other - step) % lag == 0:
                weight = CYCLE_DECAY ** ((len(x) - 1 - other) // lag)
                total, weights = total + weight * x[other], weights + weight
        found.append(total / weights)
    return np.array(found)


def test_the_pattern_is_that_of_loops_over_steps_and_phases(context: Context) -> None:
    parts = decomposed(context, AHEAD)
    for row, lags in enumerate(context.periods.lags.tolist()):
        z, known = context.z[row].double().numpy(), context.observed[row].double().numpy()
        length = len(z) - known.argmax()
        is_long = 3 * lags[0] <= lags[1] <= length / 2
        residual = (z - moving_average(z, known, lags[int(is_long)])) * known
        first = phase_means(residual, known, lags[0], PRIORS[0])
        second = phase_means(residual - first[: len(z)] * known, known, lags[1], PRIORS[1])
        np.testing.assert_allclose(parts.pattern[row], first + second, atol=2e-5)
        adjusted = (z - (first + second)[: len(z)]) * known
        np.testing.assert_allclose(parts.adjusted[row], adjusted, atol=2e-5)


def test_the_pattern_of_a_week_of_hours_has_the_levels_of_its_days() -> None:
    hour = np.arange(24 * 7 * 8)
    values = np.where(hour // 24 % 7 < 5, 3.0, 0.0) + np.sin(2 * np.pi * hour / 24)
    context = context_of(values, seasons=(24, 168))
    pattern = decomposed(context, 168).pattern[0, -168:]
    expected = torch.asinh(torch.from_numpy((values[:168] - values.mean()) / values.std()))
    assert np.corrcoef(pattern, expected)[0, 1] > 0.98


def test_the_pattern_of_a_series_that_grows_is_that_of_one_that_does_not() -> None:
    month = np.arange(60)
    wave = np.sin(2 * np.pi * month / 12)
    flat, grown = (
        decomposed(context_of(wave + slope * month, seasons=(12, 0)), 12) for slope in (0.0, 0.02)
    )
    found = grown.pattern[0, -12:] / grown.pattern[0, -12:].std()
    expected = flat.pattern[0, -12:] / flat.pattern[0, -12:].std()
    np.testing.assert_allclose(found, expected, atol=0.12)


def test_levels_slopes_and_errors_are_those_of_loops_over_steps(context: Context) -> None:
    parts, weight = decomposed(context, AHEAD), context.observed.float()
    found_errors = level_errors(parts.adjusted, weight)
    found_change = cycle_change(context.z, weight, context.periods.lags[:, :1])
    for row in range(len(context.z)):
        y, known = parts.adjusted[row].double().numpy(), context.observed[row].numpy()
        levels, ages = [], []
        for number, alpha in enumerate(ALPHAS):
            weights = [known[t] * (1 - alpha) ** (len(y) - 1 - t) for t in range(len(y))]
            levels.append(np.average(y, weights=weights))
            ages.append(np.average(np.arange(len(y))[::-1], weights=weights))
            errors = []
            for step in range(max(len(y) - ERROR_STEPS, 0), len(y)):
                past = range(max(len(y) - ERROR_STEPS, 0), step)
                before = [known[t] * (1 - alpha) ** (step - t) for t in past]
                if known[step] and sum(before) > 1e-9:
                    forecast = np.average(y[past.start : step], weights=before)
                    errors.append(abs(y[step] - forecast))
            np.testing.assert_allclose(found_errors[row, number], np.mean(errors), rtol=1e-3)
        np.testing.assert_allclose(parts.levels[row], levels, atol=1e-5)
        z, lag = context.z[row].double().numpy(), int(context.periods.lags[row, 0])
        pairs = [t for t in range(lag, len(y)) if known[t] and known[t - lag]]
        change = np.average(
            [z[t] - z[t - lag] for t in pairs],
            weights=[(1 - ALPHAS[-1]) ** (len(y) - 1 - t) for t in pairs],
        )
        np.testing.assert_allclose(found_change[row, 0], change, atol=1e-5)
        slopes = [
            (levels[n + 1] - levels[n]) / max(ages[n] - ages[n + 1], 0.1) for n in range(N_SLOPES)
        ]
        np.testing.assert_allclose(parts.slopes[row], slopes, atol=1e-5)
        mean = masked_mean(parts.adjusted, weight)[row]
        np.testing.assert_allclose(mean, y[known].mean(), atol=1e-6)


def test_the_pattern_ahead_goes_on_with_the_cycle() -> None:
    pattern = np.array([0.0, 1.0, 4.0, -2.0])
    context = context_of(np.tile(pattern, 24), seasons=(4, 0))
    assert context.periods.lags[0, 0] == 4
    parts = decomposed(context, 8)
    assert torch.equal(parts.pattern[:, -8:], parts.pattern[:, -12:-4])
    assert np.corrcoef(parts.pattern[0, -8:], np.tile(pattern, 2))[0, 1] > 0.999


def test_a_straight_line_has_its_slope_and_an_old_one_is_seen_by_the_slowest_level() -> None:
    step = np.arange(64.0)
    parts = decomposed(context_of(step), 0)
    z = context_of(step).z[0].numpy()
    assert (parts.slopes > 0).all()
    assert (np.diff(parts.levels[0]) > 0).all()  # faster levels are nearer to the last value
    assert parts.levels[0, -1] < z[-1]


def test_a_series_without_a_value_has_zeros_for_parts() -> None:
    parts = decomposed(context_of([np.nan] * 32), 16)
    for name, value in vars(parts).items():
        assert (value == 0).all(), name
