"""Inference of time formats by majority."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.time.format import (
    EPOCH_UNITS,
    TimeFormat,
    parse_time_format,
    parse_timestamps,
    unparsable_mask,
)
from rnnforecast.data.time.format_inference import disambiguate, infer_time_format
from tests.data.time.formats import POINTS, QUARTER, WEEK, parsed


def test_the_form_is_that_of_most_samples() -> None:
    assert infer_time_format(["31.12.2024", "30.12.2024", "oops", ""]) == POINTS
    assert infer_time_format(["31.12.2024", "a", "b"]) is None
    assert infer_time_format(["", " "]) is None
    assert infer_time_format([]) is None


def test_may_is_taken_for_a_full_name_where_others_are() -> None:
    texts = ["May 1, 2024", "May 2, 2024", "June 3, 2024"]
    assert infer_time_format(texts) == TimeFormat("format", ("%B %d, %Y",))


@pytest.mark.parametrize("text", ["1.5", "2012.25", "1e5", "12,5"])
def test_decimal_numbers_are_no_dates(text: str) -> None:
    assert infer_time_format([text]) is None


def test_whole_numbers_are_dates_only_if_all_of_them_can_be() -> None:
    assert infer_time_format(["20240131", "20240201"]) == TimeFormat("format", ("%Y%m%d",))
    assert infer_time_format(["20240131", "20240299"]) == TimeFormat("integer")
    assert infer_time_format(["2023", "2024"]) == TimeFormat("integer")
    assert infer_time_format(["20240131", "20240130", "7"]) == TimeFormat("format", ("%Y%m%d",))
    assert infer_time_format(["202401310530"]) == TimeFormat("format", ("%Y%m%d%H%M",))


def test_the_order_of_day_and_month_stays_open_until_a_date_settles_it() -> None:
    time_format = infer_time_format(["03/04/2021 05:00", "04/04/2021 05:00"])
    assert time_format == TimeFormat("open", ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"))
    assert disambiguate(time_format, ["05/04/2021 05:00"]).kind == "open"
    assert disambiguate(time_format, ["13/04/2021 05:00"]) == TimeFormat(
        "format", ("%d/%m/%Y %H:%M",)
    )
    assert disambiguate(time_format, ["04/13/2021 05:00"]) == TimeFormat(
        "format", ("%m/%d/%Y %H:%M",)
    )


@pytest.mark.parametrize(
    "texts",
    [
        ["Q1 2024", "Q2-2024", "Q3 2024", "Q4 2024"],
        ["1Q2024", "2Q2024", "3Q 2024", "4Q-2024"],
    ],
)
def test_quarters_may_come_before_the_year(texts: list[str]) -> None:
    assert infer_time_format(texts) == QUARTER
    assert parsed(texts, QUARTER) == parsed([f"2024Q{n}" for n in range(1, 5)], QUARTER)


@settings(max_examples=30, deadline=None)
@given(days=st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1))
def test_weeks_are_those_of_the_iso_calendar(days: list[date]) -> None:
    """As Python's isocalendar counts them; a week without a day is its Monday."""
    weeks = [day.isocalendar() for day in days]
    exact = [f"{year}-W{week:02d}-{day}" for year, week, day in weeks]
    bare = [f"{year}W{week:02d}" for year, week, _ in weeks]
    assert infer_time_format(exact) == infer_time_format(bare) == WEEK
    assert [text[:10] for text in parsed(exact, WEEK)] == [str(day) for day in days]
    mondays = [date.fromisocalendar(year, week, 1) for year, week, _ in weeks]
    assert [text[:10] for text in parsed(bare, WEEK)] == [str(day) for day in mondays]
    assert not unparsable_mask(exact + bare, WEEK).any()


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("1704067200", "unix_s", "2024-01-01T00:00:00.000000"),
        ("631152000", "unix_s", "1990-01-01T00:00:00.000000"),
        ("1704067200.5", "unix_s", "2024-01-01T00:00:00.500000"),
        ("1704067200,123456", "unix_s", "2024-01-01T00:00:00.123456"),
        ("1704067200123", "unix_ms", "2024-01-01T00:00:00.123000"),
        ("1704067200123.25", "unix_ms", "2024-01-01T00:00:00.123250"),
        ("1.704067200123e+12", "unix_ms", "2024-01-01T00:00:00.123000"),
        ("1704067200123456", "unix_us", "2024-01-01T00:00:00.123456"),
        ("1704067200123456789", "unix_ns", "2024-01-01T00:00:00.123456"),
    ],
)
def test_counts_since_1970_are_instants(text: str, unit: str, expected: str) -> None:
    time_format = infer_time_format([text])
    assert time_format == TimeFormat("integer", (unit,), year_range=(1990, 2100))
    assert time_format.parsed_offset == "Z"
    assert parsed([text], time_format) == parsed([text], parse_time_format(unit, [])) == [expected]
    assert not unparsable_mask([text], time_format).any()


