"""Statistical forecasting methods, vectorized over series: theta, exponential smoothing, naive."""
