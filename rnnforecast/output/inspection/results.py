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

KEEPING = ("keep", "forget")
"""How the names of gates begin that are open where a unit keeps its state."""


@dataclass(frozen=True)
class Scene:
    """The window that was looked at; original units."""

    label: str
    target: str
    times: NDArray[Any]
    """`[L + H]` stamps as people see them; L is shorter where the series begins later."""
    values: Floats
    """`[L + H]` what was observed, NaN elsewhere."""
    forecast: Floats
    """`[H]` the median."""
    segment: int
    """Steps that the net reads at once."""

    @property
    def ahead(self) -> int:
        """H."""
        return len(self.forecast)

    @property
    def past(self) -> int:
        """L."""
        return len(self.times) - self.ahead

    def stamp(self, step: int) -> Any:
        """The stamp of a step, or of the nearest one that there is."""
        return self.times[min(max(step + self.past, 0), len(self.times) - 1)]


@dataclass(frozen=True)
class Units:
    """One layer while it reads the window; `[G, K]` each."""

    name: str
    hidden: Floats
    gates: dict[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class Bar:
    """How much the error grows when something is shuffled, in percent of the series' size."""

    name: str
    mean: float
    error: float
    """The standard error of the mean over the repeats."""
    stretch: tuple[int, int] | None = None
    """Steps, the last one not included, of a stretch of the past; None for a covariate."""


@dataclass(frozen=True)
class Importance:
    """Permutation importance over many windows of all series."""

    error: float
    """The mean absolute error of the median, in percent of the series' size, nothing shuffled."""
    bars: tuple[Bar, ...]
    windows: int
    repeats: int


@dataclass(frozen=True)
class Hiding:
    """How the forecast moves when a stretch of the past is hidden; original units."""

    stretches: tuple[tuple[int, int], ...]
    """Steps, the last one not included."""
    change: Floats
    """`[n, H]`."""

    @property
    def size(self) -> Floats:
        """`[n]` the mean absolute change."""
        size: Floats = np.abs(self.change).mean(1)
        return size


@dataclass(frozen=True)
class Inspected:
    """All of it."""

    scene: Scene
    units: tuple[Units, ...]
    """From the lowest layer up."""
    slope: Floats
    """`[H, L]` the norm of the gradient over all that is read at a step."""
    recurrent: Floats | None
    """`[H, L]` the same without the linear map from lookback to horizon, where there is one."""
    ahead: Floats | None
    """`[J, G]` attention of the pieces of the horizon."""
    within: tuple[Floats, ...]
    """`[G, G]` self-attention of each layer."""
    importance: Importance | None
    """None where there is only one window."""
    hiding: Hiding

    def segments(self) -> list[tuple[int, int]]:
        """The steps of each of the G segments, the last one not included; the newest ends at 0."""
        count, size = len(self.units[0].hidden), self.scene.segment
        return [(-(count - g) * size, -(count - g - 1) * size) for g in range(count)]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, without those that only pictures need."""
        scene, hiding = self.scene, self.hiding
        return {
            "series": scene.label,
            "target": scene.target,
            "times": scene.times,
            "values": scene.values,
            "forecast": scene.forecast,
            "segments": self.segments(),
            "layers": [
                {"name": one.name, "hidden": one.hidden, "gates": one.gates} for one in self.units
            ],
            "gradient": {"whole": self.slope, "recurrent": self.recurrent},
            "attention": {"ahead": self.ahead, "within": list(self.within)},
            "importance": None
            if self.importance is None
            else {
                "error": self.importance.error,
                "windows": self.importance.windows,
                "repeats": self.importance.repeats,
                "inputs": [vars(bar) for bar in self.importance.bars],
            },
            "hiding": [
                {
                    "first": scene.stamp(begin),
                    "last": scene.stamp(end - 1),
                    "steps": [begin, end],
                    "mean_absolute_change": size,
                    "change": change,
                }
                for (begin, end), size, change in zip(
                    hiding.stretches, hiding.size, hiding.change, strict=True
                )
            ],
        }
