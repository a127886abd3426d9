"""Training: windows gathered on the device, the training loop, checkpoints."""
