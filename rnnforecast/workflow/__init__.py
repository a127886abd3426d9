"""Workflows: the work of each command, one a file, without console output."""
