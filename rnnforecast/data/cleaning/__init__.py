"""Cleaning of target values: outliers, transforms, seasonality, imputation."""
