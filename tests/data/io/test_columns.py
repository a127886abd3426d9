"""Columns as numbers or categories, and the reports of their faults."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.io.columns import CategoricalColumn, NumericColumn
from rnnforecast.data.io.table import Table
from rnnforecast.errors import DataError
from tests.data.tables import read

PLAN = "ds,y,price,kind\n2024-01-01,1,9.5,b\n2024-01-02,2,,a\n2024-01-03,3,8, b \n"
AHEAD = "kind,ds,price\n,2024-01-04,7\nc,2024-01-05,6\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str, name: str = "a.csv") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return write


def words(table: Table, name: str) -> list[str | None]:
    column = table.covariates[name]
    assert isinstance(column, CategoricalColumn)
    assert column.codes.dtype == np.int32
    assert list(column.vocabulary) == sorted(set(column.vocabulary))
    return [column.vocabulary[code] if code >= 0 else None for code in column.codes]


def refused(*source: str, **options: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(source, **options)
    assert all(problem.cure for problem in caught.value.problems if problem.where)
    return str(caught.value).splitlines()


# --- what is read -------------------------------------------------------------------------------


def test_a_file_of_what_is_known_ahead_has_no_targets(write: Any) -> None:
    files = [write(PLAN), write(AHEAD, "b.csv")]
    table = read(files, covariates=["price", "kind"])
    assert table.roles.targets == ("y",)
    np.testing.assert_array_equal(table.values[:, 0], [1, 2, 3, np.nan, np.nan])
    np.testing.assert_array_equal(table.covariates["price"].to_floats(), [9.5, np.nan, 8, 7, 6])
    assert words(table, "kind") == ["b", "a", "b", None, "c"]
    assert table.line_index.location(4) == "b.csv, line 3"


def test_one_column_may_be_categorical_in_one_reading_and_numeric_in_another(write: Any) -> None:
    path = write("ds,y,zip,code\n2024-01-01,1,10115,1\n2024-01-02,2,,\n2024-01-03,3,20095,2\n")
    table = read(
        [path], targets=["y"], covariates=["zip", "code"], categorical=["z*"], numeric=["code"]
    )
    assert words(table, "zip") == ["10115", None, "20095"]
    assert isinstance(table.covariates["code"], NumericColumn)


def test_missing_values_are_texts_but_no_numbers(write: Any) -> None:
    path = write("ds,y,a,b\n2024-01-01,1,NA,NA\n2024-01-02,2,,null\n2024-01-03,3,x,4\n")
    table = read([path], targets=["y"], covariates=["a", "b"])
    assert words(table, "a") == ["NA", None, "x"]
    np.testing.assert_array_equal(table.covariates["b"].to_floats(), [np.nan, np.nan, 4])


def test_infinite_covariates_are_missing_and_counted(write: Any) -> None:
    path = write("ds,y,a\n2024-01-01,inf,1\n2024-01-02,2,-inf\n2024-01-03,3,inf\n")
    table = read([path], targets=["y"], covariates=["a"])
    assert table.infinite_count == 3
    np.testing.assert_array_equal(table.covariates["a"].to_floats(), [1, np.nan, np.nan])


def test_the_marks_of_numbers_are_those_of_targets_and_covariates_together(write: Any) -> None:
    path = write("ds;y;a\n2024-01-01;1,234;5\n2024-01-02;2,500;1.234,5\n")
    table = read([path], targets=["y"], covariates=["a"])
    assert table.values[:, 0].tolist() == [1.234, 2.5]
    assert table.covariates["a"].to_floats().tolist() == [5, 1234.5]


def test_parquet_holds_covariates_of_any_type(tmp_path: Path) -> None:
    columns = {
        "t": pa.array([1, 2, 3]),
        "y": pa.array([1.0, None, 2.0]),
        "whole": pa.array([1, None, 3], pa.int8()),
        "exact": pa.array([Decimal(1), None, Decimal(3)], pa.decimal128(9, 2)),
        "flag": pa.array([True, None, False]),
        "switch": pa.array([True, None, False]),
        "group": pa.array(["b", None, "a"]).dictionary_encode(),
        "text": pa.array(["1,5", "", "2,25"], pa.large_string()),
        "blank": pa.array([None, None, None], pa.float32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    names = list(columns)[2:]
    path = str(tmp_path / "a.parquet")
    table = read([path], time="t", targets=["y"], covariates=names, numeric=["switch"])
    assert words(table, "flag") == ["true", None, "false"]
    assert words(table, "group") == ["b", None, "a"]
    numbers = {"whole": [1, 3], "exact": [1, 3], "switch": [1, 0], "text": [1.5, 2.25]}
    for name, (first, last) in numbers.items():
        np.testing.assert_array_equal(table.covariates[name].to_floats(), [first, np.nan, last])
    assert np.isnan(table.covariates["blank"].to_floats()).all()


def test_only_columns_in_use_are_read(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    taken = pq.ParquetFile.iter_batches

    def watched(self: Any, *arguments: Any, **options: Any) -> Any:
        asked.append(options.get("columns"))
        return taken(self, *arguments, **options)

    path = write(PLAN, "a.csv").replace(".csv", ".parquet")
    pd.read_csv(path.replace(".parquet", ".csv")).assign(note="x", more=1).to_parquet(path)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    read([path], time="ds", series=[], targets=["y"], covariates=["price"])
    assert asked == [None, ["ds", "y", "price"]]  # a sample of all, then the rows


cells = st.one_of(st.just(""), st.text(st.characters(codec="utf-8", categories=["L", "N", "P"])))
amounts = st.one_of(
    st.none(), st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, amounts), min_size=1, max_size=20),
    parquet=st.booleans(),
    thousands=st.sampled_from(["none", ","]),
)
def test_covariates_are_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, float | None]],
    parquet: bool,
    thousands: str,
) -> None:
    frame = pd.DataFrame(rows, columns=["word", "number"])
    frame["number"] = frame["number"].astype(float)
    frame.insert(0, "t", range(len(rows)))
    frame["y"] = 1.0
    path = tmp_path_factory.mktemp("back") / ("a.parquet" if parquet else "a.csv")
    frame.to_parquet(path) if parquet else frame.to_csv(path, index=False)
    table = read(
        [str(path)],
        time="t",
        series=[],
        targets=["y"],
        covariates=["word", "number"],
        categorical=["word"],
        decimal=".",
        thousands=thousands,
    )
    np.testing.assert_array_equal(table.covariates["number"].to_floats(), frame["number"])
    assert words(table, "word") == [word or None for word in frame["word"]]


# --- what is refused ----------------------------------------------------------------------------


def test_a_file_without_targets_needs_no_more_than_a_covariate(write: Any) -> None:
    files = [write(PLAN), write("ds,price\n2024-01-04,7\n", "b.csv")]
    table = read(files, targets=["y"], covariates=["price", "kind"])
    price, kind = table.covariates.values()
    assert price.to_floats()[-1] == 7
    assert np.isnan(kind.to_floats()[-1])
    assert np.isnan(table.values[-1, 0])
    lines = refused(*files, targets=["y"])
    assert lines[0].startswith("b.csv: there is no column 'y'")
    lines = refused(*files, targets=["y"], covariates=["kind"])
    assert lines[0].startswith("b.csv: there is no column 'y'")


def test_a_file_with_one_target_of_two_is_not_one_of_what_is_known_ahead(write: Any) -> None:
    files = [write("ds,y,z,a\n2024-01-01,1,2,3\n"), write("ds,y,a\n2024-01-02,1,2\n", "b.csv")]
    (line,) = refused(*files, targets=["y", "z"], covariates=["a"])
    assert line.startswith("b.csv: there is no column 'z'")


def test_a_target_that_no_file_has_is_reported_for_each(write: Any) -> None:
    lines = refused(write(PLAN), write(AHEAD, "b.csv"), targets=["yy"], covariates=["price"])
    assert lines[0].startswith("a.csv: there is no column 'yy' — did you mean 'y'?")
    assert lines[1].startswith("b.csv: there is no column 'yy'")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariates": ["prise"]}, r"a\.csv: there is no column 'prise' — did you mean 'price'"),
        (
            {"covariates": ["x_*"]},
            r"a\.csv: no column matches the pattern 'x_\*' — the columns are",
        ),
        ({"covariates": ["y"]}, "column 'y' is given more than one role — name it once"),
        ({"covariates": ["ds"], "time": "ds"}, "column 'ds' is given more than one role"),
        ({"covariates": ["k*"], "series": ["kind"]}, "column 'kind' is given more than one role"),
        ({"covariates": ["price"], "categorical": ["kind"]}, "features: there is no column 'kind'"),
        (
            {"covariates": ["price"], "categorical": ["price"], "numeric": ["pr*"]},
            "column 'price': cannot be categorical and numeric at once — list it once",
        ),
    ],
)
def test_covariates_that_cannot_be_are_refused(
    write: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read([write(PLAN)], targets=["y"], **options)


def test_text_among_numbers_further_down_is_reported_with_its_line(write: Any) -> None:
    rows = [f"{number},1,{number if number < 3000 else 'high'}\n" for number in range(3002)]
    lines = refused(write("t,y,price\n" + "".join(rows)), targets=["y"], covariates=["price"])
    assert lines[0].startswith("a.csv, line 3002, column 'price': 'high' is not a number")
    assert "data.missing_values" in lines[0]
    assert "features.categorical" in lines[0]
    assert lines[1].startswith("a.csv, line 3003")


def test_texts_below_thousands_of_blank_cells_are_reported_as_well(write: Any) -> None:
    rows = [f"{number},1,{'high' if number == 3000 else ''}\n" for number in range(3002)]
    path = write("t,y,price\n" + "".join(rows))
    (line,) = refused(path, targets=["y"], covariates=["price"])
    assert line.startswith("a.csv, line 3002, column 'price': 'high' is not a number")
    table = read([path], targets=["y"], covariates=["price"], categorical=["price"])
    assert words(table, "price").count("high") == 1


def test_a_column_that_is_to_be_numbers_may_not_hold_words(write: Any) -> None:
    lines = refused(write(PLAN), targets=["y"], covariates=["kind"], numeric=["kind"])
    assert [line.split(" is")[0] for line in lines] == [
        "a.csv, line 2, column 'kind': 'b'",
        "a.csv, line 3, column 'kind': 'a'",
        "a.csv, line 4, column 'kind': ' b '",
    ]


def test_a_number_in_another_format_has_that_format_as_its_cure(write: Any) -> None:
    path = write("ds;y\n2024-01-01;1.5\n2024-01-02;1,234\n2024-01-03;1 234\n2024-01-04;1,5\n")
    lines = [line.split(" — ")[1] for line in refused(path, decimal=".", thousands="none")]
    decimal = "set data.decimal to ',' if that is the decimal mark"
    assert lines == [
        f"{decimal}, or data.thousands to ',' if it stands between thousands",
        "set data.thousands to ' ' if it stands between thousands",
        decimal,
    ]


def test_blank_texts_and_damaged_numbers_of_parquet_are_found_by_row(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": [1, 2], "y": [1.0, 2.0], "a": ["1", "off"], "flag": [True, False]})
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    names = ["a", "flag"]
    (line,) = refused(str(path), targets=["y"], covariates=names, numeric=names)
    assert line.startswith("a.parquet, row 2, column 'a': 'off' is not a number")
