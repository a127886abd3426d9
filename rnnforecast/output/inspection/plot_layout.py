"""What the pictures of `inspect` share: the window's time axis, its series, heat maps below it."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec

import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnforecast.data.time.format import format_timestamp
from rnnforecast.output.data_report.plots import (
    GRID_COLOR,
    MUTED_COLOR,
    TEXT_COLOR,
    _plot_text,
    _style_axes,
)
from rnnforecast.output.forecast_plots import _format_number, _widen_flat_ylim, plot_style
from rnnforecast.output.inspection.results import (
    InspectedWindow,
)
from rnnforecast.types import Floats

BLUE, ORANGE = "#0072b2", "#d55e00"
"""Okabe and Ito's: told apart by colour-blind readers."""
DIVERGING_CMAP, SEQUENTIAL_CMAP = "RdBu_r", "cividis"
"""Colours of what has a sign, and of what has none; both are read by colour-blind readers."""
FIGURE_WIDTH, LEFT_MARGIN, RIGHT_MARGIN = 9.0, 1.05, 0.95
"""Inches: a picture, and what is left beside its axes."""

P = ParamSpec("P")


def as_png(draw: Callable[Concatenate[Figure, P], None]) -> Callable[P, bytes]:
    """`draw` on a new figure; the result is its PNG."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> bytes:
        file = io.BytesIO()
        with plot_style():
            figure = Figure(dpi=120)
            draw(figure, *args, **kwargs)
            figure.savefig(file, format="png", metadata={"Software": ""})
        return file.getvalue()

    return drawn


def stacked_axes(
    figure: Figure, title: str, heights: Sequence[float], *, gap: float = 0.42
) -> list[Axes]:
    """Axes of these heights [inches] below each other, under a title that may have two lines."""
    lines = textwrap.wrap(title, 88) or [""]
    top, bottom = 0.22 + 0.24 * len(lines) + 0.22, 0.55
    height = top + sum(heights) + gap * (len(heights) - 1) + bottom
    figure.set_size_inches(FIGURE_WIDTH, height)
    figure.text(0.12 / FIGURE_WIDTH, 1 - 0.14 / height, "\n".join(lines).replace("$", r"\$"), va="top",
                fontsize=12, fontweight="bold", color=TEXT_COLOR, linespacing=1.25)  # fmt: skip
    found, low = [], height - top
    for each in heights:
        low -= each
        axes = figure.add_axes(
            (
                LEFT_MARGIN / FIGURE_WIDTH,
                low / height,
                (FIGURE_WIDTH - LEFT_MARGIN - RIGHT_MARGIN) / FIGURE_WIDTH,
                each / height,
            )
        )
        _style_axes(axes)
        found.append(axes)
        low -= gap
    return found


def set_caption(axes: Axes, text: str) -> None:
    """What a panel shows, above it on the left."""
    axes.set_title(_plot_text(text, 110), loc="left", fontsize=9, color=TEXT_COLOR, pad=4)


def plot_series(axes: Axes, window: InspectedWindow) -> None:
    """The series, what came after the origin, and the forecast; steps count from the origin."""
    past, ahead = np.arange(-window.lookback, 0), np.arange(window.horizon)
    known, actual = window.values[: window.lookback], window.values[window.lookback :]
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    axes.plot(past + 0.5, known, color=TEXT_COLOR, linewidth=1.2, label="history")
    seen = np.r_[False, np.isfinite(known), False]  # a value between two gaps has no line
    alone = seen[1:-1] & ~seen[:-2] & ~seen[2:]
    axes.plot(past[alone] + 0.5, known[alone], ".", color=TEXT_COLOR, markersize=3)
    if np.isfinite(actual).any():
        axes.plot(ahead + 0.5, actual, color=TEXT_COLOR, linewidth=1.0, marker="o", markersize=2.6,
                  markerfacecolor="white", markeredgewidth=0.8, label="actual")  # fmt: skip
    axes.plot(ahead + 0.5, window.forecast, color=BLUE, linewidth=1.8, label="forecast")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    numbers = np.abs(window.values[np.isfinite(window.values)])
    if not len(numbers) or numbers.max() < 1e9:
        axes.yaxis.set_major_formatter(FuncFormatter(_format_number))
    axes.set_ylabel(_plot_text(window.target, 18), fontsize=9, color=MUTED_COLOR)
    axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.5,
                borderaxespad=0.1, borderpad=0.1, handlelength=1.6, labelcolor=TEXT_COLOR)  # fmt: skip
    set_caption(axes, window.label if window.label != window.target else window.target)
    _widen_flat_ylim(axes)


def set_time_axis(
    axes: Axes, window: InspectedWindow, *, end_step: int | None = None, show_lags: bool = False
) -> None:
    """Steps are called by their stamps, a few of them, up to the step `end` (the last one ahead
    if None); with `back` also by how many steps they lie before the origin."""
    end_step = window.horizon if end_step is None else end_step
    axes.set_xlim(-window.lookback, end_step)
    mark_origin(axes, window)
    times = window.timestamps
    places = _tick_positions(times[: window.lookback + end_step]) - window.lookback
    if times.dtype.kind == "M" and times[-1] - times[0] >= np.timedelta64(60, "D"):
        times = times.astype("datetime64[D]")  # the hour does not matter
    texts = [format_timestamp(times[place + window.lookback]) for place in places]
    if show_lags:
        texts = [
            f"{text}\n{-place:,} back" if place < 0 else f"{text}\n{place + 1:,} ahead"
            for text, place in zip(texts, places, strict=True)
        ]
    axes.set_xticks(places + 0.5, texts)


def _tick_positions(timestamps: np.ndarray) -> np.ndarray:
    """The places of a few of these stamps, or numbers of steps: the round ones of the calendar, if
    all of those are there; else far apart."""
    most = 6 if max(len(format_timestamp(stamp)) for stamp in timestamps[[0, -1]]) <= 10 else 5
    if timestamps.dtype.kind == "M":
        numbers = dates.date2num(timestamps)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it has no number of marks for each span
            marks = np.array(
                dates.AutoDateLocator(minticks=3, maxticks=most).tick_values(
                    *dates.num2date(numbers[[0, -1]])
                )
            )
        marks = marks[(marks >= numbers[0]) & (marks <= numbers[-1])]
        if 3 <= len(marks) <= most and np.isin(marks, numbers).all():
            return np.asarray(np.searchsorted(numbers, marks))
    return np.unique(
        np.linspace(0, len(timestamps) - 1, min(most, len(timestamps))).round().astype(int)
    )


def mark_origin(axes: Axes, window: InspectedWindow) -> None:
    """A line where the forecast begins."""
    if axes.get_xlim()[1] > 0:
        axes.axvline(0, color=MUTED_COLOR, linewidth=0.9, linestyle=(0, (1, 2)), zorder=5)


def plot_heatmap(
    axes: Axes,
    column_step_ranges: Sequence[tuple[int, int]],
    values: Floats,
    *,
    cmap: str,
    vmin: float,
    vmax: float,
) -> QuadMesh:
    """`rows [R, n]` as colours, the first row at the top; column i is the steps `columns[i]`."""
    edges = [column_step_ranges[0][0], *(end for _, end in column_step_ranges)]
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return axes.pcolormesh(
        edges, np.arange(values.shape[0] + 1), values, cmap=cmap, vmin=vmin, vmax=vmax,
        rasterized=True,
    )  # fmt: skip


def add_colorbar(axes: Axes, mappable: ScalarMappable, title: str, *, x: float = 1.015) -> None:
    """The scale of a heat map, right of it."""
    figure = axes.figure
    box = axes.get_position()
    width = box.width
    place = (box.x0 + x * width, box.y0, 0.011, box.height)
    bar = figure.colorbar(mappable, cax=figure.add_axes(place))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7.5, length=2, colors=MUTED_COLOR, labelcolor=TEXT_COLOR)
    bar.ax.set_title(title, fontsize=7.5, color=MUTED_COLOR, loc="left", pad=4)
    if bar.ax.get_yscale() == "linear":
        bar.ax.yaxis.set_major_locator(MaxNLocator(5))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(_format_number))


def number_rows(axes: Axes, count: int, label: str) -> None:
    """Rows from 1 at the top."""
    axes.set_ylim(count, 0)
    shown = np.unique(np.linspace(0, count - 1, min(5, count)).round().astype(int))
    axes.set_yticks(shown + 0.5, [f"{k + 1:,}" for k in shown])
    axes.set_ylabel(label, fontsize=9, color=MUTED_COLOR)
