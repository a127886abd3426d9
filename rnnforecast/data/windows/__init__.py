"""Train, validation and test split, and the forecast origins of training windows."""