@pytest.mark.parametrize("text", ["631151999", "4102444800", "123456789", "99999999999", "1e3"])
def test_other_large_numbers_are_not_taken_for_counts_since_1970(text: str) -> None:
    time_format = infer_time_format([text])
    assert time_format is None or time_format == TimeFormat("integer")


@settings(max_examples=30, deadline=None)
@given(times=st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2029, 1, 1)), min_size=1))
def test_every_unit_is_recognized_and_read_back(times: list[datetime]) -> None:
    expected = np.array(times, dtype="datetime64[us]")
    for unit, per_second in EPOCH_UNITS.items():
        counts = expected.astype(np.int64) * max(per_second // 10**6, 1)
        counts //= max(10**6 // per_second, 1)
        texts = counts.astype(str).tolist()
        time_format = infer_time_format(texts)
        assert time_format is not None
        assert time_format.formats == (unit,)
        precision = {"unix_s": "s", "unix_ms": "ms"}.get(unit, "us")
        cut = expected.astype(f"datetime64[{precision}]")
        np.testing.assert_array_equal(parse_timestamps(pa.array(texts), time_format), cut)


def test_a_count_that_does_not_fit_the_others_is_named() -> None:
    seconds = infer_time_format(["1704067200", "1704070800"])
    assert seconds is not None
    others = ["1704067200000", "600", "2024-01-01", "x", "0x10", "nan", "1e999", "9" * 30, ""]
    assert unparsable_mask(others, seconds).all()
    for text in others:
        with pytest.raises(ValueError):  # noqa: PT011
            parse_timestamps(pa.array(["1704067200", text]), seconds)
    given_unit = parse_time_format("unix_s", [])
    assert unparsable_mask(others, given_unit).tolist() == [True, False, *[True] * 7]
    assert parsed(["-1"], given_unit) == ["1969-12-31T23:59:59.000000"]


def test_ten_digits_are_hours_if_most_are_and_never_both() -> None:
    hours = [f"20240101{hour:02d}" for hour in range(24)]
    seconds = [str(1704067200 + 3600 * hour) for hour in range(24)]
    assert infer_time_format([*hours, *seconds[:9]]) == TimeFormat("format", ("%Y%m%d%H",))
    time_format = infer_time_format([*hours[:9], *seconds])
    assert time_format == TimeFormat("open", ("%Y%m%d%H", "unix_s"))
    assert disambiguate(time_format, hours) == time_format
    one_slip = infer_time_format([*seconds, hours[0]])
    assert one_slip is not None
    assert one_slip.formats == ("unix_s",)


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-03-31T01:30:00+01:00", "2024-03-31T03:30:00+02:00"],
        ["31.03.2024 01:30 +0100", "31.03.2024 03:30 +0200"],
        ["2024-03-31 00:30:00.000Z", "2024-03-31 03:30:00.000+02"],
        ["2024-03-30 21:00:00-03:30", "2024-03-31 05:30:00+04:00"],
    ],
)
def test_timestamps_with_an_offset_each_become_instants(texts: list[str]) -> None:
    time_format = infer_time_format(texts)
    assert time_format is not None
    assert (time_format.has_mixed_offsets, time_format.parsed_offset) == (True, "Z")
    assert parsed(texts, time_format) == [
        "2024-03-31T00:30:00.000000",
        "2024-03-31T01:30:00.000000",
    ]
    assert not unparsable_mask(texts, time_format).any()
    without = [texts[0], texts[1][:16]]
    assert unparsable_mask(without, time_format).tolist() == [False, True]
    with pytest.raises(ValueError, match="has an offset"):
        parse_timestamps(pa.array(without), time_format)


@pytest.mark.parametrize(
    "pattern",
    [
        *("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y", "%d.%m.%y %H:%M"),
        *("%Y/%m/%d %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d %b %Y", "%B %d, %Y"),
        *("%Y%m%d", "%Y-%m", "%b %Y", "%d-%b-%Y"),
    ],
)
@settings(max_examples=12, deadline=None)
@given(times=st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2068, 1, 1)), min_size=1))
def test_what_strftime_writes_is_recognized_and_read_back(
    pattern: str, times: list[datetime]
) -> None:
    """With a 13th to 28th among them, so that the order of day and month is certain."""
    texts = [time.replace(day=13 + time.day % 16).strftime(pattern) for time in times]
    time_format = infer_time_format(texts)
    assert time_format is not None
    expected = [datetime.strptime(text, pattern) for text in texts]
    np.testing.assert_array_equal(
        parse_timestamps(pa.array(texts), time_format), np.array(expected, dtype="datetime64[us]")
    )
    assert not unparsable_mask(texts, time_format).any()
