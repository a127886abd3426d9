"""New models in place of the current one: when one is trained, and whether it is better."""
