"""Reading of files into one table, and messages on their faults with place and cure."""

from __future__ import annotations

import gzip
import io
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.io import table as read_module
from rnnforecast.data.io.columns import CategoricalColumn, NumericColumn
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table, read_files
from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec
from tests.data.tables import read

PLAIN = "ds,y\n2024-01-01,1\n2024-01-02,\n2024-01-03,2.5\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(content: str | bytes, name: str = "sales.csv") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def days(table: Table) -> list[str]:
    return [str(day) for day in table.time.astype("datetime64[D]")]


def problems(*source: str, **options: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(list(source), **options)
    assert caught.value.exit_code == 4
    assert all(problem.cure for problem in caught.value.problems if problem.where)
    return str(caught.value).splitlines()


# --- what is read -------------------------------------------------------------------------------


def test_a_plain_file_is_one_series_with_gaps_as_nan(write: Any) -> None:
    table = read([write(PLAIN)])
    assert days(table) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert table.time.dtype == "datetime64[us]"
    np.testing.assert_array_equal(table.values, [[1.0], [np.nan], [2.5]])
    assert table.keys.shape == (1, 0)
    assert table.codes.tolist() == [0, 0, 0]
    assert (table.utc_offset, table.infinite_count) == ("", 0)


def test_keys_are_sorted_text_and_keep_leading_zeros(write: Any) -> None:
    path = write(
        "store,item,ds,y\n10,b,2024-01-01,1\n007,NA,2024-01-01,2\n10,a,2024-01-01,3\n"
        "007,NA,2024-01-02,4\n"
    )
    table = read([path], series=["store", "item"])
    assert table.keys.to_numpy().tolist() == [["007", "NA"], ["10", "a"], ["10", "b"]]
    assert table.codes.tolist() == [2, 0, 1, 0]
    assert table.codes.dtype == np.int32


def test_only_pairs_of_ids_that_occur_are_keys(write: Any) -> None:
    path = write("a,b,c,ds,y\nx,1,p,2024-01-01,1\ny,2,q,2024-01-01,2\nx,2,p,2024-01-01,3\n")
    table = read([path], series=["a", "b", "c"])
    assert table.keys.agg("".join, axis=1).tolist() == ["x1p", "x2p", "y2q"]
    assert table.codes.tolist() == [0, 2, 1]


def test_semicolons_and_decimal_commas_are_recognized(write: Any) -> None:
    table = read([write("ds;menge\n31.12.2024;1,5\n01.01.2025;-0,25\n02.01.2025;3\n")])
    assert days(table) == ["2024-12-31", "2025-01-01", "2025-01-02"]
    assert table.values[:, 0].tolist() == [1.5, -0.25, 3.0]


@pytest.mark.parametrize(("separator", "name"), [("\t", "a.tsv"), ("|", "a.txt"), (";", "a.csv")])
def test_any_separator_is_recognized(write: Any, separator: str, name: str) -> None:
    assert read([write(PLAIN.replace(",", separator), name)]).values[2, 0] == 2.5


def test_a_separator_can_be_set(write: Any) -> None:
    assert read([write("ds;a,b\n2024-01-01;1\n")], separator=";").roles.targets == ("a,b",)


def test_gzip_byte_order_mark_and_windows_line_ends_are_read(write: Any) -> None:
    text = "\ufeff" + PLAIN.replace("\n", "\r\n")
    table = read([write(gzip.compress(text.encode()), "sales.csv.gz")])
    assert table.roles.time == "ds"
    assert table.values[2, 0] == 2.5


def test_blanks_around_names_ids_and_times_do_not_matter(write: Any) -> None:
    table = read([write("ds, shop, y\n2024-01-01 , b, 1\n2024-01-01, a, 2\n 2024-01-02, b, 3\n")])
    assert table.roles.series == ("shop",)
    assert table.keys["shop"].tolist() == ["a", "b"]
    assert table.values[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("cell", ["", '""', "NA", "NaN", "nan", "null", "None", "n/a", " "])
def test_usual_missing_values_are_missing(write: Any, cell: str) -> None:
    assert np.isnan(read([write(f"ds,y\n2024-01-01,1\n2024-01-02,{cell}\n")]).values[1, 0])


@pytest.mark.parametrize(("number", "value"), [("2.5", 2.5), ("1'234", 1234)])
def test_further_missing_values_can_be_named(write: Any, number: str, value: float) -> None:
    cells = [number, "closed", "closed", "-"]
    rows = [f"2024-01-0{day},{cell},b\n" for day, cell in enumerate(cells, 1)]
    path = write("ds,y,kind\n" + "".join(rows))
    table = read([path], missing_values=("closed", "-"))
    assert table.roles.targets == ("y",)
    np.testing.assert_array_equal(table.values[:, 0], [value, np.nan, np.nan, np.nan])
    with pytest.raises(DataError, match=r"line 3, column 'y': 'closed' .* data.missing_values"):
        read([path], targets=["y"], missing_values=("-",))


@pytest.mark.parametrize("cell", ["-999.9", " -999.90", "-9.999e2"])
def test_a_number_may_say_that_there_is_no_value(write: Any, cell: str) -> None:
    path = write(f"ds,y\n2024-01-01,1.5\n2024-01-02,{cell}\n2024-01-03,2\n")
    values = read([path], missing_values=("-999.9",)).values[:, 0]
    np.testing.assert_array_equal(values, [1.5, np.nan, 2])


def test_missing_values_do_not_show_the_decimal_mark(write: Any) -> None:
    path = write("ds;y\n2024-01-01;1,5\n2024-01-02;-999.99\n2024-01-03; -999.99 \n")
    values = read([path], missing_values=("-999.99",)).values[:, 0]
    np.testing.assert_array_equal(values, [1.5, np.nan, np.nan])


@pytest.mark.parametrize("kind", [np.float64, np.int32, str])
def test_a_number_may_be_a_missing_value_in_parquet_too(tmp_path: Path, kind: type) -> None:
    frame = pd.DataFrame(
        {"ds": pd.date_range("2024-01-01", periods=3), "y": np.array([1, -999, 2]).astype(kind)}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    values = read([str(tmp_path / "a.parquet")], targets=["y"], missing_values=("-999",)).values[
        :, 0
    ]
    np.testing.assert_array_equal(values, [1, np.nan, 2])


def test_infinite_values_are_missing_and_counted(write: Any) -> None:
    table = read([write("ds,y\n2024-01-01,1\n2024-01-02,inf\n2024-01-03,-inf\n2024-01-04,2\n")])
    assert table.infinite_count == 2
    assert np.isnan(table.values[:, 0]).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("texts", "zone", "expected"),
    [
        (["2024-01-31", "2024-02-01"], "", "2024-01-31T00:00"),
        (["2024-01-31T05:00:00", "2024-01-31T06:00:00"], "", "2024-01-31T05:00"),
        (["2024-01-31 05:00", "2024-01-31 06:00"], "", "2024-01-31T05:00"),
        (["2024-01-31 05:00:00.250", "2024-01-31 06:00"], "", "2024-01-31T05:00:00.250"),
        (["2024-01-31T05:00:00.000000000"], "", "2024-01-31T05:00"),
        (["2024-01-31T05:00:00Z"], "Z", "2024-01-31T05:00"),
        (["2024-01-31T05:00:00+02:00"], "+02:00", "2024-01-31T05:00"),
        (["2024-01-31 05:00:00-0330"], "-0330", "2024-01-31T05:00"),
        (["2024-01-31 05:00+02"], "+02", "2024-01-31T05:00"),
        (["2024-01-31 05:00:00 UTC"], "UTC", "2024-01-31T05:00"),
        (["31.01.2024 5:00", "1.2.2024 5:00"], "", "2024-01-31T05:00"),
        (["31/01/2024", "01/02/2024"], "", "2024-01-31T00:00"),
        (["1/31/2024 05:00 PM", "2/1/2024 05:00 PM"], "", "2024-01-31T17:00"),
        (["2024/1/31", "2024/2/1"], "", "2024-01-31T00:00"),
        (["2024-01", "2024-02"], "", "2024-01-01T00:00"),
        (["2024-Q4", "2025-Q1"], "", "2024-10-01T00:00"),
        (["Jan 31 2024", "Feb 1 2024"], "", "2024-01-31T00:00"),
        (["20240131", "20240201"], "", "2024-01-31T00:00"),
        (["202311", "202312", "202401", "202402", "202403"], "", "2023-11-01T00:00"),
    ],
)
def test_timestamps_stay_local_however_they_are_written(
    write: Any, texts: list[str], zone: str, expected: str
) -> None:
    table = read([write("ds;y\n" + "".join(f"{text};1\n" for text in texts))])
    assert table.time[0] == np.datetime64(expected)
    assert table.utc_offset == zone


def test_a_time_format_settles_what_is_ambiguous(write: Any) -> None:
    path = write("ds,y\n03/04/2021,1\n04/04/2021,2\n")
    assert days(read([path], time_format="%d/%m/%Y")) == ["2021-04-03", "2021-04-04"]
    assert days(read([path], time_format="%m/%d/%Y")) == ["2021-03-04", "2021-04-04"]


def test_a_time_format_may_end_in_an_offset(write: Any) -> None:
    path = write("ds,y\n3.4.2021 01h+02:00,1\n3.4.2021 02h+02:00,2\n")
    table = read([path], time="ds", time_format="%d.%m.%Y %Hh%z")
    assert table.time[0] == np.datetime64("2021-04-03T01:00")
    assert table.utc_offset == "+02:00"


def test_one_date_far_down_settles_day_or_month_first(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "HEAD_ROWS", 3)
    rows = [f"{day:02}/02/2024,{day}\n" for day in range(1, 16)]
    table = read([write("ds,y\n" + "".join(rows))])
    assert days(table)[-1] == "2024-02-15"


def test_an_integer_index_stays_integer(write: Any) -> None:
    table = read([write("step,y\n1,5\n2,6\n4,7\n")])
    assert table.time.tolist() == [1, 2, 4]
    assert table.time.dtype == np.int64


def test_a_file_sorted_by_series_is_understood_beyond_its_head(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "HEAD_ROWS", 10)
    rows = [
        f"2024-01-{day:02},{region},{kind},{day}\n"
        for region in "ab"
        for kind in ("x", "y")
        for day in range(1, 29)
    ]
    table = read([write("ds,region,kind,y\n" + "".join(rows))])
    assert table.roles.series == ("region", "kind")
    assert len(table.keys) == 4


def test_the_series_of_the_head_stay_if_they_leave_no_timestamp_repeated(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "HEAD_ROWS", 7)
    # the kind tells rows of the second day apart, which is not among every other day of the head
    kinds = ["x", "x", "y", *"xxxxxx"]
    rows = [
        f"2024-01-0{day},{kind},1\n"
        for day, kind in zip([1, 2, 2, *range(3, 9)], kinds, strict=True)
    ]
    assert read([write("ds,kind,y\n" + "".join(rows))]).roles.series == ("kind",)


def test_a_folder_is_one_table_whatever_the_order_of_the_columns(
    write: Any, tmp_path: Path
) -> None:
    write("ds,shop,y\n2024-01-01,a,1\n2024-01-01,b,2\n", "in/1.csv")
    write("y;shop;extra;ds\n3,5;a;x;2024-01-02\n", "in/2.csv")
    frame = pd.DataFrame({"ds": pd.to_datetime(["2024-01-03"]), "y": [4], "shop": ["c"]})
    frame.to_parquet(tmp_path / "in" / "3.parquet")
    write("not data", "in/readme.md")
    table = read([str(tmp_path / "in")], decimal=",")
    assert table.keys["shop"].tolist() == ["a", "b", "c"]
    assert table.codes.tolist() == [0, 1, 0, 2]
    assert table.values[:, 0].tolist() == [1, 2, 3.5, 4]
    assert days(table)[2:] == ["2024-01-02", "2024-01-03"]
    assert table.line_index.location(1, "y") == "1.csv, line 3, column 'y'"
    assert table.line_index.location(2) == "2.csv, line 2"
    assert table.line_index.location(3) == "3.parquet, row 1"


def test_a_pattern_names_several_files_and_each_is_read_once(write: Any, tmp_path: Path) -> None:
    first = write(PLAIN, "a1.csv")
    write("ds,y\n2024-01-04,9\n", "a2.csv")
    assert len(read([first, str(tmp_path / "a*.csv")]).time) == 4


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(PLAIN.encode())))
    table = read(["-"])
    assert table.values[2, 0] == 2.5
    assert table.line_index.location(2) == "stdin, line 4"


