"""Missing values filled for the inputs of a model, without a glance at the future.

A *reader* stands at an origin: a flat row of the panel, the first one it may not see. Whatever
happens in that row and after it, values or gaps, must not change what the reader is given for the
rows before. Most methods look back only, so their result holds for every origin at once. A line
across a gap needs the value behind the gap; until that is known the reader gets the last value
before the gap instead. ``known_from`` says, cell by cell, which of the two applies::

    value = where(known_from[row] < origin, inputs[row], causal[row])

What is drawn between two observations is itself known only later (`settled`). Until then a reader
gets what the cells that were known in their own row give, and takes it as missing::

    visible = visible[row] & (known_from[row] < origin or not observed[row])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rnnforecast.data.cleaning.observations import (
    ObservationIndex,
    expanding_statistic,
    latest_marked,
)
from rnnforecast.data.time.grid import series_chunks
from rnnforecast.types import Bools, Floats, Ints

FillMethod = Literal[
    "mask", "masked_constant", "ffill", "bfill", "mean", "median", "mode", "constant", "zero", "linear",
    "time", "spline", "seasonal",
]  # fmt: skip
LOOK_AHEAD_METHODS = ("bfill", "linear", "time", "spline")
"""Methods that need the observation behind a gap."""


@dataclass(frozen=True)
class FilledValues:
    """The targets without a missing value; `[N, C]` each."""

    inputs: Floats
    """Observed values as they are, the others filled; 0 where nothing stands."""
    value_mask: Bools
    """Whether a model is to take the value as one (else it is told that it is missing)."""
    input_mask: Bools
    """Whether a model may read the number, if only as a stand-in for a missing value."""
    elapsed: npt.NDArray[np.float32]
    """Steps since the last observation, 0 where observed; before the first one, since the series
    began, the step itself counted."""
    causal_inputs: Floats
    """What stands in for `inputs` while the fill is not known yet; for methods that look back only
    the same array as `inputs`."""
    known_from: Ints | None
    """The flat row that completes the knowledge behind `inputs`: the next observation for a row
    inside a gap, the row itself elsewhere. None: `inputs` may always be used."""

    def inputs_at(self, origin: int) -> Floats:
        """What a reader at the flat row `origin` may use: the rows before it, `[origin, C]`."""
        if self.known_from is None:
            return self.inputs[:origin]
        known = self.known_from[:origin] < origin
        return np.where(known, self.inputs[:origin], self.causal_inputs[:origin])


def fill_missing(
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    method: FillMethod,
    *,
    timestamps: Floats | None = None,
    season: int = 1,
    fill_value: float = 0.0,
    max_gap: int | None = None,
    known_from: Ints | None = None,
) -> FilledValues:
    """Fill the cells that are not observed; observed ones are never touched.

    mask      the last observed value, and the model is told that it is missing
    special   `fill_value`, and the model is told that it is missing
    ffill     the last observed value
    bfill     the next observed value
    mean, median, mode  that of the series so far; of equally frequent values the one that was so
              first
    constant  `fill_value`, before the first observation too; zero: the same with 0
    linear    on the straight line between the neighbours, by steps; time: by the stamps
    spline    on a cubic between the neighbours, its slopes from the observations up to them
    seasonal  the latest observed value at the same phase of an earlier season, else the last value

    Args:
        values: `[N, C]`; cells that are not observed may hold anything.
        observed: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        method: one of the above.
        times: `[N]` for ``time``, which needs it: when each row is, in any unit.
        season: for ``seasonal``, in steps.
        fill_value: for ``constant`` and ``special``, in the unit of the values.
        max_gap: only so many steps of a gap are filled; the rest is as with ``mask``.
        settled: `[N, C]` the row from which on a reader knows what a cell holds, a value or none,
            if that is later than its own (it lies between two observations that may be joined).

    Raises:
        ValueError: ``time`` without `times`.
    """

    parts = series_chunks(offsets)
    if len(parts) > 1:  # what is worked out on the way is several times as large as the result
        whole = _FilledBuilder(values.shape)
        for first, stop in parts:
            rows = slice(int(offsets[first]), int(offsets[stop]))
            part = fill_missing(
                values[rows],
                observed_mask[rows],
                offsets[first : stop + 1] - offsets[first],
                method,
                timestamps=None if timestamps is None else timestamps[rows],
                season=season,
                fill_value=fill_value,
                max_gap=max_gap,
                known_from=None if known_from is None else known_from[rows] - rows.start,
            )
            whole.insert(rows, part)
        return whole.build()

    def of(seen: Bools) -> FilledValues:
        ground = ObservationIndex.build(values, seen, offsets)
        filled = _fill_by_method(ground, method, timestamps, season, fill_value)
        return filled if max_gap is None else _limit_gap_length(filled, ground, max_gap)

    if known_from is None:
        return of(observed_mask)
    # nothing is known before what lies before it in its series, nor later than at the series' end
    end = np.repeat(offsets[1:], np.diff(offsets))[:, None]
    known = np.maximum.accumulate(np.minimum(known_from, end), axis=0)
    closed = known <= np.arange(len(known))[:, None]
    return _mask_until_known(
        of(observed_mask), of(observed_mask & closed), known, observed_mask | closed
    )


class _FilledBuilder:
    """A `Filled` that is put together from stretches of series."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.parts: dict[str, npt.NDArray[Any]] = {}

    def insert(self, rows: slice, part: FilledValues) -> None:
        """Take in the rows of some series."""
        for name in (
            "inputs",
            "value_mask",
            "input_mask",
            "elapsed",
            "causal_inputs",
            "known_from",
        ):
            values = getattr(part, name)
            if values is None or (name == "causal_inputs" and part.causal_inputs is part.inputs):
                continue
            if name not in self.parts:
                self.parts[name] = np.empty(self.shape, dtype=values.dtype)
            # a row of some series is a later one of all series
            self.parts[name][rows] = values + rows.start if name == "known_from" else values

    def build(self) -> FilledValues:
        """All rows."""
        parts = self.parts
        return FilledValues(
            parts["inputs"],
            parts["value_mask"],
            parts["input_mask"],
            parts["elapsed"],
            parts.get("causal_inputs", parts["inputs"]),
            parts.get("known_from"),
        )


