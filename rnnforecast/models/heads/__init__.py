"""Output heads and losses: quantiles, distributions, point forecasts."""
