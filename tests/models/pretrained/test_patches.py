"""Features of patches: those of the horizon follow from the context, by plain arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.models.pretrained.context import MAX_NORMALIZED, PATCH_LENGTH, Context
from rnnforecast.models.pretrained.decomposition import cycle_change, decompose
from rnnforecast.models.pretrained.patches import (
    CYCLES,
    DAMPING,
    DECAYS,
    FUTURE_FEATURES,
    MAX_LOG_GROWTH,
    PAST_FEATURES,
    PatchFeatures,
    patch_features,
)
from rnnforecast.types import Floats
from tests.models.pretrained.contexts import context_of, noisy_season

AHEAD = 48


@pytest.fixture(scope="module")
def context() -> Context:
    """A series with gaps and two seasons, a short one with one, and one without."""
    random = np.random.default_rng(1)
    step = np.arange(96)
    long = np.sin(2 * np.pi * step / 7) * 2 + random.normal(size=28)[step % 28] + 0.01 * step
    long[[20, 60, 88, 89]] = np.nan
    return context_of(long, noisy_season(40, 12.0), [1.0, 3.0, 2.0, 5.0], seasons=(7, 28))


@pytest.fixture(scope="module")
def features(context: Context) -> PatchFeatures:
    return patch_features(context, AHEAD // PATCH_LENGTH)


@pytest.fixture(scope="module")
def ahead_of(features: PatchFeatures) -> Callable[[str], Floats]:
    """A feature of all steps of the horizon, `[B, T]`, by name."""
    return lambda name: of_steps(features.future, FUTURE_FEATURES, name)


@pytest.fixture(scope="module")
def past_of(features: PatchFeatures) -> Callable[[str], Floats]:
    """A feature of all steps of the context, `[B, L]`, by name."""
    return lambda name: of_steps(features.past, PAST_FEATURES, name)


def of_steps(patches: Tensor, names: tuple[str, ...], name: str) -> Floats:
    """The feature `name` of each step `[B, N]` of patches whose steps have features `names`."""
    steps = patches.reshape(len(patches), -1, len(names))
    return np.asarray(steps[..., names.index(name)].double())


def series_of(context: Context, row: int) -> tuple[Floats, Floats, list[int]]:
    """Normalized values, NaN where not observed; the same before arcsinh; and the periods."""
    z = context.z[row].double().numpy().copy()
    z[~context.observed[row].numpy()] = np.nan
    return z, np.sinh(z), context.periods.lags[row].tolist()


def test_the_past_has_its_values_and_its_decomposition(
    context: Context, past_of: Callable[[str], Floats]
) -> None:
    parts = decompose(context.z, context.observed.float(), context.periods.lags, AHEAD)
    np.testing.assert_array_equal(past_of("value"), context.z)
    np.testing.assert_array_equal(past_of("observed"), context.observed)
    np.testing.assert_array_equal(past_of("previous")[:, 1:], context.z[:, :-1])
    assert (past_of("previous")[:, 0] == 0).all()
    np.testing.assert_allclose(past_of("pattern"), parts.pattern[:, :-AHEAD], atol=1e-6)
    np.testing.assert_allclose(past_of("adjusted"), parts.adjusted, atol=1e-6)


@pytest.mark.parametrize("period", [0, 1])
def test_earlier_cycles_are_those_of_the_same_phase_that_are_observed(
    context: Context,
    past_of: Callable[[str], Floats],
    ahead_of: Callable[[str], Floats],
    period: int,
) -> None:
    value, known, mean = (
        np.concatenate([of(f"{each}_{period + 1}") for of in (past_of, ahead_of)], 1)
        for each in ("cycle", "cycle_known", "cycles_mean")
    )
    for row in range(len(context.z)):
        z, _, lags = series_of(context, row)
        lag = lags[period]
        for step in range(len(z) + AHEAD):
            last = step - lag
            while last >= len(z):
                last -= lag
            cycles = [z[t] if t >= 0 else np.nan for t in last - lag * np.arange(CYCLES)]
            assert known[row, step] == np.isfinite(cycles[0])
            np.testing.assert_allclose(value[row, step], np.nan_to_num(cycles[0]))
            expected = np.nanmean(cycles) if np.isfinite(cycles).any() else 0.0
            np.testing.assert_allclose(mean[row, step], expected, atol=1e-6)


def test_lines_of_the_horizon_go_on_from_the_last_value_cycle_and_level(
    context: Context, ahead_of: Callable[[str], Floats]
) -> None:
    ahead = np.arange(1, AHEAD + 1)
    for row in range(len(context.z)):
        _, u, (lag, _) = series_of(context, row)
        where = np.flatnonzero(np.isfinite(u))
        first, final = where[0], where[-1]
        drift = (u[final] - u[first]) / max(final - first, 1)
        width = lag if lag > 1 else int(np.clip((len(u) - first) // 4, 2, 8))
        newest, older = u[-width:], u[-2 * width : -width]
        level = np.nanmean(newest)
        before = np.nanmean(older) if np.isfinite(older).any() else u[first]
        cycle = np.nan_to_num(u[len(u) - lag + (ahead - 1) % lag])
        cycle += (level - before) / width * lag * ((ahead - 1) // lag + 1)
        expected = {
            "last": np.full(AHEAD, u[final]),
            "drift": u[final] + drift * ahead,
            "cycle_with_change": cycle,
            "level": np.full(AHEAD, level),
        }
        for name, line in expected.items():
            np.testing.assert_allclose(
                ahead_of(name)[row], np.arcsinh(line), atol=2e-5, err_msg=name
            )


def test_levels_and_slopes_of_the_horizon_are_those_of_the_decomposition(
    context: Context, ahead_of: Callable[[str], Floats]
) -> None:
    parts = decompose(context.z, context.observed.float(), context.periods.lags, AHEAD)
    ahead = np.arange(1, AHEAD + 1)
    damped = np.cumsum(DAMPING**ahead)
    for number in range(parts.levels.shape[1]):
        line = parts.pattern[:, -AHEAD:] + parts.levels[:, number, None]
        np.testing.assert_allclose(ahead_of(f"level_{number + 1}"), line, rtol=1e-5)
    for number, slope in enumerate(parts.slopes.double().numpy().T):
        for name, line in (("slope", ahead), ("damped_slope", damped)):
            found = ahead_of(f"{name}_{number + 1}")
            expected = np.clip(slope[:, None] * line, -MAX_NORMALIZED, MAX_NORMALIZED)
            np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_deviations_from_the_slowest_level_and_the_last_cycle_pass(
    context: Context, ahead_of: Callable[[str], Floats]
) -> None:
    parts = decompose(context.z, context.observed.float(), context.periods.lags, AHEAD)
    ahead = np.arange(1, AHEAD + 1)
    deviation = (parts.levels[:, -1:] - parts.levels[:, :1]).numpy()
    change = cycle_change(context.z, context.observed.float(), context.periods.lags[:, :1])
    for number, decay in enumerate(DECAYS):
        found = ahead_of(f"deviation_{number + 1}")
        np.testing.assert_allclose(found, deviation * decay**ahead, rtol=1e-4, atol=1e-7)
    for number, decay in enumerate(DECAYS[1:]):
        found = ahead_of(f"cycle_change_{number + 1}")
        expected = change.numpy() * decay**ahead
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_multiplicative_forecasts_are_those_of_logarithms_of_positive_series() -> None:
    step = np.arange(1, 97)
    random = np.random.default_rng(0)
    growth = 5 * 1.01**step * np.tile([1.0, 1.5, 0.7, 1.1], 24) * np.exp(random.normal(size=96) / 9)
    context = context_of(growth, growth - 20, seasons=(4, 0))
    features = patch_features(context, AHEAD // PATCH_LENGTH)
    lags, known = context.periods.lags, context.observed.double()
    mean, scale = context.mean.numpy(), context.scale.numpy()
    logs = torch.from_numpy(np.log(growth / scale[0]))[None]
    of_logs = decompose(logs, known[:1], lags[:1], AHEAD)
    of_values = decompose(context.z[1:], known[1:].float(), lags[1:], AHEAD)
    damped = np.cumsum(DAMPING ** np.arange(1, AHEAD + 1))
    for row, parts in enumerate((of_logs, of_values)):
        pattern = parts.pattern[0, -AHEAD:].double().numpy()
        levels, slopes = parts.levels[0].double().numpy(), parts.slopes[0].double().numpy()
        lines = {f"multiplicative_level_{n}": pattern + levels[n - 1] for n in (2, 3, 4)}
        lines["multiplicative_trend_2"] = pattern + levels[2] + slopes[1] * damped
        highest = (logs if row == 0 else context.z[1:]).max().item()
        for name, line in lines.items():
            expected = np.minimum(line, highest + MAX_LOG_GROWTH)
            if row == 0:
                expected = np.arcsinh((np.exp(expected) * scale[0] - mean[0]) / scale[0])
            found = of_steps(features.future, FUTURE_FEATURES, name)[row]
            np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=name)


def test_features_of_a_shorter_horizon_are_the_first_of_those_of_a_longer_one(
    context: Context,
) -> None:
    short, long = patch_features(context, 1), patch_features(context, 4)
    torch.testing.assert_close(short.past, long.past)
    torch.testing.assert_close(short.context, long.context)
    torch.testing.assert_close(short.future, long.future[:, :1])


def test_features_of_a_series_do_not_depend_on_the_others(context: Context) -> None:
    others = context_of(*([np.nan] * 96, noisy_season(40, 12.0)), seasons=(7, 28))
    found, expected = patch_features(others, 2), patch_features(context, 2)
    for name in ("past", "future", "context"):
        torch.testing.assert_close(getattr(found, name)[1], getattr(expected, name)[1])


@pytest.mark.parametrize(
    "series",
    [[np.nan] * 16, [3.0], [3.0] * 40, [0.0] * 40, [0.0] * 39 + [1e12], list(range(700))],
    ids=["no value", "one value", "constant", "zeros", "one spike", "a long line"],
)
def test_features_of_unusual_series_are_finite_and_bounded(series: list[float]) -> None:
    features = patch_features(context_of(series, seasons=(7, 365)), 46)
    for each in (features.past, features.future, features.context):
        assert each.isfinite().all()
        assert each.abs().max() < 1000
