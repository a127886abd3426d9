"""The network that is pretrained on synthetic series, and what it reads of a series."""
