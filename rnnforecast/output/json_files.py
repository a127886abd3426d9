"""JSON files that are written whole, and the values of NumPy in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.output.atomic_files import write_text


def write_json(path: Path, obj: object) -> None:
    """Writes `obj` atomically as indented JSON with sorted keys, converted by `to_json_types`.

    Raises TypeError as `to_json_types` does, OutputError as `atomic_file` does.
    """
    text = json.dumps(
        to_json_types(obj), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    write_text(path, text + "\n")


def parse_json(text: str | bytes) -> dict[str, Any]:
    """The object in a text of `write_json`, with NaN in place of null; ValueError without JSON."""
    stored: dict[str, Any] = _null_to_nan(json.loads(text))
    return stored


def _null_to_nan(stored: Any) -> Any:
    if isinstance(stored, dict):
        return {name: _null_to_nan(value) for name, value in stored.items()}
    return math.nan if stored is None else stored


def to_json_types(value: object) -> object:
    """`value` converted to the types of JSON.

    NaN and infinity become None; NumPy scalars and arrays become Python's numbers and lists (a
    float32 with its own digits); dates become ISO text, paths text. Raises TypeError for others.
    """
    if isinstance(value, np.floating):
        value = float(str(value))  # the shortest digits of its own precision, so 0.1 stays 0.1
    elif isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(to_json_types(key)): to_json_types(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [to_json_types(item) for item in value]
    if isinstance(value, list | tuple):
        return [to_json_types(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")
