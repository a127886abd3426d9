"""The forecaster and its five parts: normalization, embedding, backbone, decoder, head."""
