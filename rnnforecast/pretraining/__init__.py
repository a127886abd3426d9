"""Pretraining of a recurrent network on synthetic series."""
