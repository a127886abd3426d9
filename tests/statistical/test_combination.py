"""The combination of statistical methods: coverage of simulated processes, and its properties."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnforecast.statistical import combination
from rnnforecast.statistical.histories import Histories
from rnnforecast.statistical.intervals import LARGEST_SIZE, PRIOR_WINDOWS, interval_factor
from rnnforecast.types import Floats
from tests.statistical.series import histories_of

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def processes(kind: str, steps: int, count: int) -> Floats:
    """`[count, steps]` simulations of a known process."""
    random = np.random.default_rng(4)
    shocks = random.normal(size=(count, steps))
    time = np.arange(steps)
    phase = random.uniform(0, 2 * np.pi, (count, 1))
    season = 3 * np.sin(2 * np.pi * time / 12 + phase)
    return {
        "random walk": 50 + shocks.cumsum(1),
        "white noise": 50 + shocks,
        "trend": 50 + random.normal(0, 0.5, (count, 1)) * time + shocks,
        "season": 50 + season + shocks + 0.3 * random.normal(size=shocks.shape).cumsum(1),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "season", "steps"),
    [("random walk", 1, 20), ("white noise", 1, 20), ("trend", 1, 30), ("season", 12, 72)],
)
def test_bands_hold_their_share_of_simulated_values(kind: str, season: int, steps: int) -> None:
    horizon = 6
    simulated = processes(kind, steps + horizon, 400)
    histories = histories_of(*simulated[:, :steps])
    found = combination.forecast(histories, seasons=(season,), horizon=horizon, levels=LEVELS)
    actual = simulated[:, steps:]
    inside = [
        ((actual >= found[..., low]) & (actual <= found[..., -1 - low])).mean() for low in (1, 0)
    ]
    # real series are less regular than these, so that bands are rather wide here
    assert 0.72 < inside[0] < 0.93
    assert 0.9 < inside[1] < 0.995


def test_forecast_of_a_history_does_not_depend_on_others() -> None:
    series = list(processes("season", 60, 40)) + list(processes("random walk", 30, 40))
    together = combination.forecast(histories_of(*series), seasons=(12,), horizon=8, levels=LEVELS)
    for row in (0, 17, 55):
        alone = histories_of(series[row])
        found = combination.forecast(alone, seasons=(12,), horizon=8, levels=LEVELS)
        np.testing.assert_array_equal(found[0], together[row])


@settings(max_examples=20)
@given(
    arrays(float, (30, 3), elements=st.floats(-1e6, 1e6, width=32) | st.just(np.nan)),
    st.sampled_from([(1, 7), (2, 5), (7, 7), (14, 3)]),
)
def test_no_forecast_of_any_values_depends_on_others(
    values: Floats, season_horizon: tuple[int, int]
) -> None:
    season, horizon = season_horizon
    together, alone = (
        combination.forecast(
            Histories.from_values(each), seasons=(season,), horizon=horizon, levels=LEVELS
        )
        for each in (values, values[:, 1:2])
    )
    np.testing.assert_array_equal(together[1:2], alone)


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("season", [1, 4, 14])
def test_huge_and_tiny_values_have_forecasts_of_their_size(unit: float, season: int) -> None:
    values = processes("white noise", 40, 3)
    expected, found = (
        combination.forecast(histories_of(*each), seasons=(season,), horizon=3, levels=LEVELS)
        / scale
        for each, scale in ((values, 1.0), (values * unit, unit))
    )
    assert (np.diff(found, axis=-1) >= 0).all()
    np.testing.assert_allclose(found, expected, rtol=0.05)


@settings(max_examples=30)
@given(arrays(float, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32)))
def test_quantiles_of_any_values_are_finite_and_do_not_cross(values: Floats) -> None:
    for season in (1, 4):
        histories = histories_of(values)
        found = combination.forecast(histories, seasons=(season,), horizon=3, levels=LEVELS)
        assert np.isfinite(found).all()
        assert (np.diff(found, axis=-1) >= 0).all()


def test_bands_widen_with_the_step_and_with_fewer_values() -> None:
    widths = {}
    for kind in ("random walk", "white noise"):
        simulated = processes(kind, 80, 200)
        for steps in (80, 8):
            histories = histories_of(*simulated[:, :steps])
            found = combination.forecast(histories, seasons=(1,), horizon=6, levels=LEVELS)
            widths[kind, steps] = np.median(found[..., -1] - found[..., 0], axis=0)
    assert all((np.diff(each) > 0).all() for each in widths.values())
    for kind in ("random walk", "white noise"):
        assert (widths[kind, 8] > widths[kind, 80]).all()


def test_shifted_and_scaled_values_have_shifted_and_scaled_forecasts() -> None:
    values = processes("random walk", 40, 5) - 50  # of both signs: no logarithms
    first, second = (
        combination.forecast(histories_of(*each), seasons=(1,), horizon=4, levels=LEVELS)
        for each in (values, 7 * values)
    )
    np.testing.assert_allclose(second, 7 * first, rtol=1e-6, atol=1e-6)


def test_history_without_a_value_has_no_forecast() -> None:
    values = np.column_stack([np.full(10, np.nan), np.arange(10.0)])
    found = combination.forecast(
        Histories.from_values(values), seasons=(1,), horizon=2, levels=LEVELS
    )
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()
    nothing = Histories(np.zeros((0, 3)), np.zeros((0, 3), bool), np.zeros(3, np.int64))
    found = combination.forecast(nothing, seasons=(1,), horizon=2, levels=LEVELS)
    assert np.isnan(found).all()
    assert found.shape == (3, 2, len(LEVELS))


def test_interval_factor_is_shrunk_towards_one() -> None:
    errors, deviations = np.full((2, 3, 4), 1.6), np.ones((2, 3, 4))
    errors[:, 1] = np.nan  # nothing known
    errors[:, 2] = 100.0  # cut
    # two horizons of errors twice the expected size 0.8, beside PRIOR_WINDOWS of the expected one
    expected = (PRIOR_WINDOWS + 2 * 2) / (PRIOR_WINDOWS + 2)
    cut = (PRIOR_WINDOWS + 2 * LARGEST_SIZE / 0.8) / (PRIOR_WINDOWS + 2)
    np.testing.assert_allclose(interval_factor(errors, deviations), [expected, 1.0, cut])


def test_it_does_without_the_second_that_scipy_stats_takes_to_import() -> None:
    code = "import sys, rnnforecast.statistical.combination; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
