"""Training, validation and test split, and the origins of windows."""
