"""Numbers with marks, texts for no value and numbers of two readings: from files to values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnforecast.data.io.table import Table
from rnnforecast.errors import DataError
from tests.data.tables import read


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes columns a, b and c of a file with a row a day, again and again from its cells."""

    def write(*columns: list[str], separator: str = ",", rows: int = 40) -> str:
        path = tmp_path / "a.csv"
        names = ["a", "b", "c"][: len(columns)]
        lines = [separator.join(["ds", *names])]
        start = np.datetime64("2001-01-01")
        for row in range(rows):
            cells = [column[row % len(column)] for column in columns]
            quoted = [f'"{cell}"' if separator in cell else cell for cell in cells]
            lines.append(separator.join([str(start + row), *quoted]))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    return write


def notes(table: Table) -> list[tuple[str, bool]]:
    return [(str(note), note.is_doubtful) for note in table.notes]


@pytest.mark.parametrize(
    ("cells", "values", "is_doubtful"),
    [
        (["$150.19", "-$1,234.50", "($2.00)"], [150.19, -1234.5, -2], False),
        (["1.234,50 \u20ac", "7 \u20ac"], [1234.5, 7], False),
        (["12.3 kWh", "7 kWh"], [12.3, 7], False),
        (["5 %", "7%"], [5, 7], False),
        (["5-", "7.5", "8"], [-5, 7.5, 8], False),
        (["1.2k", "3M", "950"], [1200, 3e6, 950], True),
        (["1.005k", "2k"], [1005, 2000], False),
        (["3 Mio. \u20ac", "2,5 Mio. \u20ac"], [3e6, 2.5e6], False),
        (["5.1*", "7 (e)", "8", "9", "7p", "6"], [5.1, 7, 8, 9, 7, 6], True),
        (["1,234[7]", "2,345,678", "9"], [1234, 2345678, 9], True),
    ],
)
def test_marks_are_left_out_or_scale_their_numbers_and_are_noted(
    write: Any, cells: list[str], values: list[float], is_doubtful: bool
) -> None:
    table = read([write(cells)], targets=["a"])
    np.testing.assert_array_equal(table.values[: len(cells), 0], values)
    assert table.notes
    assert any(doubtful for _, doubtful in notes(table)) is is_doubtful


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["$1", "\u20ac2"], "currencies: '\\$' \\(20 cells\\), '\u20ac' \\(20 cells\\)"),
        (["1 kWh", "2 MWh"], "different units"),
        (["5%", "0.5"], "'%' is behind 20 of 40 numbers only, such as '5%'"),
        (["5m", "6"], "'m' is behind 20 of 40"),
    ],
)
def test_marks_that_change_values_are_refused(write: Any, cells: list[str], reason: str) -> None:
    with pytest.raises(DataError, match=f"a.csv, line [23], column 'a': .*{reason}"):
        read([write(cells)], targets=["a"])


@pytest.mark.parametrize("count", [1, 9, 13, 60])
def test_texts_for_no_value_are_missing_and_told_however_many_they_are(
    write: Any, count: int
) -> None:
    cells = ["-"] * count + [str(number) for number in range(100 - count)]
    path = write(cells, ["1", "2.5"], rows=100)
    table = read([path])
    assert table.roles.targets == ("a", "b")
    assert np.isnan(table.values[:, 0]).sum() == count
    ((text, is_doubtful),) = notes(table)
    assert f"a: {count} of 100 cells are '-'" in text
    assert is_doubtful
    cure = json.loads(re.findall(r"data\.missing_values to (\[.*?\])", text)[0])
    cured = read([path], missing_values=tuple(cure))
    assert not cured.notes
    np.testing.assert_array_equal(cured.values, table.values)


def test_limits_are_refused_in_all_columns_at_once_and_the_cure_works(write: Any) -> None:
    path = write(["<1", "5", "7"], ["<0.5", "<0.2", ">100", "7"], ["1", "2"])
    with pytest.raises(DataError) as caught:
        read([path])
    assert [problem.where for problem in caught.value.problems] == [
        "a.csv, line 2, column 'a'",
        "a.csv, line 2, column 'b'",
    ]
    assert "14 of 40 cells are '<1'" in caught.value.problems[0].found
    cure = json.loads(re.findall(r"data\.missing_values to (\[.*?\])", str(caught.value))[0])
    table = read([path], missing_values=tuple(cure))
    np.testing.assert_array_equal(np.isnan(table.values).sum(axis=0), [14, 30, 0])


