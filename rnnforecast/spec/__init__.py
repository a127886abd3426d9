"""The YAML spec: its keys and types, how it is read and checked, and its reference."""
