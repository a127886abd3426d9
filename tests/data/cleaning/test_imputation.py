"""Imputation: values against pandas and scipy, masks, and no look-ahead."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

from rnnforecast.data.cleaning.imputation import (
    FilledValues,
    ImputerOptions,
    impute,
    impute_columns,
)
from rnnforecast.data.time import grid
from rnnforecast.registry import IMPUTERS
from rnnforecast.types import Bools, Floats, Ints

NAN = np.nan
METHODS = tuple(
    name for name in IMPUTERS.names() if not {"fitted", "value"}.intersection(IMPUTERS.traits(name))
)


def column(*values: float) -> tuple[Floats, Bools]:
    flat = np.array(values, dtype=np.float64)[:, None]
    return flat, ~np.isnan(flat)


def bounds(*offsets: int) -> Ints:
    return np.array(offsets, dtype=np.int64)


def fill(
    values: Floats,
    observed: Bools,
    offsets: Ints,
    method: str,
    *,
    max_gap: int | None = None,
    known_from: Ints | None = None,
    **options: Any,
) -> FilledValues:
    """`impute` with its options as arguments."""
    return impute(
        values,
        observed,
        offsets,
        method,
        options=ImputerOptions(**options),
        max_gap=max_gap,
        known_from=known_from,
    )


def by_steps(
    values: Floats, observed: Bools, offsets: Ints, method: str, **options: Any
) -> FilledValues:
    """`fill` with timestamps that are one step apart."""
    return fill(
        values, observed, offsets, method, timestamps=np.arange(float(len(values))), **options
    )


def inputs_before(filled: FilledValues, observed: Bools, origin: int) -> list[npt.NDArray[Any]]:
    """All inputs of a forecast from the flat row `origin`."""
    visible = filled.value_mask[:origin]
    if filled.known_from is not None:
        visible = visible & ((filled.known_from[:origin] < origin) | ~observed[:origin])
    return [filled.inputs_at(origin), visible, filled.input_mask[:origin], filled.elapsed[:origin]]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("mask", [0, 2, 2, 2, 8, 8, 0, 5]),
        ("ffill", [0, 2, 2, 2, 8, 8, 0, 5]),
        ("mean", [0, 2, 2, 2, 8, 5, 0, 5]),
        ("median", [0, 2, 2, 2, 8, 5, 0, 5]),
        ("linear", [0, 2, 4, 6, 8, 8, 0, 5]),
        ("time", [0, 2, 4, 6, 8, 8, 0, 5]),
        ("spline", [0, 2, 4, 6, 8, 8, 0, 5]),
        ("bfill", [0, 2, 8, 8, 8, 8, 0, 5]),
        ("mode", [0, 2, 2, 2, 8, 2, 0, 5]),
        ("masked_constant", [7, 2, 7, 7, 8, 7, 7, 5]),
        ("seasonal", [0, 2, 2, 2, 8, 2, 0, 5]),
    ],
)
def test_each_method_fills_gaps_within_a_series_by_its_rule(
    method: str, expected: list[float]
) -> None:
    values, observed = column(NAN, 2, NAN, NAN, 8, NAN, NAN, 5)
    filled = by_steps(values, observed, bounds(0, 6, 8), method, season=2, fill_value=7.0)
    np.testing.assert_allclose(filled.inputs[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_masks_follow_from_the_traits_of_a_method(method: str) -> None:
    values, observed = column(NAN, 2, NAN, 8, NAN)
    filled, traits = by_steps(values, observed, bounds(0, 5), method), IMPUTERS.traits(method)
    readable = ["constant" in traits, True, True, True, True]
    assert filled.input_mask[:, 0].tolist() == readable
    as_value = [False, True, False, True, False] if "masks" in traits else readable
    assert filled.value_mask[:, 0].tolist() == as_value
    assert (filled.known_from is not None) == ("looks_ahead" in traits)


def test_elapsed_steps_restart_with_each_series() -> None:
    values, observed = column(NAN, NAN, 2, NAN, NAN, 8, NAN, 5, NAN)
    filled = fill(values, observed, bounds(0, 6, 9), "mask")
    assert filled.elapsed[:, 0].tolist() == [1, 2, 0, 1, 2, 0, 1, 0, 1]


def test_an_interpolated_value_is_known_once_the_value_after_the_gap_is() -> None:
    values, observed = column(NAN, 2, NAN, NAN, 8, NAN, NAN, 5)
    filled = fill(values, observed, bounds(0, 6, 8), "linear")
    assert filled.known_from is not None
    assert filled.known_from[:, 0].tolist() == [0, 1, 4, 4, 4, 5, 6, 7]
    assert filled.inputs_at(4)[:, 0].tolist() == [0, 2, 2, 2]  # row 4, the 8, is not known yet
    np.testing.assert_allclose(filled.inputs_at(5)[:, 0], [0, 2, 4, 6, 8])


def test_values_of_unobserved_cells_are_ignored() -> None:
    observed = np.array([[False], [True], [False], [True], [False]])
    junk = np.array([[np.inf], [1.0], [NAN], [3.0], [-1e300]])
    clean = np.where(observed, junk, 0.0)
    for method in METHODS:
        ours, theirs = (by_steps(v, observed, bounds(0, 5), method).inputs for v in (junk, clean))
        np.testing.assert_array_equal(ours, theirs)


def test_an_empty_panel_stays_empty() -> None:
    for method in METHODS:
        filled = by_steps(np.empty((0, 2)), np.empty((0, 2), dtype=bool), bounds(0), method)
        assert filled.inputs.shape == (0, 2)


cells = st.one_of(st.just(NAN), st.floats(-1e6, 1e6))


@st.composite
def panels(draw: st.DrawFn) -> tuple[Floats, Ints]:
    """Up to three ragged series of two targets, with gaps."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    size = 2 * sum(lengths)
    flat = draw(st.lists(cells, min_size=size, max_size=size))
    return np.array(flat).reshape(-1, 2), np.cumsum([0, *lengths], dtype=np.int64)


