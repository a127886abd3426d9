"""Rows of separators and blanks, and notes below the last row: left out and noted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnforecast.data.io.rows_without_data import find_rows_without_data
from rnnforecast.data.io.table import Table
from rnnforecast.errors import DataError
from tests.data.tables import read

DAYS = [str(day) for day in np.arange("2020-01-01", "2021-03-01", dtype="datetime64[D]")]
HEADER = "date,city,y\n"


def rows(count: int) -> list[str]:
    return [f"{day},Bern,{number}\n" for number, day in enumerate(DAYS[:count])]


def read_text(folder: Path, text: str, **options: object) -> Table:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    return read([str(path)], **{"series": ["city"], "targets": ["y"], **options})


@pytest.mark.parametrize("count", [20, 400])  # within the sample, and beyond it
@pytest.mark.parametrize("blank", [",,\n", " , ,\t\n", "   \n", '"","",""\n'])
def test_rows_without_any_value_are_left_out_and_counted(
    tmp_path: Path, count: int, blank: str
) -> None:
    lines = rows(count)
    text = "".join(lines[:5]) + blank + "".join(lines[5:]) + blank * 2
    table = read_text(tmp_path, HEADER + text)
    np.testing.assert_array_equal(table.values[:, 0], range(count))
    assert table.keys["city"].tolist() == ["Bern"]
    (note,) = table.notes
    assert "3 rows without any value left out" in str(note)
    assert not note.is_doubtful
    assert table.line_index.location(5) == "a.csv, line 8"


@pytest.mark.parametrize("count", [20, 400])
@pytest.mark.parametrize(
    "footer",
    [
        "Source: National statistics\n",
        "Source: National statistics, revised, in part, twice\n",
        "\n\n,,\nSource: office,,\nLast updated: in May,,\n",
        '"a sentence, quoted",,\n',
        "(400 rows)\n",
        "© office, all rights\n__________\nin thousands\n",
    ],
)
def test_notes_below_the_last_row_are_left_out_and_shown(
    tmp_path: Path, count: int, footer: str
) -> None:
    table = read_text(tmp_path, HEADER + "".join(rows(count)) + footer)
    np.testing.assert_array_equal(table.values[:, 0], range(count))
    shown = [str(note) for note in table.notes if "below the last row left out" in str(note)]
    assert len(shown) == 1
    assert footer.strip(",\n").split(",")[0].strip('"') in shown[0]


@pytest.mark.parametrize("count", [20, 400])
@pytest.mark.parametrize("footer", ["Total,,500\n", "Total,500\n", "Source: x,,7\n"])
def test_a_line_of_values_below_the_rows_is_refused_in_its_place(
    tmp_path: Path, count: int, footer: str
) -> None:
    with pytest.raises(DataError, match=rf"a\.csv, line {count + 2}") as caught:
        read_text(tmp_path, HEADER + "".join(rows(count)) + footer)
    assert all(problem.cure for problem in caught.value.problems)


@pytest.mark.parametrize("count", [20, 400])
def test_a_note_between_rows_is_refused_in_its_place(tmp_path: Path, count: int) -> None:
    lines = rows(count)
    text = "".join(lines[:9]) + "a note in between\n" + "".join(lines[9:])
    with pytest.raises(DataError, match=r"a\.csv, line 11: 1 cells, but the header has 3"):
        read_text(tmp_path, HEADER + text)


def test_a_last_row_without_values_is_a_row(tmp_path: Path) -> None:
    table = read_text(tmp_path, HEADER + "".join(rows(9)) + "2020-01-10,Bern,\n")
    assert len(table.time) == 10


def test_a_blank_cell_of_the_only_column_is_a_missing_value() -> None:
    assert find_rows_without_data([(2, [" "])], 1).n_blank == 0


def test_more_lines_of_text_than_a_note_has_are_no_note() -> None:
    lines = [(line, ["some text"]) for line in range(3, 40)]
    assert find_rows_without_data([(2, ["2024-01-01", "5"]), *lines], 2).footer == ()
