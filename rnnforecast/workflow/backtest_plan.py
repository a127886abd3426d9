"""The plan of a backtest: its windows, and which of them share a fit of the networks.

A window is a number, a series and a cutoff, after which nothing is known. Counted windows go back
from the end of each series, as the held-out horizon of `train` does; windows of dates have the same
cutoffs in all series.

              cutoff          first scored step
    |-- known --|---- gap ----|---- horizon ----|
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.timestamps import end_of_timestamp, parse_timestamp, steps_before
from rnnforecast.data.windows.split import min_history
from rnnforecast.errors import DataError, Problem, SpecError
from rnnforecast.spec.backtest import BacktestSpec
from rnnforecast.types import Bools, Ints

MAX_AUTO_WINDOWS = 5
"""Most windows of `backtest.windows: auto`."""
MIN_TRAINING_SHARE = 0.5
"""The share of a series of median length that `auto` leaves before the first window."""


@dataclass(frozen=True)
class BacktestPlan:
    """W windows, numbered from the earliest on, of S series."""

    origins: Ints
    """`[W, S]` the first step after the cutoff, which may lie before the start of the series or
    after its end."""
    is_used: Bools
    """`[W, S]` whether the series has enough history and a step to score."""
    gap: int
    horizon: int
    fits: tuple[tuple[int, ...], ...]
    """The windows of each fit of the networks."""
    in_sample: tuple[int, ...] = ()
    """Windows with a step that the networks were trained on."""
    lacking: int = 0
    """Windows of `backtest.windows` that no series has enough history or values for."""

    @property
    def n_windows(self) -> int:
        """W."""
        return len(self.origins)

    @property
    def steps(self) -> int:
        """Steps that are forecast after a cutoff: the gap and the horizon."""
        return self.gap + self.horizon

    def count_forecasts(self, panel: Panel) -> int:
        """Windows of all series and targets."""
        return int(self.is_used.sum()) * len(panel.target_names)

    def series(self, window: int) -> Ints:
        """The series of a window."""
        return np.flatnonzero(self.is_used[window])

    def latest_cutoff(self, window: int, panel: Panel) -> np.datetime64 | np.int64:
        """The latest cutoff of a window in the series of the panel."""
        series = self.series(window)
        found = panel.window_timestamps(self.origins[window][series] - 1, 1, series).max()
        return cast(np.datetime64 | np.int64, found)


def plan_backtest(
    panel: Panel,
    spec: BacktestSpec,
    *,
    horizon: int,
    season: int,
    trained_steps: Ints | None = None,
) -> BacktestPlan:
    """The plan of a backtest of a panel.

    Args:
        horizon: of the networks.
        season: a window needs as much history as one of a training, see `min_history`.
        trained_steps: `[S]` for trained networks, the steps of each series that they were trained
            on; None for networks that are trained before the windows.

    Raises:
        SpecError for dates that cannot be read; DataError without any window.
    """
    step = horizon if spec.step == "auto" else spec.step
    if spec.first_time is not None or spec.last_time is not None:
        origins, limit = _dated_origins(panel, spec, step, horizon)
    else:
        count = _count_windows(panel, spec, step, horizon, trained_steps)
        limit = panel.lengths
        origins = limit - horizon - spec.gap - step * np.arange(count)[::-1, None]
    first_scored = origins + spec.gap
    is_used = origins >= min_history(horizon, season)
    is_used &= first_scored < np.minimum(panel.lengths, limit)
    _check_any(is_used, panel, spec, horizon)
    kept = np.flatnonzero(is_used.any(1))  # the first ones may be without history
    origins, is_used, first_scored = origins[kept], is_used[kept], first_scored[kept]
    in_sample: Ints = np.empty(0, dtype=np.int64)
    if trained_steps is not None:
        in_sample = np.flatnonzero((is_used & (first_scored < trained_steps)).any(1))
    numbers = np.arange(len(origins)).tolist()
    size = len(numbers)
    if trained_steps is None and spec.refit != "never":
        size = 1 if spec.refit == "always" else spec.refit
    fits = tuple(tuple(numbers[first : first + size]) for first in range(0, len(numbers), size))
    lacking = 0 if spec.windows == "auto" else spec.windows - len(numbers)
    return BacktestPlan(
        origins, is_used, spec.gap, horizon, fits, tuple(in_sample.tolist()), lacking
    )


def describe_left_out(plan: BacktestPlan) -> str:
    """A line on windows that lack some of the series; "" if none does."""
    lacking = (~plan.is_used).sum(1)
    if not lacking.any():
        return ""
    n_series = plan.is_used.shape[1]
    counts = ", ".join(f"{count:,}" for count in lacking)
    never = int((~plan.is_used.any(0)).sum())
    line = (
        f"of {n_series:,} series, {counts} have too little history for, or end before, "
        f"{'the window' if plan.n_windows == 1 else f'windows 1 to {plan.n_windows}'}"
    )
    return line + (f"; {never:,} are in none" if never else "")


def _count_windows(
    panel: Panel, spec: BacktestSpec, step: int, horizon: int, trained_steps: Ints | None
) -> int:
    """The number of windows that are counted back from the end of each series."""
    if spec.windows != "auto":
        return spec.windows
    if trained_steps is not None:
        new = int((panel.lengths - trained_steps).max())
        if new >= horizon:
            return (new - horizon) // step + 1
    usual = float(np.median(panel.lengths))
    room = (1 - MIN_TRAINING_SHARE) * usual - horizon - spec.gap
    return int(np.clip(room // step + 1, 1, MAX_AUTO_WINDOWS))


def _dated_origins(panel: Panel, spec: BacktestSpec, step: int, horizon: int) -> tuple[Ints, Ints]:
    """Origins `[W, S]` of windows of dates, and the number of steps `[S]` up to the last date."""
    limit = panel.lengths
    if spec.last_time is not None:
        limit = steps_before(panel, _parse("last_time", spec.last_time, panel, end_of_timestamp))
    if spec.first_time is None:
        count = MAX_AUTO_WINDOWS if spec.windows == "auto" else spec.windows
        return limit - horizon - spec.gap - step * np.arange(count)[::-1, None], limit
    first = steps_before(panel, _parse("first_time", spec.first_time, panel))
    possible = int(((limit - horizon - first) // step).max()) + 1
    if possible < 1:
        until = f" and backtest.last_time ({spec.last_time})" if spec.last_time is not None else ""
        found = f"{spec.first_time}: less than a horizon of {horizon} steps lies between it{until}"
        found += "" if until else " and the end of the data"
        raise DataError(Problem("backtest.first_time", found, "set it to an earlier time"))
    count = possible if spec.windows == "auto" else min(spec.windows, possible)
    return first - spec.gap + step * np.arange(count)[:, None], limit


def _parse(
    key: str,
    text: str,
    panel: Panel,
    parse: Callable[[str, Panel], np.datetime64 | np.int64] = parse_timestamp,
) -> np.datetime64 | np.int64:
    try:
        return parse(text, panel)
    except (ValueError, OverflowError) as error:
        example = "2024-01-31" if panel.start_timestamps().dtype.kind == "M" else "a whole number"
        found = f"'{text}' is not a timestamp of these data"
        raise SpecError(Problem(f"backtest.{key}", found, f"write it as {example}")) from error


def _check_any(is_used: Bools, panel: Panel, spec: BacktestSpec, horizon: int) -> None:
    """Raises DataError if no series has a window."""
    if is_used.any():
        return
    longest = int(panel.lengths.max())
    if spec.first_time is not None or spec.last_time is not None:
        found = "no series has history before and values after a cutoff"
        cure = "set backtest.first_time and backtest.last_time to times inside the data"
        raise DataError(Problem("backtest.first_time, backtest.last_time", found, cure))
    found = (
        f"no series is long enough: {horizon} steps of the horizon"
        + (f" and {spec.gap} of the gap" if spec.gap else "")
        + f" leave too little of the longest, which has {longest:,} steps"
    )
    raise DataError(
        Problem("backtest.windows", found, "bring more history, or set window.horizon to less")
    )
