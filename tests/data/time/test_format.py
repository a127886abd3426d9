"""Time formats: recognition and strict parsing of every way of writing time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.time.format import (
    ISO,
    TimeFormat,
    format_timestamp,
    offset_suffix,
    parse_time_format,
    parse_timestamps,
    unparsable_mask,
)
from rnnforecast.errors import DataError
from tests.data.tables import read
from tests.data.time.formats import POINTS, QUARTER, SECONDS, WEEK, parsed


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2024-01-05", ""),
        ("05-01-05", ""),
        ("2024-01-05T10:00Z", "Z"),
        ("2024-01-05 10:00:00 UTC", " UTC"),
        ("2024-01-05 10:00+02:00", "+02:00"),
        ("2024-01-05 10:00:00-0330", "-0330"),
        ("2024-01-05 10:00-05", "-05"),
        ("05.01.2024 10:00:00.123+01", "+01"),
    ],
)
def test_an_offset_is_found_only_after_a_clock(text: str, zone: str) -> None:
    assert offset_suffix(text) == zone


def test_quarters_are_their_first_months() -> None:
    texts = ["2024-Q1", "2024-Q2", "2024-q3", "2024-Q4"]
    assert parsed(texts, QUARTER) == [
        f"2024-{m}-01T00:00:00.000000" for m in ("01", "04", "07", "10")
    ]


@pytest.mark.parametrize("text", ["Q5 2024", "0Q2024", "2024Q", "Q12024", "Q1Q 2024", "Q1 24"])
def test_what_is_nearly_a_quarter_is_refused(text: str) -> None:
    assert unparsable_mask([text], QUARTER).tolist() == [True]


def test_only_some_years_have_a_week_53() -> None:
    texts = ["2020-W53", "2021-W53", "2015-W53", "2024-W53", "2024-W00", "2024-W54", "2024-W05-8"]
    wrong = [False, True, False, True, True, True, True]
    assert unparsable_mask(texts, WEEK).tolist() == wrong
    with pytest.raises(ValueError, match="not every timestamp"):
        parse_timestamps(pa.array(["2021-W53"]), WEEK)


@settings(max_examples=40, deadline=None)
@given(
    times=st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), min_size=1),
    minutes=st.lists(st.integers(-15 * 60, 15 * 60), min_size=1),
)
def test_offsets_are_applied_as_python_applies_them(
    times: list[datetime], minutes: list[int]
) -> None:
    zoned = [
        time.replace(tzinfo=timezone(timedelta(minutes=minutes[at % len(minutes)])))
        for at, time in enumerate(times)
    ]
    texts = [time.isoformat(timespec="microseconds") for time in zoned]
    expected = [time.astimezone(UTC).replace(tzinfo=None) for time in zoned]
    np.testing.assert_array_equal(
        parse_timestamps(pa.array(texts), TimeFormat(ISO, offset="+01:00", has_mixed_offsets=True)),
        np.array(expected, dtype="datetime64[us]"),
    )


@pytest.mark.parametrize(
    "time_format", [TimeFormat(ISO), POINTS, QUARTER, WEEK, TimeFormat("integer"), SECONDS]
)
@pytest.mark.parametrize("text", ["", "NaT", "nan", "today", "now", "30.02.2024", "2024-02-30"])
def test_what_is_no_time_is_never_parsed(time_format: TimeFormat, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the matter
        parse_timestamps(pa.array([text]), time_format)
    assert unparsable_mask([text], time_format).tolist() == [True]


def test_decimals_of_a_second_beyond_the_sixth_are_cut() -> None:
    assert parsed(["2024-01-01T00:00:00.123456789"], TimeFormat(ISO)) == [
        "2024-01-01T00:00:00.123456"
    ]


def test_a_timestamp_without_the_offset_of_the_others_is_refused() -> None:
    time_format = TimeFormat(ISO, offset="Z")
    assert unparsable_mask(["2024-01-01T05:00Z", "2024-01-01T05:00"], time_format).tolist() == [
        False,
        True,
    ]
    with pytest.raises(ValueError, match="not every timestamp ends in 'Z'"):
        parse_timestamps(pa.array(["2024-01-01T05:00Z", "2024-01-01T05:00"]), time_format)


def test_a_given_format_takes_its_offset_from_the_samples() -> None:
    assert parse_time_format("%d.%m.%Y %H:%M%z", ["31.12.2024 05:00+02:00"]).offset == "+02:00"
    expected = TimeFormat("%d.%m.%Y %H:%M", offset="Z")
    assert parse_time_format("%d.%m.%Y %H:%MZ", []) == expected
    many = parse_time_format(
        "%d.%m.%Y %H:%M%z", ["31.03.2024 01:30+01:00", "31.03.2024 03:30+02:00"]
    )
    assert many.has_mixed_offsets


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("%d.%m.%Y %H:%M - %d.%m.%Y %H:%M", "names the day twice"),
        ("%Y-%b-%m", r"names the month twice \(%b and %m\)"),
        ("%y %Y", "names the year twice"),
        ("%d %q", "lacks the year"),
        ("%H:%M", "lacks the year"),
        ("%Y %d", "no month"),
        ("%Y %q %d", "day of a quarter"),
        ("%Y-%m-%d %H:%M %p", "needs the hour as %I"),
        ("%Y-%m-%d %M", "no hour"),
        ("%Y-%m-%d %x", "%x is not a directive"),
        ("%Y-%m-%", "is not a directive"),
        ("%Y-%m-%d %H:%M %z x", "%z at the end"),
    ],
)
def test_a_format_that_gives_no_date_is_refused_with_its_fault(pattern: str, reason: str) -> None:
    with pytest.raises(DataError, match=rf"data\.time_format: .*{reason}"):
        parse_time_format(pattern, ["2024-01-05"])


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("%q-%Y", "4-2021", "2021-10-01T00:00"),
        ("%G%V", "202352", "2023-12-25T00:00"),
        ("%Y-W%V", "2020-W53", "2020-12-28T00:00"),
        ("%G-W%V-%u", "2020-W53-7", "2021-01-03T00:00"),
        ("%Y %W", "2024 01", "2024-01-01T00:00"),
        ("%Y %W %a", "2024 01 Tue", "2024-01-02T00:00"),
        ("%Y %U", "2024 01", "2024-01-07T00:00"),
        ("%Y%j", "2024366", "2024-12-31T00:00"),
        ("%Y-%m-%d %K", "2024-01-05 24", "2024-01-05T23:00"),
        ("%Y-%m-%d %K", "2024-01-05 1", "2024-01-05T00:00"),
        ("%Y-%m-%d %H", "2024-01-05 24", "2024-01-06T00:00"),
        ("%d.%m.%Y %H:%M:%S", "31.12.2024 24:00:00", "2025-01-01T00:00"),
        ("%F %T", "2024-01-05 06:07:00", "2024-01-05T06:07"),
        ("%-d/%-m/%Y", "5/1/2024", "2024-01-05T00:00"),
        ("%m/%d/%y %I:%M %p", "1/5/69 12:05 AM", "1969-01-05T00:05"),
        ("100%% %Y", "100% 2024", "2024-01-01T00:00"),
        ("excel", "45292,25", "2024-01-01T06:00"),
        ("integer", "7", "7"),
    ],
)
def test_given_formats_have_weeks_quarters_and_more(pattern: str, text: str, expected: str) -> None:
    (found,) = parsed([text], parse_time_format(pattern, [text]))
    assert found.removesuffix(":00.000000") == expected


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%Y-%m-%d %H:%M", "2024-01-05 24:01"),
        ("%Y-%m-%d %H:%M", "2024-01-05 25:00"),
        ("%Y-%m-%d %K", "2024-01-05 0"),
        ("%Y-%m-%d %I:%M %p", "2024-01-05 13:00 PM"),
        ("%Y%j", "2023366"),
        ("%d %b %Y", "5 Foo 2024"),
        ("%a %d %b %Y", "Foo 5 Jan 2024"),
        ("%q-%Y", "5-2024"),
        ("%G-W%V", "2021-W53"),
    ],
)
def test_what_a_given_format_does_not_mean_is_refused(pattern: str, text: str) -> None:
    assert unparsable_mask([text], parse_time_format(pattern, [text])).all()


@settings(max_examples=40, deadline=None)
@given(time=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_a_pattern_reads_what_python_reads(time: datetime) -> None:
    for pattern in (
        "%Y-%m-%d %H:%M:%S.%f",
        "%d%m%Y%H%M%S",
        "%j/%Y %I %p",
        "%A %d %B %Y",
        "%Y %W %w",
    ):
        text = time.strftime(pattern)
        expected = datetime.strptime(text, pattern)
        (found,) = parse_timestamps(pa.array([text]), TimeFormat(pattern))
        assert found == np.datetime64(expected, "us")


def test_the_end_of_a_day_in_iso_is_the_next_midnight() -> None:
    texts = ["2024-12-31 24:00", "2024-12-31 23:00", "2024-12-30T24:00:00"]
    assert [text[:16] for text in parsed(texts, TimeFormat(ISO))] == [
        "2025-01-01T00:00",
        "2024-12-31T23:00",
        "2024-12-31T00:00",
    ]


@pytest.mark.parametrize(
    ("most", "one", "expected"),
    [
        ("170406{}200", "2024-01-01 05:00", "unix_s such as 1704067200"),
        ("170406{}200", "1704067200000", "of the years 1990 to 2099"),
        ("170406{}200", "2024-W01", "unix_s"),
        ("2024-W1{}", "2024-05-06", "2024-W52"),
        ("2024-W1{}", "1704067200", "2024-W52"),
        ("2024-01-1{}", "2024-W05", "2024-12-31"),
        ("2024-01-1{}", "1704067200", "2024-12-31"),
        ("1{}.01.2024", "2024-01-20", "'%d.%m.%Y'"),
        ("200{}-Q1", "2024-05-06", "2024-Q4"),
    ],
)
def test_a_cell_written_in_another_way_is_a_fault_with_its_line(
    tmp_path: Path, most: str, one: str, expected: str
) -> None:
    rows = [f"{most.format(number)},1\n" for number in range(8)]
    path = tmp_path / "sales.csv"
    path.write_text("ds,y\n" + "".join(rows) + f"{one},1\n")
    with pytest.raises(DataError) as caught:
        read([str(path)])
    (problem,) = caught.value.problems
    assert problem.where == "sales.csv, line 10, column 'ds'"
    assert problem.found.startswith(f"{one!r} is not a time; expected ")
    assert expected in problem.found


def test_offsets_are_applied_only_where_they_may_differ(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("ds,y\n2024-03-31T01:30+01:00,1\n2024-03-31T03:30+02:00,2\n")
    with pytest.raises(DataError, match=r"set data\.timezone, such as Europe/Berlin"):
        read([str(path)])
    table = read([str(path)], timezone="UTC")
    expected = ["2024-03-31T00:30:00.000000", "2024-03-31T01:30:00.000000"]
    assert (table.time.astype(str).tolist(), table.utc_offset) == (expected, "Z")
    path.write_text("ds,y\n2024-03-31T01:30,1\n2024-03-31T03:30,2\n")
    assert read([str(path)], timezone="UTC").utc_offset == ""


def test_parquet_in_a_zone_is_read_where_offsets_may_differ(tmp_path: Path) -> None:
    utc = pa.array([datetime(2024, 1, 1), datetime(2024, 7, 1)], pa.timestamp("us", "UTC"))
    local = utc.cast(pa.timestamp("us", "Europe/Berlin"))
    pq.write_table(pa.table({"ds": local, "y": [1.0, 2.0]}), tmp_path / "a.parquet")
    table = read([str(tmp_path / "a.parquet")], timezone="UTC")
    np.testing.assert_array_equal(table.time, np.array(["2024-01-01", "2024-07-01"], "M8[us]"))
    assert table.utc_offset == "Z"


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string()])
def test_counts_since_1970_may_come_in_parquet(tmp_path: Path, kind: pa.DataType) -> None:
    counts = pa.array([1704067200000, 1704067200500], pa.int64()).cast(kind)
    pq.write_table(pa.table({"ds": counts, "y": [1.0, 2.0]}), tmp_path / "a.parquet")
    for time_format in (None, "unix_ms"):
        table = read([str(tmp_path / "a.parquet")], time_format=time_format)
        assert np.diff(table.time).tolist() == [timedelta(milliseconds=500)]
        assert (str(table.time[0])[:10], table.utc_offset) == ("2024-01-01", "Z")


def test_a_missing_timestamp_is_written_as_nothing() -> None:
    assert format_timestamp(np.datetime64("NaT", "us")) == ""
    assert format_timestamp(np.datetime64("NaT"), "Europe/Berlin") == ""
