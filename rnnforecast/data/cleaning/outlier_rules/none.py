"""No outlier detection."""

TRAITS = ("flags_nothing",)
DEFAULT_THRESHOLD = 0.0
