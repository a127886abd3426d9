"""The forecaster and its five parts: normalization, embedding, backbone, decoder, head."""

import os

# Without it, MKL adds up the products of a row in an order that depends on the place of the row in
# memory, and so the forecast of a series would depend on the others in its batch. It is read at the
# first matrix product of the process.
os.environ.setdefault("MKL_CBWR", "AUTO")
