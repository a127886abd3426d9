"""Are the data fit to use? Five answers by stated rules, each with the number behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnforecast.data.panel.changes import CHANGE_COUNTS, CleaningChanges
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import steps_behind_latest
from rnnforecast.data.time.format import format_timestamp

Grade = Literal["good", "look", "bad"]
GRADE_THRESHOLDS: dict[str, tuple[float, float]] = {
    "values": (0.95, 0.70),
    "length": (0.90, 0.50),
    "stamps": (0.99, 0.80),
    "fresh": (0.95, 0.70),
    "alive": (0.95, 0.50),
}
"""The least share for "good" and for "look" of each verdict."""
_ASPECT_LABELS = {
    "values": "missing values",
    "length": "short series",
    "stamps": "time stamps",
    "fresh": "series that end early",
    "alive": "constant series",
}


@dataclass(frozen=True)
class QualityGrade:
    """One thing that matters, how it stands, and why."""

    aspect: str
    grade: Grade
    message: str


def grade_data_quality(
    panel: Panel, changes: CleaningChanges, *, season: int, horizon: int
) -> tuple[QualityGrade, ...]:
    """The five verdicts, in the order of `LIMITS`; series that were left out count as too short."""
    found = {
        "values": _measure_values(panel),
        "length": _measure_length(panel, changes, season, horizon),
        "stamps": _measure_timestamps(changes),
        "fresh": _measure_freshness(panel, max(horizon, season)),
        "alive": _measure_variation(changes),
    }
    return tuple(
        QualityGrade(about, grade_share(about, share), says)
        for about, (share, says) in found.items()
    )


def grade_share(aspect: str, share: float) -> Grade:
    """What a share is worth, by `LIMITS`."""
    good, look = GRADE_THRESHOLDS[aspect]
    return "good" if share >= good else "look" if share >= look else "bad"


def headline(grades: Sequence[QualityGrade]) -> tuple[Grade, str]:
    """All verdicts in one sentence, and the worst grade among them."""
    bad = [_ASPECT_LABELS[one.aspect] for one in grades if one.grade == "bad"]
    look = [_ASPECT_LABELS[one.aspect] for one in grades if one.grade == "look"]
    if bad:
        return "bad", f"Not fit to use as it is: {', '.join(bad + look)}"
    if look:
        return "look", f"Usable, but look at: {', '.join(look)}"
    return "good", "Fit to use"


def _measure_values(panel: Panel) -> tuple[float, str]:
    share = float(panel.observed_mask.mean())
    missing = int(panel.observed_mask.size - panel.observed_mask.sum())
    more = f"; {missing:,} of {panel.observed_mask.size:,} are missing" if missing else ""
    return share, f"{_format_share(share)} of the values inside the series are there{more}"


def _measure_length(
    panel: Panel, changes: CleaningChanges, season: int, horizon: int
) -> tuple[float, str]:
    wanted = horizon + 2 * season
    counts = np.add.reduceat(panel.observed_mask.any(axis=1).astype(np.int64), panel.offsets[:-1])
    enough, of = int((counts >= wanted).sum()), len(changes.series)
    learnt = "two seasons" if season > 1 else "two values"
    need = f"{wanted:,} values or more ({learnt} to learn from, a horizon to test)"
    left_out = len(changes.skipped)
    more = f"; {left_out:,} of {of:,} series left out" if left_out else ""
    if of == 1:
        has = f"{int(counts.max()):,} values"
        return float(enough), f"the series has {has}; wanted are {need}"
    return enough / of, f"{_format_share(enough / of)} of the series have {need}{more}"


def _measure_timestamps(changes: CleaningChanges) -> tuple[float, str]:
    found = [
        (changes.counts[count.name], count.timestamp_fault)
        for count in CHANGE_COUNTS
        if count.timestamp_fault
    ]
    # a row can be counted twice, when it is moved to where another one is
    share = max(0.0, 1.0 - sum(number for number, _ in found) / max(changes.n_rows, 1))
    faults = ", ".join(f"{number:,} {fault}" for number, fault in found if number)
    more = f": {faults}" if faults else ""
    return (
        share,
        f"{_format_share(share)} of the rows have a stamp on the calendar of their own{more}",
    )


def _measure_freshness(panel: Panel, max_steps: int) -> tuple[float, str]:
    steps = steps_behind_latest(panel)
    late = int((steps >= max_steps).sum())
    share = 1.0 - late / panel.n_series
    last = int(steps.argmin())
    one = panel.filter_series(np.arange(panel.n_series) == last)
    end = format_timestamp(one.to_display_timezone(one.window_timestamps(one.lengths - 1, 1))[0, 0])
    if panel.n_series == 1:
        return share, f"the series goes up to {end}"
    more = f"; {late:,} end {max_steps:,} steps or more before" if late else ""
    return (
        share,
        f"{_format_share(share)} of the series go on to the end of the data, {end}, or nearly{more}",
    )


def _measure_variation(changes: CleaningChanges) -> tuple[float, str]:
    kept = changes.series[changes.series["skipped"] == ""]
    still, of = int((kept["constant"] > 0).sum()), max(len(kept), 1)
    if of == 1:
        return 1.0 - still, "the series " + ("never changes" if still else "changes over time")
    more = f"; {still:,} never {'changes' if still == 1 else 'change'}" if still else ""
    return (
        1.0 - still / of,
        f"{_format_share(1.0 - still / of)} of the series change over time{more}",
    )


def _format_share(share: float) -> str:
    """Never 100 % where it is not all, never 0 % where it is some."""
    near = min(share, 0.999) if share < 1 else share
    near = max(near, 0.001) if share > 0 else near
    return f"{near:.1%}".replace(".0%", "%")
