"""Interpretation of a fitted network: activations, gates, attention, masked inputs."""
