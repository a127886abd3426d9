"""Cures for rows off the grid, each tried on the rows before it is named."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnforecast.data.panel.irregular import snap_to_grid
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.frequency import (
    DAY,
    WEEKDAYS,
    Frequency,
    fixed_alias,
    parse_frequency,
    to_ticks,
    weekdays,
)
from rnnforecast.data.time.frequency_inference import infer_frequency
from rnnforecast.data.time.grid import fit_grid, one_step_mask
from rnnforecast.data.time.jittered_frequency import infer_jittered_frequency
from rnnforecast.errors import DataError
from rnnforecast.types import Bools

DEFAULT_TOLERANCE = 0.25
"""The default of `clean.tolerance`."""
MAX_OPTIONS = 3
"""So many options are named."""
MAX_TRIED_ROWS = 200_000
"""Cures are tried on the first series with at most about so many rows."""
MIN_AGREEMENT = 0.5
"""A frequency is known if at least this share of the differences between rows is one step."""
MIN_FIT = 0.8
"""Snapping must make this share of the differences one step, and resampling fill so many steps."""
MIN_FILLED_SHARE = 0.4
"""A finer frequency must have rows at at least this share of its steps."""
MAX_STRAY_SHARE = 0.02
"""If no larger share of the rows is off the grid, single timestamps are likely wrong."""
_ROUND_FREQUENCIES = ("s", "min", "15min", "h", "D", "W-SUN", "MS", "QS", "YS")


def off_grid_cure(rows: SortedRows, off_grid: Bools, frequency: Frequency) -> str:
    """What to set where the rows of `off_grid` [R] lie between two steps.

    Options are listed if applying them to the rows leads to a regular grid.
    """
    options = []
    is_stray = off_grid.sum() <= max(MAX_STRAY_SHARE * len(off_grid), 1)
    if is_stray:
        options.append("correct the timestamp")
    if frequency.calendar is not None and frequency.closed_mask(rows.time[off_grid]).any():
        base = frequency.base_alias
        options.append(f"set clean.frequency to {base}, where steps without a row are missing")
    elif finer := _finer_alias(rows, off_grid, frequency):
        options.append(f"set clean.frequency to {finer}")
    tried = _sample(rows, off_grid)
    if snap := _snap_option(tried, frequency, mostly_on_grid=2 * off_grid.sum() < len(off_grid)):
        # jitter of most rows is more likely than a finer frequency
        options.insert(len(options) if is_stray else 0, snap)
    if coarser := _resample_option(tried, frequency):
        options.append(coarser)
    if not snap and not is_stray:
        options.append("set clean.irregular to keep, which takes every row as a step")
    return ", or ".join(options[:MAX_OPTIONS])


def finer_than_data_cure(rows: SortedRows) -> str:
    """What to set where no two rows are one step of the given frequency apart."""
    try:
        vote = infer_frequency(rows.codes, rows.time)
    except DataError:
        return "set a coarser clean.frequency"
    if vote.agreement < MIN_AGREEMENT:
        return "set clean.frequency to auto"
    return f"set clean.frequency to {vote.frequency.alias}"


def huge_grid_cure(rows: SortedRows, frequency: Frequency) -> str:
    """What to set where a grid has far more steps than rows."""
    keep = "clean.irregular to keep, which takes every row as a step"
    if frequency.kind == "integer":
        return f"correct the number or set {keep}"
    found = _resample_option(rows, frequency)
    return ", or ".join(["correct the timestamp", *([found] if found else []), f"set {keep}"])


def _snap_option(rows: SortedRows, frequency: Frequency, *, mostly_on_grid: bool) -> str:
    """The frequency and tolerance with which all rows snap to steps of their own; "" if none."""
    candidates = list(_snap_frequencies(rows))
    if mostly_on_grid:
        candidates = [frequency, *candidates]
    for candidate in candidates:
        grid = fit_grid(candidate, rows.time, rows.offsets)
        for tolerance in (0.1, DEFAULT_TOLERANCE, 0.3, 0.35, 0.4, 0.45, 0.5):
            snapped = snap_to_grid(rows, grid, candidate, tolerance).rows
            again = fit_grid(candidate, snapped.time, snapped.offsets)
            inside = snapped.codes[1:] == snapped.codes[:-1]
            is_distinct = (again.ordinals[1:] > again.ordinals[:-1])[inside].all()
            regular = one_step_mask(again)[inside].sum() >= MIN_FIT * inside.sum() > 0
            if regular and is_distinct and again.on_grid.all():
                extra = f", clean.tolerance to {tolerance}" * (tolerance > DEFAULT_TOLERANCE)
                return f"set clean.irregular to snap, clean.frequency to {candidate.alias}{extra}"
    return ""


def _snap_frequencies(rows: SortedRows) -> Iterator[Frequency]:
    """Frequencies that the rows may scatter around, the likeliest first, each once."""
    if len(rows.codes) < 2:
        return
    usual = infer_jittered_frequency(rows.codes, rows.time)
    aliases = [usual.alias]
    if usual.kind == "month" and usual.step == 1:
        aliases += ["ME", "BME", "MS"]
    yield from (parse_frequency(alias) for alias in dict.fromkeys(aliases))


def _resample_option(rows: SortedRows, frequency: Frequency) -> str:
    """Resampling if several rows lie in one step, or to the finest usual frequency that leaves few
    steps without a row; "" if rows are not finer than the frequency."""
    grid = fit_grid(frequency, rows.time, rows.offsets)
    inside = rows.codes[1:] == rows.codes[:-1]
    same_step = np.diff(grid.ordinals)[inside] == 0
    is_usual = frequency.kind != "fixed" or DAY % frequency.step == 0 or frequency.step % DAY == 0
    if is_usual and not grid.on_grid.all() and same_step.any() and same_step.mean() >= 0.1:
        return f"set clean.resample to mean or sum, clean.frequency to {frequency.alias}"
    if rows.time.dtype.kind != "M" or len(same_step) == 0:
        return ""
    for alias in _ROUND_FREQUENCIES:
        candidate = parse_frequency(alias)
        ordinals = candidate.ordinals(rows.time)
        steps = np.diff(ordinals)[inside].sum()
        filled = (np.diff(ordinals)[inside] > 0).sum()
        if steps and filled >= MIN_FIT * steps:
            return f"set clean.resample to mean or sum, clean.frequency to {alias}"
    return ""


def _sample(rows: SortedRows, off_grid: Bools) -> SortedRows:
    """The rows of about `MAX_TRIED_ROWS` of the series with off-grid rows, and of the others."""
    affected = np.zeros(rows.n_series, dtype=np.bool_)
    affected[rows.codes[off_grid]] = True
    tried = np.zeros_like(affected)
    for group in (affected, ~affected):
        sizes = np.where(group, np.diff(rows.offsets), 0)
        tried |= group & (np.cumsum(sizes) - sizes < MAX_TRIED_ROWS)
    return rows.filter(tried[rows.codes])


def _finer_alias(rows: SortedRows, off_grid: Bools, frequency: Frequency) -> str:
    """The coarsest frequency whose grid has all rows of the series with off-grid rows, or ""."""
    tried = _sample(rows, off_grid)
    inside = tried.codes[1:] == tried.codes[:-1]
    common = int(np.gcd.reduce(np.diff(tried.time).astype(np.int64)[inside]))
    # A step split into more than 60 parts more likely comes from a wrong timestamp.
    if frequency.kind not in ("fixed", "integer") or common == 0 or common * 60 < frequency.step:
        return ""
    if frequency.kind == "integer":
        return str(common)
    weekday = WEEKDAYS[int(weekdays(to_ticks(tried.time[:1]))[0])]
    alias = fixed_alias(common, weekday)
    ordinals = parse_frequency(alias).ordinals(rows.time)
    steps = np.diff(ordinals)[rows.codes[1:] == rows.codes[:-1]].sum()
    return alias if len(rows.codes) >= MIN_FILLED_SHARE * steps else ""
