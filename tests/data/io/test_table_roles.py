"""Roles that only all rows tell: unneeded ids, and columns known ahead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast.data.io.table as read_module
from rnnforecast.data.io.table import Table
from tests.data.tables import read

N = 100
DAYS = pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d")
Read = Callable[..., Table]


@pytest.fixture
def table_of(tmp_path: Path) -> Read:
    """The table of a frame that is written to a file."""

    def write_and_read(frame: pd.DataFrame, **options: object) -> Table:
        frame.to_csv(tmp_path / "data.csv", index=False)
        return read([str(tmp_path / "data.csv")], **options)

    return write_and_read


def wide(**ends: int) -> pd.DataFrame:
    """A column for each name, with values in the first rows only."""
    frame = pd.DataFrame({"date": DAYS})
    for number, (name, end) in enumerate(ends.items()):
        values = np.arange(N) % (number + 3) * 1.5
        frame[name] = np.where(np.arange(N) < end, values, np.nan)
    return frame


def test_a_constant_id_and_a_function_of_another_id_are_no_series(table_of: Read) -> None:
    frame = wide(sold=N)
    frame = pd.concat(
        [
            frame.assign(item_id=item, dept_id=item[0], city="Ulm", country="DE")
            for item in ("a1", "a2", "b1")
        ]
    )
    table = table_of(frame[["dept_id", "item_id", "country", "city", "date", "sold"]])
    assert table.roles.series == ("item_id",)
    assert table.keys["item_id"].tolist() == ["a1", "a2", "b1"]
    assert table.keys["item_id"].to_numpy()[table.codes].tolist() == frame["item_id"].tolist()
    assert table_of(wide(kwh=N).assign(country="DE")).roles.series == ()
    assert table_of(wide(y=N).assign(unique_id="a")).roles.series == ("unique_id",)


def test_ids_are_found_where_the_head_of_the_file_shows_one_day_only(
    table_of: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "HEAD_ROWS", 10)
    rows = [(row, day, shop) for row, (day, shop) in enumerate(
        (day, shop) for day in DAYS[:5] for shop in range(1, 13)
    )]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["id", "date", "shop"]).assign(sales=7.5)
    table = table_of(frame)
    assert (table.roles.series, len(table.keys)) == (("shop",), 12)


@pytest.mark.parametrize(
    ("ends", "targets", "is_doubtful"),
    [
        ({"flow": 90, "wind_speed": N}, ("flow",), False),
        ({"load": 90, "a": N, "b": N, "c": N}, ("load",), False),
        ({"a": 90, "b": N}, ("a",), True),
        ({"a": 96, "b": N}, ("a",), True),
        ({"a": 97, "b": N}, ("a", "b"), None),  # a delay of three days
        ({"a": 80, "b": 79, "c": N}, ("a", "b"), True),
        ({"a": 90, "b": N, "c": N}, ("a", "b", "c"), True),  # a may have ceased
        ({"load": 40, "b": N}, ("load", "b"), True),  # load has ceased
    ],
)
def test_a_column_that_goes_on_after_the_others_end_is_known_ahead(
    ends: dict[str, int], targets: tuple[str, ...], is_doubtful: bool | None, table_of: Read
) -> None:
    table = table_of(wide(**ends))
    assert table.roles.targets == targets
    assert table.values.shape == (N, len(targets))
    expected = [] if is_doubtful is None else [is_doubtful]
    assert [note.is_doubtful for note in table.notes if "rows after" in str(note)] == expected


def test_a_plan_that_misses_some_days_is_known_ahead(table_of: Read) -> None:
    frame = wide(output=86, planned_shifts=N)
    frame.loc[[90, 94, 97], "planned_shifts"] = np.nan
    assert table_of(frame).roles.targets == ("output",)


def test_a_column_with_many_blanks_is_no_plan(table_of: Read) -> None:
    frame = wide(a=90, b=N)
    frame.loc[np.arange(N) % 2 == 0, "b"] = np.nan
    assert table_of(frame).roles.targets == ("a", "b")


@pytest.mark.parametrize("named", ["b", "temp"])
def test_a_column_with_many_blanks_does_not_end_early(named: str, table_of: Read) -> None:
    frame = wide(a=95, **{named: N})
    frame.loc[np.arange(N) % 7 != 3, "a"] = np.nan  # once a week, the last time five days ago
    assert table_of(frame).roles.targets == ("a", named)


def test_given_targets_stay_targets(table_of: Read) -> None:
    table = table_of(wide(load=90, temp=N), targets=["load", "temp"])
    assert table.roles.targets == ("load", "temp")


def test_known_ahead_does_not_depend_on_the_order_of_rows(table_of: Read) -> None:
    frame = wide(load=90, temp_c=N)
    table = table_of(frame.iloc[::-1])
    assert table.roles.targets == ("load",)
    expected = frame["load"].iloc[::-1].to_numpy()
    np.testing.assert_array_equal(table.values[:, 0], expected)
