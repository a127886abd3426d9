"""Metrics of groups of windows that come some at a time, such as an issue of a forecast each.

They are those of `metrics.group_metrics` over windows and targets together, without rmse and owa;
memory grows with the groups, not with the windows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rnnforecast.evaluation.window_metrics import WindowMetrics
from rnnforecast.types import Floats, Ints


@dataclass
class MetricTotals:
    """Sums and weights of each metric of G groups; G grows with the groups that are added."""

    windows: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """`[G]` windows with an observed value, of all targets."""
    cells: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """`[G]` observed values."""
    sums: dict[str, Floats] = field(default_factory=dict)
    weights: dict[str, Floats] = field(default_factory=dict)

    def add(self, found: WindowMetrics, group: Ints) -> None:
        """Adds M windows; `group` `[M]` is the number of the group of each."""
        size = max(int(group.max(initial=-1)) + 1, len(self.cells))
        self._grow(size)
        targets = found.count.shape[1]
        label = np.repeat(group, targets)  # [M * C]
        count = found.count.reshape(-1)
        self.cells += np.bincount(label, count, size).astype(np.int64)
        self.windows += np.bincount(label, count > 0, size).astype(np.int64)
        for name, values in {"size": found.size, **found.cell_means}.items():
            self._add(name, values.reshape(-1), count.astype(np.float64), label, size)
        for name, values in found.window_means.items():
            self._add(name, values.reshape(-1), np.ones(len(label)), label, size)

    def add_totals(self, other: MetricTotals, group: Ints) -> None:
        """Adds the G groups of other totals; `group` `[G]` is the number of each here."""
        self._grow(int(group.max(initial=-1)) + 1)
        self.windows[group] += other.windows
        self.cells[group] += other.cells
        for ours, theirs in ((self.sums, other.sums), (self.weights, other.weights)):
            for name, values in theirs.items():
                ours.setdefault(name, np.zeros(len(self.cells)))[group] += values

    def take(self, group: Ints) -> MetricTotals:
        """The totals of some groups, in this order."""
        return MetricTotals(
            self.windows[group],
            self.cells[group],
            {name: values[group] for name, values in self.sums.items()},
            {name: values[group] for name, values in self.weights.items()},
        )

    def metrics(self) -> dict[str, Floats]:
        """Each metric `[G]`, NaN where undefined; with relative_bias, wape and wql."""
        found: dict[str, Floats] = {
            name: total / np.where(self.weights[name] > 0, self.weights[name], np.nan)
            for name, total in self.sums.items()
        }
        if not found:
            return found
        size = found.pop("size")
        size = np.where(size > 0, size, np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            found["wape"] = 100.0 * (found["mae"] / size)
            found["relative_bias"] = 100.0 * (found["bias"] / size)
            if "pinball" in found:
                found["wql"] = 2.0 * (found.pop("pinball") / size)
        return found

    def _add(self, name: str, values: Floats, weight: Floats, label: Ints, size: int) -> None:
        weight = np.where(np.isfinite(values), weight, 0.0)
        total = np.bincount(label, np.where(weight > 0, values, 0.0) * weight, size)
        nothing = np.zeros(size)
        self.sums[name] = self.sums.get(name, nothing) + total
        self.weights[name] = self.weights.get(name, nothing) + np.bincount(label, weight, size)

    def _grow(self, size: int) -> None:
        """Room for `size` groups."""
        more = size - len(self.cells)
        if more <= 0:
            return
        self.windows, self.cells = (np.pad(each, (0, more)) for each in (self.windows, self.cells))
        for held in (self.sums, self.weights):
            for name, values in held.items():
                held[name] = np.pad(values, (0, more))