def fill_missing_columns(
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    methods: Sequence[FillMethod],
    *,
    timestamps: Floats | None = None,
    season: int = 1,
    fill_values: Sequence[float],
    max_gap: int | None = None,
    known_from: Ints | None = None,
) -> FilledValues:
    """`fill` with a method and a fill value for each of the C columns."""
    columns: dict[tuple[FillMethod, float], list[int]] = {}
    for column, kind in enumerate(zip(methods, fill_values, strict=True)):
        columns.setdefault(kind, []).append(column)

    def of(kind: tuple[FillMethod, float], part: slice | list[int]) -> FilledValues:
        return fill_missing(
            values[:, part],
            observed_mask[:, part],
            offsets,
            kind[0],
            timestamps=timestamps,
            season=season,
            fill_value=kind[1],
            max_gap=max_gap,
            known_from=None if known_from is None else known_from[:, part],
        )

    if len(columns) == 1:
        return of(next(iter(columns)), slice(None))
    return _concat_columns([(part, of(kind, part)) for kind, part in columns.items()])


def _concat_columns(parts: Sequence[tuple[list[int], FilledValues]]) -> FilledValues:
    """One table of the columns that were filled apart."""
    order = np.argsort(np.concatenate([columns for columns, _ in parts]))
    found = [filled for _, filled in parts]
    known_from = None
    if any(filled.known_from is not None for filled in found):
        rows = np.arange(len(found[0].inputs), dtype=np.int64)[:, None]
        whole = [
            np.broadcast_to(rows, f.inputs.shape) if f.known_from is None else f.known_from
            for f in found
        ]
        known_from = np.concatenate(whole, axis=1)[:, order]
    return FilledValues(
        np.concatenate([f.inputs for f in found], axis=1)[:, order],
        np.concatenate([f.value_mask for f in found], axis=1)[:, order],
        np.concatenate([f.input_mask for f in found], axis=1)[:, order],
        np.concatenate([f.elapsed for f in found], axis=1)[:, order],
        np.concatenate([f.causal_inputs for f in found], axis=1)[:, order],
        known_from,
    )


