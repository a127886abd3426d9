"""Fitting a forecaster: batches gathered on the device, the loop, checkpoints."""
