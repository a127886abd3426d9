from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.statistical import seasonal_smoothing
from rnnforecast.statistical.histories import Histories
from rnnforecast.statistical.seasonal_smoothing import forecast, forecast_from_cycles
from rnnforecast.types import Floats

DAY, WEEK = 4, 28


def histories(*series: Floats, max_steps: int = 10_000) -> Histories:
    """Histories of whole series, NaN where missing."""
    offsets = np.r_[0, np.cumsum([len(each) for each in series])]
    index = np.arange(len(series))
    flat = np.concatenate(series)
    return Histories.from_flat(flat, offsets, index, np.diff(offsets), max_steps=max_steps)


def noisy_weeks(weeks: int, *, seed: int, week_size: float = 1.0) -> Floats:
    """Days with a pattern, weeks with a pattern of size `week_size`, and noise."""
    random = np.random.default_rng(seed)
    step = np.arange(weeks * WEEK)
    day = np.array([0.0, 3.0, 5.0, 1.0])[step % DAY]
    week = week_size * random.normal(size=WEEK)[step % WEEK]
    return 10 + day + week + 0.3 * random.normal(size=len(step))


def smooth_one_series(
    y: Floats, level_rate: float, profile_rate: float, prior: float, horizon: int
) -> Floats:
    """The equations for one series and one set of parameters, value by value."""
    count, cycles = len(y) // DAY, WEEK // DAY
    level, share, products, powers, error = 0.0, 0.5, 0.0, 0.0, 0.0
    profile = [0.0] * DAY
    deviation = [[0.0] * DAY for _ in range(cycles)]
    seen = [0] * cycles
    decay = [0.97 ** (24 * (i + 1) / DAY) for i in range(DAY)]
    for n in range(count):
        slot = (n - count) % cycles
        values = y[n * DAY : (n + 1) * DAY]
        errors = [values[i] - level - profile[i] - deviation[slot][i] for i in range(DAY)]
        products = 0.95 * products + sum(errors[i] * decay[i] * error for i in range(DAY)) / DAY
        powers = 0.95 * powers + sum((d * error) ** 2 for d in decay) / DAY
        if powers > 0:
            pull = powers * min(1.0, 3 / (n + 1))
            share = min(max((products + pull / 2) / (powers + pull), 0.0), 1.0)
        mean = sum(errors) / DAY
        to_level, to_profile = max(level_rate, 1 / (n + 1)), max(profile_rate, 1 / (n + 1))
        to_week = max(0.1, 1 / (seen[slot] + prior)) if n >= cycles else 0.0
        level += to_level * mean
        for i in range(DAY):
            profile[i] += to_profile * (errors[i] - mean)
            deviation[slot][i] += to_week * errors[i]
        error = values[-1] - level - profile[-1] - deviation[slot][-1]
        seen[slot] += n >= cycles
    return np.array(
        [
            level
            + profile[h % DAY]
            + deviation[h // DAY % cycles][h % DAY]
            + 0.97 ** (24 * (h + 1) / DAY) * share * error
            for h in range(horizon)
        ]
    )


def test_one_set_of_parameters_follows_the_equations_value_by_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seasonal_smoothing, "LEVEL_RATES", (0.3,))
    monkeypatch.setattr(seasonal_smoothing, "PROFILE_RATES", (0.2,))
    monkeypatch.setattr(seasonal_smoothing, "DEVIATION_PRIORS", (2.0,))
    monkeypatch.setattr(
        seasonal_smoothing._Smoothing, "weights", lambda self: np.array([[0.0], [1.0]])
    )
    y = noisy_weeks(6, seed=1)
    found = forecast(histories(y), seasons=(DAY, WEEK), horizon=WEEK + 3)
    expected = smooth_one_series(y, 0.3, 0.2, 2.0, WEEK + 3)
    np.testing.assert_allclose(found.mean[0], expected, rtol=1e-12)


def test_a_day_that_repeats_is_forecast_exactly() -> None:
    y = np.tile([1.0, 4.0, 2.0, 7.0], 12)
    found = forecast(histories(y), seasons=(DAY,), horizon=10)
    np.testing.assert_allclose(found.mean[0], np.tile([1.0, 4.0, 2.0, 7.0], 3)[:10], atol=1e-9)
    np.testing.assert_allclose(found.variance, 0, atol=1e-9)