def _fill_by_method(
    index: ObservationIndex,
    method: FillMethod,
    timestamps: Floats | None,
    season: int,
    fill_value: float,
) -> FilledValues:
    observed, begun = index.observed_mask, index.has_observation
    forward, elapsed = index.forward_fill(), index.elapsed()
    everywhere = np.ones_like(observed)
    if method == "mask":
        return FilledValues(forward, observed, begun, elapsed, forward, None)
    if method in ("constant", "zero", "masked_constant"):
        value = 0.0 if method == "zero" else fill_value
        inputs = np.where(observed, index.values, value)
        visible = observed if method == "masked_constant" else everywhere
        return FilledValues(inputs, visible, everywhere, elapsed, inputs, None)
    if method in LOOK_AHEAD_METHODS:
        following, inside = index.next_observed()
        inputs = np.where(inside, _fill_between(index, method, following, timestamps), forward)
        return FilledValues(inputs, begun, begun, elapsed, forward, following)
    if method == "ffill":
        inputs = forward
    elif method == "seasonal":
        inputs = _fill_seasonal(index, season, forward)
    elif method == "mode":
        inputs = np.where(observed, index.values, np.where(begun, _running_mode(index), 0.0))
    else:
        assert method in ("mean", "median")
        usual = expanding_statistic(index.values, observed, index.offsets, method)
        inputs = np.where(observed, index.values, np.where(begun, usual, 0.0))
    return FilledValues(inputs, begun, begun, elapsed, inputs, None)


def _limit_gap_length(filled: FilledValues, index: ObservationIndex, max_gap: int) -> FilledValues:
    """As `mask` beyond the first `longest` steps of each gap, which a reader in it knows too."""
    far = ~index.observed_mask & (filled.elapsed > max_gap)
    forward = index.forward_fill()
    causal = np.where(far, forward, filled.causal_inputs)
    same = filled.causal_inputs is filled.inputs
    return replace(
        filled,
        inputs=causal if same else np.where(far, forward, filled.inputs),
        value_mask=filled.value_mask & ~far,
        input_mask=np.where(far, index.has_observation, filled.input_mask),
        causal_inputs=causal,
    )


def _mask_until_known(
    full_fill: FilledValues, early_fill: FilledValues, known_from: Ints, is_final: Bools
) -> FilledValues:
    """`whole` where a reader knows the cells around, else `early`, which asks for less.

    ``known [N, C]`` is the row from which on a cell and all before it are known. A missing cell
    that might yet have got a value (`told` is False) is never shown as one, for then the unknown
    ones that did would be told from it.
    """
    rows = np.arange(len(known_from), dtype=np.int64)[:, None]
    behind = (
        np.broadcast_to(rows, known_from.shape)
        if full_fill.known_from is None
        else full_fill.known_from
    )
    return replace(
        full_fill,
        value_mask=full_fill.value_mask & early_fill.input_mask & is_final,
        input_mask=early_fill.input_mask,
        elapsed=early_fill.elapsed,
        causal_inputs=early_fill.causal_inputs,
        known_from=np.take_along_axis(known_from, behind, axis=0),
    )


def _fill_between(
    index: ObservationIndex, method: FillMethod, next_observed: Ints, timestamps: Floats | None
) -> Floats:
    """The values in gaps between two observations, `[N, C]`; elsewhere anything."""
    after = np.take_along_axis(index.values, next_observed, axis=0)
    if method == "bfill":
        return after
    before = np.take_along_axis(index.values, index.last_observed, axis=0)
    clock = np.arange(len(index.series_start), dtype=np.float64)
    if method == "time":
        if timestamps is None:
            raise ValueError("'time' needs the times of the rows")
        clock = timestamps
    left, right = clock[index.last_observed], clock[next_observed]
    width = np.where(right > left, right - left, 1.0)
    share = (clock[:, None] - left) / width
    if method != "spline":
        # Not `before + share * (after - before)`: the difference of two huge values overflows.
        return before * (1.0 - share) + after * share
    return _cubic_hermite(index, before, after, width, share)


