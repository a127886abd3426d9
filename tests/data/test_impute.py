"""Filling gaps: the right numbers, and never with a glance at the future."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.impute import Bools, Floats, Ints, Method, fill

NAN = np.nan
METHODS: tuple[Method, ...] = get_args(Method)


def column(*values: float) -> tuple[Floats, Bools]:
    flat = np.array(values, dtype=np.float64)[:, None]
    return flat, ~np.isnan(flat)


def bounds(*offsets: int) -> Ints:
    return np.array(offsets, dtype=np.int64)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("mask", [0, 2, 2, 2, 8, 8, 0, 5]),
        ("ffill", [0, 2, 2, 2, 8, 8, 0, 5]),
        ("mean", [0, 2, 2, 2, 8, 5, 0, 5]),
        ("median", [0, 2, 2, 2, 8, 5, 0, 5]),
        ("zero", [0, 2, 0, 0, 8, 0, 0, 5]),
        ("linear", [0, 2, 4, 6, 8, 8, 0, 5]),
    ],
)
def test_each_method_fills_a_gap_with_its_own_number_and_stays_in_its_series(
    method: Method, expected: list[float]
) -> None:
    values, observed = column(NAN, 2, NAN, NAN, 8, NAN, NAN, 5)
    filled = fill(values, observed, bounds(0, 6, 8), method)
    np.testing.assert_allclose(filled.inputs[:, 0], expected, rtol=1e-15)


def test_only_mask_tells_the_model_what_was_missing() -> None:
    values, observed = column(NAN, 2, NAN, 8, NAN)
    shown = {m: fill(values, observed, bounds(0, 5), m).visible[:, 0].tolist() for m in METHODS}
    since_the_first = [False, True, True, True, True]
    assert shown["mask"] == [False, True, False, True, False]
    assert shown["zero"] == [True] * 5
    assert all(shown[m] == since_the_first for m in ("ffill", "mean", "median", "linear"))


def test_a_line_is_known_once_the_value_behind_the_gap_is() -> None:
    values, observed = column(NAN, 2, NAN, NAN, 8, NAN, NAN, 5)
    filled = fill(values, observed, bounds(0, 6, 8), "linear")
    assert filled.known_from is not None
    assert filled.known_from[:, 0].tolist() == [0, 1, 4, 4, 4, 5, 6, 7]
    assert filled.at(4)[:, 0].tolist() == [0, 2, 2, 2]  # row 4, the 8, is not known yet
    np.testing.assert_allclose(filled.at(5)[:, 0], [0, 2, 4, 6, 8])


def test_what_lies_in_cells_that_are_not_observed_does_not_matter() -> None:
    observed = np.array([[False], [True], [False], [True], [False]])
    junk = np.array([[np.inf], [1.0], [NAN], [3.0], [-1e300]])
    clean = np.where(observed, junk, 0.0)
    for method in METHODS:
        ours, theirs = (fill(v, observed, bounds(0, 5), method).inputs for v in (junk, clean))
        np.testing.assert_array_equal(ours, theirs)


def test_an_empty_panel_stays_empty() -> None:
    for method in METHODS:
        filled = fill(np.empty((0, 2)), np.empty((0, 2), dtype=bool), bounds(0), method)
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
    panel: tuple[Floats, Ints], method: Method
) -> None:
    values, offsets = panel
    observed = ~np.isnan(values)
    filled = fill(values, observed, offsets, method)
    np.testing.assert_array_equal(filled.inputs[observed], values[observed])
    assert np.isfinite(filled.inputs).all()
    assert np.isfinite(filled.causal).all()
    assert filled.visible[observed].all()


@given(panels(), st.sampled_from(METHODS), st.data())
def test_nothing_at_or_after_an_origin_changes_what_its_reader_may_use(
    panel: tuple[Floats, Ints], method: Method, data: st.DataObject
) -> None:
    values, offsets = panel
    origin = data.draw(st.integers(0, len(values)))
    other = values.copy()
    size = other[origin:].size
    tail = data.draw(st.lists(cells, min_size=size, max_size=size))
    other[origin:] = np.array(tail).reshape(-1, 2)
    one = fill(values, ~np.isnan(values), offsets, method)
    two = fill(other, ~np.isnan(other), offsets, method)
    np.testing.assert_array_equal(one.at(origin), two.at(origin))
    np.testing.assert_array_equal(one.visible[:origin], two.visible[:origin])


@given(panels(), st.data())
def test_the_arrays_give_a_gather_the_same_as_at(
    panel: tuple[Floats, Ints], data: st.DataObject
) -> None:
    values, offsets = panel
    filled = fill(values, ~np.isnan(values), offsets, "linear")
    assert filled.known_from is not None
    origin = data.draw(st.integers(1, len(values)))
    row = np.array(data.draw(st.lists(st.integers(0, origin - 1), min_size=1, max_size=5)))
    known = filled.known_from[row] < origin
    gathered = np.where(known, filled.inputs[row], filled.causal[row])
    np.testing.assert_array_equal(gathered, filled.at(origin)[row])


@given(panels())
def test_the_numbers_are_those_of_pandas_series_by_series(panel: tuple[Floats, Ints]) -> None:
    values, offsets = panel
    observed = ~np.isnan(values)
    series = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    groups = [group for _, group in pd.DataFrame(values).groupby(series)]
    theirs: dict[Method, list[pd.DataFrame]] = {
        "ffill": [g.ffill() for g in groups],
        "mean": [g.fillna(g.expanding().mean()) for g in groups],
        "median": [g.fillna(g.expanding().median()) for g in groups],
        "linear": [g.interpolate(limit_direction="forward") for g in groups],
    }
    for method, frames in theirs.items():
        ours = fill(values, observed, offsets, method).inputs
        expected = pd.concat(frames).fillna(0.0).to_numpy()
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-6)
