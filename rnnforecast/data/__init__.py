"""Data preparation: reading, cleaning, the regular panel, features and windows; without torch."""