def test_lines_count_quoted_line_ends_and_blank_lines(write: Any) -> None:
    path = write('\nds,id,y\n2024-01-01,"a\nb",1\n\n\n2024-01-01,c,2\n2024-01-02,"a\nb",3\n')
    table = read([path])
    assert table.keys["id"].tolist() == ["a\nb", "c"]
    assert [table.line_index.location(row) for row in range(3)] == [
        "sales.csv, line 3",
        "sales.csv, line 7",
        "sales.csv, line 8",
    ]


@pytest.mark.parametrize(
    ("times", "expected", "zone"),
    [
        (pa.array([datetime(2024, 1, 1, 5)], pa.timestamp("ns")), "2024-01-01T05", ""),
        (pa.array([datetime(2024, 1, 1, 5)], pa.timestamp("ms", "UTC")), "2024-01-01T05", "Z"),
        (pa.array([date(2024, 1, 1)], pa.date32()), "2024-01-01", ""),
        (pa.array(["01.02.2024"]), "2024-02-01", ""),
        (pa.array(["2024-01-01T05:00:00+01:00"]), "2024-01-01T05", "+01:00"),
    ],
)
def test_parquet_times_of_any_type_are_read(
    tmp_path: Path, times: Any, expected: str, zone: str
) -> None:
    ids = pa.array(["b"]).dictionary_encode()
    columns = {"ds": times, "id": ids, "shop": pa.array([7]), "y": pa.array([3], pa.int32())}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = read([str(tmp_path / "a.parquet")], series=["id", "shop"], targets=["y"])
    assert table.time[0] == np.datetime64(expected)
    assert table.utc_offset == zone
    assert table.keys.to_numpy().tolist() == [["b", "7"]]
    assert table.values.tolist() == [[3.0]]


