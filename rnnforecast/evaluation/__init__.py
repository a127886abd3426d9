"""Evaluation of forecasts in NumPy: metrics, baseline, calibration, ensembling, sample paths."""
