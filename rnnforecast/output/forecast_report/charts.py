"""Geometry of the report's charts, which a template draws as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnforecast.output.style import format_number
from rnnforecast.types import Floats

MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 48.0, 18.0, 12.0, 40.0
"""Pixels between the plot and the edges of the image, for ticks and labels."""


@dataclass(frozen=True)
class Tick:
    """A tick at a position in pixels."""

    at: float
    label: str


@dataclass(frozen=True)
class Shape:
    """A path of an SVG image; `kind` is its CSS class, which sets color and line."""

    kind: str
    path: str


@dataclass(frozen=True)
class Chart:
    """An image in pixels: shapes, ticks and labels."""

    title: str
    description: str
    """What the image shows, for those who do not see it."""
    width: float
    height: float
    shapes: tuple[Shape, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str = ""
    y_label: str = ""
    legend: tuple[tuple[str, str], ...] = ()
    """Kind and name of lines and bands."""

    @property
    def left(self) -> float:
        """The left edge of the plot."""
        return MARGIN_LEFT

    @property
    def right(self) -> float:
        """The right edge of the plot."""
        return self.width - MARGIN_RIGHT

    @property
    def top(self) -> float:
        """The upper edge of the plot."""
        return MARGIN_TOP

    @property
    def bottom(self) -> float:
        """The lower edge of the plot."""
        return self.height - MARGIN_BOTTOM

    def anchor(self, tick: Tick) -> str:
        """Which part of the label of an x tick stands at it: long ones do not leave the image."""
        room = 3.5 * len(tick.label)
        if tick.at + room > self.width:
            return "end"
        return "start" if tick.at - room < 0 else "middle"


@dataclass
class ChartBuilder:
    """Adds lines, bands and bars in the units of the data, and scales them to pixels.

    The ranges of both axes are fixed from the start.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: float = 350.0
    height: float = 230.0
    shapes: list[Shape] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)

    def line(self, kind: str, x: Floats, y: Floats, name: str = "") -> None:
        """A line through the points `x [T]`, `y [T]`, broken where `y` is NaN."""
        self._add(kind, line_path(self._x(x), self._y(y)), name)

    def band(self, kind: str, x: Floats, low: Floats, high: Floats, name: str = "") -> None:
        """The area between `low [T]` and `high [T]`; left out where one is NaN."""
        known = np.isfinite(low) & np.isfinite(high)
        if known.any():
            there, back = self._x(x[known]), self._x(x[known])[::-1]
            outline = np.r_[self._y(high[known]), self._y(low[known])[::-1]]
            self._add(kind, line_path(np.r_[there, back], outline) + "Z", name)

    def bars(self, kind: str, edges: Floats, heights: Floats, name: str = "") -> None:
        """Bars from 0 to `heights [B]` between `edges [B + 1]`."""
        left, right = self._x(edges[:-1]) + 0.5, self._x(edges[1:]) - 0.5
        top, base = self._y(heights), float(self._y(np.zeros(1))[0])
        parts = [
            f"M{a:.1f} {base:.1f}V{t:.1f}H{b:.1f}V{base:.1f}Z"
            for a, b, t in zip(left, right, top, strict=True)
            if math.isfinite(t)
        ]
        self._add(kind, "".join(parts), name)

    def build(
        self,
        title: str,
        description: str,
        *,
        x_ticks: Sequence[tuple[float, str]],
        y_ticks: Sequence[tuple[float, str]],
        x_label: str = "",
        y_label: str = "",
    ) -> Chart:
        """The chart; positions of ticks are in the units of the data."""
        return Chart(
            title,
            description,
            self.width,
            self.height,
            tuple(self.shapes),
            tuple(Tick(float(self._x(np.array([at]))[0]), label) for at, label in x_ticks),
            tuple(Tick(float(self._y(np.array([at]))[0]), label) for at, label in y_ticks),
            x_label,
            y_label,
            tuple(self.legend),
        )

    def _add(self, kind: str, path: str, name: str) -> None:
        if path:
            self.shapes.append(Shape(kind, path))
            if name:
                self.legend.append((kind, name))

    def _x(self, values: Floats) -> Floats:
        first, last = self.x_range
        share = (np.asarray(values, dtype=np.float64) - first) / ((last - first) or 1.0)
        return MARGIN_LEFT + share * (self.width - MARGIN_LEFT - MARGIN_RIGHT)

    def _y(self, values: Floats) -> Floats:
        low, high = self.y_range
        share = (np.asarray(values, dtype=np.float64) - low) / ((high - low) or 1.0)
        return self.height - MARGIN_BOTTOM - share * (self.height - MARGIN_TOP - MARGIN_BOTTOM)


def line_path(x: Floats, y: Floats) -> str:
    """The path of a line in pixels, broken where `y [T]` is NaN; a single point is a short dash."""
    parts, begins = [], True
    for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if not math.isfinite(b):
            begins = True
            continue
        parts.append(f"{'M' if begins else 'L'}{a:.1f} {b:.1f}")
        if begins and (i + 1 == len(y) or not math.isfinite(y[i + 1])):
            parts.append("h1.5")
        begins = False
    return "".join(parts)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them: steps of 1, 2 or 5 times a power
    of ten."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each for each in (1, 2, 5, 10) if each * power >= rough * (1 - 1e-9)) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def value_range(*arrays: Floats, with_zero: bool = False) -> tuple[float, float]:
    """The range of the finite values with a margin of 4 %; with 0 if asked."""
    known = np.concatenate([np.asarray(each, dtype=np.float64).reshape(-1) for each in arrays])
    known = known[np.isfinite(known)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if with_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.04 * (high - low) or abs(high) * 0.1 or 1.0
    is_at_zero = low == 0 or (low > 0 and low - margin < 0)
    return (0.0 if is_at_zero else low - margin), high + margin


def number_ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Ticks at round numbers, such as 12,500, 1.5M or 2e+12."""
    ticks = nice_ticks(low, high, count)
    return [(tick, short_number(tick)) for tick in ticks]


def short_number(value: float) -> str:
    """The number for a tick: 12,500, 1.5M, 2B, or with a power of ten."""
    size = abs(value)
    if size and not 1e-4 <= size < 1e12:
        return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
    for unit, letter in ((1e9, "B"), (1e6, "M")):
        if size >= unit:
            return f"{format_number(round(value / unit, 6))}{letter}"
    return format_number(value)


def percent_ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Ticks of shares, in percent."""
    return [(tick, f"{format_number(100 * tick)} %") for tick in nice_ticks(low, high, count)]


def step_ticks(n_steps: int, count: int = 8) -> list[tuple[float, str]]:
    """Ticks at steps 1 to `n_steps`: the first, the last, and round ones between."""
    if n_steps <= count:
        return [(step, str(step)) for step in range(1, n_steps + 1)]
    between = [tick for tick in nice_ticks(1, n_steps, count - 2) if tick == int(tick)]
    room = n_steps / count / 2
    kept = [tick for tick in between if 1 + room < tick < n_steps - room]
    return [(tick, f"{tick:.0f}") for tick in (1, *kept, n_steps)]
