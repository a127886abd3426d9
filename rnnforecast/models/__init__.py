"""The forecaster and its five parts: normalisation, embedding, backbone, decoder, head."""
