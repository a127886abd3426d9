"""Cures of cells that cannot be parsed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.errors import DataError
from tests.data.tables import read

UTC = "write all timestamps in one time zone, best in UTC"


@pytest.mark.parametrize(
    ("usual", "odd", "found", "cure"),
    [
        ("", "Z", "has the offset Z, but other timestamps have none", UTC),
        ("Z", "", "has no offset, but other timestamps have Z", UTC),
        (
            "+01:00",
            "+02:00",
            "has the offset +02:00, but other timestamps have +01:00",
            f"set data.timezone, such as Europe/Berlin, or {UTC}",
        ),
    ],
)
def test_timestamps_with_another_offset_have_a_cure_that_fits(
    tmp_path: Path, usual: str, odd: str, found: str, cure: str
) -> None:
    rows = [f"2024-01-01 0{hour}:00:00{usual},1\n" for hour in range(4)]
    path = tmp_path / "a.csv"
    path.write_text("ds,y\n" + "".join(rows) + f"2024-01-01 05:00:00{odd},1\n")
    with pytest.raises(DataError) as caught:
        read([str(path)])
    (problem,) = caught.value.problems
    assert problem.where == "a.csv, line 6, column 'ds'"
    assert problem.found.endswith(found)
    assert problem.cure == cure


@pytest.mark.parametrize(("count", "shown"), [(5, 5), (6, 6), (7, 6)])
def test_five_problems_of_a_kind_are_written_out_and_more_are_counted(
    tmp_path: Path, count: int, shown: int
) -> None:
    path = tmp_path / "a.csv"
    good = "".join(f"2024-01-{day:02},1\n" for day in range(1, 20))
    path.write_text("ds,y\n" + good + "2024-02-01,off\n" * count)
    with pytest.raises(DataError) as caught:
        read([str(path)], targets=["y"])
    assert len(caught.value.problems) == shown
    if count > 5:
        assert f"{count - 5} more" in caught.value.problems[-1].found


def test_a_name_of_more_than_forty_characters_is_shortened(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for length in (40, 41):
        path.write_text(f"ds,y\n2024-01-01,1\n2024-01-02,{'x' * length}\n")
        with pytest.raises(DataError) as caught:
            read([str(path)], targets=["y"])
        assert ("…" in caught.value.problems[0].found) == (length > 40)
