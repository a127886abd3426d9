"""Coverage, gaps and ends of series, by hand calculation."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import (
    MAX_COLUMNS,
    MAX_ROWS,
    compute_coverage,
    count_by_power_of_two,
    gap_statistics,
    steps_behind_latest,
)
from rnnforecast.data.time.format import format_timestamp
from tests.data.panels import panel

NAN = float("nan")


def test_observed_filled_and_missing_steps_have_their_own_shares() -> None:
    two = panel([1, NAN, NAN, 4], [5, 6], start=["2024-01-01", "2024-01-03"])
    value_mask = two.observed_mask.copy()
    value_mask[1] = True
    found = compute_coverage(two, value_mask)
    assert found.row_labels == ("s0", "s1")
    assert found.observed_share.tolist() == [[1, 0, 0, 1], [0, 0, 1, 1]]
    assert found.filled_share.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert found.missing_share.tolist() == [[0, 0, 1, 0], [0, 0, 0, 0]]
    edges = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]
    assert [format_timestamp(edge) for edge in found.edges] == edges


@pytest.mark.parametrize(
    ("frequency", "start", "edges"),
    [
        ("6h", "2024-01-01T02:00", ["2024-01-01 02:00", "2024-01-01 08:00", "2024-01-01 14:00"]),
        ("W-WED", "2024-01-03", ["2024-01-03", "2024-01-10", "2024-01-17"]),
        ("2D", "2024-01-02", ["2024-01-02", "2024-01-04", "2024-01-06"]),
    ],
)
def test_periods_have_the_phase_of_the_series(frequency: str, start: str, edges: list[str]) -> None:
    one = panel([1, NAN], start=start, frequency=frequency)
    found = compute_coverage(one, one.observed_mask)
    assert [format_timestamp(edge) for edge in found.edges] == edges
    assert found.observed_share.tolist() == [[1, 0]]
    assert format_timestamp(gap_statistics(one).longest_start) == edges[1]


def test_shares_are_floats_and_counts_are_integers() -> None:
    one = panel([1, NAN, 3])
    found = compute_coverage(one, one.observed_mask)
    shares = (found.observed_share, found.filled_share, found.missing_share)
    assert {share.dtype for share in shares} == {np.dtype(np.float64)}
    assert found.series_counts.dtype == np.int64
    assert steps_behind_latest(one).dtype == np.int64
    assert {type(count) for count in gap_statistics(one).counts_by_length.values()} == {int}


def test_rows_are_ordered_by_the_start_of_the_series() -> None:
    three = panel([1, 1], [1], [1], start=["2024-01-03", "2024-01-01", "2024-01-02"])
    assert compute_coverage(three, three.observed_mask).row_labels == ("s1", "s2", "s0")


def test_in_a_group_series_that_do_not_run_count_too() -> None:
    size = 2 * MAX_ROWS
    starts = ["2024-01-01"] * size
    many = panel(*([[1.0, 1.0]] + [[1.0]] * (size - 1)), start=starts)
    found = compute_coverage(many, many.observed_mask)
    assert found.series_counts.tolist() == [2] * MAX_ROWS
    assert found.observed_share[0].tolist() == [1.0, 0.5]
    assert found.observed_share[1].tolist() == [1.0, 0.0]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 90), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_nothing_is_lost_however_many_series_and_steps(size: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, most + 1, size)
    days = np.datetime64("2024-01-01") + rng.integers(0, most, size)
    values = [np.where(rng.random(n) < 0.2, NAN, 1.0) for n in lengths]
    many = panel(*values, start=days.astype(str).tolist())
    value_mask = many.observed_mask | (rng.random(many.observed_mask.shape) < 0.5)
    found = compute_coverage(many, value_mask)
    assert found.observed_share.shape <= (MAX_ROWS, MAX_COLUMNS)
    assert (found.observed_share + found.filled_share + found.missing_share).max() <= 1 + 1e-12
    steps = found.series_counts[:, None] * np.diff(found.edges).astype("timedelta64[D]").astype(int)
    assert (found.observed_share * steps).sum() == pytest.approx(many.observed_mask.sum())
    assert (found.missing_share * steps).sum() == pytest.approx((~value_mask).sum())


def test_several_targets_share_a_step() -> None:
    one = panel([1, 2])
    two = replace(
        one, targets=np.ones((2, 2)), observed_mask=np.array([[True, False], [True, True]])
    )
    assert compute_coverage(two, two.observed_mask).observed_share.tolist() == [[0.5, 1.0]]


def test_irregular_series_miss_nothing_between_their_rows() -> None:
    times = np.array(["2024-01-01", "2024-01-02", "2024-01-09"], dtype="datetime64[us]")
    one = replace(panel([1, NAN, 3]), irregular_timestamps=times)
    found = compute_coverage(one, one.observed_mask)
    assert found.observed_share.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0, 1]]
    assert found.missing_share.tolist() == [[0, 1, 0, 0, 0, 0, 0, 0, 0]]
    assert format_timestamp(found.edges[-1]) == "2024-01-10"


def test_gaps_are_counted_by_doubling_lengths_and_end_with_their_series() -> None:
    found = gap_statistics(panel([1, NAN, 3, NAN, NAN, NAN], [NAN, 3, 4, NAN, 6, 7]))
    assert found.counts_by_length == {"1 step": 3, "2-3 steps": 1}
    assert (found.longest_steps, found.longest_series, format_timestamp(found.longest_start)) == (
        3,
        "s0",
        "2024-01-04",
    )


def test_without_a_gap_there_is_no_longest_one() -> None:
    found = gap_statistics(panel([1, 2, 3]))
    assert (found.counts_by_length, found.longest_steps, found.longest_start) == ({}, 0, None)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=20), min_size=1, max_size=4))
def test_gaps_are_the_runs_of_each_series(series: list[list[bool]]) -> None:
    runs = [len(list(run)) for one in series for there, run in groupby(one) if not there]
    found = gap_statistics(panel(*[[1.0 if there else NAN for there in one] for one in series]))
    assert sum(found.counts_by_length.values()) == len(runs)
    assert found.longest_steps == max(runs, default=0)


def test_timestamps_are_in_the_display_time_zone() -> None:
    one = replace(panel([1, NAN, 3], frequency="h"), display_timezone="Europe/Berlin")
    assert format_timestamp(compute_coverage(one, one.observed_mask).edges[0]) == "2024-01-01 01:00"
    assert format_timestamp(gap_statistics(one).longest_start) == "2024-01-01 02:00"


def test_ends_are_compared_with_the_latest_one() -> None:
    assert steps_behind_latest(panel([1, 2, 3], [1], [1, 2])).tolist() == [0, 2, 1]


def test_sizes_are_grouped_by_doubling() -> None:
    found = count_by_power_of_two(np.array([1, 2, 3, 4, 7, 8, 1024]))
    assert list(found)[:4] == ["1 step", "2-3 steps", "4-7 steps", "8-15 steps"]
    assert list(found.values()) == [1, 2, 2, 1, 0, 0, 0, 0, 0, 0, 1]
    assert list(found)[-1] == "1,024-2,047 steps"


def of_targets(**values: list[float]) -> Panel:
    """A panel of one series with these targets."""
    targets = np.array(list(values.values())).T
    one = panel(targets[:, 0].tolist())
    return replace(
        one, targets=targets, observed_mask=~np.isnan(targets), target_names=tuple(values),
        keys=one.keys.iloc[:, :0],
    )  # fmt: skip


def test_targets_of_a_single_series_have_rows_of_their_own() -> None:
    one = of_targets(revenue=[1, NAN, 3], orders=[NAN, NAN, 3])
    value_mask = one.observed_mask.copy()
    value_mask[0, 1] = True
    found = compute_coverage(one, value_mask)
    assert found.is_by_target
    assert found.row_labels == ("revenue", "orders")
    assert found.series_counts.tolist() == [1, 1]
    assert found.observed_share.tolist() == [[1, 0, 1], [0, 0, 1]]
    assert found.filled_share.tolist() == [[0, 0, 0], [1, 0, 0]]
    assert found.missing_share.tolist() == [[0, 1, 0], [0, 1, 0]]
    assert not compute_coverage(panel([1, 2]), np.ones((2, 1), dtype=np.bool_)).is_by_target


def test_many_targets_of_a_single_series_are_grouped() -> None:
    values = {f"t{k}": [float(k), NAN if k % 2 else 1.0] for k in range(2 * MAX_ROWS)}
    one = of_targets(**values)
    found = compute_coverage(one, one.observed_mask)
    assert found.row_labels == tuple(f"t{2 * k}" for k in range(MAX_ROWS))
    assert found.observed_share.tolist() == [[1, 0.5]] * MAX_ROWS
    assert found.series_counts.tolist() == [2] * MAX_ROWS


def test_the_longest_gap_names_its_target_if_there_are_several() -> None:
    found = gap_statistics(of_targets(a=[1, NAN, 3, NAN, 5], b=[1, NAN, NAN, 4, 5], c=[1.0] * 5))
    assert (found.longest_steps, found.longest_target) == (2, "b")
    assert gap_statistics(panel([1, NAN, 3])).longest_target == ""
