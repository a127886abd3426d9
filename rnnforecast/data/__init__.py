"""From files to a clean, regular panel, and from the panel to windows (no torch here)."""
