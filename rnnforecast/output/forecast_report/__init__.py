"""The forecast report: one HTML page about a forecast and how good it is."""
