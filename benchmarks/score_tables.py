"""Scores of benchmark runs: a file that stores them, and the rows of their tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Scores = dict[str, float]


class ResultCache:
    """Results of finished runs by name, stored in a file if one is given."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.runs: dict[str, dict[str, Any]] = {}
        if file is not None and file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                self.runs.update(json.loads(line))

    def get(self, key: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of `key`, computed by `run` if it is not stored."""
        if key not in self.runs:
            self.store(key, run())
        return self.runs[key]

    def store(self, key: str, result: dict[str, Any]) -> None:
        """Stores a result and prints its numbers."""
        self.runs[key] = result
        numbers = {name: value for name, value in result.items() if isinstance(value, float)}
        text = " ".join(f"{name}={value:.4g}" for name, value in numbers.items())
        print(f"{key}: {text}", file=sys.stderr, flush=True)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({key: result}) + "\n")


def run_key(name: str, seed: int, changes: Sequence[str]) -> str:
    """The name of a run in the cache: its data, and the overrides of the spec."""
    return " ".join([name, f"training.seed={seed}", *changes])


def format_row(
    name: str, method: str, runs: Sequence[Scores], columns: dict[str, tuple[str, int]]
) -> str:
    """A row of a table: the median over runs, with the range if there are several; – for a measure
    that they lack."""
    cells = [name, method, str(len(runs))]
    for measure, (_, digits) in columns.items():
        values = np.array([scores[measure] for scores in runs if measure in scores])
        cell = f"{np.median(values):.{digits}f}" if len(values) else "–"
        if len(values) > 1:
            cell += f" ({values.min():.{digits}f}–{values.max():.{digits}f})"
        cells.append(cell)
    return "| " + " | ".join(cells) + " |"


def table_head(first: Sequence[str], columns: dict[str, tuple[str, int]]) -> str:
    """The head of a Markdown table; the columns after the first two are numbers."""
    heads = [*first, *(title for title, _ in columns.values())]
    return "| " + " | ".join(heads) + " |\n| --- | --- |" + " ---: |" * (len(heads) - 2)
