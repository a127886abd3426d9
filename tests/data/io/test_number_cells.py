"""Cells of numeric columns: which are numbers, texts for no value, limits or other words."""

from __future__ import annotations

import pytest

from rnnforecast.data.io.column_content import is_numeric_column
from rnnforecast.data.io.number_cells import cell_kind, split_number


@pytest.mark.parametrize(
    ("cell", "before", "digits", "after", "is_negative"),
    [
        ("$150.19", "$", "150.19", "", False),
        ("\u20ac 1.234,50", "\u20ac", "1.234,50", "", False),
        ("150,19 \u20ac", "", "150,19", "\u20ac", False),
        ("USD 12", "USD", "12", "", False),
        ("-$5.00", "$", "5.00", "", True),
        ("$(5)", "$", "5", "", True),
        ("(123.45)", "", "123.45", "", True),
        ("123-", "", "123", "", True),
        ("\u22125", "", "5", "", True),
        ("Rs.500", "Rs.", "500", "", False),
        ("5.-", "", "5.", "", False),
        ("12.3 kWh", "", "12.3", "kWh", False),
        ("5%", "", "5", "%", False),
        ("1234p", "", "1234", "p", False),
        ("7 (e)", "", "7", "(e)", False),
        ("1,234[2]", "", "1,234", "[2]", False),
        ("3 Mio. \u20ac", "", "3", "Mio. \u20ac", False),
        ("12,34,567", "", "12,34,567", "", False),
        ("\u00a01\u202f234\u00a0m\u00b2", "", "1\u202f234", "m\u00b2", False),
    ],
)
def test_a_number_is_split_from_its_marks(
    cell: str, before: str, digits: str, after: str, is_negative: bool
) -> None:
    parts = split_number(cell.strip())
    assert parts is not None
    assert (parts.before_mark, parts.body, parts.after_mark) == (before, digits, after)
    assert parts.is_negative is is_negative


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "2024-01-02",
            "12:30",
            "12.05.2024",
            "555-1234",
            "0x10",
            "1_000",
            "v1.2",
            "Item 12",
            "1st",
        ),
        *("5 pm", "5-10", "1/2", "(-5)", "2024Q1", "A12", "closed", "+49 170 1234567", ""),
    ],
)
def test_other_cells_are_no_numbers(cell: str) -> None:
    assert split_number(cell) is None


@pytest.mark.parametrize(
    "cell", ["-", "--", "\u2013", "n/e", "n.a.", "..", "?", ":", ": c", "x", "#N/A"]
)
def test_usual_texts_for_no_value_are_known(cell: str) -> None:
    assert cell_kind(cell) == "placeholder"


@pytest.mark.parametrize("cell", ["<1", ">100", "<LOD", "\u2264 0.5", "10+", "less than 5"])
def test_limits_are_no_values(cell: str) -> None:
    assert cell_kind(cell) == "limit"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["$1", "$2", "-"], True),
        (["-"] * 60 + ["1", "2", "3"], True),
        (["closed"] * 60 + [str(number) for number in range(40)], True),
        (["<1"] * 5, True),
        (["-", "-"], False),
        (["007", "8"], False),
        (["+491701234567", "+491707654321"], False),
        (["12 Main Street", "3 Oak Lane", "5 Low Road", "9 High Road"], False),
        (["250 g", "500 g"] * 20, False),
        (["A1", "B2", "5"], False),
        ([], False),
    ],
)
def test_a_column_is_numeric_if_its_cells_are_numbers_or_stand_for_them(
    cells: list[str], expected: bool
) -> None:
    assert is_numeric_column(cells) is expected


def test_words_among_the_numbers_of_an_id_are_ids() -> None:
    cells = ["1", "2", "3", "online"] * 5
    assert is_numeric_column(cells)
    assert not is_numeric_column(cells, is_named_like_id=True)
