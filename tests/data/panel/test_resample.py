"""Resampling to coarser frequencies, against pandas."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.panel.resample import (
    calendar_phase,
    period_labels,
    period_numbers,
    resample_rows,
)
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.frequency import MONTHS, WEEKDAYS, parse_frequency
from rnnforecast.data.time.grid import fit_grid
from rnnforecast.spec.types import ResampleMethod

AGGREGATIONS = get_args(ResampleMethod)
SHORT = ("min", "15min", "30min", "h")
CALENDARS = [
    *SHORT, "6h", "12h", "D", "B", "MS", "ME",
    *(f"W-{day}" for day in WEEKDAYS),
    *(f"{unit}-{month}" for unit in ("QS", "QE", "YS", "YE") for month in MONTHS),
]  # fmt: skip


def rows_of(time, values, codes=None, size=None) -> SortedRows:
    """Rows in the order given, which has to be that of series and time."""
    time = np.asarray(time)
    if time.dtype.kind not in "iu":
        time = pd.DatetimeIndex(time).to_numpy().astype("datetime64[us]")
    codes = np.zeros(len(time), dtype=np.int64) if codes is None else np.asarray(codes)
    size = (int(codes.max()) + 1 if len(codes) else 1) if size is None else size
    values = np.asarray(values, dtype=np.float64).reshape(len(time), -1)
    offsets = np.searchsorted(codes, np.arange(size + 1))
    return SortedRows(np.arange(len(time)), codes, time, values, offsets)


def ragged(seed: int, alias: str, series: int = 3) -> SortedRows:
    """Series of different length and start over leap years, some values missing."""
    random = np.random.default_rng(seed)
    # about five years, or as many steps as a short one needs to be seen
    spread = 2 if alias in SHORT else 2000  # minutes
    timestamps, codes = [], []
    for code in range(series):
        begin = np.datetime64("2019-11-20T10:01") + code * 40 * 1440
        minutes = np.unique(random.integers(0, 1300, size=random.integers(1, 300))) * spread
        timestamps.append(begin + minutes + random.integers(0, spread, size=len(minutes)))
        codes.append(np.full(len(minutes), code))
    time = np.concatenate(timestamps).astype("datetime64[us]")
    values = random.normal(100, 30, (len(time), len(AGGREGATIONS)))
    values[random.random(values.shape) < 0.2] = np.nan
    return rows_of(time, values, np.concatenate(codes))


def by_pandas(rows: SortedRows, alias: str) -> pd.DataFrame:
    """Every rule on its column; periods without a row of the file left out."""
    names = [f"c{c}" for c in range(rows.values.shape[1])]
    frame = pd.DataFrame(rows.values, columns=names, index=pd.DatetimeIndex(rows.time))
    bins = frame.assign(series=rows.codes, row=1).groupby("series").resample(alias)
    result = {}
    for name, rule in zip(names, AGGREGATIONS, strict=True):
        extra = {"min_count": 1} if rule in ("sum", "min", "max", "first", "last") else {}
        result[name] = getattr(bins[name], rule)(**extra)
    return pd.DataFrame(result)[bins["row"].sum() > 0]


@pytest.mark.parametrize("alias", CALENDARS)
def test_every_rule_on_every_calendar_gives_what_pandas_gives(alias):
    rows = ragged(3, alias)
    done = resample_rows(
        rows,
        parse_frequency(alias),
        aggregations=AGGREGATIONS,
        native_frequency=None,
        partial_periods="keep",
    ).rows
    expected = by_pandas(rows, alias)
    timestamps = expected.index.get_level_values(1).to_numpy().astype("datetime64[us]")
    assert (done.codes == expected.index.get_level_values(0)).all()
    assert (done.time == timestamps).all()
    np.testing.assert_allclose(done.values, expected.to_numpy(), rtol=1e-12)
    assert (np.diff(done.offsets) == np.bincount(done.codes, minlength=3)).all()
    assert fit_grid(parse_frequency(alias), done.time, done.offsets).on_grid.all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), alias=st.sampled_from(CALENDARS))
def test_ragged_series_of_any_kind_are_resampled_as_pandas_does(seed, alias):
    rows = ragged(seed, alias)
    done = resample_rows(
        rows,
        parse_frequency(alias),
        aggregations=AGGREGATIONS,
        native_frequency=None,
        partial_periods="keep",
    ).rows
    expected = by_pandas(rows, alias)
    timestamps = expected.index.get_level_values(1).to_numpy().astype("datetime64[us]")
    assert (done.time == timestamps).all()
    np.testing.assert_allclose(done.values, expected.to_numpy(), rtol=1e-12)


def test_a_row_of_a_new_period_names_the_first_row_of_the_file_in_it():
    rows = rows_of(pd.date_range("2024-01-01", periods=5, freq="12h"), [1, 2, 3, 4, 5])
    done = resample_rows(
        rows,
        parse_frequency("D"),
        aggregations=["sum"],
        native_frequency=parse_frequency("12h"),
        partial_periods="keep",
    )
    assert done.rows.table_rows.tolist() == [0, 2, 4]
    assert done.rows.values[:, 0].tolist() == [3, 7, 5]


def test_a_weekend_belongs_to_the_friday_before_it():
    rows = rows_of(pd.date_range("2024-01-05", periods=4, freq="D"), [1, 2, 3, 4])  # Fri to Mon
    done = resample_rows(
        rows,
        parse_frequency("B"),
        aggregations=["sum"],
        native_frequency=parse_frequency("D"),
        partial_periods="keep",
    ).rows
    assert done.time.astype("datetime64[D]").astype(str).tolist() == ["2024-01-05", "2024-01-08"]
    assert done.values[:, 0].tolist() == [6, 4]


def test_multiples_are_counted_from_1970_for_all_series_alike():
    rows = rows_of(["2024-02-01", "2024-03-01", "2024-04-01"], [1, 2, 3])
    done = resample_rows(
        rows,
        parse_frequency("2MS"),
        aggregations=["sum"],
        native_frequency=parse_frequency("MS"),
        partial_periods="keep",
    ).rows
    assert done.time.astype("datetime64[M]").astype(str).tolist() == ["2024-01", "2024-03"]
    assert done.values[:, 0].tolist() == [1, 5]
    done = resample_rows(
        rows,
        parse_frequency("2ME"),
        aggregations=["sum"],
        native_frequency=parse_frequency("MS"),
        partial_periods="keep",
    ).rows
    assert done.time.astype("datetime64[D]").astype(str).tolist() == ["2024-02-29", "2024-04-30"]


def test_the_same_day_of_every_month_is_a_month_named_by_its_first_day():
    rows = rows_of(["2024-02-15", "2024-02-20", "2024-03-15"], [1, 2, 3])
    done = resample_rows(
        rows,
        parse_frequency("1mo"),
        aggregations=["sum"],
        native_frequency=None,
        partial_periods="keep",
    ).rows
    assert done.time.astype("datetime64[D]").astype(str).tolist() == ["2024-02-01", "2024-03-01"]


def test_whole_numbers_are_put_in_periods_of_so_many_units():
    rows = rows_of(np.arange(-3, 9), np.arange(12.0))
    done = resample_rows(
        rows,
        parse_frequency("5"),
        aggregations=["sum"],
        native_frequency=parse_frequency("1"),
        partial_periods="keep",
    )
    assert done.rows.time.tolist() == [-5, 0, 5]
    assert done.rows.values[:, 0].tolist() == [0 + 1 + 2, 3 + 4 + 5 + 6 + 7, 8 + 9 + 10 + 11]
    assert done.incomplete_periods.tolist() == [2]
    done = resample_rows(
        rows,
        parse_frequency("5"),
        aggregations=["sum"],
        native_frequency=parse_frequency("1"),
        partial_periods="drop",
    )
    assert done.rows.time.tolist() == [0]
    assert done.dropped_partial_periods.tolist() == [2]


@pytest.mark.parametrize(
    ("first", "last", "native", "alias", "left"),
    [
        ("2024-01-01", "2024-03-31", "D", "MS", [1, 2, 3]),
        ("2024-01-02", "2024-03-30", "D", "MS", [2]),
        ("2024-01-01", "2024-02-28", "D", "ME", [1]),  # a leap year
        ("2024-01-01", "2024-03-29", "B", "MS", [1, 2, 3]),  # a Friday
        ("2024-01-01", "2024-03-28", "B", "MS", [1, 2]),
        ("2024-01-01 00:30", "2024-02-29 23:30", "h", "MS", [1, 2]),
        ("2024-01-01 01:30", "2024-02-29 22:30", "h", "MS", []),
        ("2024-01-01", "2024-12-01", "MS", "YE-DEC", [12]),
        ("2024-01-01", "2024-11-01", "MS", "YE-DEC", []),
        ("2024-01-31", "2024-06-30", "ME", "QE-DEC", [3, 6]),
    ],
)
def test_periods_that_reach_beyond_the_rows_are_dropped(first, last, native, alias, left):
    time = pd.date_range(first, last, freq=native)
    rows = rows_of(time, np.ones(len(time)))
    whole = resample_rows(
        rows,
        parse_frequency(alias),
        aggregations=["sum"],
        native_frequency=parse_frequency(native),
        partial_periods="keep",
    )
    done = resample_rows(
        rows,
        parse_frequency(alias),
        aggregations=["sum"],
        native_frequency=parse_frequency(native),
        partial_periods="drop",
    )
    assert (pd.DatetimeIndex(done.rows.time).month == left).all()
    assert len(done.rows.time) == len(left)
    assert done.dropped_partial_periods.sum() == len(whole.rows.time) - len(left)
    assert whole.incomplete_periods.sum() == len(whole.rows.time) - len(left)
    assert done.incomplete_periods.sum() == 0


def test_partial_periods_are_counted_for_each_series():
    days = pd.date_range("2024-01-01", "2024-01-14", freq="D")  # two whole weeks
    time = [*days, *days[1:], *days[:2], days[0]]
    codes = [0] * 14 + [1] * 13 + [2] * 2 + [4]
    rows = rows_of(time, np.ones(30), codes, size=6)
    done = resample_rows(
        rows,
        parse_frequency("W-SUN"),
        aggregations=["sum"],
        native_frequency=parse_frequency("D"),
        partial_periods="drop",
    )
    assert done.dropped_partial_periods.tolist() == [0, 1, 1, 0, 1, 0]
    assert done.rows.offsets.tolist() == [0, 2, 3, 3, 3, 3, 3]
    assert done.rows.values[:, 0].tolist() == [7, 7, 7]


def test_a_period_with_a_gap_inside_is_incomplete_and_kept():
    time = pd.date_range("2024-01-01", "2024-01-28", freq="D")
    values = np.ones(28)
    values[9] = np.nan  # blank in the second week
    seen = np.arange(28) != 16  # no row in the third
    rows = rows_of(time[seen], values[seen])
    done = resample_rows(
        rows,
        parse_frequency("W-SUN"),
        aggregations=["sum"],
        native_frequency=parse_frequency("D"),
        partial_periods="drop",
    )
    assert done.rows.values[:, 0].tolist() == [7, 6, 6, 7]
    assert done.dropped_partial_periods.tolist() == [0]
    assert done.incomplete_periods.tolist() == [2]


def test_without_a_step_a_row_lasts_as_long_as_the_unit_its_timestamp_is_written_in():
    rules = ["sum"]
    days = rows_of(["2024-01-01", "2024-01-05", "2024-02-03", "2024-02-29"], np.ones(4))
    done = resample_rows(
        days,
        parse_frequency("MS"),
        aggregations=rules,
        native_frequency=None,
        partial_periods="drop",
    )
    assert done.rows.values[:, 0].tolist() == [2, 2]
    days = rows_of(["2024-01-02", "2024-01-05", "2024-02-03", "2024-02-28"], np.ones(4))
    done = resample_rows(
        days,
        parse_frequency("MS"),
        aggregations=rules,
        native_frequency=None,
        partial_periods="drop",
    )
    assert len(done.rows.time) == 0
    assert done.dropped_partial_periods.tolist() == [2]
    minutes = rows_of(["2024-01-01 00:00", "2024-01-01 23:58", "2024-01-02 00:01"], np.ones(3))
    done = resample_rows(
        minutes,
        parse_frequency("D"),
        aggregations=rules,
        native_frequency=None,
        partial_periods="drop",
    )
    assert done.rows.values[:, 0].tolist() == [2]
    minutes = rows_of(["2024-01-01 00:01", "2024-01-01 23:59", "2024-01-02 00:01"], np.ones(3))
    assert (
        len(
            resample_rows(
                minutes,
                parse_frequency("D"),
                aggregations=rules,
                native_frequency=None,
                partial_periods="drop",
            ).rows.time
        )
        == 0
    )


def test_covariates_known_ahead_stay_where_the_targets_end_inside_a_period():
    time = pd.date_range("2024-01-01", periods=31, freq="D")  # to a Wednesday
    target = np.where(np.arange(31) < 17, 1.0, np.nan)  # the last on a Wednesday, too
    rows = rows_of(time, np.column_stack([target, np.ones(31)]))
    done = resample_rows(
        rows,
        parse_frequency("W-SUN"),
        aggregations=["sum", "sum"],
        native_frequency=parse_frequency("D"),
        partial_periods="drop",
        n_targets=1,
    )
    np.testing.assert_array_equal(done.rows.values[:, 0], [7, 7, np.nan, np.nan])
    np.testing.assert_array_equal(done.rows.values[:, 1], [7, 7, 7, 7])
    assert done.dropped_partial_periods.tolist() == [
        2
    ]  # the targets' last week, the rows' last week


def test_a_series_without_a_value_keeps_its_complete_periods_and_an_empty_table_stays_empty():
    rows = rows_of(pd.date_range("2024-01-01", periods=10, freq="D"), np.full(10, np.nan))
    for rule in AGGREGATIONS:
        done = resample_rows(
            rows,
            parse_frequency("W-SUN"),
            aggregations=[rule],
            native_frequency=parse_frequency("D"),
            partial_periods="drop",
        )
        assert np.isnan(done.rows.values).all()
        assert len(done.rows.time) == 1
    empty = rows.filter(np.zeros(10, dtype=bool))
    done = resample_rows(
        empty,
        parse_frequency("W-SUN"),
        aggregations=["sum"],
        native_frequency=parse_frequency("D"),
        partial_periods="drop",
    )
    assert len(done.rows.time) == 0
    assert done.dropped_partial_periods.tolist() == done.incomplete_periods.tolist() == [0]


@settings(max_examples=60, deadline=None)
@given(
    alias=st.sampled_from([*CALENDARS, "2h", "3D", "2W-TUE", "2MS", "2ME", "2QS-FEB", "3YE-JUN",
                           "2B", "1mo"]),
    number=st.integers(-40, 700),
)  # fmt: skip
def test_labels_lie_on_the_calendars_own_grid_one_step_apart_and_in_their_period(alias, number):
    frequency = parse_frequency(alias)
    time = period_labels(frequency, np.array([number, number + 1]))
    ordinals = frequency.ordinals(time)
    assert np.diff(ordinals).tolist() == [1]
    assert frequency.phase(time, ordinals).tolist() == [calendar_phase(frequency)] * 2
    assert period_numbers(frequency, time).tolist() == [number, number + 1]
