"""Inference of time formats: every reading of a column, and the likeliest."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.time.format import (
    TimeFormat,
    parse_time_format,
    parse_timestamps,
    unparsable_mask,
)
from rnnforecast.data.time.format_inference import (
    choose_time_format,
    infer_time_format,
    is_date_format,
)
from rnnforecast.data.time.matching_formats import infer_time_formats
from rnnforecast.data.time.numeric_formats import EPOCH_UNITS
from tests.data.time.formats import POINTS, parsed

MONTHS = pd.date_range("2017-11-01", periods=40, freq="MS")
QUARTERS = pd.date_range("2010-01-01", periods=30, freq="QS")
WEEKS = pd.date_range("2020-01-06", periods=60, freq="W-MON")
DAYS = pd.date_range("2023-11-01", periods=120)


def chosen(texts: list[str], name: str = "") -> str | None:
    """The pattern that is chosen; None if several remain plausible."""
    choice = choose_time_format(infer_time_formats(texts), texts, name)
    return choice.chosen.time_format.pattern if choice.chosen else None


def iso_weeks(form: str, weeks: pd.DatetimeIndex = WEEKS) -> list[str]:
    return [form.format(y=i.year, w=i.week, d=i.weekday) for i in (w.isocalendar() for w in weeks)]


def test_the_form_is_that_of_most_samples() -> None:
    assert infer_time_format(["31.12.2024", "30.12.2024", "oops", ""]) == POINTS
    assert infer_time_format(["31.12.2024", "a", "b"]) is None
    assert infer_time_format(["", " "]) is None
    assert infer_time_format([]) is None


@pytest.mark.parametrize("text", ["1.5", "2012.25", "1e5", "12,5", "123", "44330", "20244"])
def test_numbers_are_no_dates_whatever_their_column_is_called(text: str) -> None:
    assert not is_date_format(infer_time_format([text]))


def test_whole_numbers_are_dates_only_if_most_of_them_can_be() -> None:
    assert infer_time_format(["20240131", "20240201"]) == TimeFormat("%Y%m%d")
    assert infer_time_format(["20240131", "20240299"]) == TimeFormat("integer")
    assert infer_time_format(["2023", "2024"]) == TimeFormat("integer")
    assert infer_time_format(["20240131", "20240130", "7"]) == TimeFormat("%Y%m%d")
    assert infer_time_format(["202401310530"]) == TimeFormat("%Y%m%d%H%M")


def test_numbers_that_count_without_gaps_are_steps_though_some_could_be_dates() -> None:
    assert chosen([str(20230101 + number) for number in range(60)]) == "integer"


def test_the_order_of_day_and_month_stays_open_until_a_date_settles_it() -> None:
    texts = ["03/04/2021 05:00", "04/04/2021 05:00"]
    assert infer_time_formats(texts) == [
        TimeFormat("%d/%m/%Y %H:%M"),
        TimeFormat("%m/%d/%Y %H:%M"),
    ]
    assert chosen(texts) is None
    assert chosen([*texts, "13/04/2021 05:00"]) == "%d/%m/%Y %H:%M"
    assert chosen([*texts, "04/13/2021 05:00"]) == "%m/%d/%Y %H:%M"


def test_the_order_of_day_and_month_is_the_one_without_gaps() -> None:
    months = pd.date_range("2010-01-01", periods=20, freq="MS")
    assert chosen(months.strftime("%d/%m/%Y").tolist()) == "%d/%m/%Y"
    assert chosen(months.strftime("%m-%d-%Y").tolist()) == "%m-%d-%Y"
    assert chosen(months[:8].strftime("%d/%m/%Y").tolist()) is None  # days of January as well
    assert chosen(months[:8].strftime("%d.%m.%Y").tolist()) == "%d.%m.%Y"  # usual with points


@pytest.mark.parametrize(
    "form",
    [
        *("{q}-{y}", "{y}-{q}", "{y}{q}", "Q{q} {y}", "{y}Q{q}", "{y}-Q{q}", "{q}Q{y}", "{q}/{y}"),
        *("{q}. Quartal {y}", "T{q} {y}", "{y} Q{q}", "Q{q}-{y}", "{q}.{y}", "Quarter {q}, {y}"),
    ],
)
def test_quarters_are_read_where_they_leave_no_gaps(form: str) -> None:
    texts = [form.format(q=day.quarter, y=day.year) for day in QUARTERS]
    time_format = infer_time_format(texts)
    assert time_format is not None
    np.testing.assert_array_equal(parse_timestamps(pa.array(texts), time_format), QUARTERS)
    assert "%q" in time_format.pattern


@pytest.mark.parametrize(
    "form",
    [
        *(
            "{y}-W{w:02d}",
            "{y}{w:02d}",
            "{y} {w}",
            "W{w} {y}",
            "KW {w}/{y}",
            "{w}/{y}",
            "{w:02d}.{y}",
        ),
        *("Week {w}, {y}", "{y}-W{w:02d}-{d}", "{y}W{w:02d}", "KW{w:02d} {y}", "{y}/KW{w}"),
    ],
)
def test_weeks_are_those_of_the_iso_calendar(form: str) -> None:
    """As pandas counts them; a week without a day is its Monday."""
    texts = iso_weeks(form)
    time_format = infer_time_format(texts)
    assert time_format is not None
    np.testing.assert_array_equal(parse_timestamps(pa.array(texts), time_format), WEEKS)


@pytest.mark.parametrize(
    "pattern",
    [
        *("%b %Y", "%YM%m", "%Y-%m", "%m.%Y", "%b-%y", "%B %Y", "%b/%Y", "%Y %b", "%m/%y", "%Y%m"),
        *("%b%Y", "%y-%b", "%m-%Y", "%Y/%m", "%m/%Y", "%Y.%m", "%y%m"),
    ],
)
def test_months_are_read_however_they_are_written(pattern: str) -> None:
    texts = MONTHS.strftime(pattern).tolist()
    time_format = infer_time_format(texts, "month")
    assert time_format is not None
    np.testing.assert_array_equal(parse_timestamps(pa.array(texts), time_format), MONTHS)


def test_six_digits_of_less_than_a_year_are_weeks_or_months_by_the_name_of_the_column() -> None:
    texts = iso_weeks("{y}{w:02d}", WEEKS[:8])
    assert chosen(texts) is None
    assert chosen(texts, "calendar_week") == "%G%V"
    assert chosen(texts, "Month") == "%Y%m"
    assert chosen(texts, "KW") == "%G%V"


def test_a_name_does_not_outweigh_the_cells() -> None:
    assert chosen(MONTHS.strftime("%Y%m").tolist(), "week") == "%Y%m"
    assert chosen(iso_weeks("{y}{w:02d}"), "month") == "%G%V"


def test_days_of_the_year_and_of_excel_are_read() -> None:
    assert chosen(DAYS.strftime("%Y%j").tolist()) == "%Y%j"
    serial = (DAYS - pd.Timestamp("1899-12-30")).days
    texts = serial.astype(str).tolist()
    assert chosen(texts) is None  # or steps
    assert chosen(texts, "Date") == "excel"
    assert chosen(texts, "t") == "integer"
    np.testing.assert_array_equal(parse_timestamps(pa.array(texts), TimeFormat("excel")), DAYS)
    monthly = (MONTHS - pd.Timestamp("1899-12-30")).days.astype(str).tolist()
    assert chosen(monthly) == "excel"


def test_excel_days_with_fractions_are_times_of_day() -> None:
    texts = [f"{44330 + hour / 24:.6f}" for hour in range(48)]
    assert chosen(texts) == "excel"
    hours = pd.date_range("2021-05-14", periods=48, freq="h")
    np.testing.assert_array_equal(parse_timestamps(pa.array(texts), TimeFormat("excel")), hours)


@pytest.mark.parametrize(
    ("per_year", "phase", "digits"), [(12, 0.5, 3), (12, 0, 4), (4, 0, 2), (4, 0.5, 3), (1, 0.5, 1)]
)
def test_decimal_years_count_months_quarters_or_years(
    per_year: int, phase: float, digits: int
) -> None:
    """1749.042 is the middle of January 1749, 2020.25 the start of a quarter."""
    texts = [f"{1749 + (step + phase) / per_year:.{digits}f}" for step in range(60)]
    time_format = infer_time_format(texts)
    assert time_format is not None
    assert time_format.pattern == "decimal_year"
    freq = {12: "MS", 4: "QS", 1: "YS"}[per_year]
    expected = pd.date_range("1749-01-01", periods=60, freq=freq, unit="us")
    np.testing.assert_array_equal(parse_timestamps(pa.array(texts), time_format), expected)


def test_decimal_years_of_days_are_days() -> None:
    days = pd.date_range("2019-12-01", periods=500)
    lengths = np.where(days.is_leap_year, 366, 365)
    texts = [
        f"{y + (d - 0.5) / n:.3f}"
        for y, d, n in zip(days.year, days.day_of_year, lengths, strict=True)
    ]
    time_format = infer_time_format(texts)
    assert time_format is not None
    np.testing.assert_array_equal(parse_timestamps(pa.array(texts), time_format), days)


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["5. März 2024", "6. März 2024", "7. Mai 2024"], "2024-03-05"),
        (["5 de enero de 2024", "6 de febrero de 2024"], "2024-01-05"),
        (["janv. 2024", "févr. 2024", "mars 2024", "août 2024"], "2024-01-01"),
        (["5th Jan 2024", "6th Jan 2024", "1st Feb 2024"], "2024-01-05"),
        (["Mon 05 Jan 2024", "Tue 06 Jan 2024"], "2024-01-05"),
        (["Monday, January 5, 2024", "Tuesday, May 6, 2024"], "2024-01-05"),
        (["Week ending 13/1/2024", "Week ending 20/1/2024"], "2024-01-13"),
        (["May 1, 2024", "May 2, 2024", "June 3, 2024"], "2024-05-01"),
    ],
)
def test_names_of_months_are_read_in_several_languages(texts: list[str], first: str) -> None:
    time_format = infer_time_format(texts)
    assert time_format is not None
    assert parsed(texts, time_format)[0].startswith(first)


def test_days_without_a_year_are_no_dates() -> None:
    assert (
        infer_time_formats(pd.date_range("2017-11-01", periods=80).strftime("%b %d").tolist()) == []
    )
    assert (
        infer_time_formats(pd.date_range("2017-11-01", periods=80).strftime("%m/%d").tolist()) == []
    )


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("20.10.2023 00:00 - 20.10.2023 01:00", " - "),
        ("2023-10-20T00:00Z/2023-10-20T01:00Z", "/"),
        ("2023-10-20 00:00 – 01:00", " – "),
        ("20/10/2023 to 26/10/2023", " to "),
        ("2023-10-20T00:00/PT1H", "/"),
    ],
)
def test_a_range_of_times_is_its_beginning(text: str, mark: str) -> None:
    time_format = infer_time_format([text])
    assert time_format is not None
    assert time_format.range_mark == mark
    assert parsed([text], time_format) == ["2023-10-20T00:00:00.000000"]
    assert unparsable_mask([text.split(mark)[0]], time_format).all()


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
    assert time_format == TimeFormat(unit, year_range=(1990, 2100))
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
        assert time_format.pattern == unit
        precision = {"unix_s": "s", "unix_ms": "ms"}.get(unit, "us")
        cut = expected.astype(f"datetime64[{precision}]")
        np.testing.assert_array_equal(parse_timestamps(pa.array(texts), time_format), cut)


def test_a_count_that_does_not_fit_the_others_is_named() -> None:
    seconds = infer_time_format(["1704067200", "1704070800"])
    assert seconds is not None
    others = ["1704067200000", "600", "2024-01-01", "x", "0x10", "nan", "1e999", "9" * 30, ""]
    assert unparsable_mask(others, seconds).all()
    for text in others:
        with pytest.raises(ValueError):  # noqa: PT011 - the text is the matter
            parse_timestamps(pa.array(["1704067200", text]), seconds)
    given_unit = parse_time_format("unix_s", [])
    assert unparsable_mask(others, given_unit).tolist() == [True, False, *[True] * 7]
    assert parsed(["-1"], given_unit) == ["1969-12-31T23:59:59.000000"]


def test_ten_digits_are_hours_if_most_are_and_never_both() -> None:
    hours = [f"20240101{hour:02d}" for hour in range(24)]
    seconds = [str(1704067200 + 3600 * hour) for hour in range(24)]
    assert infer_time_format([*hours, *seconds[:9]]) == TimeFormat("%Y%m%d%H")
    mixed = [*hours[:9], *seconds]
    assert [item.pattern for item in infer_time_formats(mixed)[:2]] == ["%Y%m%d%H", "unix_s"]
    assert chosen(mixed) is None
    assert chosen([*seconds, hours[0]]) == "unix_s"


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
        *("%Y%m%d", "%Y-%m", "%b %Y", "%d-%b-%Y", "%a %d %b %Y", "%H:%M %d.%m.%Y", "%Y%m%d %H%M"),
        *("%d.%m.%Y - %H:%M", "%d%b%Y", "%m/%d/%Y %I %p"),
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


@settings(max_examples=30, deadline=None)
@given(days=st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1))
def test_any_day_of_any_iso_week_is_read_back(days: list[date]) -> None:
    weeks = [day.isocalendar() for day in days]
    exact = [f"{year}-W{week:02d}-{day}" for year, week, day in weeks]
    time_format = infer_time_format(exact)
    assert time_format == TimeFormat("%G-W%V-%u")
    assert [text[:10] for text in parsed(exact, time_format)] == [str(day) for day in days]


PERIODS = pd.date_range("2019-01-01", periods=48, freq="MS")


@pytest.mark.parametrize(
    ("written", "pattern"),
    [("0%m.%Y", "0%m.%Y"), ("0%m/%Y", "0%m/%Y"), ("%Y0%m", "%Y0%m"), ("%Y/0%m", "%Y/0%m")],
)
def test_periods_of_three_digits_are_months_where_days_would_have_gaps(written, pattern) -> None:
    texts = list(PERIODS.strftime(written))
    assert chosen(texts) == pattern
    found = parse_timestamps(pa.array(texts), parse_time_format(pattern, texts))
    np.testing.assert_array_equal(found, PERIODS.to_numpy().astype("datetime64[us]"))


def test_days_of_the_year_are_no_periods() -> None:
    assert chosen(list(pd.date_range("2022-12-01", periods=60).strftime("%Y%j"))) == "%Y%j"


@pytest.mark.parametrize(
    "form", ["{y}H{h}", "{y}-S{h}", "H{h} {y}", "{h}. Halbjahr {y}", "{y} HJ{h}", "{h}H {y}"]
)
def test_half_years_are_their_first_days(form: str) -> None:
    texts = [form.format(y=year, h=half) for year in range(2000, 2020) for half in (1, 2)]
    found = infer_time_format(texts)
    assert found is not None
    expected = pd.date_range("2000-01-01", periods=40, freq="6MS").to_numpy()
    np.testing.assert_array_equal(parse_timestamps(pa.array(texts), found), expected)
