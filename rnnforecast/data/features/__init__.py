"""Covariates and calendar features as input columns of the network."""
