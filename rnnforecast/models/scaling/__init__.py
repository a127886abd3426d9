"""Scaling of input windows: per-window statistics, or learned exponential smoothing."""
