"""Linear base forecast: a map from lookback to horizon, fitted by least squares, then trained."""

from __future__ import annotations

from rnnforecast.models.base_forecast.base_forecast import BaseForecast
from rnnforecast.models.config import ForecasterConfig

TRAITS = ("candidate",)


def build(config: ForecasterConfig) -> BaseForecast:
    """The map, which starts as the seasonal naive forecast."""
    return BaseForecast(config)
