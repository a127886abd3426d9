"""The data report: one HTML page with figures about a data set."""
