"""Quality grades of a panel: five aspects, each graded by a share and two thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnforecast.data.panel.changes import CHANGE_COUNTS, CleaningChanges
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.cleaning_report import format_share
from rnnforecast.data.profiling.coverage import steps_behind_latest
from rnnforecast.data.time.format import format_timestamp

Grade = Literal["good", "look", "bad"]
GRADE_THRESHOLDS: dict[str, tuple[float, float]] = {
    "values": (0.95, 0.70),
    "length": (0.90, 0.50),
    "timestamps": (0.99, 0.80),
    "freshness": (0.95, 0.70),
    "variation": (0.95, 0.50),
}
"""The smallest share for the grades "good" and "look" of each aspect."""
_ASPECT_FAULTS = {
    "values": "missing values",
    "length": "short series",
    "timestamps": "timestamps",
    "freshness": "series that end early",
    "variation": "constant series",
}


@dataclass(frozen=True)
class QualityGrade:
    """The grade of one aspect, and a message with the share."""

    aspect: str
    grade: Grade
    message: str


def grade_data_quality(
    panel: Panel, changes: CleaningChanges, *, season: int, horizon: int
) -> tuple[QualityGrade, ...]:
    """The grades in the order of `GRADE_THRESHOLDS`; for the length, series left out count as too
    short."""
    measured = {
        "values": _measure_values(panel),
        "length": _measure_length(panel, changes, season, horizon),
        "timestamps": _measure_timestamps(changes),
        "freshness": _measure_freshness(panel, max(horizon, season)),
        "variation": _measure_variation(changes),
    }
    return tuple(
        QualityGrade(aspect, grade_share(aspect, share), message)
        for aspect, (share, message) in measured.items()
    )


def grade_share(aspect: str, share: float) -> Grade:
    """The grade of a share by `GRADE_THRESHOLDS`."""
    good, look = GRADE_THRESHOLDS[aspect]
    return "good" if share >= good else "look" if share >= look else "bad"


def headline(grades: Sequence[QualityGrade]) -> tuple[Grade, str]:
    """The worst grade, and a sentence that names all aspects that are not good."""
    bad = [_ASPECT_FAULTS[one.aspect] for one in grades if one.grade == "bad"]
    look = [_ASPECT_FAULTS[one.aspect] for one in grades if one.grade == "look"]
    if bad:
        return "bad", f"Not fit to use as it is: {', '.join(bad + look)}"
    if look:
        return "look", f"Usable, but look at: {', '.join(look)}"
    return "good", "Fit to use"


def _measure_values(panel: Panel) -> tuple[float, str]:
    share, size = float(panel.observed_mask.mean()), panel.observed_mask.size
    missing = int(size - panel.observed_mask.sum())
    more = f"; {missing:,} of {size:,} are missing" if missing else ""
    return share, f"{format_share(share)} of the values inside the series are observed{more}"


def _measure_length(
    panel: Panel, changes: CleaningChanges, season: int, horizon: int
) -> tuple[float, str]:
    """The share of series with at least two seasons to train on and a horizon to test."""
    required = horizon + 2 * season
    counts = np.add.reduceat(panel.observed_mask.any(axis=1).astype(np.int64), panel.offsets[:-1])
    enough, n_series = int((counts >= required).sum()), len(changes.series)
    training = "two seasons" if season > 1 else "two values"
    need = f"{required:,} values or more ({training} to train on, a horizon to test)"
    if n_series == 1:
        return float(enough), f"the series has {int(counts.max()):,} values; required are {need}"
    skipped = len(changes.skipped)
    more = f"; {skipped:,} of {n_series:,} series left out" if skipped else ""
    share = enough / n_series
    return share, f"{format_share(share)} of the series have {need}{more}"


def _measure_timestamps(changes: CleaningChanges) -> tuple[float, str]:
    """The share of rows with a timestamp of their own on the grid."""
    counts = [
        (changes.counts[count.name], count.timestamp_fault)
        for count in CHANGE_COUNTS
        if count.timestamp_fault
    ]
    # a row can have two faults: moved to a step, and repeating a timestamp there
    share = max(0.0, 1.0 - sum(count for count, _ in counts) / max(changes.n_rows, 1))
    faults = ", ".join(f"{count:,} {fault}" for count, fault in counts if count)
    more = f": {faults}" if faults else ""
    return (
        share,
        f"{format_share(share)} of the rows have a timestamp of their own on the grid{more}",
    )


def _measure_freshness(panel: Panel, max_steps: int) -> tuple[float, str]:
    """The share of series that end less than `max_steps` before the latest end."""
    behind = steps_behind_latest(panel)
    late = int((behind >= max_steps).sum())
    share = 1.0 - late / panel.n_series
    latest = panel.filter_series(np.arange(panel.n_series) == int(behind.argmin()))
    end = latest.to_display_timezone(latest.window_timestamps(latest.lengths - 1, 1))[0, 0]
    if panel.n_series == 1:
        return share, f"the series ends at {format_timestamp(end)}"
    more = f"; {late:,} end {max_steps:,} steps or more before" if late else ""
    return share, (
        f"{format_share(share)} of the series reach the end of the data, {format_timestamp(end)}, "
        f"or nearly{more}"
    )


def _measure_variation(changes: CleaningChanges) -> tuple[float, str]:
    """The share of series that are not constant."""
    kept = changes.series[changes.series["skipped"] == ""]
    constant, n_series = int((kept["constant"] > 0).sum()), max(len(kept), 1)
    if n_series == 1:
        return 1.0 - constant, "the series " + ("never changes" if constant else "varies over time")
    more = f"; {constant:,} never {'changes' if constant == 1 else 'change'}" if constant else ""
    share = 1.0 - constant / n_series
    return share, f"{format_share(share)} of the series vary over time{more}"
