"""Problems of rows: their lines, cures and number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import read_files
from rnnforecast.data.panel.problems import timezone_problems
from rnnforecast.data.panel.regularize import regularize
from rnnforecast.data.time.timezones import to_utc
from rnnforecast.errors import DataError
from rnnforecast.spec.data import CleanSpec, DataSpec
from tests.data.tables import table


def unresolved(local: list[str], rule: str) -> list[str]:
    rows = table(local, np.zeros(len(local)))
    found = to_utc(
        rows.time,
        "Europe/Berlin",
        ambiguous=rule,  # type: ignore[arg-type]
        nonexistent="error",
        codes=rows.codes,
    )
    by_order = rule == "infer"
    problems = timezone_problems(rows, found, "Europe/Berlin", inferred_from_order=by_order)
    return [str(problem) for problem in problems]


def test_hours_that_come_twice_or_not_at_all_are_named_with_line_and_cure_and_counted() -> None:
    local = [f"2024-10-27 02:{minute:02d}:00" for minute in range(7)] + ["2024-03-31 02:30:00"]
    problems = unresolved(local, "error")
    assert problems[0].startswith("sales.csv, line 2, column 'ds': 2024-10-27 02:00 comes twice")
    assert "clean.ambiguous_hour" in problems[0]
    assert problems[4].startswith("sales.csv, line 6, column 'ds': 2024-10-27 02:04 comes twice")
    assert "2 more rows at an hour that comes twice" in problems[5]
    assert problems[6].startswith("sales.csv, line 9, column 'ds': 2024-03-31 02:30 does not exist")
    assert "clean.nonexistent_hour to shift_forward or drop" in problems[6]
    assert len(problems) == 7


def test_an_order_of_rows_that_does_not_decide_has_another_cure() -> None:
    (problem,) = unresolved(["2024-10-27 02:00:00"], "infer")
    assert "does not tell" in problem
    assert "clean.ambiguous_hour to earlier or later" in problem
    assert unresolved(["2024-10-27 02:00:00"], "later") == []


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_grid_is_refused_from_one_step_more_than_the_limit_on(is_refused: bool) -> None:
    """10,000 steps are the most for a few rows; the last one is step 10,000, then 10,001."""
    first = np.datetime64("2024-01-01")
    end = first + (9_999 if not is_refused else 10_000)
    rows = table([str(first), str(first + 1), str(end)], [1, 2, 3])
    if is_refused:
        with pytest.raises(DataError, match="10,001 steps for 3 rows"):
            regularize(rows, CleanSpec(frequency="D"))
    else:
        panel, _ = regularize(rows, CleanSpec(frequency="D"))
        assert panel.lengths.tolist() == [10_000]


@pytest.mark.parametrize("differs", [0, 1, 2])
def test_repeats_are_all_alike_only_if_none_differs(differs: int) -> None:
    values = [1.0, 1.0, np.nan, np.nan, 2.0, 2.0]
    time = ["2024-01-01"] * 2 + ["2024-01-02"] * 2 + ["2024-01-03"] * 2
    with pytest.raises(DataError, match="all of them repeat the first row's values"):
        regularize(table(time, values))
    values[2 * differs + 1] = 5.0
    with pytest.raises(DataError, match="has 2024-01-01 again") as caught:
        regularize(table(time, values))
    assert "all of them" not in str(caught.value)


def test_files_without_an_id_that_repeat_each_other_are_perhaps_series(tmp_path: Path) -> None:
    for name in "ab":
        folder = tmp_path / f"series={name}"
        folder.mkdir()
        for path in (tmp_path / f"{name}.csv", folder / "part.csv"):
            path.write_text("ds,y\n" + "".join(f"2024-01-0{day},{day}\n" for day in range(1, 8)))
    files = [str(tmp_path / f"{name}.csv") for name in "ab"]
    options = ReadOptions(DataSpec(path=()))
    with pytest.raises(DataError, match=r"if each file is a series, .* series=a/"):
        regularize(read_files(files, options))
    folders = [str(tmp_path / f"series={name}") for name in "ab"]
    panel, _ = regularize(read_files(folders, options))
    assert panel.labels().tolist() == ["a", "b"], "the cure works"
