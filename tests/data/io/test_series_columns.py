"""The columns that identify a series, from several columns together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.data.tables import infer_roles

DAYS = pd.date_range("2024-01-01", periods=20).strftime("%Y-%m-%d").tolist()


def sales(stores: int = 4, *, by: str = "time") -> pd.DataFrame:
    """Rows of each store and day, sorted by time or by store."""
    pairs = [(day, store) for day in DAYS for store in range(1, stores + 1)]
    frame = pd.DataFrame(pairs, columns=["date", "store_nbr"])
    frame["sales"] = np.random.default_rng(0).integers(10, 99, len(frame))
    return frame if by == "time" else frame.sort_values(["store_nbr", "date"])


def series_of(frame: pd.DataFrame) -> tuple[str, ...]:
    return infer_roles(frame.astype(str)).series


@pytest.mark.parametrize("by", ["time", "store"])
@pytest.mark.parametrize("name", ["id", "row", "Unnamed: 0", "nr"])
def test_a_row_number_is_no_series(name: str, by: str) -> None:
    frame = sales(by=by)
    frame.insert(0, name, range(len(frame)))
    assert series_of(frame) == ("store_nbr",)
    frame[name] = frame[name].to_numpy()[::-1]
    assert series_of(frame) == ("store_nbr",)


def test_ids_of_single_rows_are_no_series() -> None:
    frame = sales().drop(columns="store_nbr")
    order = np.random.default_rng(1).permutation(len(frame))
    assert series_of(frame.assign(order_id=[f"A{number}" for number in order])) == ()


def test_numeric_ids_are_series_if_they_make_rows_unique() -> None:
    frame = sales().rename(columns={"store_nbr": "kind"})
    frame["kind"] += 100_200
    assert series_of(frame) == ("kind",)
    assert series_of(frame.assign(kind=1)) == ()


def test_a_second_date_and_a_clock_are_no_series() -> None:
    frame = sales()
    frame.insert(0, "created", [f"2024-05-{1 + row % 4:02}" for row in range(len(frame))])
    assert series_of(frame) == ("store_nbr",)


def test_few_repeated_rows_do_not_make_a_note_a_series() -> None:
    frame = pd.DataFrame({"date": [*DAYS, DAYS[3]], "note": list("abcabcabcabcabcabcabc")})
    assert series_of(frame.assign(visits=range(21))) == ()


def test_things_measured_at_other_times_are_named() -> None:
    frame = pd.DataFrame({"date": DAYS, "sensor": ["A", "B"] * 10, "level": range(20)}).astype(str)
    roles = infer_roles(frame)
    assert roles.series == ()
    (note,) = roles.notes
    assert note.is_doubtful
    assert "2 ids" in note.decision.found
    assert "data.series to [sensor]" in note.decision.cure
    assert infer_roles(frame, series=["sensor"]).notes == ()
