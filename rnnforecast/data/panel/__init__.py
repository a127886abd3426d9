"""The panel: series on a regular time grid, built from the rows of a table."""
