"""The horizon that `init` suggests: usual for the frequency, as far as the data allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import DAY, Frequency
from rnnforecast.types import Ints
from rnnforecast.wording import count_of, join_names

DEFAULT_HORIZONS = {
    "h": 48,
    "D": 28,
    "B": 20,
    "W": 13,
    "MS": 12,
    "ME": 12,
    "QS": 4,
    "QE": 4,
    "YS": 4,
    "YE": 4,
}
"""Suggested horizon in steps, by frequency without anchor."""
MAX_HORIZON_OF_A_DAY = 100
"""An open day of finer steps is suggested as horizon if it has at most so many."""


@dataclass(frozen=True)
class DetectedValue:
    """A value for the draft and the reason for it."""

    value: int
    reason: str

    def __str__(self) -> str:
        return f"{self.value}: {self.reason}"


def suggest_horizon(
    panel: Panel, season: int, future: Sequence[str], known: Ints | None
) -> DetectedValue:
    """The usual horizon of the frequency, or else a season, as far as the data allow.

    `known` [S] are the steps after the end of each series at which all of `future` are known; the
    horizon is at most that of the series that have any.
    """
    usual = _usual_horizon(panel.frequency)
    horizon, reason = usual or (season if season > 1 else 12), "usual for this frequency"
    longest = max(1, int(np.median(panel.lengths)) // 4)
    if horizon > longest:
        horizon, reason = longest, "a quarter of the usual length of a series"
    if known is not None and known.any():
        ahead = int(known[known > 0].min())
        if 2 * ahead < np.median(known):  # of a few series the last steps are unknown
            ahead = int(np.median(known))
        if ahead < horizon:
            verb = "is" if len(future) == 1 else "are"
            horizon, reason = ahead, f"{join_names(future)} {verb} known {ahead:,} steps ahead"
            more = None if panel.future_steps is None else panel.future_steps > known
            if more is not None and more[known == ahead].any():
                reason += ", up to the first gap"
    return DetectedValue(
        horizon, f"to start from: {reason}{describe_open_span(panel.frequency, horizon)}"
    )


def _usual_horizon(frequency: Frequency) -> int | None:
    """The usual horizon in steps; where steps are closed, the open ones of the same span."""
    if (calendar := frequency.calendar) is None:
        # business month ends are as far apart as month ends
        name = frequency.alias.split("-")[0]
        return DEFAULT_HORIZONS.get(name, DEFAULT_HORIZONS.get(name.removeprefix("B")))
    usual = DEFAULT_HORIZONS.get(frequency.base_alias)
    if calendar.unit == DAY:
        return usual and usual * len(calendar.open_slots) // calendar.slots_per_week
    per_day = round(len(calendar.open_slots) / (7 - len(calendar.closed_days())))
    if usual is None and per_day > MAX_HORIZON_OF_A_DAY:
        return None
    return max((usual or 0) // calendar.slots_per_day, 1) * per_day


def describe_open_span(frequency: Frequency, steps: int) -> str:
    """What open steps are in days: ``; 24 open days are 28 days``; empty where none is closed."""
    if (calendar := frequency.calendar) is None:
        return ""
    cycles = calendar.cycle_lengths()
    count = steps * frequency.step
    if len(cycles) > 1 and count % cycles[0] == 0 and count < cycles[-1]:
        open_days = count // cycles[0]
        return f"; {steps:,} open steps are {count_of(open_days, 'open day')}"
    days = 7 * count / cycles[-1]
    kind = "open days" if calendar.unit == DAY else "open steps"
    return f"; {count:,} {kind} are {'' if days == int(days) else 'about '}{days:.0f} days"
