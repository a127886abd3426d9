"""Inference with a fitted network: quantile forecasts, attribution, ONNX export."""
