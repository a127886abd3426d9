"""Decoders: from the encoder states to one vector for each patch of the horizon."""
