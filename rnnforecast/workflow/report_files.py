"""The JSON files of forecasts and backtests that a report reads, and the types in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from rnnforecast.errors import DataError, Problem
from rnnforecast.output.folder_snapshot import ReadableFolder

Types = Mapping[str, type | tuple[type, ...]]
FORECAST_TYPES: Types = {"run": (str, NoneType), "horizon": int}
BACKTEST_TYPES: Types = {
    "windows": int,
    "series": int,
    "horizon": int,
    "gap": int,
    "trainings": int,
    "cutoffs": list,
    "in_sample_windows": list,
    "metrics": dict,
    "baselines": dict,
    "verdicts": dict,
    "metadata": dict,
}


def read_summary(folder: ReadableFolder, name: str, types: Types) -> dict[str, Any]:
    """The object in a JSON file of a folder. Raises DataError if a key of `types` lacks or has
    another type."""
    path = folder.path / name
    try:
        stored = json.loads(folder.read_text(name))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged_file(path, str(error)) from error
    if not isinstance(stored, dict):
        raise damaged_file(path, "it has no keys")
    for name, kind in types.items():
        value = stored.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise damaged_file(path, f"{name} is {value!r:.40}")
        if isinstance(value, int) and value < 0:
            raise damaged_file(path, f"{name} is {value}")
    return stored


def damaged_file(path: Path, reason: str) -> DataError:
    """The error for a file whose content this program cannot have written."""
    return DataError(Problem(str(path), f"the file is damaged: {reason}", "write the folder again"))
