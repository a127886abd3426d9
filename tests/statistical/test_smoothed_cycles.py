"""The combination of statistical methods on seasons as long as a day of hours."""

from __future__ import annotations

import numpy as np

from rnnforecast.statistical import combination
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats

LEVELS = (0.1, 0.5, 0.9)


def hours(days: int, seed: int) -> Floats:
    """Values with a day, a day of the week and noise."""
    step = np.arange(24 * days)
    level = np.array([0.0, 2, -1, 1, 0, -2, -3])[step // 24 % 7]
    noise = np.random.default_rng(seed).normal(size=len(step))
    return 20 + (3 + level) * np.sin(2 * np.pi * step / 24) + level + 0.5 * noise


def forecast(*series: Floats, seasons: tuple[int, ...] = (24, 168)) -> Floats:
    steps = max(len(each) for each in series)
    values = np.full((steps, len(series)), np.nan)
    for column, each in enumerate(series):
        values[steps - len(each) :, column] = each
    histories = Histories.from_values(values, ~np.isnan(values))
    return combination.forecast(histories, seasons=seasons, horizon=24, levels=LEVELS)


def test_a_week_beside_the_day_is_forecast_within_the_bands() -> None:
    series = [hours(50, seed) for seed in range(6)]
    actual = np.array([each[-24:] for each in series])
    found = forecast(*(each[:-24] for each in series))
    assert np.abs(found[..., 1] - actual).mean() < 0.7
    inside = (found[..., 0] <= actual) & (actual <= found[..., 2])
    assert 0.65 < inside.mean() < 0.95
    without = forecast(*(each[:-24] for each in series), seasons=(24,))
    assert np.abs(without[..., 1] - actual).mean() > 1


def test_short_series_have_forecasts_and_none_depends_on_the_others() -> None:
    series = [hours(days, days)[7:] for days in (1, 2, 3, 9, 30)]
    together = forecast(*series)
    assert np.isfinite(together).all()
    for index, each in enumerate(series):
        np.testing.assert_allclose(forecast(each)[0], together[index], rtol=1e-9)
