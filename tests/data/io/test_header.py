"""The header: titles above it, units below it, columns without a name, and tables without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.io.header import find_header
from rnnforecast.data.io.table import Table
from rnnforecast.errors import DataError
from tests.data.tables import read

DAYS = [str(day) for day in np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")]
Y = [number * 3 % 17 + 5 for number in range(30)]
Z = [number * 7 % 13 + 100.5 for number in range(30)]
ROWS = "".join(f"{day},{y},{z}\n" for day, y, z in zip(DAYS, Y, Z, strict=True))
HEADER = "date,flow,level\n"


def read_text(folder: Path, text: str, **options: object) -> Table:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return read([str(path)], **{"targets": ["flow", "level"], **options})


def notes(table: Table) -> str:
    return "\n".join(map(str, table.notes))


def assert_whole(table: Table) -> None:
    np.testing.assert_array_equal(table.values, np.column_stack([Y, Z]))
    assert [str(day) for day in table.time.astype("datetime64[D]")] == DAYS


def test_a_header_in_the_first_line_is_no_note(tmp_path: Path) -> None:
    table = read_text(tmp_path, HEADER + ROWS)
    assert_whole(table)
    assert table.notes == ()


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("Category: All categories\n\n", 3),
        ("Levels of the river, in m, since 2024\nsource: agency, all stations\n\n", 4),
        ("Levels 2024,,\n,,\nprinted on 2024-02-01,,\n", 4),
        ("# station 5, lat 3.5\n# units: m3/s\n", 3),
        ('"a title\nof two lines"\n', 3),
        ("Station: 5\rno. 7\r\n", 3),
        ("North,,South\n", 2),
    ],
)
def test_a_header_is_found_below_titles_and_lines_stay_true(
    tmp_path: Path, above: str, line: int
) -> None:
    table = read_text(tmp_path, above + HEADER + ROWS)
    assert_whole(table)
    assert f"a.csv, line {line}: the header was found here" in notes(table)
    assert table.line_index.location(0, "flow") == f"a.csv, line {line + 1}, column 'flow'"
    assert not any(note.is_doubtful for note in table.notes)
    given = read_text(tmp_path, above + HEADER + ROWS, header_line=line)
    assert_whole(given)
    assert given.notes == ()


def test_a_header_may_be_written_as_a_comment(tmp_path: Path) -> None:
    assert_whole(read_text(tmp_path, f"# station 5\n# {HEADER}{ROWS}"))


def test_a_faulty_cell_below_a_title_is_found_in_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv, line 34, column 'flow': 'oops oops' is not"):
        read_text(tmp_path, f"a title\n\n{HEADER}{ROWS}2024-01-31,oops oops,1\n")


@pytest.mark.parametrize(
    "units",
    [
        "-----,----,----\n",
        "CDID,ABMI,X\nUnit,m,m\nRelease date,28-06-2024,\nNotes,,\n",
        ",m3/s,m\n",
        "[UTC],[m3/s],[m]\n",
        "Ticker,A,B\nDate,,\n",
        "(date),(m³/s),(m)\n",
    ],
)
def test_units_below_the_header_are_no_rows(tmp_path: Path, units: str) -> None:
    table = read_text(tmp_path, HEADER + units + ROWS)
    assert_whole(table)
    assert "line 2" in notes(table)
    assert "without values, such as units" in notes(table)


def test_a_first_row_of_words_for_missing_values_is_a_row(tmp_path: Path) -> None:
    table = read_text(tmp_path, f"{HEADER}2023-12-31,n/a,\n{ROWS}")
    assert len(table.time) == 31
    assert np.isnan(table.values[0]).all()


def test_without_a_header_no_row_is_lost_and_columns_have_names(tmp_path: Path) -> None:
    targets = ["column_2", "column_3"]
    table = read_text(tmp_path, ROWS, targets=targets)
    assert_whole(table)
    assert table.roles.time == "column_1"
    assert table.notes[0].is_doubtful
    assert "data.header_line to 0" in notes(table)
    given = read_text(tmp_path, ROWS, targets=targets, header_line=0)
    assert_whole(given)
    assert given.notes == ()


def test_a_table_of_numbers_without_a_header_keeps_its_first_row(tmp_path: Path) -> None:
    rows = "".join(f"{1700.5 + n};  {n * 7 % 50}.3; -1.0;1\n" for n in range(40))
    table = read_text(tmp_path, rows.replace(".5", ""), time="column_1", targets=["column_2"])
    assert table.time.tolist() == list(range(1700, 1740))


def test_a_header_line_that_is_no_line_of_the_file_is_refused_with_those_that_are(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match=r"no header in line 9.* one of 1, 2, 3, 4, 5"):
        read_text(tmp_path, "date,flow\n2024-01-01,1\n1,2\n2,2\n3,3\n4,4\n", header_line=9)


@pytest.mark.parametrize("names", ["101,102", "2019,2020", "1.5,2.5"])
def test_numbers_may_be_names(tmp_path: Path, names: str) -> None:
    table = read_text(tmp_path, f"date,{names}\n{ROWS}", targets="auto")
    assert_whole(table)
    assert table.roles.targets == tuple(names.split(","))


def test_a_table_that_pandas_wrote_with_its_index_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"flow": Y, "level": Z}, index=pd.DatetimeIndex(DAYS))
    table = read_text(tmp_path, frame.to_csv(sep=";", decimal=","))
    assert_whole(table)
    assert table.roles.time == "index"
    assert "1 column without a name, named 'index'" in notes(table)


def test_columns_without_a_name_have_any_role(tmp_path: Path) -> None:
    rows = "".join(f"{day},{shop},{n}\n" for n, day in enumerate(DAYS) for shop in "ab")
    options = {"time": "index", "series": ["column_2"], "targets": ["column_3"]}
    table = read_text(tmp_path, f",,\n{rows}", header_line=0, **options | {"time": "column_1"})
    assert table.keys["column_2"].tolist() == ["a", "b"]
    table = read_text(tmp_path, f",,n\n{rows}", **options | {"targets": ["n"]})
    assert table.keys["column_2"].tolist() == ["a", "b"]


@pytest.mark.parametrize(("above", "line"), [(";;flow\n", "auto"), ("", 0)])
def test_years_and_months_without_names_are_the_time(
    tmp_path: Path, above: str, line: object
) -> None:
    months = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August"]
    rows = "".join(f"{y};{m};{n * 7 % 11}\n" for y in (2020, 2021) for n, m in enumerate(months))
    table = read_text(tmp_path, above + rows, targets="auto", header_line=line)
    assert [str(time)[:7] for time in table.time[[0, 1, -1]]] == ["2020-01", "2020-02", "2021-08"]


def test_a_name_that_is_made_up_is_not_one_of_the_file(tmp_path: Path) -> None:
    text = "".join(f"{day},{n},1\n" for n, day in enumerate(DAYS))
    table = read_text(tmp_path, f",index,\n{text}", targets="auto")
    assert table.roles.time == "column_1"


@pytest.mark.parametrize(("header", "row"), [(",", ","), ("", ","), (",", "")])
def test_separators_at_the_end_of_lines_are_no_fault(tmp_path: Path, header: str, row: str) -> None:
    text = HEADER.replace("\n", f"{header}\n") + ROWS.replace("\n", f"{row}\n")
    table = read_text(tmp_path, text)
    assert_whole(table)
    assert table.notes == ()


def test_rows_wider_than_the_header_are_refused_with_a_name_for_each_column(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match="3 cells, but the header has 2 — name all 3 columns"):
        read_text(tmp_path, f"flow,level\n{ROWS}")


def test_a_header_of_quoted_lines_is_one_header(tmp_path: Path) -> None:
    table = read_text(tmp_path, f'date,"flow\n(m3/s)",level\n{ROWS}', targets="auto")
    assert table.roles.targets == ("flow\n(m3/s)", "level")
    assert table.line_index.location(0) == "a.csv, line 3"


def test_nothing_but_separators_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing but separators"):
        read_text(tmp_path, ",,\n , ,\n" * 3)


def test_bytes_of_another_encoding_in_a_part_of_the_time_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"{y};{m};{y % 7}\n" for y in (2020, 2021) for m in ("Januar", "März"))
    path.write_bytes(f"Jahr;Monat;flow\n{rows}".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.csv, line 3: bytes that are not UTF-8"):
        read([str(path)])


def test_a_header_alone_is_a_header(tmp_path: Path) -> None:
    assert find_header([(1, ["ds", "y"])], "auto", "a.csv").names == ("ds", "y")
    with pytest.raises(DataError, match="has no rows"):
        read_text(tmp_path, "title\n\nds,y\n")


def test_an_id_that_begins_like_a_comment_makes_a_row(tmp_path: Path) -> None:
    rows = "".join(
        f"{key},{day},{y}\n" for day, y in zip(DAYS, Y, strict=True) for key in ("#12", "7")
    )
    table = read_text(tmp_path, "order,date,flow\n" + rows, targets=["flow"])
    assert table.roles.series == ("order",)
    assert len(table.time) == 2 * len(DAYS)
    assert table.notes == ()


def test_a_row_that_is_commented_out_below_the_header_is_left_out(tmp_path: Path) -> None:
    table = read_text(tmp_path, f"{HEADER}#2023-12-31,5,7\n{ROWS}")
    assert_whole(table)
    assert "left out" in notes(table)
