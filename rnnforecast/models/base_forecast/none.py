"""No base forecast: the network forecasts the normalized values themselves."""

from __future__ import annotations

from rnnforecast.models.config import ForecasterConfig

TRAITS = ()


def build(config: ForecasterConfig) -> None:
    """Returns None."""
