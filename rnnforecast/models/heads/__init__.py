"""Output heads with their losses: quantiles, point forecasts, distributions."""
