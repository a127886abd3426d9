"""The YAML spec: what it may say (`model`), how it is read (`source`, `load`) and explained."""
