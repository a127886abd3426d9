"""The marks of numbers, told from a sample or refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.written import Marks, marks_of
from rnnforecast.errors import DataError


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        ([], "."),
        (["1", "", "NA"], "."),
        (["1.5", "2"], "."),
        (["1,5", "2"], ","),
        (["0,123", "2"], ","),
        (["1,234", "2,5"], ","),
        (["1,234", "2.5"], "."),
        (["-,5"], ","),
        (["1,2,3"], "."),
    ],
)
def test_the_decimal_mark_is_read_from_the_numbers(cells: list[str], mark: str) -> None:
    assert marks_of(cells, "auto", "auto", "here") == Marks(mark)


def test_a_comma_before_three_digits_is_never_guessed() -> None:
    with pytest.raises(DataError, match=r"here: '1,234' can be read .* data\.decimal"):
        marks_of(["1,234", "-22,500", "3"], "auto", "auto", "here")


@given(
    st.floats(-1e12, 1e12).map(lambda x: round(x, 3)),
    st.sampled_from([(",", "."), (".", ","), ("'", "."), (" ", ",")]),
)
def test_a_number_written_with_groups_reads_as_itself(
    value: float, written: tuple[str, str]
) -> None:
    group, point = written
    text = f"{value:,.3f}".replace(",", "g").replace(".", point).replace("g", group)
    marks = Marks(point, group)
    assert re.fullmatch(marks.pattern(), text)
    assert float(marks.plain(text)) == value
