"""The inspection report: figures and findings about a fitted network."""
