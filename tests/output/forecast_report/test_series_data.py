"""Series as compact JSON: what is read back are the values, rounded to their range."""

from __future__ import annotations

from itertools import accumulate, chain, repeat
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.output.forecast_report.series_data import (
    PicturedForecast,
    PicturedSeries,
    TimestampLabels,
    encode_series,
    to_script_json,
)
from rnnforecast.types import Floats, Timestamps

DAY = np.timedelta64(1, "D")


def series(values: Floats, timestamps: Timestamps | None = None) -> PicturedSeries:
    if timestamps is None:
        timestamps = np.datetime64("2024-01-01", "us") + np.arange(len(values)) * DAY
    forecast = PicturedForecast(len(values) - 1, values[-1:], np.empty((0, 2, 1)))
    return PicturedSeries("a", timestamps, values, (forecast,))


def encode(*pictured: PicturedSeries, timezone: str = "") -> dict[str, Any]:
    return encode_series(pictured, labels=TimestampLabels("day", timezone), intervals=())


def axis(encoded: dict[str, Any]) -> list[float]:
    """The timestamps that the page's script computes."""
    runs = chain.from_iterable(repeat(step, count) for step, count in encoded["axis"]["runs"])
    return list(accumulate(runs, initial=encoded["axis"]["first"]))


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=20))
def test_values_are_read_back_to_four_digits_of_their_range(values: list[float]) -> None:
    given_values = np.array(values)
    one = encode(series(given_values))["series"][0]
    read = np.array(one["y"]) * 10.0 ** one["e"]
    size = np.ptp(given_values) or np.abs(given_values).max()
    allowed = 1e-3 * size + 1e-9 * np.abs(given_values) + 1e-300
    assert (np.abs(read - given_values) <= allowed).all()


def test_values_below_all_powers_of_ten_are_zero() -> None:
    assert encode(series(np.array([2e-309, 0.0])))["series"][0]["y"] == [0, 0]


def test_whole_numbers_of_a_small_range_are_exact() -> None:
    one = encode(series(np.array([0.0, 3, 1, 1250])))["series"][0]
    assert [value * 10.0 ** one["e"] for value in one["y"]] == [0, 3, 1, 1250]


def test_missing_values_are_null() -> None:
    assert encode(series(np.array([np.nan, 1.0, np.inf])))["series"][0]["y"] == [None, 1000, None]


def test_series_of_one_calendar_share_an_axis_and_name_their_place_on_it() -> None:
    start = np.datetime64("2024-01-03", "us")
    later = series(np.ones(4), start + np.arange(4) * DAY)
    found = encode(series(np.ones(5)), later)
    assert [each["t"] for each in found["series"]] == [0, 2]
    first = np.datetime64("2024-01-01", "s").astype(int)
    assert axis(found) == [first + day * 86_400 for day in range(6)]
    assert found["axis"]["runs"] == [[86_400, 5]]


def test_a_series_with_gaps_in_its_timestamps_lists_its_places() -> None:
    timestamps = np.datetime64("2024-01-01", "us") + np.array([0, 1, 4]) * DAY
    found = encode(series(np.ones(5)), series(np.ones(3), timestamps))
    assert [each["t"] for each in found["series"]] == [0, [0, 1, 4]]


def test_timestamps_of_a_time_zone_are_shown_by_its_clock() -> None:
    hours = np.datetime64("2024-10-26T23", "us") + np.arange(4) * np.timedelta64(1, "h")
    found = axis(encode(series(np.ones(4), hours), timezone="Europe/Berlin"))
    shown = [str(np.datetime64(int(each), "s"))[11:16] for each in found]
    assert shown == ["01:00", "02:00", "02:00", "03:00"]  # clocks are set back at 3


def test_whole_numbers_as_timestamps_stay() -> None:
    found = encode(series(np.ones(3), np.array([1950, 1951, 1953])))
    assert axis(found) == [1950, 1951, 1953]


@pytest.mark.parametrize("text", ["</script>", "<!--", "a\u2028b", "&lt;", "\ud800"])
def test_no_text_ends_the_script(text: str) -> None:
    found = to_script_json({"n": text})
    assert not set("<>&\u2028\u2029") & set(found)
    found.encode("utf-8")
