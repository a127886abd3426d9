"""The draft of `init` for files whose numbers had to be interpreted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rnnforecast.errors import DataError
from rnnforecast.spec.load import parse_spec
from rnnforecast.workflow.init import init


def written(folder: Path, cells: list[str]) -> str:
    lines = [
        f"2024-{1 + row // 28:02}-{1 + row % 28:02};{cells[row % len(cells)]}" for row in range(56)
    ]
    path = folder / "a.csv"
    path.write_text("ds;y\n" + "\n".join(lines) + "\n")
    return str(path)


def test_the_draft_names_texts_that_were_taken_as_missing(tmp_path: Path) -> None:
    found = init(written(tmp_path, ["-", *map(str, range(10, 23))]), tmp_path / "spec.yaml")
    assert "y: 4 of 56 cells are '-'" in " ".join(found.text.replace("#", "").split())
    assert parse_spec(found.text, name="spec.yaml").data.missing_values == ()


def test_the_draft_fixes_a_thousands_separator(tmp_path: Path) -> None:
    cells = ["909", "1.016", "874", "1.074"]
    found = init(written(tmp_path, cells), tmp_path / "spec.yaml", overrides=["window.horizon=4"])
    data = parse_spec(found.text, name="spec.yaml").data
    assert (data.decimal, data.thousands) == (",", ".")


@pytest.mark.parametrize("cure", ["data.thousands=.", "data.decimal=."])
def test_numbers_of_two_readings_are_refused_with_keys_that_work(tmp_path: Path, cure: str) -> None:
    path = written(tmp_path, ["11.074", "12.250", "13.105"])
    with pytest.raises(DataError, match=r"data\.thousands to '\.' or data\.decimal to '\.'"):
        init(path, tmp_path / "spec.yaml")
    found = init(path, tmp_path / "spec.yaml", overrides=[cure])
    assert getattr(parse_spec(found.text, name="spec.yaml").data, cure[5:-2]) == "."


def test_cells_of_a_column_that_is_not_used_are_one_line_and_no_problem(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=100)
    rows = [f"{day:%Y-%m-%d},{day.day},{'a' if day.day == 9 else 0}\n" for day in days]
    (tmp_path / "sales.csv").write_text("ds,y,holiday\n" + "".join(rows))
    findings = init(str(tmp_path / "sales.csv"), tmp_path / "spec.yaml").findings
    assert not [line for line in findings if line.startswith("problem")]
    assert len([line for line in findings if "'a' is not a number" in line]) == 1
