"""What `inspect` found in a run, as plain numbers; pictures, sentences and the JSON come from it.

Steps count from the origin: -1 is the last one known, 0 the first one forecast.
Axes: L past steps, H steps ahead, G segments, K units, J pieces of the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnforecast.types import Floats

RETENTION_GATE_PREFIXES = ("keep", "forget")
"""How the names of gates begin that are open where a unit keeps its state."""


@dataclass(frozen=True)
class InspectedWindow:
    """The window that was looked at; original units."""

    label: str
    target: str
    timestamps: NDArray[Any]
    """`[L + H]` stamps as people see them; L is shorter where the series begins later."""
    values: Floats
    """`[L + H]` what was observed, NaN elsewhere."""
    forecast: Floats
    """`[H]` the median."""
    patch_length: int
    """Steps that the net reads at once."""

    @property
    def horizon(self) -> int:
        """H."""
        return len(self.forecast)

    @property
    def lookback(self) -> int:
        """L."""
        return len(self.timestamps) - self.horizon

    def timestamp_at(self, step: int) -> Any:
        """The stamp of a step, or of the nearest one that there is."""
        return self.timestamps[min(max(step + self.lookback, 0), len(self.timestamps) - 1)]


@dataclass(frozen=True)
class LayerActivations:
    """One layer while it reads the window; `[G, K]` each."""

    name: str
    hidden: Floats
    gates: dict[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class InputImportance:
    """How much the error grows when something is shuffled, in percent of the series' size."""

    name: str
    mean: float
    std_error: float
    """The standard error of the mean over the repeats."""
    step_range: tuple[int, int] | None = None
    """Steps, the last one not included, of a stretch of the past; None for a covariate."""


@dataclass(frozen=True)
class PermutationImportance:
    """Permutation importance over many windows of all series."""

    baseline_error: float
    """The mean absolute error of the median, in percent of the series' size, nothing shuffled."""
    inputs: tuple[InputImportance, ...]
    windows: int
    repeats: int


@dataclass(frozen=True)
class Occlusion:
    """How the forecast moves when a stretch of the past is hidden; original units."""

    step_ranges: tuple[tuple[int, int], ...]
    """Steps, the last one not included."""
    forecast_change: Floats
    """`[n, H]`."""

    @property
    def mean_absolute_change(self) -> Floats:
        """`[n]` the mean absolute change."""
        size: Floats = np.abs(self.forecast_change).mean(1)
        return size


@dataclass(frozen=True)
class Inspection:
    """All of it."""

    window: InspectedWindow
    layers: tuple[LayerActivations, ...]
    """From the lowest layer up."""
    gradient_norm: Floats
    """`[H, L]` the norm of the gradient over all that is read at a step."""
    recurrent_gradient_norm: Floats | None
    """`[H, L]` the same without the linear map from lookback to horizon, where there is one."""
    horizon_attention: Floats | None
    """`[J, G]` attention of the pieces of the horizon."""
    self_attention: tuple[Floats, ...]
    """`[G, G]` self-attention of each layer."""
    importance: PermutationImportance | None
    """None where there is only one window."""
    occlusion: Occlusion

    def patch_step_ranges(self) -> list[tuple[int, int]]:
        """The steps of each of the G segments, the last one not included; the newest ends at 0."""
        count, size = len(self.layers[0].hidden), self.window.patch_length
        return [(-(count - g) * size, -(count - g - 1) * size) for g in range(count)]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, without those that only pictures need."""
        scene, hiding = self.window, self.occlusion
        return {
            "series": scene.label,
            "target": scene.target,
            "times": scene.timestamps,
            "values": scene.values,
            "forecast": scene.forecast,
            "segments": self.patch_step_ranges(),
            "layers": [
                {"name": one.name, "hidden": one.hidden, "gates": one.gates} for one in self.layers
            ],
            "gradient": {"whole": self.gradient_norm, "recurrent": self.recurrent_gradient_norm},
            "attention": {"ahead": self.horizon_attention, "within": list(self.self_attention)},
            "importance": None
            if self.importance is None
            else {
                "error": self.importance.baseline_error,
                "windows": self.importance.windows,
                "repeats": self.importance.repeats,
                "inputs": [vars(bar) for bar in self.importance.inputs],
            },
            "hiding": [
                {
                    "first": scene.timestamp_at(begin),
                    "last": scene.timestamp_at(end - 1),
                    "steps": [begin, end],
                    "mean_absolute_change": size,
                    "change": change,
                }
                for (begin, end), size, change in zip(
                    hiding.step_ranges,
                    hiding.mean_absolute_change,
                    hiding.forecast_change,
                    strict=True,
                )
            ],
        }