def _cubic_hermite(
    index: ObservationIndex, before: Floats, after: Floats, width: Floats, fraction: Floats
) -> Floats:
    """Cubic Hermite across each gap; the slope behind it is that of the line across it, so that
    nothing beyond the next observation is asked for, the slope before it the harmonic mean of the
    lines to either side (Fritsch and Butland 1984, the rule of PCHIP)."""
    # the observation before the one before the gap
    begun, previous = np.zeros_like(index.has_observation), np.zeros_like(index.last_observed)
    begun[1:], previous[1:] = index.has_observation[:-1], index.last_observed[:-1]
    second = np.take_along_axis(previous, index.last_observed, axis=0)
    known = np.take_along_axis(begun, index.last_observed, axis=0) & (
        second >= index.series_start[:, None]
    )
    earlier = np.take_along_axis(index.values, second, axis=0)
    # in a unit of their own, for the differences of huge values overflow
    unit = np.maximum(np.maximum(np.abs(before), np.abs(after)), np.abs(earlier))
    unit = np.where(unit > 0, unit, 1.0)
    line = (after / unit - before / unit) / width
    gap = np.where(known, index.last_observed - second, 1)
    into = (before / unit - earlier / unit) / gap
    bent = into * line > 0  # else the curve turns at the observation, and is level there
    w, v = 2 * width + gap, width + 2 * gap
    with np.errstate(over="ignore"):  # next to nothing: then so is the slope
        mean = (w + v) / (w / np.where(bent, into, 1.0) + v / np.where(bent, line, 1.0))
    slope = np.where(known, np.where(bent, mean, 0.0), line)
    t = fraction
    left, right = (1 + 2 * t) * (1 - t) ** 2, t**2 * (3 - 2 * t)
    pull = t * (1 - t) ** 2 * slope + t**2 * (t - 1) * line
    return left * before + right * after + pull * width * unit


def _fill_seasonal(index: ObservationIndex, season: int, forward_filled: Floats) -> Floats:
    """The latest observed value at the same phase, else `forward`; `[N, C]`."""
    step = np.arange(len(index.series_start)) - index.series_start
    # rows of one series and phase one behind the other, in order of time
    order = np.lexsort((step, step % season, index.series_start))
    begins = np.r_[True, np.diff(index.series_start[order] * season + step[order] % season) != 0]
    start = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    found, last = latest_marked(index.observed_mask[order], start)
    values = np.take_along_axis(index.values[order], last, axis=0)
    result = np.empty_like(forward_filled)
    result[order] = np.where(found, values, forward_filled[order])
    return result


def _running_mode(index: ObservationIndex) -> Floats:
    """The most frequent value so far, `[N, C]`, of equals the one that was so first."""
    rows = np.arange(len(index.series_start), dtype=np.int64)
    result = np.zeros_like(index.values)
    for c in range(index.values.shape[1]):
        values, observed = index.values[:, c], index.observed_mask[:, c]
        order = np.lexsort((rows, values, ~observed, index.series_start))
        same = np.r_[
            False, (np.diff(values[order]) == 0) & (np.diff(index.series_start[order]) == 0)
        ]
        same[1:] &= observed[order][1:] == observed[order][:-1]
        first = np.maximum.accumulate(np.where(same, 0, rows))
        times = np.empty_like(rows)  # how often the row's own value has come, itself counted
        times[order] = rows - first + 1
        times[~observed] = 0
        # raised: more often than any value before; series by series through a growing offset
        base = index.series_start * 2
        most = np.maximum.accumulate(times + base)
        before = np.r_[-1, most[:-1]]
        raised = observed & (times + base > np.maximum(before, base))
        _, last = latest_marked(raised[:, None], index.series_start)
        result[:, c] = values[last[:, 0]]
    return result
