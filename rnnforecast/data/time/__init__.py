"""Time axes: frequencies, regular grids, time zones, timestamp formats, calendar features."""
