"""Conversion between local time and UTC, against pandas."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.time import timezones as zones

ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin"),
    *("Europe/Moscow", "Asia/Tokyo", "UTC", "Asia/Kathmandu"),
)


def timestamps(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def utc_of(local: np.ndarray, zone: str, **rules: Any) -> zones.LocalizedTimestamps:
    rules = {
        "ambiguous": "error",
        "nonexistent": "error",
        "codes": np.zeros(len(local), int),
    } | rules
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


def test_an_hour_that_comes_twice_is_resolved_by_the_rule() -> None:
    local = timestamps("2024-10-27T01:30", "2024-10-27T02:30", "2024-10-27T03:30")
    earlier, later = (utc_of(local, "Europe/Berlin", ambiguous=how) for how in ("earlier", "later"))
    assert texts(earlier.utc) == ["2024-10-26T23:30", "2024-10-27T00:30", "2024-10-27T02:30"]
    assert texts(later.utc) == ["2024-10-26T23:30", "2024-10-27T01:30", "2024-10-27T02:30"]
    assert later.ambiguous_mask.tolist() == [False, True, False]
    assert not (later.nonexistent_mask | later.unresolved_mask).any()
    refused = utc_of(local, "Europe/Berlin")
    assert refused.unresolved_mask.tolist() == [False, True, False]
    assert not np.isnat(refused.utc).any()


def test_a_skipped_hour_moves_to_its_end_or_is_dropped() -> None:
    local = timestamps(
        "2024-03-31T01:59", "2024-03-31T02:00", "2024-03-31T02:45", "2024-03-31T03:00"
    )
    forward, drop = (
        utc_of(local, "Europe/Berlin", nonexistent=how) for how in ("shift_forward", "drop")
    )
    assert texts(forward.utc) == ["2024-03-31T00:59", *["2024-03-31T01:00"] * 3]
    assert forward.nonexistent_mask.tolist() == [False, True, True, False]
    assert not (forward.ambiguous_mask | forward.dropped_mask).any()
    assert drop.dropped_mask.tolist() == [False, True, True, False]
    assert not (forward.unresolved_mask | drop.unresolved_mask).any()
    assert utc_of(local, "Europe/Berlin").unresolved_mask.tolist() == [False, True, True, False]


def test_the_order_of_the_rows_is_looked_at_in_each_series() -> None:
    """Series b has the hour once only, c backwards; a is interleaved with both and settled."""
    hours = {"a": [1, 2, 2, 3], "b": [1, 2, 3], "c": [3, 2, 2, 1]}
    rows = sorted((at, name, hour) for name in hours for at, hour in enumerate(hours[name]))
    local = timestamps(*(f"2024-10-27T0{hour}:00" for _, _, hour in rows))
    codes = np.array(["abc".index(name) for _, name, _ in rows])
    found = utc_of(local, "Europe/Berlin", ambiguous="infer", codes=codes)
    assert texts(found.utc[codes == 0]) == [
        *("2024-10-26T23:00", "2024-10-27T00:00", "2024-10-27T01:00", "2024-10-27T02:00")
    ]
    assert found.unresolved_mask[codes == 0].tolist() == [False] * 4
    assert found.unresolved_mask[codes == 1].tolist() == [False, True, False]
    assert found.unresolved_mask[codes == 2].tolist() == [False, True, True, False]


def test_each_autumn_is_resolved_by_itself() -> None:
    local = timestamps(*("2023-10-29T02:30",) * 2, "2024-10-27T02:10", "2024-10-27T02:30")
    found = utc_of(local, "Europe/Berlin", ambiguous="infer")
    assert texts(found.utc)[:2] == ["2023-10-29T00:30", "2023-10-29T01:30"]
    assert found.unresolved_mask.tolist() == [False, False, True, True]


def test_an_hour_passed_three_times_is_unresolved() -> None:
    local = timestamps(*("2024-10-27T02:00", "2024-10-27T02:30") * 3)
    assert utc_of(local, "Europe/Berlin", ambiguous="infer").unresolved_mask.all()


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
    assert not either[0].nonexistent_mask.any()
    reference = pd.DatetimeIndex(local).tz_localize(zone, ambiguous=np.ones(len(utc), bool))
    np.testing.assert_array_equal(
        either[0].utc, reference.tz_convert("UTC").tz_localize(None).to_numpy()
    )


def normalized(local: np.ndarray, utc_offset: str, timezone: str) -> zones.NormalizedTime:
    codes = np.zeros(len(local), dtype=np.int64)
    return zones.normalize_timezone(
        local, utc_offset, timezone, ambiguous="infer", nonexistent="shift_forward", codes=codes
    )


def test_local_hours_become_instants_of_utc_with_every_rule_counted() -> None:
    local = timestamps(
        "2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T02:00", "2024-10-27T03:00"
    )
    found = normalized(local, "", "Europe/Berlin")
    assert texts(found.time) == [
        *("2024-10-26T23:00", "2024-10-27T00:00", "2024-10-27T01:00", "2024-10-27T02:00")
    ]
    assert (found.utc_offset, found.display_timezone) == ("", "Europe/Berlin")
    assert found.localized is not None
    assert found.localized.ambiguous_mask.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("utc_offset", "hours"), [("Z", 0), (" UTC", 0), ("+02:00", 2), ("-0530", -5.5)]
)
def test_hours_with_an_offset_become_instants_of_utc_by_that_offset(
    utc_offset: str, hours: float
) -> None:
    written = timestamps("2024-03-31T01:30", "2024-03-31T02:30")  # the second is skipped in Berlin
    found = normalized(written, utc_offset, "Europe/Berlin")
    np.testing.assert_array_equal(found.time, written - np.timedelta64(int(hours * 60), "m"))
    assert (found.utc_offset, found.display_timezone) == ("", "Europe/Berlin")
    assert found.localized is None


def test_days_stay_on_the_local_calendar_with_and_without_an_offset() -> None:
    days = timestamps("2024-03-30", "2024-03-31", "2024-04-01")
    plain = normalized(days, "", "Europe/Berlin")
    midnights = timestamps("2024-03-29T23:00", "2024-03-30T23:00", "2024-03-31T22:00")
    of_utc = normalized(midnights, "Z", "Europe/Berlin")
    for found in (plain, of_utc):
        np.testing.assert_array_equal(found.time, days)
        assert (found.utc_offset, found.display_timezone, found.localized) == ("", "", None)


def test_timestamps_stay_as_they_are_without_a_time_zone_or_a_calendar() -> None:
    hours = timestamps("2024-10-27T01:00", "2024-10-27T02:00")
    kept = normalized(hours, "+02:00", "")
    assert kept.time is hours
    assert (kept.utc_offset, kept.display_timezone, kept.localized) == ("+02:00", "", None)
    steps = np.arange(3)
    assert normalized(steps, "", "Europe/Berlin").time is steps


def test_offsets_are_those_of_the_day() -> None:
    utc = timestamps("2024-01-01T00:00", "2024-07-01T00:00", "2024-01-02T00:00")
    assert zones.format_utc_offsets(utc, "Europe/Berlin").tolist() == ["+01:00", "+02:00", "+01:00"]
    assert zones.format_utc_offsets(utc, "America/St_Johns").tolist() == [
        "-03:30",
        "-02:30",
        "-03:30",
    ]
    assert zones.format_utc_offsets(utc, "UTC").tolist() == ["+00:00"] * 3
    assert zones.format_utc_offsets(timestamps("1880-01-01"), "Europe/Berlin").tolist() == [
        "+00:53:28"
    ]
    assert zones.format_utc_offsets(utc[:0], "Europe/Berlin").tolist() == []
