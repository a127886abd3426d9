"""Measures of a forecast, the simplest forecast to beat, and quantiles from errors; numpy."""
