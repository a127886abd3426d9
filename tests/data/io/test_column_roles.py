"""Inference of column roles: time, ids and targets."""

from __future__ import annotations

import pandas as pd
import pytest

from rnnforecast.errors import DataError
from tests.data.tables import infer_roles

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]


def frame(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=str)


def test_one_date_column_and_one_number_column_are_a_single_series() -> None:
    roles = infer_roles(frame(when=DAYS, kwh=["1", "2.5", "3"]))
    assert (roles.time, roles.series, roles.targets) == ("when", (), ("kwh",))
    assert roles.layout == "single"
    assert set(roles.reasons) == {"time", "series", "targets"}


def test_a_text_column_is_the_series_where_timestamps_come_twice() -> None:
    head = frame(shop=["a"] * 3 + ["b"] * 3, date=DAYS * 2, sales=list("123456"))
    roles = infer_roles(head)
    assert (roles.time, roles.series, roles.targets) == ("date", ("shop",), ("sales",))
    assert roles.layout == "long"


def test_as_many_id_columns_are_taken_as_make_timestamps_unique_and_no_more() -> None:
    head = frame(
        store=["1"] * 6 + ["2"] * 6,
        city=["x"] * 12,
        item=(["7"] * 3 + ["8"] * 3) * 2,
        date=DAYS * 4,
        promo=[str(i % 2) for i in range(12)],
        sales=[str(i) for i in range(12)],
    )
    roles = infer_roles(head)
    assert roles.series == ("store", "item")
    assert roles.targets == ("sales",)
    assert roles.unused == ("city", "promo")


def test_whole_numbers_without_the_name_of_an_id_are_one_only_if_they_make_rows_unique() -> None:
    head = frame(kind=list("111222"), t=list("123123"), y=list("123456"))
    assert infer_roles(head).series == ("kind",)
    assert infer_roles(head.assign(kind=list("111221"))).series == ()
    assert infer_roles(head.rename(columns={"kind": "sensor_id"})).series == ("sensor_id",)


def test_ids_with_leading_zeros_are_not_numbers() -> None:
    head = frame(sector=["07"] * 3 + ["42"] * 3, day=DAYS * 2, y=list("123456"))
    assert infer_roles(head).series == ("sector",)


def test_a_row_number_or_a_note_is_not_a_series() -> None:
    head = frame(
        id=[str(i) for i in range(60)],
        store=[s for s in "ab" for _ in range(30)],
        date=[f"2024-01-{d:02}" for d in range(1, 31)] * 2,
        note=[f"note {i}" for i in range(60)],
        sales=["5"] * 60,
    )
    assert infer_roles(head).series == ("store",)
    doubled = pd.concat([head, head.iloc[:1].assign(id="99", note="again")])
    assert infer_roles(doubled).series == ("store",)


def test_an_id_that_does_not_change_in_the_rows_seen_is_kept() -> None:
    head = frame(unique_id=["s1"] * 3, ds=DAYS, y=["1", "2", "3"])
    assert infer_roles(head).series == ("unique_id",)


def test_all_number_columns_are_targets_where_there_is_one_series() -> None:
    roles = infer_roles(frame(date=DAYS, HUFL=["1", "2", "3"], OT=["1.5", "", "2"], note=["x"] * 3))
    assert (roles.targets, roles.unused, roles.layout) == (("HUFL", "OT"), ("note",), "wide")


def test_a_well_known_name_is_the_target() -> None:
    roles = infer_roles(frame(date=DAYS, temp=["1", "2", "3"], Weekly_Sales=["4", "5", "6"]))
    assert roles.targets == ("Weekly_Sales",)


def test_the_target_of_many_series_is_the_first_number_that_changes_with_time() -> None:
    head = frame(
        country=["a"] * 3 + ["b"] * 3,
        cluster=list("000111"),
        date=DAYS * 2,
        fertility=list("123456"),
        life=list("654321"),
    )
    assert infer_roles(head).targets == ("fertility",)


def test_what_is_given_is_kept() -> None:
    head = frame(date=DAYS, other_date=DAYS, a=list("123"), b=list("123"))
    roles = infer_roles(head, time="other_date", series=["a"], targets=["b"])
    assert (roles.time, roles.series, roles.targets) == ("other_date", ("a",), ("b",))
    assert roles.reasons == {"time": "given", "series": "given", "targets": "given"}


def test_no_series_columns_can_be_asked_for() -> None:
    head = frame(shop=["a"] * 3 + ["b"] * 3, date=DAYS * 2, sales=list("123456"))
    assert infer_roles(head, series=[]).series == ()


def test_of_several_dates_the_one_named_like_a_time_wins() -> None:
    head = frame(shipped=DAYS, date=DAYS, y=list("123"))
    assert infer_roles(head).time == "date"


def test_several_dates_without_a_telling_name_are_listed() -> None:
    head = frame(ordered=DAYS, shipped=DAYS, y=list("123"))
    with pytest.raises(DataError, match=r"'ordered', 'shipped' all hold dates — .*data\.time"):
        infer_roles(head)


def test_no_date_at_all_lists_the_columns() -> None:
    with pytest.raises(
        DataError, match=r"no column holds dates .* the columns are 'a' \('1'\), 'b' \('x'\)"
    ):
        infer_roles(frame(a=list("123"), b=list("xyz")))


@pytest.mark.parametrize("name", ["ds", "t", "time", "step", "index", "year", "Period"])
def test_whole_numbers_are_the_time_where_the_name_suggests_it(name: str) -> None:
    roles = infer_roles(pd.DataFrame({name: list("123"), "flow": ["9", "8", "7"]}))
    assert (roles.time, roles.targets) == (name, ("flow",))


def test_prices_that_look_a_bit_like_year_and_month_are_numbers() -> None:
    roles = infer_roles(frame(date=DAYS, open=["2012.5", "1999.12", "2024.1"]))
    assert (roles.time, roles.targets) == ("date", ("open",))


def test_a_single_bad_cell_does_not_change_what_a_column_is() -> None:
    roles = infer_roles(frame(ds=[*DAYS, "oops"], y=["1", "2", "x", "4"]))
    assert (roles.time, roles.targets) == ("ds", ("y",))


def test_text_only_leaves_nothing_to_forecast() -> None:
    with pytest.raises(DataError, match=r"no numeric column .* data\.targets"):
        infer_roles(frame(ds=DAYS, note=["a", "b", "c"]))


def test_unknown_columns_are_all_reported_with_the_nearest_name() -> None:
    with pytest.raises(DataError) as caught:
        infer_roles(frame(Date=DAYS, sales=list("123")), time="date", targets=["saels"])
    text = str(caught.value)
    assert "there is no column 'date' — did you mean 'Date'?" in text
    assert "there is no column 'saels' — did you mean 'sales'?" in text
    assert "the columns are 'Date', 'sales'" in text


def test_a_column_cannot_have_two_roles() -> None:
    with pytest.raises(DataError, match="column 'y' is given more than one role"):
        infer_roles(frame(ds=DAYS, y=list("123")), series=["y"], targets=["y"])
