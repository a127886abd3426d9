"""Vintages: the row that became known last, and the rows that were known at a cutoff."""

from pathlib import Path

import numpy as np
import pytest

from rnnforecast.data.cleaning_plan import CleaningPlan, align_table, read_table
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.panel.vintages import latest_vintages, rows_known_by
from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec

ROWS = """id,ds,y,price,known
a,2024-01-01,1,5,2024-01-01
a,2024-01-02,2,5,2024-01-02
a,2024-01-02,3,6,2024-01-05
a,2024-01-03,4,7,
b,2024-01-01,8,5,2024-01-04
b,2024-01-02,9,5,2024-01-03
"""


def read(text, folder: Path, **keys):
    (folder / "data.csv").write_text(text, encoding="utf-8")
    data = DataSpec(
        path=("data.csv",), **({"series": ("id",), "targets": ("y",), "known_at": "known"} | keys)
    )
    plan = CleaningPlan(ReadOptions(data, covariates=("price",)))
    return plan, read_table(plan, [str(folder / "data.csv")])


def test_the_row_that_became_known_last_counts(tmp_path):
    plan, table = read(ROWS, tmp_path)
    assert list(table.covariates) == ["price"]  # the column itself is no covariate
    panel = align_table(plan, table).panel
    assert panel.targets[:, 0].tolist() == [1, 3, 4, 8, 9]
    assert panel.covariates[:, 0].tolist() == [5, 6, 7, 5, 5]


def test_the_number_of_replaced_rows_is_noted(tmp_path):
    _, table = read(ROWS, tmp_path)
    assert "1 row replaced" in str(latest_vintages(table).notes[-1])


def test_rows_of_one_time_that_became_known_together_are_duplicates(tmp_path):
    plan, table = read(ROWS.replace("3,6,2024-01-05", "3,6,2024-01-02"), tmp_path)
    with pytest.raises(DataError, match="again"):
        align_table(plan, table)


def test_a_cutoff_leaves_the_rows_that_were_known_and_a_blank_is_the_time_of_the_row(tmp_path):
    _, table = read(ROWS, tmp_path)
    panel = align_table(CleaningPlan(ReadOptions(DataSpec(path=("data.csv",)))), table).panel

    def known(*cutoffs):
        found = rows_known_by(table, panel, np.array(cutoffs, dtype="datetime64[us]"), None)
        return found.values[:, 0].tolist()

    assert known("2024-01-02", "2024-01-03") == [1, 2, 9]
    assert known("2024-01-03", "2024-01-04") == [1, 2, 4, 8, 9]
    assert known("2024-01-05", "2023-12-31") == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("known", "words"),
    [("soon", "is not a time"), ("2024-01-05T00:00:00+02:00", "offset")],
)
def test_a_cell_that_cannot_be_compared_is_refused(known, words, tmp_path):
    rows = ROWS.splitlines()[:2]
    text = "\n".join([rows[0], rows[1].replace("5,2024-01-01", f"5,{known}")])
    with pytest.raises(DataError, match=words) as error:
        read(text, tmp_path)
    assert "known" in str(error.value)


def test_times_at_different_offsets_are_compared_as_instants(tmp_path):
    text = "id,ds,y,price,known\n" + "".join(
        f"a,2024-01-01T{hour:02}:00:00+01:00,{hour},5,2024-01-01T{hour + 3:02}:30:00+02:00\n"
        for hour in range(4)
    )
    plan, table = read(text, tmp_path)
    panel = align_table(plan, table).panel
    cutoff = np.array(["2024-01-01T03:30"], dtype="datetime64[us]")
    # known at 02:30, 03:30, 04:30 … of the rows' clock
    assert rows_known_by(table, panel, cutoff, None).values[:, 0].tolist() == [0, 1]


def test_local_times_are_those_of_the_time_zone(tmp_path):
    text = "id,ds,y,price,known\n" + "".join(
        f"a,2024-07-01 {hour:02}:00,{hour},5,2024-07-01 {hour + 2:02}:00\n" for hour in range(5)
    )
    plan, table = read(text, tmp_path, timezone="Europe/Berlin")
    panel = align_table(plan, table).panel
    cutoff = panel.window_timestamps(np.array([3]), 1)[:, 0]  # 03:00 in Berlin
    assert rows_known_by(table, panel, cutoff, "Europe/Berlin").values[:, 0].tolist() == [0, 1]
