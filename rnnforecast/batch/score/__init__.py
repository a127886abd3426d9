"""Scores of issued forecasts by the values that were observed since, with alarms of drift."""
