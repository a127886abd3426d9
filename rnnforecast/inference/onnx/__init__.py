"""Export to ONNX: a portable forward pass, example windows, the check of the file."""
