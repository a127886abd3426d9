"""Irregular timestamps: snapping, interpolation and time gaps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.panel.irregular import (
    interpolate_to_grid,
    snap_to_grid,
    time_since_previous,
)
from rnnforecast.data.panel.sorted_rows import SortedRows, find_duplicates
from rnnforecast.data.time.frequency import MINUTE, SECOND, parse_frequency
from rnnforecast.data.time.grid import fit_grid
from rnnforecast.errors import DataError

NAN = np.nan


def rows_of(time, values=None, codes=None, size=None) -> SortedRows:
    """Rows in the order given, which has to be that of series and time."""
    time = np.asarray(time)
    if time.dtype.kind not in "iu":
        parsed = pd.to_datetime(pd.Index(time), format="ISO8601")
        time = parsed.to_numpy().astype("datetime64[us]")
    codes = np.zeros(len(time), dtype=np.int64) if codes is None else np.asarray(codes)
    size = (int(codes.max()) + 1 if len(codes) else 1) if size is None else size
    values = np.arange(float(len(time))) if values is None else np.asarray(values, dtype=float)
    offsets = np.searchsorted(codes, np.arange(size + 1))
    return SortedRows(np.arange(len(time)), codes, time, values.reshape(len(time), -1), offsets)


def snapped(rows: SortedRows, alias: str, tolerance: float = 0.25):
    frequency = parse_frequency(alias)
    return snap_to_grid(rows, fit_grid(frequency, rows.time, rows.offsets), frequency, tolerance)


def clock(time: np.ndarray) -> list[str]:
    return [timestamp.replace("T", " ") for timestamp in time.astype("datetime64[s]").astype(str)]


# moving ----------------------------------------------------------------------------------------


def test_a_timestamp_moves_to_the_nearest_step_within_the_tolerance():
    rows = rows_of(
        ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00", "2024-01-01 02:45",
         "2024-01-01 04:15", "2024-01-01 05:16", "2024-01-01 05:44"],
    )  # fmt: skip
    done = snapped(rows, "h")
    assert clock(done.rows.time) == [
        "2024-01-01 00:00:00", "2024-01-01 01:00:00", "2024-01-01 02:00:00", "2024-01-01 03:00:00",
        "2024-01-01 04:00:00", "2024-01-01 05:16:00", "2024-01-01 05:44:00",
    ]  # fmt: skip
    assert done.moved_counts.tolist() == [2]
    assert done.rows.values[:, 0].tolist() == list(range(7))


def test_the_tolerance_of_months_is_a_share_of_the_month_the_timestamp_lies_in():
    # a quarter of February 2023 is 7 days, of March 7.75
    rows = rows_of(["2023-01-01", "2023-02-08", "2023-03-08T18", "2023-04-01", "2023-05-01"])
    done = snapped(rows, "MS")
    months = [f"2023-0{month}-01 00:00:00" for month in range(1, 6)]
    assert clock(done.rows.time) == months
    rows = rows_of(["2023-01-01", "2023-02-08T01", "2023-03-08T19", "2023-04-01", "2023-05-01"])
    assert snapped(rows, "MS").moved_counts.tolist() == [0]


def test_of_two_steps_equally_far_the_earlier_is_taken_so_that_order_is_kept():
    rows = rows_of([0, 10, 15, 20, 30], codes=[0] * 5)
    done = snapped(rows, "10", 0.5)
    assert done.rows.time.tolist() == [0, 10, 10, 20, 30]
    assert find_duplicates(done.rows).tolist() == [False, False, True, False, False]


def test_timestamps_that_scatter_around_the_full_quarter_hour_go_there():
    random = np.random.default_rng(1)
    exact = np.datetime64("2024-03-01", "us") + np.arange(500) * np.timedelta64(15 * MINUTE, "us")
    jitter = random.integers(-20 * SECOND, 20 * SECOND, 500)
    done = snapped(rows_of(np.sort(exact + jitter.astype("timedelta64[us]"))), "15min")
    assert (done.rows.time == exact).all()


def test_timestamps_that_scatter_around_five_past_go_there():
    jitter = np.array([-9, 4, 20, -17, 8, -2, 13, -20, 1]) * SECOND
    exact = np.datetime64("2024-03-01T00:05", "us") + np.arange(9) * np.timedelta64(15, "m")
    done = snapped(rows_of(exact + jitter.astype("timedelta64[us]")), "15min")
    assert (done.rows.time == exact).all()


def test_each_series_scatters_around_its_own_phase():
    random = np.random.default_rng(2)
    phases = np.array([0, 7 * 60 + 30, 3 * 60, 14 * 60 + 50, 5 * 60]) * SECOND
    start = np.datetime64("2024-03-01", "us")
    exact = [start + (np.arange(200) * 15 * MINUTE + phase) for phase in phases]
    time = [t + random.integers(-40 * SECOND, 40 * SECOND, 200) for t in exact]
    time[2] = exact[2]  # a series that is on a grid stays there, if not on the calendar's own
    time[4] = exact[4].copy()
    time[4][::3] += 30 * SECOND  # most rows agree on a step
    codes = np.repeat(np.arange(5), 200)
    done = snapped(rows_of(np.concatenate(time), codes=codes), "15min")
    expected = np.concatenate([*exact[:3], exact[3] + 10 * SECOND, exact[4]])
    assert (done.rows.time == expected).all()
    assert done.moved_counts[2] == 0
    assert done.moved_counts[4] == 67


@pytest.mark.parametrize(
    "alias", ["h", "D", "B", "W-TUE", "MS", "ME", "QS-FEB", "QE-DEC", "YS-APR"]
)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), tolerance=st.floats(0.05, 0.45))
def test_moving_jittered_timestamps_of_a_calendar_restores_it(alias, seed, tolerance):
    random = np.random.default_rng(seed)
    exact = pd.date_range("2018-02-03", periods=41, freq=alias).to_numpy().astype("datetime64[us]")
    width = np.diff(exact).astype(np.int64)
    # within the tolerance of the step to either side, and of the narrower one
    reach = np.minimum(width[1:], width[:-1]) * tolerance
    exact = exact[1:-1]
    time = exact + np.trunc(random.uniform(-1, 1, 39) * reach * 0.999).astype("timedelta64[us]")
    done = snapped(rows_of(time), alias, tolerance)
    assert (done.rows.time == exact).all()


def test_a_series_without_rows_and_no_rows_at_all_are_left_alone():
    rows = rows_of(["2024-01-01", "2024-01-02 01:00"], codes=[1, 1], size=3)
    done = snapped(rows, "D")
    assert done.moved_counts.tolist() == [0, 1, 0]
    none = snapped(rows.filter(np.zeros(2, dtype=bool)), "D")
    assert len(none.rows.time) == 0


# interpolating ----------------------------------------------------------------------------------


def test_values_are_interpolated_linearly_over_time():
    rows = rows_of(
        ["2024-01-01 00:30", "2024-01-01 02:30", "2024-01-01 03:00", "2024-01-01 04:15"],
        [[1, 10], [5, NAN], [7, NAN], [12, 40]],
    )
    done = interpolate_to_grid(rows, parse_frequency("h"))
    assert clock(done.rows.time) == [f"2024-01-01 0{hour}:00:00" for hour in (1, 2, 3, 4)]
    np.testing.assert_allclose(done.rows.values[:, 0], [2, 4, 7, 7 + 5 * 4 / 5])
    np.testing.assert_allclose(
        done.rows.values[:, 1], 10 + 30 * np.array([0.5, 1.5, 2.5, 3.5]) / 3.75
    )
    hour = parse_frequency("h").ordinals(done.rows.time)
    # known after the observation at 2:30, an observation itself, known after the one at 4:15
    assert (done.rows.available_after[:, 0] - hour).tolist() == [1, 0, 0, 0]
    assert (done.rows.available_after[:, 1] - hour).tolist() == [3, 2, 1, 0]
    assert done.rows.table_rows.tolist() == [0, 0, 2, 2]
    assert done.off_grid_counts.tolist() == [3]


def test_an_observation_on_a_step_is_behind_the_value_only_when_that_step_has_passed():
    rows = rows_of([0, 30, 35, 50], [0.0, 3.0, 9.0, 0.0])
    done = interpolate_to_grid(rows, parse_frequency("10"))
    np.testing.assert_allclose(done.rows.values[:, 0], [0, 1, 2, 3, 6, 0])
    assert done.rows.available_after[:, 0].tolist() == [0, 3, 3, 3, 5, 5]


def test_gaps_of_more_than_the_longest_number_of_steps_stay_open():
    time = [0, 10, 40, 45, 75, 80, 120]
    rows = rows_of(time, np.arange(7.0))
    done = interpolate_to_grid(rows, parse_frequency("10"), max_gap=2)
    observed = ~np.isnan(done.rows.values[:, 0])
    # 20 and 30 lie between two observations, 50 to 70 are three, 90 to 110 too
    assert (np.flatnonzero(observed) * 10).tolist() == [0, 10, 20, 30, 40, 80, 120]
    assert done.rows.available_after[:, 0].tolist() == [0, 1, 4, 4, 4, 7, 7, 7, 8, 12, 12, 12, 12]


def test_categories_hold_their_last_value_instead_of_an_interpolated_one():
    rows = rows_of([0, 15, 40, 60], [[0, 1], [3, 2], [8, NAN], [0, NAN]])
    done = interpolate_to_grid(rows, parse_frequency("10"), linear=[True, False])
    assert done.rows.values[:, 1].tolist() == [1, 1, 2, 2, 2, 2, 2]
    assert done.rows.available_after[:, 1].tolist() == list(range(7))
    done = interpolate_to_grid(rows, parse_frequency("10"), linear=[True, False], max_gap=3)
    np.testing.assert_array_equal(done.rows.values[:, 1], [1, 1, 2, 2, 2, NAN, NAN])


def test_what_comes_after_the_last_observation_of_a_column_is_never_available():
    rows = rows_of([0, 15, 40, 60], [[NAN, 1], [3, 2], [8, NAN], [0, NAN]])
    done = interpolate_to_grid(rows, parse_frequency("10"))
    np.testing.assert_array_equal(np.isnan(done.rows.values[:, 0]), [True, True, *[False] * 5])
    np.testing.assert_array_equal(np.isnan(done.rows.values[:, 1]), [*[False] * 2, *[True] * 5])
    assert done.rows.available_after[:, 0].tolist() == [0, 1, 4, 4, 4, 6, 6]
    assert done.rows.available_after[:, 1].tolist() == [0, 1, 7, 7, 7, 7, 7]


def irregular(seed: int, alias: str = "h") -> SortedRows:
    """Ragged series, one of them empty, some rows on a step of the calendar by chance."""
    random = np.random.default_rng(seed)
    minutes = random.choice([7, 30, 60]) * (1 if alias in ("h", "2h") else 240)
    timestamps, codes = [], []
    for code, most in enumerate((40, 3, 0, 1, 25)):
        number = int(random.integers(min(most, 1), most + 1))
        timestamps.append(np.unique(random.integers(-30, 30, number)) * minutes)
        codes.append(np.full(len(timestamps[-1]), code))
    time = np.datetime64("1970-01-05", "us") + np.concatenate(timestamps).astype("timedelta64[m]")
    values = random.normal(size=(len(time), 2))
    values[random.random(values.shape) < 0.3] = NAN
    return rows_of(time, values, np.concatenate(codes), size=5)


@pytest.mark.parametrize("alias", ["h", "2h", "D", "B", "W-WED", "MS", "ME", "QE-NOV"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_lines_agree_with_numpy_and_pandas_for_every_series_and_column(alias, seed):
    rows = irregular(seed, alias)
    done = interpolate_to_grid(rows, parse_frequency(alias))
    for code in range(rows.n_series):
        mine, new = rows.codes == code, done.rows.codes == code
        seen = mine & ~np.isnan(rows.values).all(axis=1)
        if not seen.any():
            assert not new.any()
            continue
        low, high = rows.time[seen][[0, -1]]
        steps = pd.date_range(pd.Timestamp(low).normalize(), high, freq=alias)
        steps = steps[steps >= low].to_numpy().astype("datetime64[us]")
        if alias == "2h":  # counted from 1970
            steps = steps[steps.astype(np.int64) % (120 * MINUTE) == 0]
        assert (done.rows.time[new] == steps).all()
        for column in range(2):
            known = mine & ~np.isnan(rows.values[:, column])
            if not known.any() or len(steps) == 0:
                continue
            series = pd.Series(rows.values[known, column], index=rows.time[known])
            at = steps.astype(np.int64)
            expected = np.interp(at, series.index.astype(np.int64), series, left=NAN, right=NAN)
            np.testing.assert_allclose(done.rows.values[new, column], expected, atol=1e-9)
            both = series.reindex(np.union1d(rows.time[known], steps))
            both = both.interpolate("time", limit_area="inside")[steps]
            np.testing.assert_allclose(done.rows.values[new, column], both, atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    place=st.floats(0, 1, exclude_max=True),
    longest=st.sampled_from([None, 2]),
    alias=st.sampled_from(["h", "2h", "B"]),
)
def test_nothing_from_the_origin_on_changes_what_is_available_before_it(
    seed, place, longest, alias
):
    """Columns that are lines and that are held, read at the first step after some observation."""
    rows, frequency = irregular(seed, alias), parse_frequency(alias)
    row = int(place * len(rows.time))
    calendar = np.zeros(1, dtype=np.int64)
    origin = frequency.ordinals(rows.time[row : row + 1])
    origin = origin + (frequency.timestamps(origin, calendar) <= rows.time[row])
    future = (rows.time >= frequency.timestamps(origin, calendar))[:, None]
    random = np.random.default_rng(seed)
    other = np.where(random.random(rows.values.shape) < 0.5, NAN, rows.values + 1.0)

    def available(values):
        """What a reader is given in the series, before the origin."""
        one = rows_of(rows.time, values, rows.codes, size=5)
        done = interpolate_to_grid(one, frequency, max_gap=longest, linear=[True, False]).rows
        step = frequency.ordinals(done.time)
        mine = done.codes == rows.codes[row]
        if not (step[mine] == origin - 1).any():  # its steps end before, or begin after
            return None
        past = mine & (step < origin)
        return step[past], np.where(done.available_after[past] < origin, done.values[past], -99.0)

    known = available(rows.values)
    for values in (np.where(future, other, rows.values), np.where(future, NAN, rows.values)):
        changed = available(values)
        if known is not None and changed is not None:
            np.testing.assert_array_equal(known[0], changed[0])
            np.testing.assert_array_equal(known[1], changed[1])


def test_a_value_may_be_used_exactly_if_the_observation_behind_it_is_before_the_origin():
    rows, frequency = irregular(11), parse_frequency("h")
    done, checked = interpolate_to_grid(rows, frequency).rows, 0
    hours = frequency.ordinals(done.time)
    for row, hour in enumerate(hours):
        known = (rows.codes == done.codes[row]) & ~np.isnan(rows.values[:, 0])
        later = rows.time[known & (rows.time >= done.time[row])]
        if len(later) and (known & (rows.time <= done.time[row])).any():
            for origin in range(hour + 1, hour + 30):
                before = later[0] < np.datetime64(int(origin), "h")
                assert (done.available_after[row, 0] < origin) == before
                checked += 1
    assert checked > 100


def test_a_wrong_year_is_refused_before_a_grid_is_made_of_it():
    rows = rows_of(["2024-01-01 00:03", "2024-01-01 00:16", "2204-01-01 00:31"])
    with pytest.raises(DataError, match="from 2024-01-01 00:03 to 2204-01-01 00:31 a series has"):
        interpolate_to_grid(rows, parse_frequency("15min"))


# gaps ------------------------------------------------------------------------------------------


def gap(time, alias, codes=None):
    rows = rows_of(time, codes=codes) if codes else rows_of(time)
    return time_since_previous(rows.time, rows.offsets, parse_frequency(alias))


def test_the_time_between_rows_is_in_usual_steps_and_begins_anew_with_each_series():
    time = ["2024-01-01", "2024-01-01 00:30", "2024-01-01 03:00", "2024-01-05", "2024-01-05 01:00"]
    np.testing.assert_allclose(gap(time, "h", [0, 0, 0, 2, 2]), [1, 0.5, 2.5, 1, 1])


def test_a_month_is_one_step_whatever_its_length_and_so_is_a_weekend():
    time = ["2024-01-01", "2024-02-01", "2024-02-15T12", "2024-05-01"]
    np.testing.assert_allclose(gap(time, "MS"), [1, 1, 0.5, 2.5])
    time = ["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-10"]
    np.testing.assert_allclose(gap(time, "B"), [1, 1, 1, 2])


def test_gaps_keep_their_digits_where_steps_are_microseconds():
    time = np.datetime64("2024-01-01", "us") + np.array([0, 1, 4]).astype("timedelta64[us]")
    np.testing.assert_allclose(gap(time, "2us"), [1, 0.5, 1.5], rtol=1e-12)
