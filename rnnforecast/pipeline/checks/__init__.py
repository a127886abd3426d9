"""Checks before a forecast: whether the data are fresh and plausible, and the model still good."""
