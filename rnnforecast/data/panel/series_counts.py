"""Counts of values, steps and gaps of each series."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.panel.calendar_notes import coarser_series_notes
from rnnforecast.data.panel.regularize_state import RegularizeState
from rnnforecast.data.panel.sparse_notes import sparse_count_notes
from rnnforecast.data.time.grid import one_step_mask, reduce_per_series
from rnnforecast.types import Ints


def measure_agreement(state: RegularizeState) -> float:
    """The share of differences between a series' timestamps that are one step."""
    codes = state.rows.codes
    inside = codes[1:] == codes[:-1]
    regular = state.count(codes[1:], inside & one_step_mask(state.grid))
    every = state.count(codes[1:], inside)
    if state.clean.irregular != "keep" and not state.has_rule:
        labels = state.columns["label"]
        state.notes += coarser_series_notes(state.rows, regular, state.frequency, labels)
    state.columns["agreement"] = np.where(every > 0, regular / np.maximum(every, 1), np.nan)
    return float(regular.sum() / every.sum()) if every.any() else float("nan")


def count_values(state: RegularizeState, last_ordinals: Ints) -> None:
    rows = state.rows
    values = rows.values[:, : state.n_targets]
    blank = np.isnan(values)
    if blank.any():
        not_blank = state.grid.ordinals > last_ordinals[rows.codes]  # known ahead
        if state.is_added is not None:  # counted as gaps
            not_blank |= state.is_added
        state.columns["observed"] = state.count(rows.codes, np.asarray(~blank.all(axis=1)))
        inside = np.where(not_blank, 0, blank.sum(axis=1))
        missing = reduce_per_series(np.add, inside, rows.offsets, 0)
        state.counts["missing"] = np.maximum(missing - state.taken_as_missing, 0)
    else:
        state.columns["observed"] = np.diff(rows.offsets)
    low = reduce_per_series(np.fmin, values, rows.offsets, np.nan)  # [S, C]
    high = reduce_per_series(np.fmax, values, rows.offsets, np.nan)
    state.columns["constant"] = ((low == high) | np.isnan(low)).sum(axis=1)


def count_steps(state: RegularizeState, last_ordinals: Ints) -> None:
    rows, ordinals = state.rows, state.grid.ordinals
    first = reduce_per_series(np.minimum, ordinals, rows.offsets, 0)
    steps = np.where(np.diff(rows.offsets) > 0, last_ordinals - first + 1, 0)
    own = ordinals <= last_ordinals[rows.codes]
    if state.is_added is not None:
        blank = np.isnan(rows.values[:, : state.n_targets])
        own &= ~state.is_added | ~blank.any(axis=1)
        is_set = state.is_added & ~blank.all(axis=1)
        state.counts["set_steps"] = state.count(rows.codes, is_set)
    state.columns["steps"] = steps
    state.counts["gaps"] = np.maximum(steps - state.count(rows.codes, own), 0)


def note_sparse_counts(state: RegularizeState) -> None:
    if state.has_rule or state.clean.irregular in ("keep", "interpolate"):
        return
    own = state.rows.values[:, : state.n_targets]
    names, steps = list(state.table.roles.targets), int(state.columns["steps"].sum())
    state.notes += sparse_count_notes(own, steps, names)
