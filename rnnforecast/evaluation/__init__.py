"""Metrics, baselines, verdicts, calibration, ensembling and sample paths of forecasts, in NumPy."""
