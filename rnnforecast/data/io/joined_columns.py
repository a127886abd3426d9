"""Columns whose cells are joined by a space, such as a date and a time of day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rnnforecast.data.io.arrow_types import dictionary_encode


def clean_time_part(text: str) -> str:
    """A cell that is joined with others: 1995.0 is 1995, and a date has no midnight."""
    text = text.strip()
    for midnight in ("00:00:00.000000", "00:00:00"):
        text = text.removesuffix(f" {midnight}").removesuffix(f"T{midnight}")
    whole, _, decimals = text.partition(".")
    return whole if whole.isdecimal() and decimals and not decimals.strip("0") else text


def join_cells(rows: pd.DataFrame) -> pd.Series[str]:
    """The joined cells [R] of the columns of a table of texts [R, K]."""
    parts = [rows[column].map(clean_time_part) for column in rows]
    return pd.Series(list(map(" ".join, zip(*parts, strict=True))), rows.index, str).str.strip()


def join_texts(columns: Sequence[Any]) -> Any:
    """The joined cells [r] of Arrow columns [r] as a dictionary; null where one is null."""
    encoded = [dictionary_encode(column) for column in columns]
    texts = [[clean_time_part(text) for text in part.dictionary.to_pylist()] for part in encoded]
    codes, is_null = np.zeros(len(columns[0]), dtype=np.int64), np.zeros(len(columns[0]), bool)
    for part, words in zip(encoded, texts, strict=True):
        is_null |= np.asarray(part.indices.is_null())
        codes = codes * max(len(words), 1) + part.indices.fill_null(0).to_numpy()
    places, distinct = pd.factorize(codes)
    joined = [""] * len(distinct)
    for words in reversed(texts):
        distinct, at = np.divmod(distinct, max(len(words), 1))
        joined = [f"{words[i]} {rest}" for i, rest in zip(at.tolist(), joined, strict=True)]
    indices = pa.array(places.astype(np.int32), mask=is_null)
    return pa.DictionaryArray.from_arrays(
        indices, pa.array([t.strip() for t in joined], pa.string())
    )
