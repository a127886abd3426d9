"""Statistical forecasts of windows: each from the history of its own series.

Many windows are forecast in worker processes, which load NumPy alone: threads would wait for each
other between thousands of small array operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

from rnnforecast.parallel.engine import Engine, TaskContext, open_engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.statistical import combination
from rnnforecast.statistical.histories import Histories, history_rows
from rnnforecast.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from rnnforecast.data.cleaning_plan import CleanedData
    from rnnforecast.data.windows.origins import WindowIndex

MAX_VALUES_AT_ONCE = 400_000
"""About the most values of histories that are forecast together."""
MIN_VALUES_FOR_WORKERS = 1_000_000
"""Values of histories, more than a second of work, from which worker processes pay."""


def statistical_quantiles(
    cleaned: CleanedData,
    index: WindowIndex,
    levels: Sequence[float],
    *,
    steps: int,
    horizon: int,
    seasons: tuple[int, ...],
    joint: bool,
    engine: Engine | None = None,
) -> Floats:
    """Quantiles of the statistical combination for the windows of `index`, in transformed units.

    Args:
        levels: the Q levels.
        steps: steps ahead.
        horizon: the horizon of the run; a forecast of more or fewer steps has the same first ones.
        seasons: in steps, the main one first; none without a season.
        joint: whether an item is a series with all its targets, or one target of it.
        engine: runs many windows; local workers on the cores of this process by default.

    Returns:
        `[W, steps, C, Q]`, with C = 1 unless `joint`; NaN without a value before the origin.
    """
    seasons = seasons or (1,)
    longest = combination.longest_history(seasons[0], horizon)
    parts = HistoryParts.of_windows(cleaned, index, longest, joint=joint)
    method = _Method(seasons, max(steps, horizon), horizon, tuple(levels))
    is_large = len(parts.series) * parts.longest >= MIN_VALUES_FOR_WORKERS
    engine = (engine or open_engine()) if is_large else IN_PROCESS
    values = np.empty((len(parts.series), method.steps, len(levels)))
    for part, found in engine.run(_forecast, method, parts):
        values[parts.rows(part)] = found
    return by_window(values[:, :steps], index)


def by_window(values: Floats, index: WindowIndex) -> Floats:
    """Quantiles `[M, steps, Q]` of the histories of windows as `[W, steps, C, Q]`."""
    _, steps, n_levels = values.shape
    return np.asarray(values.reshape(len(index.item), -1, steps, n_levels).swapaxes(1, 2))


@dataclass(frozen=True)
class _Method:
    """Arguments of `combination.forecast`."""

    seasons: tuple[int, ...]
    steps: int
    horizon: int
    levels: tuple[float, ...]


def _forecast(method: _Method, history: tuple[Floats, Bools], context: TaskContext) -> Floats:
    """Quantiles `[M, steps, Q]` of histories as those of `HistoryParts`."""
    return combination.forecast(
        Histories.from_values(*history),
        seasons=method.seasons,
        horizon=method.steps,
        error_steps=method.horizon,
        levels=method.levels,
    )


@dataclass(frozen=True)
class HistoryParts(Sequence[tuple[Floats, Bools]]):
    """Histories of one target each, some at a time: values `[T, M]`, NaN where unknown, with
    imputed ones as far as they are known at the origin, and whether they were observed."""

    cleaned: CleanedData
    series: Ints
    target: Ints
    origin: Ints
    longest: int
    """T, steps before the origin."""

    @classmethod
    def of_windows(
        cls, cleaned: CleanedData, index: WindowIndex, longest: int, *, joint: bool
    ) -> HistoryParts:
        """The histories of windows, of `longest` steps at most; all targets of an item side by side
        where it is `joint`."""
        targets = cleaned.values.shape[1]
        if joint:
            series, target = index.item.repeat(targets), np.tile(range(targets), len(index.item))
            origin = index.origin.repeat(targets)
        else:
            series, target, origin = index.item // targets, index.item % targets, index.origin
        longest = int(min(origin.max(initial=1), longest))
        return cls(cleaned, series, target, origin, longest)

    def rows(self, part: int) -> slice:
        """The histories of a part."""
        size = max(1, MAX_VALUES_AT_ONCE // max(self.longest, 1))
        return slice(part * size, min((part + 1) * size, len(self.series)))

    def __len__(self) -> int:
        return -(-len(self.series) // max(int(self.rows(0).stop), 1))

    @overload
    def __getitem__(self, part: int) -> tuple[Floats, Bools]: ...

    @overload
    def __getitem__(self, part: slice) -> list[tuple[Floats, Bools]]: ...

    def __getitem__(self, part: int | slice) -> tuple[Floats, Bools] | list[tuple[Floats, Bools]]:
        chosen = range(len(self))[part]
        if isinstance(chosen, range):
            return [self[each] for each in chosen]
        rows = self.rows(chosen)
        return _history(
            self.cleaned, self.series[rows], self.target[rows], self.origin[rows], self.longest
        )


def _history(
    cleaned: CleanedData, series: Ints, target: Ints, origin: Ints, max_steps: int
) -> tuple[Floats, Bools]:
    filled, first_row = cleaned.filled, cleaned.panel.offsets[series]
    rows = history_rows(first_row, origin, max_steps=max_steps)  # [T, M]
    cell = np.maximum(rows, 0), target
    values = filled.inputs[cell]
    is_value, observed = filled.value_mask[cell], cleaned.target_mask[cell]
    if filled.known_from is not None:
        known = filled.known_from[cell] < first_row + origin
        values = np.where(known, values, filled.causal_inputs[cell])
        is_value &= known | ~observed
        observed &= known
    inside = (rows >= 0) & is_value
    return np.where(inside, values, np.nan), observed & inside
