"""Forking-sequences decoder: the direct one, trained at every patch of the lookback at once.

MQ-RNN (Wen et al. 2017, arXiv:1711.11053), section 3.3. For the windows see `window_forks`.
"""

from __future__ import annotations

from rnnforecast.models.decoders.direct import DirectDecoder

TRAITS = ("forks_windows",)


def build(
    hidden_size: int, *, horizon: int, patch_length: int, dropout: float, attention: str
) -> DirectDecoder:
    """A new decoder of width K."""
    return DirectDecoder(hidden_size, horizon=horizon, dropout=dropout)