def test_a_week_beside_the_day_halves_the_error_or_more() -> None:
    y = noisy_weeks(13, seed=2)
    past, future = y[: 12 * WEEK], y[12 * WEEK :]
    with_week = forecast(histories(past), seasons=(DAY, WEEK), horizon=WEEK).mean[0]
    without = forecast(histories(past), seasons=(DAY,), horizon=WEEK).mean[0]
    assert np.abs(with_week - future).mean() < 0.5 * np.abs(without - future).mean()


def test_a_week_that_is_noise_costs_next_to_nothing() -> None:
    series = [noisy_weeks(13, seed=seed, week_size=0.0) for seed in range(20)]
    past = histories(*(y[: 12 * WEEK] for y in series))
    future = np.array([y[12 * WEEK :] for y in series])
    with_week = np.abs(forecast(past, seasons=(DAY, WEEK), horizon=WEEK).mean - future).mean()
    without = np.abs(forecast(past, seasons=(DAY,), horizon=WEEK).mean - future).mean()
    assert with_week < 1.02 * without


def test_variances_are_those_of_the_errors_a_day_and_more_ahead() -> None:
    random = np.random.default_rng(3)
    y = random.normal(size=(200, 30 * DAY))
    found = forecast(histories(*y), seasons=(DAY,), horizon=2 * DAY)
    assert found.variance[:, :DAY].mean() == pytest.approx(1.1, abs=0.1)  # the mean errs as well
    assert found.variance[:, DAY:].mean() > found.variance[:, :DAY].mean()


def test_a_series_does_not_depend_on_the_others() -> None:
    series = [noisy_weeks(weeks, seed=weeks) for weeks in range(1, 41)]
    together = forecast(histories(*series), seasons=(DAY, WEEK), horizon=9)
    for index in (0, 1, 17, 39):
        alone = forecast(histories(series[index]), seasons=(DAY, WEEK), horizon=9)
        np.testing.assert_array_equal(alone.mean[0], together.mean[index])
        np.testing.assert_array_equal(alone.variance[0], together.variance[index])


def test_a_series_moved_and_stretched_has_a_forecast_moved_and_stretched() -> None:
    y = noisy_weeks(5, seed=4)
    one = forecast(histories(y), seasons=(DAY, WEEK), horizon=9)
    other = forecast(histories(5 - 3 * y), seasons=(DAY, WEEK), horizon=9)
    np.testing.assert_allclose(other.mean, 5 - 3 * one.mean)
    np.testing.assert_allclose(other.variance, 9 * one.variance)


def test_missing_values_are_left_out() -> None:
    y = np.tile([1.0, 4.0, 2.0, 7.0], 20)
    y[[5, 22, 23, 79]] = np.nan
    y[40:44] = np.nan
    found = forecast(histories(y), seasons=(DAY,), horizon=4)
    np.testing.assert_allclose(found.mean[0], [1, 4, 2, 7], atol=1e-6)


def test_histories_of_less_than_two_days_have_forecasts() -> None:
    found = forecast(
        histories(np.array([3.0, 5.0]), np.array([1.0, 2.0, 3.0, 4.0]), np.array([np.nan])),
        seasons=(DAY, WEEK),
        horizon=2,
    )
    np.testing.assert_allclose(found.mean[:2], [[4, 4], [1, 2]], atol=1e-12)
    np.testing.assert_allclose(found.variance[:2], [[1, 1], [1.25, 1.25]])
    assert np.isnan(found.mean[2]).all()
    assert np.isnan(found.variance[2]).all()


def test_no_history_has_no_forecast() -> None:
    empty = Histories(np.zeros((0, 0)), np.zeros((0, 0), bool), np.zeros(0, np.int64))
    assert forecast(empty, seasons=(DAY,), horizon=3).mean.shape == (0, 3)


def test_forecasts_some_cycles_earlier_are_those_of_shorter_histories() -> None:
    given = histories(noisy_weeks(9, seed=5), noisy_weeks(8, seed=6))
    found = forecast_from_cycles(given, seasons=(DAY, WEEK), horizon=9, back=(0, 2, 5))
    for cycles, at_origin in zip((0, 2, 5), found, strict=True):
        alone = forecast(given.before(cycles * DAY), seasons=(DAY, WEEK), horizon=9)
        np.testing.assert_array_equal(at_origin.mean, alone.mean)
        np.testing.assert_array_equal(at_origin.variance, alone.variance)


def test_an_origin_before_the_first_cycle_has_the_forecast_of_nothing() -> None:
    found = forecast_from_cycles(
        histories(np.arange(9.0)), seasons=(DAY,), horizon=2, back=(0, 3, 4)
    )
    assert np.isfinite(found[0].mean).all()
    assert np.isnan(found[1].mean).all()
    assert np.isnan(found[2].mean).all()
