"""Excel workbooks: typed cells, sheets, titles above the header, and faults."""

from __future__ import annotations

import builtins
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook

from rnnforecast.errors import DataError
from tests.data.tables import read

DAYS = pd.date_range("2024-01-01", periods=30)
SALES = [number * 7 % 11 + 0.5 for number in range(30)]


def workbook(path: Path, **sheets: list[list[Any]]) -> str:
    """A workbook of these sheets, rows of cells each."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return str(path)


def sales(shop: object = "a") -> list[list[Any]]:
    rows = zip(DAYS.to_pydatetime(), SALES, strict=True)
    return [["day", "shop", "sales"], *([day, shop, amount] for day, amount in rows)]


def test_dates_stay_dates_and_numbers_numbers(tmp_path: Path) -> None:
    table = read([workbook(tmp_path / "a.xlsx", first=sales(shop=7))], series=["shop"])
    assert (table.roles.time, table.roles.targets) == ("day", ("sales",))
    np.testing.assert_array_equal(table.time, DAYS.to_numpy("datetime64[us]"))
    assert table.values[:, 0].tolist() == SALES
    assert table.keys["shop"].tolist() == ["7"]  # not 7.0
    assert table.notes == ()


def test_it_is_read_as_pandas_reads_it(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", first=sales())
    frame = pd.read_excel(path, engine="openpyxl")
    table = read([path], targets=["sales"])
    np.testing.assert_array_equal(table.values[:, 0], frame["sales"])
    np.testing.assert_array_equal(table.time, frame["day"].to_numpy("datetime64[us]"))


@pytest.mark.parametrize("sheet", [2, "Data 2024"])
def test_the_sheet_is_the_first_or_the_one_given(tmp_path: Path, sheet: object) -> None:
    sheets = {"Read me": [["This workbook holds sales"]], "Data 2024": sales()}
    path = workbook(tmp_path / "a.xlsx", **sheets)
    assert len(read([path], sheet=sheet, targets=["sales"]).time) == 30
    with pytest.raises(DataError):
        read([path])


@pytest.mark.parametrize("sheet", ["Daten", 3, "data 2024"])
def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, sheet: object
) -> None:
    path = workbook(tmp_path / "a.xlsx", **{"Data 2024": sales(), "More": sales()})
    with pytest.raises(DataError, match="one of 'Data 2024', 'More', or a number from 1"):
        read([path], sheet=sheet)


def test_titles_blank_rows_and_notes_are_left_out_and_rows_keep_their_numbers(
    tmp_path: Path,
) -> None:
    rows = [["Sales report"], [], ["printed", datetime(2024, 2, 1)], [], *sales()]
    rows.insert(10, [None, " ", None])
    path = workbook(tmp_path / "a.xlsx", first=[*rows, [], ["Source: our own"]])
    table = read([path], targets=["sales"])
    assert table.values[:, 0].tolist() == SALES
    text = "\n".join(map(str, table.notes))
    assert "a.xlsx, row 5: the header was found here" in text
    assert "'Source: our own'" in text
    assert table.line_index.location(5) == "a.xlsx, row 12"


def test_cells_of_different_types_are_text_with_its_faults(tmp_path: Path) -> None:
    rows = sales()
    rows[3][2] = "oops oops"
    with pytest.raises(DataError, match=r"a\.xlsx, row 4, column 'sales': 'oops oops' is not"):
        read([workbook(tmp_path / "a.xlsx", first=rows)], targets=["sales"])
    rows[3][2] = "n/a"
    table = read([workbook(tmp_path / "b.xlsx", first=rows)], targets=["sales"])
    assert np.isnan(table.values[2, 0])


def test_dates_as_text_are_told_apart_by_the_whole_column(tmp_path: Path) -> None:
    rows = [["day", "sales"], *([f"{day:%d/%m/%Y}", 1.0] for day in DAYS)]
    table = read([workbook(tmp_path / "a.xlsx", first=rows)])
    np.testing.assert_array_equal(table.time, DAYS.to_numpy("datetime64[us]"))


def test_dates_in_the_header_make_series_of_rows(tmp_path: Path) -> None:
    days = [date(2024, 1, day) for day in range(1, 10)]
    rows: list[list[Any]] = [["shop", *days], ["a", *range(9)], ["b", *range(9)]]
    table = read([workbook(tmp_path / "a.xlsx", first=rows)])
    assert table.keys["shop"].tolist() == ["a", "b"]
    assert table.values[:, 0].tolist() == [*range(9), *range(9)]
    assert table.line_index.location(10) == "a.xlsx, row 3, column '2024-01-02'"


@pytest.mark.parametrize("content", [b"PK\x03\x04 no archive", b"", b"ds,y\n2024-01-01,1\n"])
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.xlsx: the file is damaged, protected, or not"):
        read([str(tmp_path / "a.xlsx")])


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.xlsx: the sheet is empty"):
        read([workbook(tmp_path / "a.xlsx", first=[])])


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path / "a.xlsx", first=sales())
    load = builtins.__import__

    def without_calamine(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "python_calamine":
            raise ImportError(name)
        return load(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "python_calamine", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_calamine)
    with pytest.raises(DataError, match=r"pip install 'rnnforecast\[excel\]'"):
        read([path])
