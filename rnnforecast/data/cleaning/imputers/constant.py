"""`clean.fill_value` is the value of every step without one, as if it stood in the file."""

TRAITS = ("value", "needs_value")
