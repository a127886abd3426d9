"""Generators of synthetic series, many at a time."""
