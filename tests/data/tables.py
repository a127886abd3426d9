"""Small tables for tests: what reading a CSV would give, without a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from rnnforecast.data.io.column_roles import ColumnRoles, infer_column_roles
from rnnforecast.data.io.input_files import LineIndex
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table, read_files
from rnnforecast.spec.data import DataSpec


def read(source: Sequence[str], **options: Any) -> Table:
    """`read_files` with the keys of the data section, and covariates by kind, as arguments."""
    kinds = {
        kind: tuple(options.pop(kind, ())) for kind in ("covariates", "categorical", "numeric")
    }
    skip = options.pop("skip_invalid_series", False)
    read_options = ReadOptions(DataSpec(path=tuple(source), **options), **kinds)
    return read_files(source, read_options, skip_invalid_series=skip)


def infer_roles(head: pd.DataFrame, **options: Any) -> ColumnRoles:
    """`infer_column_roles` with the keys of the data section as arguments."""
    return infer_column_roles(head, ReadOptions(DataSpec(path=("a.csv",), **options)))


class OneFile:
    """The lines of a file with a header and one row a line."""

    def location(self, row: int, column: str | None = None) -> str:
        return f"sales.csv, line {row + 2}" + (f", column {column!r}" if column else "")

    def file_number(self, row: int) -> int:
        return 0

    def take(self, rows: Any) -> OneFile:
        """The lines of some rows are not told apart."""
        return self


def table(time: Any, values: Any, series: Any = None) -> Table:
    """A table of rows in the given order.

    ``time`` [R] timestamps, date strings or integers, ``values`` [R] or [R, C] with NaN for
    missing, ``series`` [R] names, or None for a single series.
    """
    timestamps = np.asarray(time)
    if timestamps.dtype.kind in "iu":
        timestamps = timestamps.astype(np.int64)
    else:
        parsed = pd.to_datetime(pd.Index(time), format="ISO8601")
        timestamps = parsed.to_numpy().astype("datetime64[us]")
    targets = np.asarray(values, dtype=np.float64).reshape(len(timestamps), -1)
    if series is None:
        keys, codes = pd.DataFrame(index=range(1)), np.zeros(len(timestamps), dtype=np.int64)
    else:
        names, codes = np.unique(np.asarray(series, dtype=str), return_inverse=True)
        keys = pd.DataFrame({"item": names})
    columns = tuple(f"y{number or ''}" for number in range(targets.shape[1]))  # y, y1, y2, …
    roles = ColumnRoles("ds", tuple(keys.columns), columns, (), {})
    return Table(
        keys=keys,
        codes=codes.astype(np.int64),
        time=timestamps,
        utc_offset="",
        values=targets,
        roles=roles,
        line_index=cast(LineIndex, OneFile()),
        infinite_count=0,
    )
