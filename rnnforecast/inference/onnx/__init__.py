"""ONNX export: an exportable forward pass, example windows, the comparison with torch."""
