"""Imputation of missing values for the inputs of the network, without look-ahead.

A forecast from an origin (the flat row of the first step that is forecast) may use earlier rows
only. Most methods look back, so their result holds for every origin. Interpolation needs the value
after a gap; for origins up to that row the input is the last value before the gap. `known_from`
decides cell by cell::

    value = where(known_from[row] < origin, inputs[row], causal_inputs[row])

Values that regularization interpolated between two observations are themselves known later than
their row (`known_from` of `impute`). For earlier origins the input is imputed from the cells known
by then, and the cell is marked as missing::

    value_mask = value_mask[row] & (known_from[row] < origin or not observed_mask[row])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rnnforecast.data.cleaning.observations import ObservationIndex
from rnnforecast.data.time.grid import series_chunks
from rnnforecast.registry import IMPUTERS
from rnnforecast.types import Bools, Floats, Floats32, Ints


@dataclass(frozen=True)
class ImputerOptions:
    """What an imputation method may use besides the values."""

    fill_value: float = 0.0
    """In units of the values."""
    season: int = 1
    """In steps."""
    timestamps: Floats | None = None
    """`[N]` in any unit, for methods with the trait ``needs_timestamps``."""
    calendar: Floats | None = None
    """`[N, D]` sines and cosines of cycles, for methods with the trait ``needs_calendar``."""
    seed: int = 1


DEFAULT_OPTIONS = ImputerOptions()


@dataclass(frozen=True)
class FilledValues:
    """Values with their gaps filled, and what is known of them; `[N, C]` each."""

    inputs: Floats
    """Observed and imputed values; 0 where there is neither."""
    value_mask: Bools
    """Whether the network takes the number as a value, observed or imputed; otherwise the network
    sees that it is missing."""
    input_mask: Bools
    """Whether the network may read the number, as a value or as a placeholder."""
    elapsed: Floats32
    """Steps since the last observation; before the first one, the number of rows since the series
    began, this one included."""
    causal_inputs: Floats
    """Used instead of `inputs` as long as these are not known; the same array as `inputs` for
    methods that look back only."""
    known_from: Ints | None
    """The flat row whose value makes `inputs` known: the next observation for a row in a gap, the
    row itself elsewhere. None: `inputs` are known at their own row everywhere."""

    def inputs_at(self, origin: int) -> Floats:
        """The inputs of a forecast from the flat row `origin`: the rows before, `[origin, C]`."""
        if self.known_from is None:
            return self.inputs[:origin]
        known = self.known_from[:origin] < origin
        return np.where(known, self.inputs[:origin], self.causal_inputs[:origin])


@dataclass(frozen=True)
class Estimates:
    """Values of a fitted imputer, `[N, C]` each; used in missing cells only."""

    inputs: Floats
    causal_inputs: Floats
    known_from: Ints | None = None
    """As in `FilledValues`."""


class FittedImputer(Protocol):
    """An imputer fitted to the training part."""

    def arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Everything that `ImputerMethod.from_arrays` needs."""

    def estimate(
        self, values: Floats, observed_mask: Bools, offsets: Ints, options: ImputerOptions
    ) -> Estimates:
        """Estimates of missing cells after a series' first observation."""


class ImputerMethod(Protocol):
    """A method that is fitted: a module of the registry, or an object with these functions."""

    def fit(
        self,
        values: Floats,
        observed_mask: Bools,
        offsets: Ints,
        train_mask: Bools,
        options: ImputerOptions,
    ) -> FittedImputer:
        """An imputer of all columns of `values [N, C]`, fitted to the rows `train_mask [N]`."""

    def from_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> FittedImputer:
        """The imputer whose `FittedImputer.arrays` these are."""


def impute(
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    method: str,
    *,
    options: ImputerOptions = DEFAULT_OPTIONS,
    max_gap: int | None = None,
    known_from: Ints | None = None,
) -> FilledValues:
    """Fills the cells that are not observed; observed values stay as they are.

    Args:
        values: `[N, C]`; cells that are not observed may hold anything.
        observed_mask: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        method: a name in `IMPUTERS` that is not ``fitted``.
        options: what the method may use besides the values.
        max_gap: the number of steps of a gap that are filled; the rest is as with ``mask``.
        known_from: `[N, C]` the row from which a cell is known (its value, or that it is missing),
            for cells that may have been interpolated from a later observation.

    Raises:
        ValueError: an unknown method, or one that needs timestamps without them.
    """
    chunks = series_chunks(offsets)
    if len(chunks) > 1:  # intermediate arrays are several times as large as the result
        builder = _FilledBuilder(values.shape)
        for first, stop in chunks:
            rows = slice(int(offsets[first]), int(offsets[stop]))
            timestamps = options.timestamps
            filled = impute(
                values[rows],
                observed_mask[rows],
                offsets[first : stop + 1] - offsets[first],
                method,
                options=replace(
                    options, timestamps=None if timestamps is None else timestamps[rows]
                ),
                max_gap=max_gap,
                known_from=None if known_from is None else known_from[rows] - rows.start,
            )
            builder.insert(rows, filled)
        return builder.build()

    def fill(mask: Bools) -> FilledValues:
        index = ObservationIndex.build(values, mask, offsets)
        filled = _fill(index, method, options)
        return filled if max_gap is None else _limit_gap_length(filled, index, max_gap)

    if known_from is None:
        return fill(observed_mask)
    # a cell is known once all earlier rows of its series are, at the latest at the series' end
    end = np.repeat(offsets[1:], np.diff(offsets))[:, None]
    known = np.maximum.accumulate(np.minimum(known_from, end), axis=0)
    is_final = known <= np.arange(len(known))[:, None]
    return _mask_until_known(
        fill(observed_mask), fill(observed_mask & is_final), known, observed_mask | is_final
    )