def test_categories_that_no_row_uses_are_no_series(tmp_path: Path) -> None:
    ids = pd.Categorical(["x", "z"], categories=["", "x", "y", "z"])
    frame = pd.DataFrame({"t": [1, 1], "id": ids, "y": [1.0, None]})
    frame.to_parquet(tmp_path / "a.parquet")
    table = read([str(tmp_path / "a.parquet")])
    assert table.keys["id"].tolist() == ["x", "z"]
    assert table.time.tolist() == [1, 1]
    assert np.isnan(table.values[1, 0])


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1).filter(
    lambda name: name.strip() == name
)
values = st.one_of(
    st.none(), st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
)
timestamps = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(names, timestamps, values), min_size=1, max_size=30), gz=st.booleans()
)
def test_what_pandas_writes_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], gz: bool
) -> None:
    frame = pd.DataFrame(rows, columns=["key", "ds", "y"])
    frame["y"] = frame["y"].astype(float)
    path = tmp_path_factory.mktemp("round") / ("a.csv.gz" if gz else "a.csv")
    text = frame.assign(ds=[timestamp.isoformat() for timestamp in frame["ds"]])
    text.to_csv(path, index=False)
    table = read([str(path)], time="ds", series=["key"], targets=["y"], decimal=".")
    np.testing.assert_array_equal(table.values[:, 0], frame["y"])
    np.testing.assert_array_equal(table.time, frame["ds"].to_numpy("datetime64[us]"))
    assert table.keys["key"].iloc[table.codes].tolist() == frame["key"].tolist()
    assert table.keys["key"].tolist() == sorted(set(frame["key"]))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(names, names, timestamps, values), min_size=1, max_size=30),
    category=st.booleans(),
)
def test_parquet_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], category: bool
) -> None:
    frame = pd.DataFrame(rows, columns=["shop", "item", "ds", "y"])
    frame["y"] = frame["y"].astype(float)
    if category:
        frame["shop"] = frame["shop"].astype("category")
    path = tmp_path_factory.mktemp("round") / "a.parquet"
    frame.to_parquet(path)
    table = read([str(path)], time="ds", series=["shop", "item"], targets=["y"])
    np.testing.assert_array_equal(table.values[:, 0], frame["y"])
    np.testing.assert_array_equal(table.time, frame["ds"].to_numpy("datetime64[us]"))
    pairs = list(map(tuple, table.keys.to_numpy()))
    assert [pairs[code] for code in table.codes] == [row[:2] for row in rows]
    assert pairs == sorted({row[:2] for row in rows})


