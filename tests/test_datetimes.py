"""Durations, and times in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from rnnforecast.datetimes import as_utc, format_utc, parse_duration


def test_a_number_without_a_unit_has_the_default_unit_or_is_an_error() -> None:
    assert parse_duration("90", "s") == timedelta(seconds=90)
    assert parse_duration("0") == timedelta(0)
    assert parse_duration("1.5 W") == timedelta(days=10.5)
    with pytest.raises(ValueError, match="such as 45s"):
        parse_duration("90")


def test_times_without_a_time_zone_are_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert as_utc(datetime(2026, 11, 27, 2, 15)) == datetime(2026, 11, 27, 2, 15, tzinfo=UTC)
    assert format_utc(datetime(2026, 11, 27, 2, 15, 7, tzinfo=berlin)) == "2026-11-27T01:15:07Z"
