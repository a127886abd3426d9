"""Local stamps become the instants that pandas makes of them, and what is unclear is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.time import timezones as zones
from tests.data.tables import table

ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin"),
    *("Europe/Moscow", "Asia/Tokyo", "UTC", "Asia/Kathmandu"),
)


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def utc_of(local: np.ndarray, zone: str, **rules: Any) -> zones.LocalizedTimestamps:
    rules = {"ambiguous": "error", "missing": "error", "codes": np.zeros(len(local), int)} | rules
    return zones.to_utc(local, zone, **rules)


def texts(values: np.ndarray) -> list[str]:
    return [str(text) for text in np.datetime_as_string(values, unit="m")]


def local_hours(zone: str, day: str, step: str = "h") -> pd.DatetimeIndex:
    """What clocks in the zone show throughout the day, by pandas."""
    start = pd.Timestamp(day, tz=zone)
    whole = pd.date_range(start, start + pd.DateOffset(days=1), freq=step, inclusive="left")
    return whole.as_unit("us")


@pytest.mark.parametrize(
    ("zone", "day", "step", "count"),
    [
        ("Europe/Berlin", "2024-03-31", "h", 23),
        ("Europe/Berlin", "2024-10-27", "h", 25),
        ("Europe/Berlin", "2024-10-27", "15min", 100),
        ("America/New_York", "2024-03-10", "h", 23),
        ("America/New_York", "2024-11-03", "h", 25),
        ("Australia/Lord_Howe", "2024-04-07", "30min", 49),
        ("Australia/Lord_Howe", "2024-10-06", "30min", 47),
        ("Europe/Moscow", "2014-10-26", "h", 25),
        ("Europe/Dublin", "2024-10-27", "h", 25),
        ("Asia/Tokyo", "2024-03-31", "h", 24),
    ],
)
def test_every_step_of_a_day_becomes_its_own_instant(
    zone: str, day: str, step: str, count: int
) -> None:
    whole = local_hours(zone, day, step)
    assert len(whole) == count
    local = whole.tz_localize(None).to_numpy()
    found = utc_of(local, zone, ambiguous="infer")
    expected = whole.tz_convert("UTC").tz_localize(None).to_numpy()
    np.testing.assert_array_equal(found.utc, expected)
    assert found.utc.dtype == "datetime64[us]"
    assert not found.unresolved_mask.any()
    np.testing.assert_array_equal(zones.to_local(found.utc, zone), local)
    assert (zones.local_days(found.utc, zone) == np.datetime64(day)).all()


def test_an_hour_that_comes_twice_is_what_the_rule_says() -> None:
    local = stamps("2024-10-27T01:30", "2024-10-27T02:30", "2024-10-27T03:30")
    earlier, later = (utc_of(local, "Europe/Berlin", ambiguous=how) for how in ("earlier", "later"))
    assert texts(earlier.utc) == ["2024-10-26T23:30", "2024-10-27T00:30", "2024-10-27T02:30"]
    assert texts(later.utc) == ["2024-10-26T23:30", "2024-10-27T01:30", "2024-10-27T02:30"]
    assert (later.ambiguous_count, later.nonexistent_count, later.unresolved_mask.sum()) == (
        1,
        0,
        0,
    )
    refused = utc_of(local, "Europe/Berlin")
    assert refused.unresolved_mask.tolist() == [False, True, False]
    assert not np.isnat(refused.utc).any()


def test_a_skipped_hour_moves_to_its_end_or_is_dropped() -> None:
    local = stamps("2024-03-31T01:59", "2024-03-31T02:00", "2024-03-31T02:45", "2024-03-31T03:00")
    forward, drop = (utc_of(local, "Europe/Berlin", missing=how) for how in ("forward", "drop"))
    assert texts(forward.utc) == ["2024-03-31T00:59", *["2024-03-31T01:00"] * 3]
    assert (forward.ambiguous_count, forward.nonexistent_count, forward.dropped_mask.sum()) == (
        0,
        2,
        0,
    )
    assert drop.dropped_mask.tolist() == [False, True, True, False]
    assert not (forward.unresolved_mask | drop.unresolved_mask).any()
    assert utc_of(local, "Europe/Berlin").unresolved_mask.tolist() == [False, True, True, False]


def test_the_order_of_the_rows_is_looked_at_in_each_series() -> None:
    """Series b has the hour once only, c backwards; a is interleaved with both and settled."""
    hours = {"a": [1, 2, 2, 3], "b": [1, 2, 3], "c": [3, 2, 2, 1]}
    rows = sorted((at, name, hour) for name in hours for at, hour in enumerate(hours[name]))
    local = stamps(*(f"2024-10-27T0{hour}:00" for _, _, hour in rows))
    codes = np.array(["abc".index(name) for _, name, _ in rows])
    found = utc_of(local, "Europe/Berlin", ambiguous="infer", codes=codes)
    assert texts(found.utc[codes == 0]) == [
        *("2024-10-26T23:00", "2024-10-27T00:00", "2024-10-27T01:00", "2024-10-27T02:00")
    ]
    assert found.unresolved_mask[codes == 0].tolist() == [False] * 4
    assert found.unresolved_mask[codes == 1].tolist() == [False, True, False]
    assert found.unresolved_mask[codes == 2].tolist() == [False, True, True, False]


def test_each_autumn_is_settled_on_its_own() -> None:
    local = stamps(*("2023-10-29T02:30",) * 2, "2024-10-27T02:10", "2024-10-27T02:30")
    found = utc_of(local, "Europe/Berlin", ambiguous="infer")
    assert texts(found.utc)[:2] == ["2023-10-29T00:30", "2023-10-29T01:30"]
    assert found.unresolved_mask.tolist() == [False, False, True, True]


def test_an_hour_gone_through_three_times_is_a_faulty_order() -> None:
    local = stamps(*("2024-10-27T02:00", "2024-10-27T02:30") * 3)
    assert utc_of(local, "Europe/Berlin", ambiguous="infer").unresolved_mask.all()


def test_faults_name_lines_and_cures_and_are_counted() -> None:
    local = [f"2024-10-27 02:{minute:02d}:00" for minute in range(7)] + ["2024-03-31 02:30:00"]
    rows = table(local, np.zeros(8))
    found = utc_of(rows.time, "Europe/Berlin")
    problems = [str(problem) for problem in zones.timezone_problems(rows, found, "Europe/Berlin")]
    assert problems[0] == (
        "sales.csv, line 2, column 'ds': 2024-10-27 comes twice in Europe/Berlin, as clocks go"
        " back — set clean.ambiguous_hour to earlier, later or infer (by the order of the rows)"
    ).replace("2024-10-27 comes", "2024-10-27 02:00 comes")
    assert problems[4].startswith("sales.csv, line 6, column 'ds': 2024-10-27 02:04 comes twice")
    assert problems[5] == "… and 2 more rows at an hour that comes twice"
    assert problems[6].startswith(
        "sales.csv, line 9, column 'ds': 2024-03-31 02:30 does not exist in Europe/Berlin"
    )
    assert "clean.nonexistent_hour to forward or drop" in problems[6]
    assert len(problems) == 7


def test_an_order_that_does_not_tell_is_said_so() -> None:
    rows = table(["2024-10-27 02:00:00"], [1.0])
    found = utc_of(rows.time, "Europe/Berlin", ambiguous="infer")
    (problem,) = zones.timezone_problems(rows, found, "Europe/Berlin")
    assert "does not tell" in problem.found
    assert "clean.ambiguous_hour to earlier or later" in problem.cure
    settled = utc_of(rows.time, "Europe/Berlin", ambiguous="later")
    assert zones.timezone_problems(rows, settled, "Europe/Berlin") == []


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=25, deadline=None)
@given(times=st.lists(st.datetimes(datetime(1972, 1, 1), datetime(2090, 1, 1)), max_size=20))
def test_what_is_local_is_instants_again(zone: str, times: list[datetime]) -> None:
    utc = np.array(times, dtype="datetime64[us]")
    local = zones.to_local(utc, zone)
    expected = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(zone)
    np.testing.assert_array_equal(local, expected.tz_localize(None).to_numpy())
    either = [utc_of(local, zone, ambiguous=how) for how in ("earlier", "later")]
    assert ((either[0].utc == utc) | (either[1].utc == utc)).all()
    assert either[0].nonexistent_count == 0
    reference = pd.DatetimeIndex(local).tz_localize(zone, ambiguous=np.ones(len(utc), bool))
    np.testing.assert_array_equal(
        either[0].utc, reference.tz_convert("UTC").tz_localize(None).to_numpy()
    )


@pytest.mark.parametrize("zone", ZONES)
def test_hours_are_summed_into_the_days_that_pandas_groups_them_into(zone: str) -> None:
    start, end = "2024-01-01", "2025-01-01"
    index = pd.date_range(start, end, freq="h", tz="UTC", inclusive="left").as_unit("us")
    values = np.random.default_rng(1).normal(size=len(index))
    local = index.tz_convert(zone)
    expected = pd.Series(values, index=local).groupby(local.normalize()).sum()
    days = zones.local_days(index.tz_localize(None).to_numpy(), zone)
    found = pd.Series(values).groupby(days).sum()
    np.testing.assert_array_equal(found.index, pd.DatetimeIndex(expected.index).tz_localize(None))
    np.testing.assert_allclose(found, expected)
    whole = pd.Series(days).value_counts().sort_index().iloc[1:-1]  # the first and last are cut
    assert set(whole) <= {23, 24, 25}


def test_offsets_are_those_of_the_day() -> None:
    utc = stamps("2024-01-01T00:00", "2024-07-01T00:00", "2024-01-02T00:00")
    assert zones.format_utc_offsets(utc, "Europe/Berlin").tolist() == ["+01:00", "+02:00", "+01:00"]
    assert zones.format_utc_offsets(utc, "America/St_Johns").tolist() == [
        "-03:30",
        "-02:30",
        "-03:30",
    ]
    assert zones.format_utc_offsets(utc, "UTC").tolist() == ["+00:00"] * 3
    assert zones.format_utc_offsets(stamps("1880-01-01"), "Europe/Berlin").tolist() == ["+00:53:28"]
    assert zones.format_utc_offsets(utc[:0], "Europe/Berlin").tolist() == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Berlin", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        ("Europe/Berln", "did you mean Europe/Berlin"),
        ("+02:00", "expected one such as Europe/Berlin"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_names(name: str, hint: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        zones.check_timezone(name)
    assert hint in str(caught.value)
    with pytest.raises(ValueError, match="is not a time zone"):
        utc_of(stamps("2024-01-01"), name)
    zones.check_timezone("Europe/Berlin")


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="'raise' is none of error, earlier, later, infer"):
        utc_of(stamps("2024-01-01"), "UTC", ambiguous="raise")
