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


def test_bytes_of_another_encoding_are_one_problem_and_a_count(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"2024-01-{day:02},S\xfcd,{day % 3}\n" for day in range(1, 20))
    path.write_text("ds,shop,y\n" + rows, encoding="latin-1")
    with pytest.raises(DataError) as caught:
        read([str(path)], series=["shop"])
    first, count = caught.value.problems
    assert "data.encoding" in first.cure
    assert "18 more" in count.found
    assert read([str(path)], encoding="latin-1", series=["shop"]).keys.iloc[0, 0] == "S\xfcd"


def test_rows_of_years_among_months_are_to_be_deleted(tmp_path: Path) -> None:
    months = [f"{year} {name},1\n" for year in range(2010, 2020) for name in ("Jan", "Feb", "Mar")]
    years = [f"{year} Annual,3\n" for year in range(2010, 2020)]
    path = tmp_path / "a.csv"
    path.write_text("period,y\n" + "".join(months + years))
    with pytest.raises(DataError) as caught:
        read([str(path)])
    assert "delete these lines" in caught.value.problems[0].cure
    assert "time_format" not in caught.value.problems[0].cure
    path.write_text("period,y\n" + "".join(months))
    assert len(read([str(path)]).time) == 30
