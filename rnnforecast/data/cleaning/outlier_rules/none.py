"""No outlier is looked for."""

TRAITS = ("no_fences",)
DEFAULT_THRESHOLD = 0.0
