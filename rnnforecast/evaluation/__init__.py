"""Metrics, the baseline, calibration, ensembling and sample paths of forecasts, in NumPy."""