@given(panels(), st.sampled_from(METHODS))
def test_observed_values_are_never_touched_and_nothing_stays_missing(
    panel: tuple[Floats, Ints], method: str
) -> None:
    values, offsets = panel
    observed = ~np.isnan(values)
    filled = by_steps(values, observed, offsets, method)
    np.testing.assert_array_equal(filled.inputs[observed], values[observed])
    assert np.isfinite(filled.inputs).all()
    assert np.isfinite(filled.causal_inputs).all()
    assert filled.value_mask[observed].all()


@given(
    panels(), st.sampled_from(METHODS), st.sampled_from([None, 1, 3]), st.integers(1, 4), st.data()
)
def test_values_at_or_after_an_origin_change_no_input_before_it(
    panel: tuple[Floats, Ints],
    method: str,
    max_gap: int | None,
    season: int,
    data: st.DataObject,
) -> None:
    values, offsets = panel
    times = np.cumsum(np.arange(1.0, len(values) + 1))
    origin = data.draw(st.integers(0, len(values)))
    other = values.copy()
    size = other[origin:].size
    tail = data.draw(st.lists(cells, min_size=size, max_size=size))
    other[origin:] = np.array(tail).reshape(-1, 2)
    one, two = (
        fill(
            cells,
            ~np.isnan(cells),
            offsets,
            method,
            timestamps=times,
            season=season,
            fill_value=3.0,
            max_gap=max_gap,
        )
        for cells in (values, other)
    )
    given_one = inputs_before(one, ~np.isnan(values), origin)
    given_two = inputs_before(two, ~np.isnan(other), origin)
    for ours, theirs in zip(given_one, given_two, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(panels(), st.sampled_from(METHODS), st.integers(1, 3))
def test_steps_of_a_gap_beyond_the_limit_are_masked(
    panel: tuple[Floats, Ints], method: str, longest: int
) -> None:
    values, offsets = panel
    observed = ~np.isnan(values)
    whole = by_steps(values, observed, offsets, method)
    limited = by_steps(values, observed, offsets, method, max_gap=longest)
    masked = fill(values, observed, offsets, "mask")
    far = ~observed & (masked.elapsed > longest)
    for name in ("inputs", "value_mask", "input_mask"):
        expected = np.where(far, getattr(masked, name), getattr(whole, name))
        np.testing.assert_array_equal(getattr(limited, name), expected)


@given(panels(), st.sampled_from(METHODS), st.data())
def test_the_order_of_the_series_does_not_matter(
    panel: tuple[Floats, Ints], method: str, data: st.DataObject
) -> None:
    values, offsets = panel
    count = len(offsets) - 1
    order = data.draw(st.permutations(range(count)))
    rows = np.concatenate([np.arange(offsets[s], offsets[s + 1]) for s in order])
    moved = np.r_[0, np.cumsum(np.diff(offsets)[list(order)])]
    one = by_steps(values, ~np.isnan(values), offsets, method, season=2).inputs[rows]
    two = by_steps(values[rows], ~np.isnan(values[rows]), moved, method, season=2).inputs
    np.testing.assert_allclose(one, two, rtol=1e-12)


@given(st.lists(st.sampled_from([NAN, 1.0, 2.0, 3.0]), min_size=1, max_size=12))
def test_the_mode_is_the_value_that_first_became_most_frequent(cells: list[float]) -> None:
    values, observed = column(*cells)
    found = fill(values, observed, bounds(0, len(cells)), "mode").inputs[:, 0]
    counts: dict[float, int] = {}
    best = 0.0
    for value, ours in zip(cells, found, strict=True):
        if not np.isnan(value):
            counts[value] = counts.get(value, 0) + 1
            best = value if counts[value] > counts.get(best, 0) or len(counts) == 1 else best
            assert ours == value
        else:
            assert ours == best


def test_interpolation_over_time_is_that_of_pandas() -> None:
    stamps = pd.DatetimeIndex(
        ["2024-01-01", "2024-02-01", "2024-03-01", "2024-07-01", "2024-08-01"]
    )
    values, observed = column(1, NAN, NAN, 5, 6)
    times = stamps.asi8.astype(np.float64)
    found = fill(values, observed, bounds(0, 5), "time", timestamps=times).inputs[:, 0]
    expected = pd.Series(values[:, 0], stamps).interpolate("time").to_numpy()
    np.testing.assert_allclose(found, expected)


def test_a_spline_is_the_cubic_hermite_of_scipy_with_slopes_known_at_the_gap() -> None:
    values, observed = column(1, 2, NAN, NAN, 8, 7, NAN, 3)
    found = fill(values, observed, bounds(0, 8), "spline").inputs[:, 0]
    before = PchipInterpolator([0, 1, 4], [1, 2, 8]).derivative()(1)
    first = CubicHermiteSpline([1, 4], [2, 8], [before, (8 - 2) / 3])
    before = PchipInterpolator([4, 5, 7], [8, 7, 3]).derivative()(5)
    second = CubicHermiteSpline([5, 7], [7, 3], [before, (3 - 7) / 2])
    np.testing.assert_allclose(found[[2, 3, 6]], [*first([2, 3]), second(6)])


def test_a_spline_between_huge_values_stays_finite_and_turns_level_at_a_peak() -> None:
    values, observed = column(-1.7e308, 1.7e308, NAN, -1.7e308)
    found = fill(values, observed, bounds(0, 4), "spline").inputs[2, 0]
    curve = CubicHermiteSpline([1, 3], [1.7, -1.7], [0, -1.7])  # level at the peak
    np.testing.assert_allclose(found / 1e308, curve(2))


def test_interpolation_over_time_needs_timestamps() -> None:
    values, observed = column(1, NAN, 3)
    with pytest.raises(ValueError, match="timestamps"):
        fill(values, observed, bounds(0, 3), "time")


def test_splines_go_by_steps() -> None:
    values, observed = column(1, 2, NAN, 5, NAN, 7)
    one, two = (
        fill(values, observed, bounds(0, 6), "spline", timestamps=times).inputs
        for times in (None, np.cumsum(np.arange(6.0)) * 1e9)
    )
    np.testing.assert_array_equal(one, two)


def test_a_gap_longer_than_the_limit_has_values_up_to_it() -> None:
    values, observed = column(1, NAN, NAN, NAN, 5)
    filled = fill(values, observed, bounds(0, 5), "linear", max_gap=2)
    assert filled.inputs[:, 0].tolist() == [1, 2, 3, 1, 5]
    assert filled.value_mask[:, 0].tolist() == [True, True, True, False, True]
    assert filled.input_mask.all()


@given(st.lists(cells, min_size=1, max_size=20), st.integers(1, 6))
def test_a_seasonal_fill_goes_back_season_by_season(known: list[float], season: int) -> None:
    values, observed = column(*known)
    found = fill(values, observed, bounds(0, len(known)), "seasonal", season=season).inputs[:, 0]
    for row, ours in enumerate(found):
        phase = [known[k] for k in range(row, -1, -season) if observed[k, 0]]
        earlier = [known[k] for k in range(row, -1, -1) if observed[k, 0]]
        assert ours == next(iter([*phase, *earlier, 0.0]))


def test_a_seasonal_fill_takes_the_latest_value_of_the_same_phase() -> None:
    values, observed = column(1, 2, 3, NAN, 5, NAN, 7, NAN, NAN, NAN)
    found = fill(values, observed, bounds(0, 10), "seasonal", season=3).inputs[:, 0]
    assert found.tolist() == [1, 2, 3, 1, 5, 3, 7, 5, 3, 7]


@given(panels(), st.lists(st.sampled_from(METHODS), min_size=4, max_size=4))
def test_columns_filled_together_equal_columns_filled_alone(
    panel: tuple[Floats, Ints], methods: list[str]
) -> None:
    values, offsets = np.tile(panel[0], 2), panel[1]
    observed, times = ~np.isnan(values), np.arange(float(len(values)))
    numbers = [1.0, 1.0, 1.0, 2.0]
    options = [ImputerOptions(fill_value=number, timestamps=times) for number in numbers]
    joined = impute_columns(values, observed, offsets, methods, options=options)
    rows = np.arange(len(values))
    for c, (method, number) in enumerate(zip(methods, numbers, strict=True)):
        own = [c]
        alone = by_steps(values[:, own], observed[:, own], offsets, method, fill_value=number)
        for name in ("inputs", "value_mask", "input_mask", "elapsed", "causal_inputs"):
            np.testing.assert_array_equal(getattr(joined, name)[:, own], getattr(alone, name))
        if alone.known_from is not None:
            assert joined.known_from is not None
            np.testing.assert_array_equal(joined.known_from[:, own], alone.known_from)
        elif joined.known_from is not None:
            np.testing.assert_array_equal(joined.known_from[:, c], rows)


def test_columns_may_have_methods_of_their_own() -> None:
    values = np.array([[1.0, 1.0], [NAN, NAN], [3.0, 3.0]])
    observed, offsets = ~np.isnan(values), bounds(0, 3)
    options = [ImputerOptions(fill_value=value) for value in (0.0, -1.0)]
    found = impute_columns(
        values, observed, offsets, ["linear", "masked_constant"], options=options
    )
    assert found.inputs[1].tolist() == [2.0, -1.0]
    assert found.value_mask[1].tolist() == [True, False]
    assert found.known_from is not None
    assert found.known_from.tolist() == [[0, 0], [2, 1], [2, 2]]
    assert found.inputs_at(2).tolist() == [[1.0, 1.0], [1.0, -1.0]]


@st.composite
def sparse_panels(draw: st.DrawFn) -> tuple[Floats, Ints]:
    """Up to three series of one target, observed now and then."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))
    some = st.one_of(st.just(NAN), st.just(NAN), st.floats(-1e3, 1e3))
    flat = draw(st.lists(some, min_size=sum(lengths), max_size=sum(lengths)))
    return np.array(flat)[:, None], np.cumsum([0, *lengths], dtype=np.int64)


def interpolate_between(observations: Floats, offsets: Ints, longest: int) -> tuple[Floats, Ints]:
    """Linear interpolation across gaps up to `longest` steps, and the row from which a cell is
    known: the next observation, or the end of the series."""
    values, known_from = observations.copy(), np.arange(len(observations))[:, None]
    for begin, end in pairwise(offsets.tolist()):
        at = begin + np.flatnonzero(~np.isnan(observations[begin:end, 0]))
        for low, high in pairwise([*at.tolist(), end]):
            known_from[low + 1 : high] = high
            if high < end and high - low - 1 <= longest:
                inner = np.arange(low, high + 1)
                values[inner, 0] = np.interp(inner, [low, high], observations[[low, high], 0])
    return values, known_from


@settings(deadline=None)
@given(
    sparse_panels(),
    st.sampled_from(METHODS),
    st.sampled_from([None, 2]),
    st.integers(0, 5),
    st.data(),
)
def test_values_interpolated_by_regularization_are_unknown_before_the_next_observation(
    panel: tuple[Floats, Ints],
    method: str,
    max_gap: int | None,
    longest: int,
    data: st.DataObject,
) -> None:
    observations, offsets = panel
    origin = data.draw(st.integers(0, len(observations)))
    tail = data.draw(st.lists(cells, min_size=len(observations), max_size=len(observations)))
    other = observations.copy()
    other[origin:, 0] = tail[origin:]
    found = []
    for known in (observations, other):
        values, known_from = interpolate_between(known, offsets, longest)
        observed = ~np.isnan(values)
        options = {"season": 2, "fill_value": 3.0, "max_gap": max_gap}
        filled = by_steps(values, observed, offsets, method, known_from=known_from, **options)
        np.testing.assert_array_equal(filled.inputs[observed], values[observed])
        assert not (filled.value_mask & ~filled.input_mask).any()
        found.append(inputs_before(filled, observed, origin))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_interpolated_value_is_the_last_observation_until_the_next_one_is_known() -> None:
    values, observed = column(1, 2, 3, 4, NAN)
    known_from = np.array([[0], [3], [3], [3], [5]])
    filled = fill(values, observed, bounds(0, 5), "mask", known_from=known_from)
    assert filled.known_from is not None
    assert filled.known_from[:, 0].tolist() == [0, 3, 3, 3, 5]
    assert filled.inputs_at(3)[:, 0].tolist() == [1, 1, 1]
    assert filled.inputs_at(4)[:, 0].tolist() == [1, 2, 3, 4]
    assert filled.value_mask[:, 0].tolist() == [True] * 4 + [False]
    assert filled.elapsed[:, 0].tolist() == [0, 1, 2, 0, 1]


def test_nothing_is_an_input_before_the_first_value_that_is_known() -> None:
    values, observed = column(1, 2, 3)  # drawn from a measure that lies before the first row
    known_from = np.array([[1], [1], [2]])
    filled = fill(values, observed, bounds(0, 3), "ffill", known_from=known_from)
    assert filled.input_mask[:, 0].tolist() == [False, True, True]
    assert filled.value_mask[:, 0].tolist() == [False, True, True]
    assert filled.inputs_at(1)[:, 0].tolist() == [0]


def test_a_value_never_known_in_one_series_does_not_delay_another() -> None:
    values, observed = column(1, NAN, 3, 4)
    known_from = np.array([[0], [9], [2], [3]])
    filled = fill(values, observed, bounds(0, 2, 4), "ffill", known_from=known_from)
    assert filled.known_from is not None
    assert filled.known_from[:, 0].tolist() == [0, 2, 2, 3]
    assert filled.value_mask[:, 0].tolist() == [True, False, True, True]


def test_a_mean_includes_interpolated_values_only_once_they_are_known() -> None:
    values, observed = column(0, 3, 6, NAN, NAN)
    known_from = np.array([[0], [2], [2], [3], [4]])
    filled = fill(values, observed, bounds(0, 5), "mean", known_from=known_from)
    assert filled.inputs[3:, 0].tolist() == [3, 3]  # of 0, 3 and 6
    assert filled.inputs_at(2)[:, 0].tolist() == [0, 0]  # the 3 is not known yet


@given(panels(), st.data())
def test_gathering_from_the_arrays_equals_inputs_at(
    panel: tuple[Floats, Ints], data: st.DataObject
) -> None:
    values, offsets = panel
    filled = fill(values, ~np.isnan(values), offsets, "linear")
    assert filled.known_from is not None
    origin = data.draw(st.integers(1, len(values)))
    row = np.array(data.draw(st.lists(st.integers(0, origin - 1), min_size=1, max_size=5)))
    known = filled.known_from[row] < origin
    gathered = np.where(known, filled.inputs[row], filled.causal_inputs[row])
    np.testing.assert_array_equal(gathered, filled.inputs_at(origin)[row])


@given(panels())
def test_the_numbers_are_those_of_pandas_series_by_series(panel: tuple[Floats, Ints]) -> None:
    values, offsets = panel
    observed = ~np.isnan(values)
    series = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    groups = [group for _, group in pd.DataFrame(values).groupby(series)]
    theirs: dict[str, list[pd.DataFrame]] = {
        "ffill": [g.ffill() for g in groups],
        "mean": [g.fillna(g.expanding().mean()) for g in groups],
        "median": [g.fillna(g.expanding().median()) for g in groups],
        "linear": [g.interpolate(limit_direction="forward") for g in groups],
    }
    for method, frames in theirs.items():
        ours = fill(values, observed, offsets, method).inputs
        expected = pd.concat(frames).fillna(0.0).to_numpy()
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-6)


@given(panels(), st.sampled_from(METHODS), st.integers(1, 6), st.booleans())
def test_filling_in_chunks_of_series_is_the_same(
    panel: tuple[Floats, Ints], method: str, at_once: int, drawn: bool
) -> None:
    values, offsets = panel
    observed = ~np.isnan(values)
    known_from = (
        np.broadcast_to(np.arange(len(values))[:, None] + 1, values.shape) if drawn else None
    )
    times = np.cumsum(np.arange(1.0, len(values) + 1))
    whole = fill(
        values, observed, offsets, method, timestamps=times, season=2, known_from=known_from
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "CHUNK_ROWS", at_once)
        parts = fill(
            values, observed, offsets, method, timestamps=times, season=2, known_from=known_from
        )
    for field in fields(whole):
        one, two = getattr(whole, field.name), getattr(parts, field.name)
        assert (one is None) == (two is None)
        np.testing.assert_allclose(one if one is not None else 0, two if two is not None else 0)
