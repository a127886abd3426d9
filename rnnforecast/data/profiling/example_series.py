"""Example series of a panel, with their seasonal patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import panel_ordinals
from rnnforecast.data.time.frequency import DAY, HOUR, WEEK, Frequency
from rnnforecast.data.time.week_calendar import DAY_NAMES
from rnnforecast.types import Bools, Floats, Ints

MAX_STEPS = 400
"""An example has the last steps of its series, at most this many."""
MAX_EXAMPLES = 4
"""Panels with at most this many series have all of them as examples."""
MAX_PLOTS = 24
"""Most series and targets that are examples; of each series the first targets."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class ExampleSeries:
    """The last E steps of one target of a series."""

    label: str
    """The series, and its target if there are several."""
    series: int
    """The number of the series in the panel."""
    reason: str
    """Why it was chosen; "" if all series are examples."""
    timestamps: npt.NDArray[np.generic]
    """[E]"""
    values: Floats
    """[E] original units, NaN where missing."""
    filled_mask: Bools
    """[E] imputed."""
    outlier_mask: Bools
    """[E] flagged as an outlier."""
    seasonal_pattern: Floats
    """[season] mean deviation of each step of the season from the moving average; empty without a
    season, for irregular panels and for series shorter than two seasons."""


def select_examples(
    panel: Panel,
    value_mask: Bools,
    outlier_mask: Bools,
    medians: Floats,
    is_varying: Bools,
    *,
    season: int,
) -> tuple[ExampleSeries, ...]:
    """Up to four examples: the longest series, the series with the most missing values, the series
    of median level, and the shortest, by their first target. A panel of at most four series has all
    of them as examples; of more, constant series are chosen only if all are constant. Each target
    of a series is an example, up to `MAX_PLOTS` in all.

    `value_mask` and `outlier_mask` [N, C], `medians` [S, C], `is_varying` [S].
    """
    chosen = _choose_series(panel, medians[:, 0], is_varying)
    n_targets = min(len(panel.target_names), MAX_PLOTS // len(chosen))
    return tuple(
        _build_example(panel, series, target, reason, value_mask, outlier_mask, season)
        for series, reason in chosen.items()
        for target in range(n_targets)
    )


def season_phase_names(frequency: Frequency, season: int, zone: str) -> tuple[str, ...]:
    """[season] names of the steps of a season, such as Mon or Jan; () if they have none."""
    if frequency.kind == "month" and frequency.step == 1 and season == 12:
        return _MONTHS
    calendar = frequency.calendar
    if calendar and frequency.step == 1 and season in calendar.cycle_lengths():
        names = calendar.slot_names(range(season))
        return names if len(set(names)) == season else ()
    if frequency.kind == "fixed" and frequency.step == DAY and season == 7:
        return DAY_NAMES
    if frequency.kind == "fixed" and frequency.step * season == DAY and not zone:
        return tuple(
            f"{step * frequency.step // HOUR} h" if step * frequency.step % HOUR == 0 else ""
            for step in range(season)
        )
    return ()


def format_duration(frequency: Frequency, steps: int) -> str:
    """A number of steps with its calendar length, if that has a name: ``12 steps (a year)``."""
    kind, length = frequency.kind, steps * frequency.step
    if (calendar := frequency.calendar) and length in (cycles := calendar.cycle_lengths()):
        name = "a week" if length == cycles[-1] else "a day"
        return f"{steps:,} steps ({name})"
    named = {
        ("month", 12): "a year", ("fixed", DAY): "a day",
        ("fixed", WEEK): "a week", ("fixed", HOUR): "an hour", ("fixed", 365 * DAY): "a year",
        ("fixed", 52 * WEEK): "a year",
    }.get((kind, length), "")  # fmt: skip
    return f"{steps:,} steps" + (f" ({named})" if named else "")


def _choose_series(panel: Panel, medians: Floats, is_varying: Bools) -> dict[int, str]:
    """Indices of the examples, and why they were chosen."""
    if panel.n_series <= MAX_EXAMPLES:
        return dict.fromkeys(range(panel.n_series), "")
    pool = np.flatnonzero(is_varying if is_varying.any() else np.ones_like(is_varying))
    missing_mask = (~panel.observed_mask[:, 0]).astype(np.int64)
    missing = np.add.reduceat(missing_mask, panel.offsets[:-1])[pool]
    length, with_median = panel.lengths[pool], pool[~np.isnan(medians[pool])]
    chosen = [(int(pool[length.argmax()]), "the longest")]
    if missing.any():
        chosen.append((int(pool[missing.argmax()]), "most values missing"))
    if len(with_median):
        middle = np.argsort(medians[with_median], kind="stable")[len(with_median) // 2]
        chosen.append((int(with_median[middle]), "of median level"))
    chosen.append((int(pool[length.argmin()]), "the shortest"))
    reasons: dict[int, str] = {}
    for series, reason in chosen:
        reasons[series] = f"{reasons[series]}, {reason}" if series in reasons else reason
    return reasons


def _build_example(
    panel: Panel,
    series: int,
    target: int,
    reason: str,
    value_mask: Bools,
    outlier_mask: Bools,
    season: int,
) -> ExampleSeries:
    begin, end = int(panel.offsets[series]), int(panel.offsets[series + 1])
    alone = panel.filter_series(np.arange(panel.n_series) == series)
    tail = slice(-MAX_STEPS, None)
    pattern = np.empty(0)
    if 1 < season <= (end - begin) // 2 and panel.irregular_timestamps is None:
        pattern = _seasonal_pattern(alone.targets[:, target], _season_phase(alone, season), season)
    timestamps = alone.window_timestamps(np.zeros(1, dtype=np.int64), end - begin)[0, tail]
    return ExampleSeries(
        label=_label(alone, target),
        series=series,
        reason=reason,
        timestamps=alone.to_display_timezone(timestamps),
        values=alone.targets[tail, target],
        filled_mask=(value_mask & ~panel.observed_mask)[begin:end, target][tail],
        outlier_mask=outlier_mask[begin:end, target][tail],
        seasonal_pattern=pattern,
    )


def _label(alone: Panel, target: int) -> str:
    """The only series of a panel, and its target if it has several or the series has no name."""
    name, label = alone.target_names[target], str(alone.labels()[0])
    if not alone.keys.shape[1]:
        return name
    return f"{label} · {name}" if len(alone.target_names) > 1 else label


def _season_phase(panel: Panel, season: int) -> Ints:
    """[N] the position of each step in its season; weeks begin on Monday."""
    frequency = panel.frequency
    week = frequency.kind == "fixed" and frequency.step * season == WEEK
    first = 4 * DAY // frequency.step if week else 0  # 1970-01-01 was a Thursday
    return np.asarray((panel_ordinals(panel) - first) % season, dtype=np.int64)


def _seasonal_pattern(values: Floats, phase: Ints, season: int) -> Floats:
    """[season] mean deviation of each phase from the centered moving average over a season.

    The pattern has mean 0; a linear trend does not change it. `values` [N] cover at least two
    seasons.
    """
    series = pd.Series(values)
    level = series.rolling(season, center=True, min_periods=season // 2 + 1).mean()
    half = season // 2
    inside = slice(half, len(values) - half)  # elsewhere the average is one-sided
    means = (series - level)[inside].groupby(phase[inside]).mean()
    pattern = means.reindex(range(season)).to_numpy(dtype=np.float64)
    return np.asarray(pattern - means.mean())
