"""Results of an inspection as arrays, from which plots, sentences and JSON are made.

Steps count from the origin: -1 is the last known step, 0 the first step of the forecast.
Axes: L lookback, H horizon, G patches of the lookback, J patches of the horizon, K hidden units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnforecast.types import Floats

RETENTION_GATE_PREFIXES = ("keep", "update", "forget")
"""Name prefixes of gates that are open where a unit retains its state."""


@dataclass(frozen=True)
class InspectedWindow:
    """The inspected window, in original units."""

    label: str
    target: str
    timestamps: NDArray[Any]
    """`[L + H]` in the display time zone; L is at most the steps before the origin."""
    values: Floats
    """`[L + H]` observed values, NaN elsewhere."""
    forecast: Floats
    """`[H]` the median forecast."""
    patch_length: int
    """Steps that the network reads at once."""

    @property
    def horizon(self) -> int:
        """H."""
        return len(self.forecast)

    @property
    def lookback(self) -> int:
        """L."""
        return len(self.timestamps) - self.horizon

    def timestamp_at(self, step: int) -> Any:
        """The timestamp of `step`, or of the nearest step of the window."""
        return self.timestamps[min(max(step + self.lookback, 0), len(self.timestamps) - 1)]


@dataclass(frozen=True)
class LayerActivations:
    """Hidden states and gate activations of one layer, `[G, K]` each."""

    name: str
    hidden: Floats
    gates: dict[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class InputImportance:
    """Increase of the error if one input is shuffled, in percent of the mean absolute value."""

    name: str
    mean: float
    std_error: float
    """The standard error of the mean over the repeats."""
    step_range: tuple[int, int] | None = None
    """First step and stop of a range of past target values; None for a covariate."""


@dataclass(frozen=True)
class PermutationImportance:
    """Permutation importance over many windows of all series."""

    baseline_error: float
    """Mean absolute error of the median forecast without shuffling, in percent of the mean
    absolute value."""
    inputs: tuple[InputImportance, ...]
    windows: int
    repeats: int


@dataclass(frozen=True)
class Occlusion:
    """Change of the forecast when ranges of past steps are occluded, in original units."""

    step_ranges: tuple[tuple[int, int], ...]
    """`[n]` first step and stop of each range."""
    forecast_change: Floats
    """`[n, H]`"""

    @property
    def mean_absolute_change(self) -> Floats:
        """`[n]` means over the horizon."""
        size: Floats = np.abs(self.forecast_change).mean(1)
        return size


@dataclass(frozen=True)
class Inspection:
    """All results for one network and one window."""

    window: InspectedWindow
    layers: tuple[LayerActivations, ...]
    """From the lowest layer to the top one."""
    gradient_norm: Floats
    """`[H, L]` norm of the gradient over the targets of a step."""
    recurrent_gradient_norm: Floats | None
    """`[H, L]` the same for the recurrent part alone; None without a base forecast."""
    horizon_attention: Floats | None
    """`[J, G]` attention of the decoder, one row per patch of the horizon."""
    self_attention: tuple[Floats, ...]
    """`[G, G]` self-attention weights of each layer."""
    importance: PermutationImportance | None
    """None with fewer than two windows."""
    occlusion: Occlusion

    def patch_step_ranges(self) -> list[tuple[int, int]]:
        """First step and stop of each of the G patches; the newest stops at 0."""
        count, size = len(self.layers[0].hidden), self.window.patch_length
        return [(-(count - g) * size, -(count - g - 1) * size) for g in range(count)]

    def to_json(self) -> dict[str, Any]:
        """The results without the intermediate arrays that only plots need."""
        window, importance = self.window, self.importance
        return {
            "series": window.label,
            "target": window.target,
            "timestamps": window.timestamps,
            "values": window.values,
            "forecast": window.forecast,
            "patches": self.patch_step_ranges(),
            "layers": [vars(layer) for layer in self.layers],
            "gradient": {"total": self.gradient_norm, "recurrent": self.recurrent_gradient_norm},
            "attention": {"horizon": self.horizon_attention, "self": list(self.self_attention)},
            "importance": importance
            and vars(importance) | {"inputs": [vars(one) for one in importance.inputs]},
            "occlusion": [
                {
                    "first": window.timestamp_at(begin),
                    "last": window.timestamp_at(end - 1),
                    "steps": [begin, end],
                    "mean_absolute_change": mean_change,
                    "change": change,
                }
                for (begin, end), mean_change, change in zip(
                    self.occlusion.step_ranges,
                    self.occlusion.mean_absolute_change,
                    self.occlusion.forecast_change,
                    strict=True,
                )
            ],
        }
