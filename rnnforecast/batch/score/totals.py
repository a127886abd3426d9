"""Live metrics of issued forecasts and of the baseline: overall, by run, day, step and series."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.evaluation.baselines import baseline_column
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.evaluation.metric_totals import MetricTotals
from rnnforecast.evaluation.scores import MODEL_NAME, STEP_CELLS, steps_as_windows
from rnnforecast.evaluation.window_metrics import WindowMetrics, window_metrics
from rnnforecast.types import Floats, Ints

GROUPINGS = ("all", "run", "cutoff", "step", "series")

FIRST_METRICS = ("mase", "bias", "relative_bias", "mae", "wape", "smape", "rmsse", "wql", "crps")
"""The order of the columns; others follow."""


@dataclass
class ScoreTotals:
    """The metrics of all windows so far; memory does not grow with the number of issues."""

    panel: Panel
    baseline: str
    """The name of the baseline."""
    totals: dict[tuple[str, str], MetricTotals] = field(default_factory=dict)
    """By model and grouping."""
    runs: list[str] = field(default_factory=list)
    """The id of each run, by the number of its group."""
    cutoffs: dict[int, int] = field(default_factory=dict)
    """Cutoff -> the number of its group."""
    labels: list[str] | None = None
    """Of the series; those of the panel if None."""

    def add_totals(self, other: ScoreTotals) -> None:
        """Adds the totals of other series; both have `labels`."""
        assert self.labels is not None
        assert other.labels is not None
        for run_id in other.runs:
            if run_id not in self.runs:
                self.runs.append(run_id)
        for cutoff in other.cutoffs:
            self.cutoffs.setdefault(cutoff, len(self.cutoffs))
        places = {
            "run": [self.runs.index(each) for each in other.runs],
            "cutoff": [self.cutoffs[each] for each in other.cutoffs],
            "series": [len(self.labels) + each for each in range(len(other.labels))],
        }
        for (model, grouping), totals in other.totals.items():
            place = places.get(grouping, list(range(len(totals.cells))))
            self._of(model, grouping).add_totals(totals, np.array(place[: len(totals.cells)], int))
        self.labels = [*self.labels, *other.labels]

    def worst_series(self, count: int) -> Ints:
        """The places of the series with the largest MASE, the worst first."""
        mase = self.metrics(MODEL_NAME, "series").get("mase", np.empty(0))
        order = np.argsort(-np.nan_to_num(mase, nan=-1.0), kind="stable")[:count]
        return order[self.values("series")[order] > 0]

    def add(self, windows: EvaluatedWindows, run_id: str) -> None:
        """Adds windows of a run."""
        # numbers near the largest there is make metrics infinite
        with np.errstate(over="ignore", invalid="ignore"):
            self._add(windows, run_id)

    def _add(self, windows: EvaluatedWindows, run_id: str) -> None:
        if run_id not in self.runs:
            self.runs.append(run_id)
        size = len(windows.series)
        labels = {
            "all": np.zeros(size, dtype=np.int64),
            "run": np.full(size, self.runs.index(run_id)),
            "cutoff": self._cutoff_groups(windows),
            "series": windows.series,
        }
        for model, found in self._metrics(windows):
            for grouping, label in labels.items():
                self._of(model, grouping).add(found, label)
        at_once = max(1, STEP_CELLS // max(size, 1))
        horizon = windows.actual.shape[1]
        for first in range(0, horizon, at_once):
            steps = np.arange(first, min(first + at_once, horizon))
            for model, found in self._metrics(steps_as_windows(windows, steps)):
                self._of(model, "step").add(found, np.tile(steps, size))

    def metrics(self, model: str, grouping: str = "all") -> dict[str, Floats]:
        """Each metric `[G]` of a model; those in units of a target are NaN if there are several."""
        found = self._of(model, grouping).metrics()
        if len(self.panel.target_names) > 1:
            in_units = ("mae", "bias", "crps", "width", "winkler")
            return {name: x for name, x in found.items() if name.partition("_")[0] not in in_units}
        return found

    def windows(self, grouping: str = "all") -> Ints:
        """`[G]` windows of series and targets with an observed value."""
        return self._of(MODEL_NAME, grouping).windows

    def values(self, grouping: str = "all") -> Ints:
        """`[G]` observed values."""
        return self._of(MODEL_NAME, grouping).cells

    def names(self, grouping: str) -> list[str]:
        """The name of each group."""
        if grouping == "series":
            labels = self.panel.labels() if self.labels is None else self.labels
            return list(map(str, labels[: len(self.values("series"))]))
        if grouping == "cutoff":
            return [self.cutoff_text(each) for each in self.cutoffs]
        if grouping == "run":
            return self.runs
        if grouping == "step":
            return [str(step + 1) for step in range(len(self.values("step")))]
        return [""]

    def cutoff_text(self, cutoff: int) -> str:
        """A cutoff in local time."""
        times = self.panel.start_timestamps()
        value = np.array([cutoff]).astype(times.dtype)[0]
        return format_timestamp(value, self.panel.display_timezone)

    def table(self) -> pd.DataFrame:
        """A row for each group with a value and model: ``by``, ``value``, ``model``, ``windows``,
        ``values``, and a column for each metric."""
        parts = []
        for grouping in GROUPINGS:
            used = np.flatnonzero(self.values(grouping))
            if grouping == "cutoff":
                used = used[np.argsort(np.array(list(self.cutoffs))[used])]
            names = np.array(self.names(grouping), dtype=object)
            for model in (MODEL_NAME, self.baseline):
                found = self.metrics(model, grouping)
                order = [name for name in FIRST_METRICS if name in found]
                order += [name for name in found if name not in order]
                columns = {
                    "by": grouping,
                    "value": names[used],
                    "model": model if model == MODEL_NAME else baseline_column(model),
                    "windows": self.windows(grouping)[used],
                    "values": self.values(grouping)[used],
                }
                parts.append(pd.DataFrame(columns | {name: found[name][used] for name in order}))
        return pd.concat(parts, ignore_index=True)

    def _cutoff_groups(self, windows: EvaluatedWindows) -> Ints:
        times = self.panel.window_timestamps(windows.origin - 1, 1, windows.series)[:, 0]
        distinct, inverse = np.unique(times.astype(np.int64), return_inverse=True)
        for each in distinct.tolist():
            self.cutoffs.setdefault(each, len(self.cutoffs))
        numbers = np.array([self.cutoffs[each] for each in distinct.tolist()])
        return np.asarray(numbers[inverse], dtype=np.int64)

    def _metrics(self, windows: EvaluatedWindows) -> list[tuple[str, WindowMetrics]]:
        """Of the forecasts and of the baseline."""
        both = {MODEL_NAME: windows.forecast, self.baseline: windows.baselines[self.baseline]}
        return [
            (
                model,
                window_metrics(
                    windows.actual,
                    forecast,
                    windows.levels,
                    scale=windows.scale,
                    squared_scale=windows.squared_scale,
                ),
            )
            for model, forecast in both.items()
        ]

    def _of(self, model: str, grouping: str) -> MetricTotals:
        return self.totals.setdefault((model, grouping), MetricTotals())
