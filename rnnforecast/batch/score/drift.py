"""Drift of a model in service: daily bias, errors and coverage of its forecasts on CUSUM charts.

Each observed value counts once, with the latest forecast that was issued for it, in the period that
it is of. The points of a chart are days; of data whose steps are longer, steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.cusum import CusumChart, cusum_chart
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.evaluation.window_metrics import symmetric_level_pairs
from rnnforecast.types import Floats, Ints

MAX_SCALED_ERROR = 10.0
"""MASE's unit: a single error counts for no more, so that one series does not make the mean."""

MIN_VALUES = 20
"""Values of a point of the chart of coverage; days with fewer are joined."""

NOMINAL = 0.8
"""The coverage whose interval is watched: the nearest to it that the forecasts have."""

STATISTICS = {"bias": True, "error": False, "coverage": True}
"""What is watched -> whether decreases raise an alarm, too."""


@dataclass(frozen=True)
class DriftAlarm:
    """A change of the errors of the forecasts."""

    statistic: str
    """``bias``, ``error`` or ``coverage``."""
    raised: str
    """The day on which the chart raised it, as text."""
    since: str
    """The day on which the change began, as estimated by the chart."""
    direction: str
    """``up`` or ``down``."""
    run_id: str
    """The training whose forecasts these are."""
    is_current: bool
    """Whether no later training has forecast since."""


@dataclass(frozen=True)
class DriftChart:
    """The chart of one statistic: T points."""

    statistic: str
    days: tuple[np.datetime64 | np.int64, ...]
    values: Floats
    """`[T]` of bias and error in units of MASE, of coverage a share."""
    run_ids: tuple[str, ...]
    chart: CusumChart


@dataclass
class DriftSums:
    """Sums over the values of each day, which grow with the issues."""

    panel: Panel
    sums: dict[tuple[int, str], Floats] = field(default_factory=dict)
    """Day and run -> values, signed and absolute scaled errors, scaled values; values with an
    interval, and those inside."""
    nominal: float | None = None
    """The coverage of the interval that is watched; None without intervals."""

    def add(self, windows: EvaluatedWindows, fresh: Ints, run_id: str) -> None:
        """Adds the first `fresh` `[M]` steps of each window."""
        horizon = windows.actual.shape[1]
        error = windows.forecast.yhat - windows.actual  # [M, H, C]
        counted = np.isfinite(error) & (np.arange(horizon) < fresh[:, None])[..., None]
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.clip(error / windows.scale[:, None], -MAX_SCALED_ERROR, MAX_SCALED_ERROR)
        is_scaled = counted & np.isfinite(scaled)
        cells = [counted, np.where(is_scaled, scaled, 0), np.where(is_scaled, np.abs(scaled), 0)]
        cells += [is_scaled, *self._coverage(windows, counted)]
        times = self.panel.window_timestamps(windows.origin, horizon, windows.series)  # [M, H]
        days, inverse = np.unique(self._days(times).reshape(-1), return_inverse=True)
        totals = np.stack(
            [np.bincount(inverse, each.sum(-1).reshape(-1), len(days)) for each in cells], -1
        )
        for day, total in zip(days.tolist(), totals, strict=True):
            if total[0]:
                key = int(day), run_id
                self.sums[key] = self.sums.get(key, np.zeros(len(cells))) + total

    def add_sums(self, other: DriftSums) -> None:
        """Adds the sums of other series."""
        self.nominal = self.nominal or other.nominal
        for key, total in other.sums.items():
            self.sums[key] = self.sums[key] + total if key in self.sums else total

    def _coverage(self, windows: EvaluatedWindows, counted: np.ndarray) -> list[np.ndarray]:
        """Values with an interval, and those inside of it, `[M, H, C]` each."""
        pairs = symmetric_level_pairs(windows.levels)
        if not pairs:
            return [np.zeros_like(counted)] * 2
        widths = [windows.levels[high] - windows.levels[low] for low, high in pairs]
        nearest = int(np.argmin(np.abs(np.array(widths) - NOMINAL)))
        self.nominal = self.nominal or round(widths[nearest], 9)
        low, high = (windows.forecast.quantiles[..., index] for index in pairs[nearest])
        known = counted & np.isfinite(low) & np.isfinite(high)
        return [known, known & (windows.actual >= low) & (windows.actual <= high)]

    def _days(self, timestamps: np.ndarray) -> Ints:
        """The day of each timestamp, as a number: days since 1970, or the whole number itself."""
        if timestamps.dtype.kind != "M":
            return timestamps.astype(np.int64)
        local = self.panel.to_display_timezone(timestamps)
        return local.astype("M8[D]").astype(np.int64)

    def day(self, number: int) -> np.datetime64 | np.int64:
        """The day of a number."""
        is_time = self.panel.start_timestamps().dtype.kind == "M"
        return np.datetime64(number, "D") if is_time else np.int64(number)

    def charts(self) -> list[DriftChart]:
        """The charts of all statistics that there are."""
        keys = sorted(self.sums)
        if not keys:
            return []
        sums = np.stack([self.sums[key] for key in keys])
        found = [
            self._chart("bias", keys, sums[:, 3], sums[:, 1], 1),
            self._chart("error", keys, sums[:, 3], sums[:, 2], 1),
            self._chart("coverage", keys, sums[:, 4], sums[:, 5], MIN_VALUES),
        ]
        return [each for each in found if each.days]

    def _chart(
        self,
        statistic: str,
        keys: list[tuple[int, str]],
        count: Floats,
        total: Floats,
        min_values: int,
    ) -> DriftChart:
        """The chart of ``total / count``; points have `min_values`, or they wait for more days."""
        points: list[tuple[int, str, float]] = []
        held, inside = 0.0, 0.0
        for (day, run_id), number, sum_of_values in zip(keys, count, total, strict=True):
            held, inside = held + number, inside + sum_of_values
            if held and held >= min_values:
                points.append((day, run_id, inside / held))
                held = inside = 0.0
        values = np.array([value for _, _, value in points])
        run_ids = [run_id for _, run_id, _ in points]
        segment = np.cumsum([a != b for a, b in zip(run_ids, run_ids[:1] + run_ids, strict=False)])
        # errors are skewed, and a share varies less near its ends: both are made about normal
        judged = values
        if statistic == "error":
            judged = np.log(np.maximum(values, 1e-12))
        elif statistic == "coverage":
            judged = np.arcsin(np.sqrt(np.clip(values, 0.0, 1.0)))
        chart = cusum_chart(judged, segment, two_sided=STATISTICS[statistic])
        days = tuple(self.day(day) for day, _, _ in points)
        return DriftChart(statistic, days, values, tuple(run_ids), chart)


def drift_alarms(charts: list[DriftChart], current_run: str) -> tuple[DriftAlarm, ...]:
    """The alarms of all charts by their day; `current_run` is the training in service."""
    found = [
        DriftAlarm(
            each.statistic,
            str(each.days[alarm.index]),
            str(each.days[alarm.onset]),
            alarm.direction,
            each.run_ids[alarm.index],
            each.run_ids[alarm.index] == current_run,
        )
        for each in charts
        for alarm in each.chart.alarms
    ]
    return tuple(sorted(found, key=lambda alarm: (alarm.raised, alarm.statistic)))