cell = st.text(st.sampled_from('1-2.,e+ naif"x:\n'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(bad=st.lists(st.tuples(cell, cell, cell), min_size=1, max_size=3))
def test_any_cell_is_read_or_refused_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, bad: list[tuple[str, str, str]]
) -> None:
    """The fast reader and the one that explains agree on what a good cell is."""
    good = [(f"2024-01-0{day}", "a", "2.5") for day in range(1, 7)]
    path = tmp_path_factory.mktemp("cells") / "a.csv"
    pd.DataFrame(good + bad, columns=["ds", "id", "y"]).to_csv(path, index=False)
    refused = None
    try:
        table = read([str(path)], time="ds", series=["id"], targets=["y"])
    except DataError as error:
        refused = error
    if refused:
        assert all("line" in problem.where for problem in refused.problems)
    else:
        left_out = any("left out" in str(note) for note in table.notes)
        assert len(table.time) == 6 + len(bad) or left_out
        assert not np.isnat(table.time).any()


# --- what is refused ----------------------------------------------------------------------------


def test_a_missing_file_and_an_empty_one_are_reported_together(write: Any) -> None:
    lines = problems("nowhere.csv", write("", "empty.csv"), write("ds,y\n", "bare.csv"))
    assert lines[0].startswith("nowhere.csv: there is no such file")
    assert lines[1].startswith("empty.csv: the file is empty")
    assert lines[2].startswith("bare.csv: the file has no rows")


def test_folders_patterns_and_files_without_tables_are_refused(write: Any, tmp_path: Path) -> None:
    lines = problems(str(tmp_path), str(tmp_path / "*.csv"), write("x", "book.ods"))
    assert "no file in this folder has a known extension" in lines[0]
    assert "no file with a known extension matches this pattern" in lines[1]
    assert "no known extension" in lines[2]


def test_a_missing_column_names_the_nearest_and_all_others(write: Any) -> None:
    (line,) = problems(write("date,sales\n2024-01-01,1\n"), targets=["sale"])
    assert line == (
        "sales.csv: there is no column 'sale' — did you mean 'sales'? "
        "the columns are 'date', 'sales'"
    )


def test_every_file_that_lacks_a_column_is_named(write: Any, tmp_path: Path) -> None:
    write(PLAIN, "in/1.csv")
    write("ds,z\n2024-01-01,1\n", "in/2.csv")
    write("ds,x\n2024-01-01,1\n", "in/3.csv")
    lines = problems(str(tmp_path / "in"))
    assert [line.split(" —")[0] for line in lines] == [
        "2.csv: there is no column 'y'",
        "3.csv: there is no column 'y'",
    ]


def test_a_column_name_that_comes_twice_is_refused(write: Any) -> None:
    (line,) = problems(write("ds,y,y\n2024-01-01,1,2\n"))
    assert line.startswith("sales.csv, line 1: the header names 'y' more than once")


def test_text_among_numbers_is_shown_five_times_and_counted(write: Any) -> None:
    rows = [f"2024-01-{day:02},{'off' if day > 20 else day}\n" for day in range(1, 29)]
    lines = problems(write("ds,y\n" + "".join(rows)))
    assert lines[0].startswith("sales.csv, line 22, column 'y': 'off' is not a number")
    assert "data.missing_values" in lines[0]
    assert len(lines) == 6
    assert lines[5] == "… and 3 more: cells of column 'y' that are not a number"


def test_a_number_with_the_other_decimal_mark_is_reported_as_such(write: Any) -> None:
    (line,) = problems(write("ds;y\n2024-01-01;1.5\n2024-01-02;2,5\n"))
    assert "line 3, column 'y': '2,5' is not a number" in line
    assert "set data.decimal to ','" in line


def test_a_thousand_or_a_bit_more_than_one_is_refused(write: Any) -> None:
    path = write("ds;y\n2024-01-01;1,234\n2024-01-02;2,500\n")
    (line,) = problems(path)
    assert "'1,234' can be read as 1.234 with a decimal comma, or as 1234" in line
    assert read([path], decimal=",").values[0, 0] == 1.234


def test_invalid_dates_and_blank_ones_are_reported_apart(write: Any) -> None:
    path = write(
        "ds,y\n2024-02-28,1\n2024-02-29,2\n2024-02-30,3\n,4\nNaT,5\n2024-03-02,6\n2024-03-03,7\n"
    )
    lines = problems(path)
    assert "line 4, column 'ds': '2024-02-30' is not a time" in lines[0]
    assert "line 5, column 'ds': the time is blank" in lines[1]
    assert "line 6, column 'ds': the time is blank" in lines[2]


@pytest.mark.parametrize(
    "good",
    [
        ["31.12.2024", "01.01.2025"],
        ["2024-Q4", "2025-Q1"],
        ["2024-12-31", "2025-01-01"],
        ["20241231", "20250101"],
    ],
)
@pytest.mark.parametrize("blank", ["", "NaT", "nan"])
def test_a_blank_time_is_refused_however_times_are_written(
    write: Any, good: list[str], blank: str
) -> None:
    (line,) = problems(write(f"ds,y\n{good[0]},1\n{good[1]},2\n{blank},3\n"))
    assert line.startswith("sales.csv, line 4, column 'ds': the time is blank — fill")


@pytest.mark.parametrize("word", ["now", "today"])
def test_now_and_today_are_no_times(write: Any, word: str) -> None:
    (line,) = problems(write(f"ds,y\n31.12.2024,1\n01.01.2025,2\n{word},3\n"))
    assert line.startswith(f"sales.csv, line 4, column 'ds': '{word}' is not a time")


def test_a_row_number_without_a_name_is_not_used(write: Any) -> None:
    table = read([write(",ds,y,\n0,2024-01-01,5,\n1,2024-01-02,6,\n")])
    assert (table.roles.time, table.roles.targets, table.roles.unused) == ("ds", ("y",), ("index",))


def test_timestamps_in_no_known_format_ask_for_one(write: Any) -> None:
    (line,) = problems(write("ds,y\nmonday,1\ntuesday,2\n"), time="ds")
    assert "column 'ds': the times cannot be recognized: 'monday', 'tuesday'" in line
    assert "data.time_format" in line


@pytest.mark.parametrize("time_format", ["%d.%q", "%Z %Y", "%Y%z-%m"])
def test_a_time_format_that_makes_no_sense_is_refused(write: Any, time_format: str) -> None:
    (line,) = problems(write(PLAIN), time_format=time_format)
    assert line.startswith(f"data.time_format: {time_format!r}")


def test_seconds_since_1970_are_instants(write: Any) -> None:
    table = read([write("timestamp,y\n1704067200,1\n1704070800,2\n")])
    assert np.diff(table.time).tolist() == [np.timedelta64(1, "h")]
    assert (days(table)[0], table.utc_offset) == ("2024-01-01", "Z")


def test_a_timestamp_with_another_offset_is_refused(write: Any) -> None:
    path = write(
        "ds,y\n2024-10-27T01:00+02:00,1\n2024-10-27T02:00+02:00,2\n2024-10-27T02:00+01:00,3\n"
    )
    (line,) = problems(path)
    assert "line 4" in line
    assert "has the offset +01:00, but other timestamps have +02:00" in line


@pytest.mark.parametrize(("first", "last", "text"), [("Z", "", "no offset"), ("", "Z", "offset Z")])
def test_offsets_on_some_timestamps_only_are_refused(
    write: Any, first: str, last: str, text: str
) -> None:
    rows = [f"2024-01-01T0{hour}:00{last if hour == 3 else first},1\n" for hour in range(4)]
    (line,) = problems(write("ds,y\n" + "".join(rows)))
    assert "line 5" in line
    assert text in line


def test_files_in_different_time_zones_are_refused(write: Any, tmp_path: Path) -> None:
    write("ds,y\n2024-01-01T00:00Z,1\n2024-01-01T01:00Z,1\n", "in/1.csv")
    times = pa.array([datetime(2024, 1, 1)], pa.timestamp("us"))
    pq.write_table(pa.table({"ds": times, "y": [1.0]}), tmp_path / "in" / "2.parquet")
    with pytest.raises(
        DataError, match=r"1\.csv has dates with the offset Z; 2\.parquet has dates"
    ):
        read([str(tmp_path / "in")])


def test_parquet_in_a_zone_with_summer_time_is_refused(tmp_path: Path) -> None:
    times = pa.array([datetime(2024, 1, 1)], pa.timestamp("us", "Europe/Berlin"))
    pq.write_table(pa.table({"ds": times, "y": [1.0]}), tmp_path / "a.parquet")
    (line,) = problems(str(tmp_path / "a.parquet"))
    assert "the times are in the zone 'Europe/Berlin' — convert" in line


def test_day_or_month_first_is_never_guessed(write: Any) -> None:
    (line,) = problems(write("ds,y\n03/04/2021,1\n04/04/2021,2\n05/04/2021,3\n"))
    assert "can be read as 2021-04-03 (%d/%m/%Y) or 2021-03-04 (%m/%d/%Y)" in line
    assert "set data.time_format to '%d/%m/%Y' or '%m/%d/%Y'" in line
    assert "data.time_format" in line


def test_rows_too_short_or_too_long_are_refused(write: Any) -> None:
    lines = problems(write("ds,y\n2024-01-01,1\n2024-01-02\n2024-01-03,1,2\n2024-01-04,x\n"))
    assert "sales.csv, line 3: 1 cells, but the header has 2" in lines[0]
    assert "sales.csv, line 4: 3 cells, but the header has 2" in lines[1]
    assert "line 5, column 'y': 'x' is not a number" in lines[2]


def test_a_header_that_fits_no_row_is_reported_as_such(write: Any) -> None:
    (line,) = problems(write("ds,y\n2024-01-01,1,5\n2024-01-02,2,6\n"))
    assert line.startswith("sales.csv, line 2: 3 cells, but the header has 2 — name all 3")


@pytest.mark.parametrize("cell", ["٣", "0x1f", "1_000", "1.234.5", "3 4", "2024-01"])
def test_what_only_looks_like_a_number_is_refused(write: Any, cell: str) -> None:
    (line,) = problems(write(f"ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,{cell}\n"))
    assert line.startswith("sales.csv, line 4, column 'y': ")
    assert "is not a number" in line


def test_a_quote_that_is_never_closed_is_found(write: Any) -> None:
    lines = problems(write('ds,id,y\n2024-01-01,a,1\n2024-01-02,"a,1\n2024-01-03,a,2\n'))
    assert lines[0].startswith("sales.csv, line 3: 2 cells")
    assert "close the quote" in lines[0]


@pytest.mark.parametrize("text", ["ds,id,y\n2024-01-01,é,1\n", "ds,é,y\n2024-01-01,a,1\n"])
def test_latin_1_is_recognized_and_the_cure_is_a_key(write: Any, text: str) -> None:
    (line,) = problems(write(text.encode("latin-1")), time="ds", targets=["y"])
    assert "looks like latin-1" in line
    assert "data.encoding" in line


def test_latin_1_in_an_unused_column_matters_only_where_it_is_looked_at(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "HEAD_ROWS", 10)
    rows = [
        f"2024-01-{day:02},{region},{kind},{'é' if region == 'b' else 'n'},{day}\n"
        for region in "ab"
        for kind in ("x", "y")
        for day in range(1, 29)
    ]
    path = write(("ds,region,kind,note,y\n" + "".join(rows)).encode("latin-1"))
    assert len(read([path], series=["region", "kind"]).keys) == 4
    (line,) = problems(path)
    assert line.startswith("sales.csv, line 58: bytes that are not UTF-8")


def test_a_blank_id_is_refused(write: Any) -> None:
    path = write("ds,shop,y\n2024-01-01,a,1\n2024-01-01,,2\n2024-01-01, ,3\n2024-01-02,a,3\n")
    lines = problems(path, series=["shop"])
    assert lines[0].startswith("sales.csv, line 3, column 'shop': the name of the series is blank")
    assert "line 4" in lines[1]


def test_blanks_in_parquet_are_found_by_row(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"ds": pd.to_datetime(["2024-01-01", None, "2024-01-02"]), "id": ["a", "a", None], "y": 1.0}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    lines = problems(str(tmp_path / "a.parquet"), series=["id"])
    assert lines[0].startswith("a.parquet, row 2, column 'ds': the time is blank")
    assert lines[1].startswith("a.parquet, row 3, column 'id': the name of the series is blank")


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    times = pa.array(np.arange(5000).astype("datetime64[h]").astype("datetime64[us]"))
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"ds": times, "y": np.random.default_rng(0).random(5000)}), path)
    content = bytearray(path.read_bytes())
    content[100:20_000] = bytes(19_900)
    path.write_bytes(content)
    (line,) = problems(str(path))
    assert line.startswith("a.parquet: damaged after row 0")


