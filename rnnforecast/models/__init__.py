"""The forecaster and its five parts: normalization, embedding, backbone, decoder, head."""

from rnnforecast.parallel.threads import reproduce_sums

reproduce_sums()  # before the first matrix product of the process
