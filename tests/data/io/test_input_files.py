"""Input files: their separator, header, decimal mark and lines."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.io.input_files import LineIndex, scan_files
from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec


def written(folder: Path, text: str, name: str = "sales.csv") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("ds,y\n2024,1\n", ","),
        ("ds;y\n2024;1,5\n", ";"),
        ("ds;a,b\n2024;1,5\n", ";"),
        ("ds\ty, z\n2024\t1,5\n", "\t"),
        ("ds|y\n2024|1\n", "|"),
        ("y\n1\n", ","),
        ("y\n1,5\n2,5\n", ","),
        ('ds,"a;b;c"\n2024,1\n', ","),
    ],
)
def test_the_separator_is_the_one_that_cuts_the_rows_alike(
    tmp_path: Path, text: str, separator: str
) -> None:
    assert scan_files([written(tmp_path, text)])[0].reader.separator == separator


def test_rows_longer_than_a_cell_may_be_are_cut_by_the_right_separator(tmp_path: Path) -> None:
    names = [f"series{number:05}" for number in range(20_000)]
    text = f"ds,{','.join(names)}\n2024-01-01{',1.5' * 20_000}\n"
    (file,) = scan_files([written(tmp_path, text)])
    assert len(file.columns) == 20_001
    assert file.raw_names["series19999"] == "series19999"


def test_names_are_stripped_but_the_file_keeps_its_own(tmp_path: Path) -> None:
    (file,) = scan_files([written(tmp_path, "ds, shop ,,\n2024-01-01,a,,\n")])
    assert file.columns == ("ds", "shop", "", "")
    assert file.raw_names["shop"] == " shop "


def test_hidden_files_and_other_kinds_in_a_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("b.csv", "a.TSV", ".c.csv", "_d.csv", "notes.md"):
        written(tmp_path, "a,b\n1,2\n", name)
    assert [file.name for file in scan_files([str(tmp_path)])] == ["a.TSV", "b.csv"]


def test_files_of_one_name_have_the_names_of_their_folders(tmp_path: Path) -> None:
    paths = [written(tmp_path, "a,b\n1,2\n", f"{folder}/x.csv") for folder in ("p", "q")]
    assert [file.name for file in scan_files([str(tmp_path / "*" / "x.csv")])] == paths


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(DataError, match=r"data\.path: names no file"):
        scan_files([])


def test_a_header_below_blank_lines_is_reported_at_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sales\.csv, line 3: the header names 'y' more than once"):
        scan_files([written(tmp_path, "\n\nds,y,y\n1,2,3\n")])


def test_parquet_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    columns = [pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, names=["y", "y"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"^a\.parquet: the header names 'y' more than once — give"):
        scan_files([str(tmp_path / "a.parquet")])


cells = st.text(st.sampled_from('ab1,;" \n\r'), max_size=4)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1), blank=st.lists(st.booleans()))
def test_every_row_is_found_at_the_line_where_it_begins(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], blank: list[bool]
) -> None:
    rows = [("1", "1"), *rows, ("1", "1")]  # text alone at the ends would be units, or a note
    text, starts = "a,b\n", []
    for number, row in enumerate(rows):
        text += "\n" * (number < len(blank) and blank[number])
        starts.append(1 + len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(row)
        text += out.getvalue()
    path = written(tmp_path_factory.mktemp("lines"), text)
    starts = [start for start, row in zip(starts, rows, strict=True) if "".join(row).strip()]
    rows = [row for row in rows if "".join(row).strip()]
    files = scan_files([path], DataSpec(path=(path,), separator=",", header_line=1))
    assert [tuple(cells) for _, cells in files[0].reader.records()] == rows
    lines = LineIndex(files, [len(rows)])
    where = [lines.location(row, "b") for row in range(len(rows))]
    assert where == [f"sales.csv, line {start}, column 'b'" for start in starts]
