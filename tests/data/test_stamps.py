"""Every way of writing time is recognised by majority, parsed strictly and never guessed."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data import stamps
from rnnforecast.data.stamps import Form
from rnnforecast.errors import DataError

QUARTER = Form("quarter")
POINTS = Form("format", ("%d.%m.%Y",))


def parsed(texts: list[str], form: Form) -> list[str]:
    return [str(stamp) for stamp in stamps.parse(pa.array(texts), form)]


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
    assert stamps.zone_of(text) == zone


def test_the_form_is_that_of_most_samples() -> None:
    assert stamps.recognise(["31.12.2024", "30.12.2024", "oops", ""]) == POINTS
    assert stamps.recognise(["31.12.2024", "a", "b"]) is None
    assert stamps.recognise(["", " "]) is None
    assert stamps.recognise([]) is None


def test_may_is_taken_for_a_whole_name_where_others_are() -> None:
    texts = ["May 1, 2024", "May 2, 2024", "June 3, 2024"]
    assert stamps.recognise(texts) == Form("format", ("%B %d, %Y",))


@pytest.mark.parametrize("text", ["1.5", "2012.25", "1e5", "12,5"])
def test_decimal_numbers_are_no_dates(text: str) -> None:
    assert stamps.recognise([text]) is None


def test_whole_numbers_are_dates_only_if_all_of_them_can_be() -> None:
    assert stamps.recognise(["20240131", "20240201"]) == Form("format", ("%Y%m%d",))
    assert stamps.recognise(["20240131", "20240299"]) == Form("integer")
    assert stamps.recognise(["2023", "2024"]) == Form("integer")
    assert stamps.recognise(["1704067200"]) == Form("integer", epoch=True)


def test_the_order_of_day_and_month_stays_open_until_a_date_settles_it() -> None:
    form = stamps.recognise(["03/04/2021 05:00", "04/04/2021 05:00"])
    assert form == Form("open", ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"))
    assert stamps.settle(form, ["05/04/2021 05:00"]).kind == "open"
    assert stamps.settle(form, ["13/04/2021 05:00"]) == Form("format", ("%d/%m/%Y %H:%M",))
    assert stamps.settle(form, ["04/13/2021 05:00"]) == Form("format", ("%m/%d/%Y %H:%M",))


def test_quarters_are_their_first_months() -> None:
    texts = ["2024-Q1", "2024Q2", "2024 Q3", "2024-Q4"]
    assert parsed(texts, QUARTER) == [
        f"2024-{m}-01T00:00:00.000000" for m in ("01", "04", "07", "10")
    ]


@pytest.mark.parametrize("form", [Form("iso"), POINTS, QUARTER, Form("integer")])
@pytest.mark.parametrize("text", ["", "NaT", "nan", "today", "now", "30.02.2024", "2024-02-30"])
def test_what_is_no_time_is_never_parsed(form: Form, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        stamps.parse(pa.array([text]), form)
    assert stamps.unreadable([text], form).tolist() == [True]


def test_decimals_of_a_second_beyond_the_sixth_are_cut() -> None:
    assert parsed(["2024-01-01T00:00:00.123456789"], Form("iso")) == ["2024-01-01T00:00:00.123456"]


def test_a_stamp_without_the_offset_of_the_others_is_refused() -> None:
    form = Form("iso", zone="Z")
    assert stamps.unreadable(["2024-01-01T05:00Z", "2024-01-01T05:00"], form).tolist() == [
        False,
        True,
    ]
    with pytest.raises(ValueError, match="not every stamp ends in 'Z'"):
        stamps.parse(pa.array(["2024-01-01T05:00Z", "2024-01-01T05:00"]), form)


def test_a_given_format_takes_its_offset_from_the_samples() -> None:
    assert stamps.given("%d.%m.%Y %H:%M%z", ["31.12.2024 05:00+02:00"]).zone == "+02:00"
    assert stamps.given("%d.%m.%Y %H:%MZ", []) == Form("format", ("%d.%m.%Y %H:%M",), zone="Z")
    with pytest.raises(DataError, match=r"data\.time_format: '%d %q' is not a format"):
        stamps.given("%d %q", [])


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
def test_what_strftime_writes_is_recognised_and_read_back(
    pattern: str, times: list[datetime]
) -> None:
    """With a 13th to 28th among them, so that the order of day and month is settled."""
    texts = [time.replace(day=13 + time.day % 16).strftime(pattern) for time in times]
    form = stamps.recognise(texts)
    assert form is not None
    expected = [datetime.strptime(text, pattern) for text in texts]
    np.testing.assert_array_equal(
        stamps.parse(pa.array(texts), form), np.array(expected, dtype="datetime64[us]")
    )
    assert not stamps.unreadable(texts, form).any()
