"""Forecast tables, plots and the files they live in: whole on disk, or not there at all."""
