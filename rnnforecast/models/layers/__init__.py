"""Layers of the forecaster: embedding, covariates, attention, recurrent stack, parallel scan."""
