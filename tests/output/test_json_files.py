"""JSON files: types, and what is left of a failed write."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from rnnforecast.output.json_files import write_json


def test_json_has_sorted_keys_nulls_for_nan_and_plain_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(
        path,
        {
            "b": np.float32(0.1),
            "a": [float("nan"), np.float64("inf"), np.int64(3), np.bool_(True), None],
            "c": np.array([[1.5, np.nan]]),
            3: ("ä", date(2024, 2, 29), np.datetime64("2024-02-29"), Path("x/y")),
        },
    )
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == {
        "3": ["ä", "2024-02-29", "2024-02-29", "x/y"],
        "a": [None, None, 3, True, None],
        "b": 0.1,
        "c": [[1.5, None]],
    }
    assert text.startswith('{\n  "3": [\n    "ä"')
    assert text.endswith("}\n")


def test_what_has_no_json_form_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        write_json(tmp_path / "a.json", {"a": {1}})
    assert list(tmp_path.iterdir()) == []