def impute_columns(
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    methods: Sequence[str],
    *,
    options: Sequence[ImputerOptions],
    max_gap: int | None = None,
    known_from: Ints | None = None,
) -> FilledValues:
    """`impute` with a method and options for each of the C columns."""
    groups: dict[tuple[str, float], list[int]] = {}
    for column, (method, own) in enumerate(zip(methods, options, strict=True)):
        groups.setdefault((method, own.fill_value), []).append(column)

    def fill(method: str, columns: list[int], part: slice | list[int]) -> FilledValues:
        return impute(
            values[:, part],
            observed_mask[:, part],
            offsets,
            method,
            options=options[columns[0]],
            max_gap=max_gap,
            known_from=None if known_from is None else known_from[:, part],
        )

    if len(groups) == 1:
        (((method, _), columns),) = groups.items()
        return fill(method, columns, slice(None))
    return _concat_columns(
        [(columns, fill(method, columns, columns)) for (method, _), columns in groups.items()]
    )


def _fill(index: ObservationIndex, method: str, options: ImputerOptions) -> FilledValues:
    """The result of a method's ``fill``, with masks according to the method's traits."""
    traits, observed = IMPUTERS.traits(method), index.observed_mask
    fill = IMPUTERS.load(method).fill(index, options)
    if "looks_ahead" in traits:
        causal = index.forward_filled
        inputs, known_from = np.where(index.in_gap, fill, causal), index.next_observed
    else:
        blank = fill if "constant" in traits else np.where(index.observed_so_far, fill, 0.0)
        inputs, known_from = np.where(observed, index.values, blank), None
        causal = inputs
    input_mask = np.ones_like(observed) if "constant" in traits else index.observed_so_far
    value_mask = observed if "masks" in traits else input_mask
    return FilledValues(inputs, value_mask, input_mask, index.elapsed, causal, known_from)


class _FilledBuilder:
    """`FilledValues` assembled from chunks of series."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.arrays: dict[str, npt.NDArray[Any]] = {}

    def insert(self, rows: slice, chunk: FilledValues) -> None:
        """Adds the rows of some series."""
        for name in (field.name for field in fields(chunk)):
            values = getattr(chunk, name)
            if values is None or (name == "causal_inputs" and values is chunk.inputs):
                continue
            if name not in self.arrays:
                self.arrays[name] = np.empty(self.shape, dtype=values.dtype)
            # row numbers count from the first row of all series
            self.arrays[name][rows] = values + rows.start if name == "known_from" else values

    def build(self) -> FilledValues:
        """All rows."""
        arrays: dict[str, Any] = {"causal_inputs": self.arrays["inputs"], "known_from": None}
        return FilledValues(**{**arrays, **self.arrays})


def _concat_columns(parts: Sequence[tuple[list[int], FilledValues]]) -> FilledValues:
    """One table of columns that were filled in groups."""
    order = np.argsort(np.concatenate([columns for columns, _ in parts]))
    groups = [filled for _, filled in parts]
    if any(filled.known_from is not None for filled in groups):
        rows = np.arange(len(groups[0].inputs), dtype=np.int64)[:, None]
        groups = [
            replace(filled, known_from=np.broadcast_to(rows, filled.inputs.shape))
            if filled.known_from is None
            else filled
            for filled in groups
        ]

    def concat(name: str) -> Any:
        columns = [getattr(filled, name) for filled in groups]
        return None if columns[0] is None else np.concatenate(columns, axis=1)[:, order]

    return FilledValues(**{field.name: concat(field.name) for field in fields(FilledValues)})


def _limit_gap_length(filled: FilledValues, index: ObservationIndex, max_gap: int) -> FilledValues:
    """`filled`, but as with ``mask`` after the first `max_gap` steps of each gap."""
    beyond = ~index.observed_mask & (filled.elapsed > max_gap)
    causal = np.where(beyond, index.forward_filled, filled.causal_inputs)
    same = filled.causal_inputs is filled.inputs
    return replace(
        filled,
        inputs=causal if same else np.where(beyond, index.forward_filled, filled.inputs),
        value_mask=filled.value_mask & ~beyond,
        input_mask=np.where(beyond, index.observed_so_far, filled.input_mask),
        causal_inputs=causal,
    )


def _mask_until_known(
    full_fill: FilledValues, early_fill: FilledValues, known_from: Ints, is_final: Bools
) -> FilledValues:
    """`full_fill` once the cells it uses are known; until then `early_fill`, from final cells only.

    `known_from [N, C]` is the row from which a cell and all earlier ones are known. A missing cell
    that could still have been interpolated (not `is_final`) is never marked as a value: otherwise
    the mask would tell which cells were interpolated later.
    """
    rows = np.arange(len(known_from), dtype=np.int64)[:, None]
    last_used = full_fill.known_from
    if last_used is None:
        last_used = np.broadcast_to(rows, known_from.shape)
    return replace(
        full_fill,
        value_mask=full_fill.value_mask & early_fill.input_mask & is_final,
        input_mask=early_fill.input_mask,
        elapsed=early_fill.elapsed,
        causal_inputs=early_fill.causal_inputs,
        known_from=np.take_along_axis(known_from, last_used, axis=0),
    )