def test_whole_numbers_and_texts_of_any_width_in_parquet_are_numbers(tmp_path: Path) -> None:
    columns = {
        "t": pa.array([1, 2]),
        "y": pa.array([2**60, None]),
        "view": pa.array(["1.5", "NA"], pa.string_view()),
        "large": pa.array(["1e3", ""], pa.large_string()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    table = read([str(tmp_path / "a.parquet")], time="t", targets=["y", "view", "large"])
    np.testing.assert_array_equal(table.values, [[2.0**60, 1.5, 1000], [np.nan] * 3])


def test_half_a_gzip_file_and_half_a_parquet_file_are_refused(write: Any) -> None:
    whole = gzip.compress((PLAIN + "".join(f"2025-01-01,{i}\n" for i in range(2000))).encode())
    lines = problems(write(whole[:200], "a.csv.gz"), write(b"PAR1 nonsense", "b.parquet"))
    assert lines[0].startswith("a.csv.gz: not a complete gzip file")
    assert lines[1].startswith("b.parquet: the file is damaged, or not a Parquet file")


def test_a_parquet_file_with_a_damaged_footer_is_refused(write: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"ds": ["2024-01-01"], "y": [1.0]}), tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    size = int.from_bytes(content[-8:-4], "little")
    footer = b"\xff" * size + content[-8:]
    (line,) = problems(write(content[: -size - 8] + footer, "damaged.parquet"))
    assert line.startswith("damaged.parquet: the file is damaged")
    assert "check the file, or write it again" in line


# covariates --------------------------------------------------------------------------------------

WITH_COVARIATES = (
    "ds,y,price,promo,note,emb_1,emb_10,emb_2\n"
    "2024-01-01,1,9.5,yes,,1,10,2\n"
    "2024-01-02,2,,no,sold out,3,30,4\n"
    "2024-01-03,3,8.5,,late,5,50,6\n"
)


def test_covariates_are_numeric_or_categorical_by_their_cells(write: Any) -> None:
    table = read([write(WITH_COVARIATES)], targets=["y"], covariates=["price", "promo", "note"])
    assert list(table.covariates) == ["price", "promo", "note"]
    price, promo, note = table.covariates.values()
    assert isinstance(price, NumericColumn)
    np.testing.assert_array_equal(price.values, [9.5, np.nan, 8.5])
    assert isinstance(promo, CategoricalColumn)
    assert promo.vocabulary == ("no", "yes")
    assert promo.codes.tolist() == [1, 0, -1]
    assert isinstance(note, CategoricalColumn)
    assert note.codes.tolist() == [-1, 1, 0]
    np.testing.assert_array_equal(note.to_floats(), [np.nan, 1, 0])
    assert table.roles.unused == ("emb_1", "emb_10", "emb_2")


def test_a_pattern_stands_for_its_columns_in_natural_order(write: Any) -> None:
    table = read([write(WITH_COVARIATES)], targets=["y"], covariates=["emb_*"])
    assert list(table.covariates) == ["emb_1", "emb_2", "emb_10"]


def test_numeric_ids_are_categorical_when_listed(write: Any) -> None:
    table = read(
        [write(WITH_COVARIATES)], targets=["y"], covariates=["emb_1"], categorical=["emb_1"]
    )
    words = table.covariates["emb_1"]
    assert isinstance(words, CategoricalColumn)
    assert words.vocabulary == ("1", "3", "5")


def test_ids_with_leading_zeros_are_words(write: Any) -> None:
    path = write("ds,y,region\n2024-01-01,1,007\n2024-01-02,2,011\n")
    words = read([path], targets=["y"], covariates=["region"]).covariates["region"]
    assert isinstance(words, CategoricalColumn)
    assert words.vocabulary == ("007", "011")


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (["prise"], r"there is no column 'prise' — did you mean 'price'\?"),
        (["zz_*"], r"no column matches the pattern 'zz_\*' — the columns are"),
        (["y"], "column 'y' is given more than one role"),
    ],
)
def test_a_covariate_that_is_none_is_refused(
    write: Any, covariates: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read([write(WITH_COVARIATES)], targets=["y"], covariates=covariates)


def test_text_in_a_covariate_of_numbers_is_reported_with_its_line_and_a_cure(write: Any) -> None:
    rows = "".join(f"2024-01-{day:02},1,{day}\n" for day in range(1, 29))
    path = write("ds,y,price\n" + rows + "2024-01-29,1,free\n")
    message = r"line 30, column 'price': 'free' is not a number .*features\.categorical"
    with pytest.raises(DataError, match=message):
        read([path], targets=["y"], covariates=["price"])


def test_a_file_of_what_is_known_ahead_needs_no_targets(write: Any) -> None:
    past = write("ds,y,price\n2024-01-01,1,9\n2024-01-02,2,8\n", name="past.csv")
    ahead = write("ds,price\n2024-01-03,7\n", name="ahead.csv")
    table = read([past, ahead], targets=["y"], covariates=["price"])
    np.testing.assert_array_equal(table.values[:, 0], [1, 2, np.nan])
    np.testing.assert_array_equal(table.covariates["price"].to_floats(), [9, 8, 7])


def test_rows_taken_out_keep_the_lines_of_the_others(write: Any) -> None:
    table = read([write(WITH_COVARIATES)], targets=["y"], covariates=["promo"])
    fewer = table.filter(np.array([False, True, True])).filter(np.array([False, True]))
    assert fewer.values[:, 0].tolist() == [3]
    assert fewer.line_index.location(0) == "sales.csv, line 4"
    assert fewer.covariates["promo"].to_floats().shape == (1,)


# how files are written ---------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-8", "cp037"])
def test_any_encoding_can_be_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes("city,ds,y\nZürich,2024-01-01,1\nZürich,2024-01-02,2\n".encode(encoding))
    table = read([str(path)], encoding=encoding, series=["city"])
    assert table.keys["city"].tolist() == ["Zürich"]


def test_utf_16_with_a_mark_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes("ds,y\n2024-01-01,1\n2024-01-02,2\n".encode("utf-16"))
    assert read([str(path)]).values[:, 0].tolist() == [1, 2]


def test_bytes_of_another_encoding_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes("ds,y\n2024-01-01,1\n".encode("utf-16-le") + b"\x00\xd8\x00")
    with pytest.raises(DataError, match=r"bytes that are not utf-16-le .*data\.encoding"):
        read([str(path)], encoding="utf-16-le")


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        (['"1,234.5"', '"2,234,567.25"', "7"], {}),
        (['"1.234,5"', '"2.234.567,25"', "7"], {}),
        (["1'234.5", "2'234'567.25", "7"], {}),
        (["1\u00a0234.5", "2\u00a0234\u00a0567.25", "7"], {}),
        (["1 234.5", "2 234 567.25", "7"], {"thousands": " "}),
        (['"1,234.5"', '"2,234,567.25"', "7"], {"thousands": ",", "decimal": "."}),
    ],
)
def test_thousands_separators_are_read_where_they_are_given_or_unambiguous(
    write: Any, cells: list[str], options: dict[str, str]
) -> None:
    rows = "".join(f"2024-01-0{day},{cell}\n" for day, cell in enumerate(cells, 1))
    table = read([write("ds,y\n" + rows)], **options)
    np.testing.assert_allclose(table.values[:, 0], [1234.5, 2234567.25, 7])


