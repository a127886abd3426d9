"""Time series forecasting with recurrent neural networks, from a CSV file and a YAML spec."""

from __future__ import annotations

__version__ = "0.1.0"
