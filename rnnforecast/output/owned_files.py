"""Files named by ``-o``: which ones may be replaced, decided by their content."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from rnnforecast.errors import OutputPathError, Problem

FORECAST_COLUMNS = ("cutoff", "yhat", "status")
"""Columns that a forecast has, among others, and the tables of totals and sample paths too."""

PARQUET_KEY = b"rnnforecast"
"""In the metadata of a Parquet file that this program wrote."""

PAGE_MARK = '<meta name="generator" content="rnnforecast">'

HEAD_BYTES = 1 << 20


def check_table_replaceable(path: Path, *, force: bool = False) -> None:
    """Raises OutputPathError unless the file is missing, empty, or a table of this program."""
    _check(path, _is_table, "a table of forecasts that rnnforecast wrote", force=force)


def check_page_replaceable(path: Path, *, force: bool = False) -> None:
    """Raises OutputPathError unless the file is missing, empty, or a page of this program."""
    _check(path, _is_page, "a page that rnnforecast wrote", force=force)


def _check(path: Path, is_ours: Callable[[Path], bool], kind: str, *, force: bool) -> None:
    # devices and pipes are written to, and not replaced; what is no file is refused later
    if force or not os.path.isfile(path):  # noqa: PTH113 - does not fail on a long name
        return
    try:
        if path.stat().st_size == 0 or is_ours(path):
            return
        found = f"exists and is not {kind}, so it will not be replaced"
    except OSError as error:
        found = f"exists and cannot be read ({error.strerror}), so it will not be replaced"
    cure = "choose another name, or --force to replace it"
    raise OutputPathError(Problem(str(path), found, cure))


def _is_table(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PAR1"):
        try:
            return PARQUET_KEY in (pq.read_schema(path).metadata or {})
        except (OSError, ValueError):  # ValueError: pyarrow's errors about the content
            return False
    line = head.partition(b"\n")[0].decode("utf-8", "replace")
    try:
        columns = set(next(csv.reader([line]), []))
    except csv.Error:
        return False
    return columns.issuperset(FORECAST_COLUMNS)


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return PAGE_MARK.encode() in file.read(HEAD_BYTES)
