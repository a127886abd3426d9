"""Hashes of the ids of series: the same for a series in whichever file, row and process it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Hashes = npt.NDArray[np.uint64]
HASH_RANGE = 2.0**64
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd


def hash_texts(texts: Sequence[Any] | npt.NDArray[Any], seed: int = 0) -> Hashes:
    """`[n]` the SipHash-2-4 of each text in UTF-8, keyed by the seed."""
    cells = np.asarray(texts, dtype=object)
    found: Hashes = pd.util.hash_array(cells, hash_key=f"{seed:016d}"[-16:], categorize=False)
    return found


def combine_hashes(columns: Sequence[Hashes]) -> Hashes:
    """`[n]` one hash for each row of several columns of hashes `[n]`; their order matters."""
    found = columns[0]
    for column in columns[1:]:
        found = (found ^ (found >> np.uint64(31))) * _MULTIPLIER ^ column
    return found


def hash_keys(keys: pd.DataFrame, seed: int = 0) -> Hashes:
    """`[S]` the hash of each series; `keys` [S, columns] are the ids, hashed as text."""
    return combine_hashes([hash_texts(keys[name].astype(str).to_numpy(), seed) for name in keys])
