"""Data frames as inputs: columns, indexes and types, and messages that name row and column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rnnforecast.data.io.frame_source import from_frame
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table, read_files
from rnnforecast.errors import DataError, UsageError
from rnnforecast.spec.data import DataSpec

DAYS = pd.date_range("2024-01-01", periods=30)
Y = np.arange(30.0)
FRAME = pd.DataFrame({"ds": DAYS, "y": Y})
TWO = pd.DataFrame({"id": ["a"] * 30 + ["b"] * 30, "ds": [*DAYS, *DAYS], "y": [*Y, *Y]})


def table_of(*frames: Any, **options: Any) -> Table:
    names = ["data"] if len(frames) == 1 else [f"data[{at}]" for at in range(len(frames))]
    sources = [from_frame(frame, name) for frame, name in zip(frames, names, strict=True)]
    return read_files(sources, ReadOptions(DataSpec(path=(), **options)))


def message_of(*frames: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        table_of(*frames, **options)
    return str(caught.value)


def is_usual(table: Table, time: str = "ds", target: str = "y") -> bool:
    return (
        table.roles.time == time
        and table.roles.targets == (target,)
        and np.array_equal(table.time, DAYS.to_numpy().astype("M8[us]"))
        and np.array_equal(table.values[:, 0], Y)
    )


SAME: dict[str, Callable[[], Any]] = {
    "columns": lambda: FRAME,
    "an index of dates with a name": lambda: FRAME.set_index("ds"),
    "an index of dates without a name": lambda: FRAME[["y"]].set_index(DAYS),
    "an index and the same column": lambda: FRAME.set_index("ds", drop=False),
    "a series": lambda: pd.Series(Y, index=DAYS),
    "days as objects": lambda: pd.Series(Y, index=[day.date() for day in DAYS], name="y"),
    "periods as the index": lambda: pd.Series(Y, index=DAYS.to_period("D")),
    "a column of periods": lambda: FRAME.assign(ds=DAYS.to_period("D")),
    "nanoseconds": lambda: FRAME.assign(ds=DAYS.as_unit("ns")),
    "dates as text": lambda: FRAME.assign(ds=DAYS.strftime("%d.%m.%Y").astype("string")),
    "dates as categories": lambda: FRAME.assign(ds=pd.Categorical(DAYS)),
    "nullable numbers": lambda: FRAME.assign(y=pd.array(Y, dtype="Int64")),
    "numbers of Arrow": lambda: FRAME.astype({"y": "double[pyarrow]"}),
    "sparse numbers": lambda: FRAME.assign(y=pd.arrays.SparseArray(Y)),
    "decimals": lambda: FRAME.assign(y=[Decimal(int(value)) for value in Y]),
    "numbers as objects": lambda: FRAME.astype({"y": object}),
    "an index left from a filter": lambda: FRAME.set_index(np.arange(30) * 7),
    "an Arrow table": lambda: pa.Table.from_pandas(FRAME, preserve_index=False),
    "columns that no file could have": lambda: FRAME.assign(
        a=[[1]] * 30, b=[{"c": 1}] * 30, d=[b"\xff"] * 30, e=pd.Timedelta("1h"), f=[object()] * 30
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_rows_in_another_form_are_the_same_table(name: str) -> None:
    assert is_usual(table_of(SAME[name]()))


def test_frames_of_polars_are_read_lazy_or_not() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"ds": list(DAYS), "y": Y})
    assert is_usual(table_of(frame))
    assert is_usual(table_of(frame.lazy()))
    named = polars.DataFrame({name: list(TWO[name]) for name in TWO})
    for kind in (polars.Categorical, polars.Enum(["a", "b"])):
        found = table_of(named.with_columns(polars.col("id").cast(kind)))
        assert found.keys["id"].tolist() == ["a", "b"]


@pytest.mark.parametrize("kind", ["category", "string", "object"])
def test_series_are_told_apart_by_a_column_of_text_of_any_type(kind: str) -> None:
    table = table_of(TWO.astype({"id": kind}))
    assert table.keys["id"].tolist() == ["a", "b"]
    assert np.array_equal(table.codes, np.repeat([0, 1], 30))


def test_levels_of_an_index_are_columns() -> None:
    table = table_of(TWO.set_index(["id", "ds"]))
    assert table.keys["id"].tolist() == ["a", "b"]
    assert table.roles.time == "ds"
    without_name = TWO.set_index(["id", "ds"]).rename_axis(["id", None])
    assert table_of(without_name).roles.time == "ds"
    bare = TWO.set_index(["id", "ds"]).rename_axis([None, None])
    assert "level 0 of the index has no name" in message_of(bare)


def test_missing_values_of_every_kind_are_blank_cells() -> None:
    numbers = pd.array([None, 1, *range(28)], dtype="Int64")
    mixed = [None, "NA", pd.NA, float("nan"), *map(str, range(26))]
    table = table_of(FRAME.assign(y=numbers, z=mixed), targets=("y", "z"))
    assert np.isnan(table.values[:, 0]).nonzero()[0].tolist() == [0]
    assert np.isnan(table.values[:, 1]).nonzero()[0].tolist() == [0, 1, 2, 3]


def test_a_wide_frame_with_dates_as_columns_is_read_as_rows() -> None:
    wide = TWO.pivot(index="id", columns="ds", values="y")
    table = table_of(wide)
    assert table.roles.has_dates_as_columns
    assert table.keys["id"].tolist() == ["a", "b"]
    assert len(table.time) == 60


def test_several_frames_are_one_table_and_have_names_in_messages() -> None:
    later = FRAME.assign(ds=DAYS + pd.Timedelta("30D"))
    assert len(table_of(FRAME, later).time) == 60
    faulty = later.astype({"y": object})
    faulty.loc[6, "y"] = "closed"
    assert "data[1], row 7, column 'y': 'closed' is not a number" in message_of(FRAME, faulty)


def test_a_cell_that_cannot_be_read_is_named_by_row_and_column() -> None:
    numbers = FRAME.astype({"y": object})
    numbers.loc[6, "y"] = "closed"
    assert message_of(numbers).startswith("data, row 7, column 'y': 'closed' is not a number")
    assert np.isnan(table_of(numbers, missing_values=("closed",)).values[6, 0])
    blank = FRAME.copy()
    blank.loc[4, "ds"] = pd.NaT
    assert "data, row 5, column 'ds': the time is blank" in message_of(blank)


def test_rows_keep_their_numbers_for_messages_about_the_table() -> None:
    assert table_of(FRAME).line_index.location(6, "y") == "data, row 7, column 'y'"


def test_times_in_another_zone_than_utc_need_the_key() -> None:
    berlin = FRAME.assign(ds=DAYS.tz_localize("Europe/Berlin"))
    assert "the times are in the zone 'Europe/Berlin'" in message_of(berlin)
    table = table_of(berlin, timezone="Europe/Berlin")
    assert table.time[0] == np.datetime64("2023-12-31T23:00")
    assert table_of(FRAME.assign(ds=DAYS.tz_localize("UTC"))).utc_offset == "Z"


REFUSED = {
    "no rows": (FRAME[:0], "the data frame has no rows"),
    "two columns of one name": (
        pd.DataFrame(np.c_[Y, Y], index=DAYS, columns=["y", "y"]),
        "names 'y' more than once",
    ),
    "names of two levels": (
        pd.DataFrame(Y, index=DAYS, columns=pd.MultiIndex.from_tuples([("y", "a")])),
        "names of 2 levels",
    ),
    "an index and another column of one name": (
        FRAME.set_index(DAYS.rename("ds") + pd.Timedelta("1D")),
        "the index and a column are both named 'ds' and differ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_frame_that_is_no_table_of_named_columns_is_refused(name: str) -> None:
    frame, found = REFUSED[name]
    assert found in message_of(frame)


@pytest.mark.parametrize("data", [[1, 2], {"y": [1]}, Y, date(2024, 1, 1)], ids=str)
def test_an_object_that_is_no_frame_is_wrong_use(data: Any) -> None:
    with pytest.raises(UsageError, match="expected a data frame of pandas, polars or PyArrow"):
        from_frame(data)