def test_a_mark_that_does_not_group_three_digits_is_refused(write: Any) -> None:
    path = write('ds,y\n2024-01-01,"1,234"\n2024-01-02,"1,23,4"\n')
    with pytest.raises(DataError, match=r"line 3, column 'y': '1,23,4' is not a number"):
        read([path], thousands=",")


def test_one_mark_cannot_mean_two_things(write: Any) -> None:
    with pytest.raises(DataError, match=r"',' cannot be both data\.decimal and data\.thousands"):
        read([write("ds,y\n2024-01-01,1\n")], thousands=",", decimal=",")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_folders_are_searched_to_the_bottom_and_their_names_are_columns(
    tmp_path: Path, suffix: str
) -> None:
    for store in ("a b", "c"):
        folder = tmp_path / f"store={quote(store)}" / "deep"
        folder.mkdir(parents=True)
        frame = pd.DataFrame({"ds": ["2024-01-01", "2024-01-02"], "y": [1.0, 2.0]})
        if suffix == "csv":
            frame.to_csv(folder / "part.csv", index=False)
        else:
            frame.to_parquet(folder / "part.parquet")
    hidden = tmp_path / ".trash"
    hidden.mkdir()
    (hidden / "old.csv").write_text("nothing of use")
    table = read([str(tmp_path)], series=["store"])
    assert table.keys["store"].tolist() == ["a b", "c"]
    assert table.codes.tolist() == [0, 0, 1, 1]
    assert table.values[:, 0].tolist() == [1, 2, 1, 2]


