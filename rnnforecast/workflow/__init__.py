"""Workflows: one function per command, without console output."""
