"""The choice of targets among numeric columns, and the reasons of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.errors import DataError
from tests.data.tables import infer_roles

N = 60
DAYS = pd.date_range("2024-01-01", periods=N)
RNG = np.random.default_rng(1)
COLUMNS = {
    "flag": np.arange(N) % 7 // 6,
    "month": DAYS.month,
    "year": DAYS.year,
    "id": np.arange(N),
    "seconds": DAYS.to_numpy().astype("datetime64[s]").astype(np.int64),
}


def roles(*names: str, ids: list[str] | None = None, **given: object) -> ColumnRoles:
    """The roles of a table of days with these columns: by their word in `COLUMNS`, or measured."""
    columns: dict[str, object] = {"date": DAYS.strftime("%Y-%m-%d")}
    for name in names:
        held, _, kind = name.partition(":")
        columns[held] = COLUMNS[kind] if kind else RNG.integers(10, 1000, N)
    frame = pd.DataFrame(columns).astype(str)
    if ids:
        frame = pd.concat([frame.assign(**{ids[0]: value}) for value in ids[1:]])
    return infer_roles(frame, **given)


@pytest.mark.parametrize(
    ("names", "targets"),
    [
        (("Revenue", "Orders", "NPS"), ("Revenue", "Orders", "NPS")),
        (("sales", "temp", "promo:flag"), ("sales",)),
        (("Umsatz", "Temperatur", "Feiertag:flag"), ("Umsatz",)),
        (("y", "x1", "x2"), ("y",)),
        (("Open", "High", "Low", "Close", "Volume"), ("Close",)),
        (("Volume", "Close/Last", "Open", "High", "Low"), ("Close/Last",)),
        (("price", "volume"), ("price", "volume")),
        (("temp", "humidity"), ("temp", "humidity")),
        (("rides", "members", "Year:year", "month:month"), ("rides", "members")),
        (("index:id", "flow"), ("flow",)),
        (("created_at:seconds", "flow"), ("flow",)),
        (("lat", "longitude", "postcode", "pm25"), ("pm25",)),
        (("load", "wind", "solar", "price"), ("load", "wind", "solar", "price")),
        (("is_down:flag", "is_open:flag"), ("is_down", "is_open")),
    ],
)
def test_a_table_of_one_series_has_the_measured_columns_as_targets(
    names: tuple[str, ...], targets: tuple[str, ...]
) -> None:
    assert roles(*names).targets == targets


@pytest.mark.parametrize(
    ("names", "target", "is_doubtful"),
    [
        (("id:id", "sales", "onpromotion"), "sales", False),
        (("Customers", "Sales", "Open:flag"), "Sales", False),
        (("price", "volume"), "volume", True),
        (("fertility", "life"), "fertility", True),
        (("temperature", "flow"), "flow", False),
    ],
)
def test_series_told_apart_by_ids_have_one_target_and_name_the_other_columns(
    names: tuple[str, ...], target: str, is_doubtful: bool
) -> None:
    found = roles(*names, ids=["shop", "a", "b"])
    assert found.series == ("shop",)
    assert found.targets == (target,)
    (note,) = found.notes
    others = [name.partition(":")[0] for name in names if name != target]
    assert all(other in note.decision.found for other in others)
    assert "data.targets" in note.decision.cure
    assert note.is_doubtful == is_doubtful


def test_the_price_of_what_is_traded_comes_before_its_volume() -> None:
    assert roles("volume", "price", ids=["ticker", "A", "B"]).targets == ("price",)


def test_columns_left_out_of_given_targets_are_named_without_doubt() -> None:
    (note,) = roles("a", "b", "no:id", targets=["a"]).notes
    assert "b, no (a row number)" in note.decision.found
    assert not note.is_doubtful
    assert not roles("a", "b", targets=["a", "b"]).notes


def test_an_id_alone_is_not_forecast() -> None:
    with pytest.raises(DataError, match=r"id is an id by its name — set data\.targets"):
        roles("id:id")


def test_columns_that_all_rise_by_one_are_targets() -> None:
    assert roles("a:id", "b:id").targets == ("a", "b")
    assert roles("a:id", "b").targets == ("b",)


def test_a_column_named_like_a_target_is_no_row_number() -> None:
    assert roles("y:id", "b").targets == ("y",)