def test_marks_of_the_training_decide_later_files_that_alone_could_be_read_in_two_ways(
    tmp_path: Path,
) -> None:
    first, later = tmp_path / "first.csv", tmp_path / "later.csv"
    first.write_text("ds;y\n2024-01-01;1.074\n2024-01-02;1.074,5\n", encoding="utf-8")
    later.write_text("ds;y\n2024-02-01;1.074\n2024-02-02;1.080\n", encoding="utf-8")
    options = ReadOptions(DataSpec(path=("x.csv",)))
    with pytest.raises(DataError, match=r"data\.thousands"):
        read_files([str(later)], options)
    known = read_files([str(first)], options).roles.resolve(options)
    assert read_files([str(later)], known).values[:, 0].tolist() == [1074.0, 1080.0]


def test_a_file_without_targets_beside_one_with_them_holds_what_is_known_ahead(
    write: Any, tmp_path: Path
) -> None:
    days = pd.date_range("2024-01-01", periods=40)
    write("ds,y,promo\n" + "".join(f"{day:%Y-%m-%d},{day.day},0\n" for day in days[:30]))
    write("ds,promo\n" + "".join(f"{day:%Y-%m-%d},1\n" for day in days[30:]), "future.csv")
    found = read([str(tmp_path)])
    assert found.roles.targets == ("y",)
    assert np.isnan(found.values).sum() == 10
    assert len(found.time) == 40


def test_a_file_with_other_names_of_the_targets_is_refused(write: Any, tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=40)
    write("ds,sales,promo\n" + "".join(f"{day:%Y-%m-%d},{day.day},0\n" for day in days[:30]))
    write("ds,Sales,promo\n" + "".join(f"{day:%Y-%m-%d},7,1\n" for day in days[30:]), "b.csv")
    with pytest.raises(DataError, match="there is no column 'sales'"):
        read([str(tmp_path)], targets=["sales"])
    with pytest.raises(DataError, match="there is no column"):
        read([str(tmp_path)])
