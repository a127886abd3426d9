"""A few series to look at: chosen because they differ, each with its seasonal pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import panel_ordinals
from rnnforecast.data.time.frequency import DAY, HOUR, WEEK, Frequency
from rnnforecast.types import Bools, Floats, Ints

MAX_STEPS = 400
"""At most so many of the last steps are shown."""
MAX_EXAMPLES = 4
"""So few series are all shown."""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class ExampleSeries:
    """The first target of one series; E steps."""

    label: str
    reason: str
    """What it is an example of; "" where all series are shown."""
    timestamps: npt.NDArray[np.generic]
    """[E]"""
    values: Floats
    """[E] original units, NaN where missing."""
    filled_mask: Bools
    """[E] missing, and a fill stands in for it."""
    outlier_mask: Bools
    """[E] flagged as one."""
    seasonal_pattern: Floats
    """[season] what each phase of the season has above or below the level around it; empty where
    there is no season or the series has less than two of them."""


def select_examples(
    panel: Panel,
    value_mask: Bools,
    outlier_mask: Bools,
    medians: Floats,
    is_varying: Bools,
    *,
    season: int,
) -> tuple[ExampleSeries, ...]:
    """At most four: the longest series, the one with most gaps, one of middling level, the
    shortest. Constant ones only if there is no other.

    `visible` and `outliers` [N, C], `levels` [S, C] medians, `alive` [S] whether a series changes.
    """
    return tuple(
        _build_example(panel, series, why, value_mask, outlier_mask, season)
        for series, why in _choose_series(panel, medians[:, 0], is_varying).items()
    )


def season_phase_names(frequency: Frequency, season: int, zone: str) -> tuple[str, ...]:
    """[season] what the steps of a season are called, such as Mon or Jan; () for no name."""
    if frequency.kind == "month" and frequency.step == 1 and season == 12:
        return _MONTHS
    if frequency.kind == "business" and frequency.step == 1 and season == 5:
        return _DAYS[:5]
    if frequency.kind == "fixed" and frequency.step == DAY and season == 7:
        return _DAYS
    if frequency.kind == "fixed" and frequency.step * season == DAY and not zone:
        return tuple(
            f"{step * frequency.step // HOUR} h" if step * frequency.step % HOUR == 0 else ""
            for step in range(season)
        )
    return ()


def format_duration(frequency: Frequency, steps: int) -> str:
    """How long so many steps are, in words: ``12 steps (a year)``."""
    kind, length = frequency.kind, steps * frequency.step
    named = {
        ("month", 12): "a year", ("business", 5): "a week", ("fixed", DAY): "a day",
        ("fixed", WEEK): "a week", ("fixed", HOUR): "an hour", ("fixed", 365 * DAY): "a year",
        ("fixed", 52 * WEEK): "a year",
    }.get((kind, length), "")  # fmt: skip
    return f"{steps:,} steps" + (f" ({named})" if named else "")


def _choose_series(panel: Panel, medians: Floats, is_varying: Bools) -> dict[int, str]:
    if panel.n_series <= MAX_EXAMPLES:
        return dict.fromkeys(range(panel.n_series), "")
    pool = np.flatnonzero(is_varying if is_varying.any() else np.ones_like(is_varying))
    missing = np.add.reduceat((~panel.observed_mask[:, 0]).astype(np.int64), panel.offsets[:-1])[
        pool
    ]
    length, known = panel.lengths[pool], pool[~np.isnan(medians[pool])]
    wanted = [(int(pool[length.argmax()]), "the longest")]
    if missing.any():
        wanted.append((int(pool[missing.argmax()]), "most values missing"))
    if len(known):
        middle = np.argsort(medians[known], kind="stable")[len(known) // 2]
        wanted.append((int(known[middle]), "of middling level"))
    wanted.append((int(pool[length.argmin()]), "the shortest"))
    found: dict[int, str] = {}
    for series, why in wanted:
        found[series] = f"{found[series]}, {why}" if series in found else why
    return found


def _build_example(
    panel: Panel, series: int, reason: str, value_mask: Bools, outlier_mask: Bools, season: int
) -> ExampleSeries:
    begin, end = int(panel.offsets[series]), int(panel.offsets[series + 1])
    one = panel.filter_series(np.arange(panel.n_series) == series)
    shown = slice(-MAX_STEPS, None)
    pattern = np.empty(0)
    if 1 < season <= (end - begin) // 2 and panel.irregular_timestamps is None:
        pattern = _seasonal_pattern(one.targets[:, 0], _season_phase(one, season), season)
    return ExampleSeries(
        label=str(one.labels()[0]),
        reason=reason,
        timestamps=one.to_display_timezone(
            one.window_timestamps(np.zeros(1, dtype=np.int64), end - begin)[0, shown]
        ),
        values=one.targets[shown, 0],
        filled_mask=(value_mask & ~panel.observed_mask)[begin:end, 0][shown],
        outlier_mask=outlier_mask[begin:end, 0][shown],
        seasonal_pattern=pattern,
    )


def _season_phase(panel: Panel, season: int) -> Ints:
    """[N] which step of its season each step is; weeks begin on Monday."""
    frequency = panel.frequency
    week = frequency.kind == "fixed" and frequency.step * season == WEEK
    first = 4 * DAY // frequency.step if week else 0  # 1970-01-01 was a Thursday
    return np.asarray((panel_ordinals(panel) - first) % season, dtype=np.int64)


def _seasonal_pattern(values: Floats, phase: Ints, season: int) -> Floats:
    """[season] mean distance of each phase from the centred mean over one season, of a series of
    at least two; their mean is 0, and a straight trend leaves no trace."""
    series = pd.Series(values)
    around = series.rolling(season, center=True, min_periods=season // 2 + 1).mean()
    half = season // 2
    inside = slice(half, len(values) - half)  # elsewhere the mean is of one side only
    means = (series - around)[inside].groupby(phase[inside]).mean()
    pattern = means.reindex(range(season)).to_numpy(dtype=np.float64)
    return np.asarray(pattern - means.mean())
