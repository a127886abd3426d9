"""Number formats: inference from a sample, refusals, and parsing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.io.cell_shapes import ColumnShapes
from rnnforecast.data.io.number_format import DEFAULT_MISSING_VALUES, NumberFormat
from rnnforecast.data.io.number_inference import infer_number_format
from rnnforecast.errors import DataError


def marks(cells: list[str], decimal: str = "auto", thousands: str = "auto") -> NumberFormat:
    return infer_number_format({"y": shapes(cells)}, decimal, thousands, where)[0]


def where(column: str, cell: str) -> str:
    return f"here, column {column!r}"


def shapes(cells: list[str]) -> ColumnShapes:
    column = ColumnShapes()
    column.add_counted(pa.array(cells, pa.string()), np.ones(len(cells), dtype=np.int64))
    return column


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        ([], "."),
        (["1", "", "NA"], "."),
        (["1.5", "2"], "."),
        (["1,5", "2"], ","),
        (["0,123", "2"], ","),
        (["1,234", "2,5"], ","),
        (["-,5"], ","),
        (["1,2,3"], "."),
    ],
)
def test_the_decimal_mark_is_read_from_the_numbers(cells: list[str], mark: str) -> None:
    assert marks(cells) == NumberFormat(mark)


@pytest.mark.parametrize(
    ("cells", "decimal", "thousands"),
    [
        (["1,234", "2.5"], ".", ","),
        (["1,234.56", "7", "x"], ".", ","),
        (["1,234,567", "1,234", "-12"], ".", ","),
        (["1.234,56", "1.234"], ",", "."),
        (["1.234.567"], ",", "."),
        (["1 234", "."], ".", " "),
        (["1 234", "1,5"], ",", " "),
        (["+1\u00a0234\u202f567", "0.5"], ".", " "),
        (["1'234.50"], ".", "'"),
        (["1\u2019234"], ".", "'"),
        (["12,34,567", "1,234"], ".", ","),
        (["$1,234.50", "(1,234)"], ".", ","),
    ],
)
def test_digits_are_grouped_where_a_number_cannot_be_read_otherwise(
    cells: list[str], decimal: str, thousands: str
) -> None:
    assert marks(cells) == NumberFormat(decimal, thousands)
    assert marks(cells, thousands="none").thousands == ""


@pytest.mark.parametrize(
    ("decimal", "thousands", "expected"),
    [
        ("auto", ",", NumberFormat(".", ",")),
        ("auto", ".", NumberFormat(",", ".")),
        ("auto", " ", NumberFormat(",", " ")),
        ("auto", "none", NumberFormat(",", "")),
        (",", "auto", NumberFormat(",", "")),
        (".", "auto", NumberFormat(".", ",")),
        (".", ",", NumberFormat(".", ",")),
    ],
)
def test_given_options_resolve_1_234(decimal: str, thousands: str, expected: NumberFormat) -> None:
    assert marks(["1,234", "5,678"], decimal, thousands) == expected


@pytest.mark.parametrize("mark", [",", "."])
def test_three_digits_behind_a_mark_are_never_guessed(mark: str) -> None:
    cells = [cell.replace(",", mark) for cell in ("1,234", "-22,500", "300")]
    message = (
        rf"here, column 'b': '1\{mark}234' can be read as 1.234 .* 1234 .*"
        rf" data\.thousands to '\{mark}' or data\.decimal to '\{mark}'"
    )
    with pytest.raises(DataError, match=message):
        infer_number_format({"a": shapes(["5"]), "b": shapes(cells)}, "auto", "auto", where)


@pytest.mark.parametrize("mark", [",", "."])
def test_a_zero_before_a_mark_makes_it_a_decimal_mark(mark: str) -> None:
    cells = [cell.replace(",", mark) for cell in ("1,234", "0,841", "2,500")]
    assert marks(cells) == NumberFormat(mark)


LOADS = ["1.016", "1.074", "1.185", "909", "874", "888"]
"""Load in MW, with a point between thousands."""
RATES = ["1.074", "1.125", "1.375", "1", "2", "3"]


@pytest.mark.parametrize(
    ("cells", "expected"), [(LOADS, NumberFormat(",", ".")), (RATES, NumberFormat())]
)
def test_the_magnitude_of_the_other_numbers_decides_a_mark(
    cells: list[str], expected: NumberFormat
) -> None:
    number_format, (note,) = infer_number_format({"y": shapes(cells)}, "auto", "auto", where)
    assert number_format == expected
    assert "magnitude" in note.decision.found
    assert not note.is_doubtful


def test_magnitudes_of_one_column_do_not_decide_another() -> None:
    columns = {"gas": shapes(["1.074", "1.016"]), "coal": shapes(LOADS)}
    with pytest.raises(DataError) as caught:
        infer_number_format(columns, "auto", "auto", where)
    assert [problem.where for problem in caught.value.problems] == ["here, column 'gas'"]


def test_a_number_with_one_reading_decides_all_columns() -> None:
    columns = {"gas": shapes(["1.074", "1.016"]), "coal": shapes(["12.5"])}
    assert infer_number_format(columns, "auto", "auto", where)[0] == NumberFormat()
    columns["coal"] = shapes(["1.234.567"])
    assert infer_number_format(columns, "auto", "auto", where)[0] == NumberFormat(",", ".")


def test_magnitudes_against_the_other_numbers_are_refused() -> None:
    columns = {"load": shapes(LOADS), "price": shapes(["12.5"])}
    with pytest.raises(DataError, match="column 'load'"):
        infer_number_format(columns, "auto", "auto", where)
    assert infer_number_format(columns, ".", "auto", where)[0] == NumberFormat()


def test_a_point_between_columns_separated_by_commas_is_the_decimal_mark() -> None:
    cells = {"y": shapes(["12.345", "13.010", "9.876"])}
    with pytest.raises(DataError):
        infer_number_format(cells, "auto", "auto", where)
    found = infer_number_format(cells, "auto", "auto", where, is_point_decimal=True)
    assert found == (NumberFormat(), [])
    columns = {"y": shapes(LOADS)}
    found = infer_number_format(columns, "auto", "auto", where, is_point_decimal=True)
    assert found[0] == NumberFormat(",", ".")


def test_one_mark_cannot_mean_both() -> None:
    with pytest.raises(DataError, match=r"data\.thousands: ',' cannot be both .* give each"):
        marks([], ",", ",")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("1,234", True),
        (" 12,345,678.9e-2\t", True),
        ("1234.5", True),
        ("1,23,4", False),
        ("1234,567", False),
        ("1,2345", False),
        (",123", False),
        ("1.234,567", False),
        ("1,234,", False),
        ("\u0661,234", False),
        ("-inf", True),
        ("", False),
    ],
)
def test_a_mark_only_stands_before_groups_of_three_digits(text: str, fits: bool) -> None:
    assert NumberFormat(".", ",").is_number(text) is fits
    if fits or text in DEFAULT_MISSING_VALUES:
        NumberFormat(".", ",").parse_floats(pa.array([text]))
    else:
        with pytest.raises(ValueError, match="not every cell is a number"):
            NumberFormat(".", ",").parse_floats(pa.array([text]))


every_mark = st.sampled_from([(",", "."), (".", ","), ("'", "."), (" ", ","), ("\u202f", ".")])


@settings(deadline=None)
@given(st.floats(-1e12, 1e12).map(lambda x: round(x, 3)), every_mark)
def test_a_number_written_with_groups_reads_as_itself(
    value: float, written: tuple[str, str]
) -> None:
    group, point = written
    text = f"{value:,.3f}".replace(",", "g").replace(".", point).replace("g", group)
    marks = NumberFormat(point, " " if group == "\u202f" else group)
    assert marks.is_number(text)
    assert marks.parse_floats(pa.array([text, None, "NA"])).to_pylist() == [value, None, None]


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("10-+.,' e\u00a0infa\t\n"), max_size=7), every_mark)
def test_the_quick_way_and_the_one_that_explains_agree(text: str, written: tuple[str, str]) -> None:
    marks = NumberFormat(written[1], " " if written[0] == "\u202f" else written[0])
    try:
        marks.parse_floats(pa.array([text]))
    except ValueError:
        assert not marks.is_number(text)
        assert text.strip() not in DEFAULT_MISSING_VALUES
    else:
        assert marks.is_number(text) or text.strip() in DEFAULT_MISSING_VALUES
