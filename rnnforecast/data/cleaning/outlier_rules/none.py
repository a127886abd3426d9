"""No detection of outliers."""

TRAITS = ("no_fences",)
DEFAULT_THRESHOLD = 0.0