def test_a_column_of_words_and_one_of_limits_are_refused_together(write: Any) -> None:
    with pytest.raises(DataError) as caught:
        read([write(["<1", "5"], ["closed", *map(str, range(30))], rows=31)])
    assert {problem.where for problem in caught.value.problems} == {
        "a.csv, line 2, column 'a'",
        "a.csv, line 2, column 'b'",
    }


@pytest.mark.parametrize(
    ("cure", "value"), [({"decimal": "."}, 11.074), ({"thousands": "."}, 11074.0)]
)
def test_numbers_of_two_readings_are_refused_and_both_cures_work(
    write: Any, cure: dict[str, str], value: float
) -> None:
    path = write(["11.074", "12.250"], separator=";")
    with pytest.raises(DataError, match=r"data.thousands to '\.' or data.decimal to '\.'"):
        read([path])
    assert read([path], **cure).values[0, 0] == value


def test_three_decimals_between_commas_are_decimals_without_a_word(write: Any) -> None:
    table = read([write(["12.345", "13.010", "9.876"])])
    assert table.values[0, 0] == 12.345
    assert not table.notes


def test_quoted_numbers_between_commas_may_have_thousands_separators(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('ds,y\n"2024-01-01","12.345"\n"2024-01-02","13.010"\n')
    with pytest.raises(DataError, match=r"data\.decimal"):
        read([str(path)])


@pytest.mark.parametrize("separator", [",", ";"])
def test_thousands_separators_far_down_are_not_read_as_decimal_points(
    write: Any, separator: str
) -> None:
    cells = ["909"] * 3000 + ["874", "1.016", "1.074", "1.185"]
    table = read([write(cells, separator=separator, rows=3004)])
    assert table.values[-4:, 0].tolist() == [874, 1016, 1074, 1185]
    ((text, is_doubtful),) = notes(table)
    assert "line 3003" in text
    assert not is_doubtful


def test_a_decimal_far_down_decides_the_numbers_before_it(write: Any) -> None:
    cells = ["1.074"] * 3000 + ["12.5"]
    table = read([write(cells, separator=";", rows=3001)])
    assert table.values[0, 0] == 1.074
    assert table.notes


def test_blanks_of_web_pages_around_numbers_are_blanks(write: Any) -> None:
    assert read([write(["\u00a05.5\u202f", "7"])]).values[:2, 0].tolist() == [5.5, 7]


def test_whole_numbers_that_are_rounded_and_numbers_that_vanish_are_noted(write: Any) -> None:
    table = read([write(["9007199254740993", "5e-320", "1e400", "7"])])
    assert table.values[:4, 0].tolist()[:2] == [9007199254740992.0, 0.0]
    assert table.infinite_count == 10
    texts = " ".join(text for text, _ in notes(table))
    assert "10 numbers of 2**53 or more" in texts
    assert "10 numbers closer to zero" in texts


@pytest.mark.parametrize("cell", ["abc", "<1", "0x1f", "5%", "2,5"])
def test_a_series_with_a_cell_that_is_no_number_can_be_left_out(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "a.csv"
    rows = [f"2024-01-{day:02},{shop},{day}.5" for shop in "abc" for day in range(1, 21)]
    rows[25] = f'2024-01-06,b,"{cell}"'
    path.write_text("ds,shop,y\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError):
        read([str(path)])
    table = read([str(path)], skip_invalid_series=True)
    assert sorted(table.keys["shop"][np.unique(table.codes)]) == ["a", "c"]
    ((code, reason),) = table.invalid_series.items()
    assert table.keys["shop"][code] == "b"
    assert f"line 27, column 'y': '{cell}'" in reason


def test_a_series_with_a_time_that_cannot_be_read_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"2024-01-{day:02},{shop},{day}" for shop in "ab" for day in range(1, 21)]
    rows[5] = "2024-13-45,a,6"
    path.write_text("ds,shop,y\n" + "\n".join(rows) + "\n")
    table = read([str(path)], skip_invalid_series=True)
    assert np.unique(table.codes).tolist() == [1]
    assert "2024-13-45" in table.invalid_series[0]


def test_a_file_of_one_series_with_a_bad_cell_is_refused(write: Any) -> None:
    with pytest.raises(DataError, match="line 21, column 'a': 'abc'"):
        read([write(["1"] * 19 + ["abc"] + ["2"] * 20)], skip_invalid_series=True)
