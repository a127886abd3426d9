"""Shared layout of the inspection plots: stacked axes, time axis, series, heat maps."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnforecast.data.time.format import format_timestamp
from rnnforecast.output.inspection.results import InspectedWindow
from rnnforecast.output.plot_style import (
    format_ticks,
    isolated_values,
    plot_text,
    style_axes,
    widen_flat_ylim,
)
from rnnforecast.output.style import (
    BLUE,
    GRID_COLOR,
    MUTED_COLOR,
    ORANGE,
    TEXT_COLOR,
    format_number,
)
from rnnforecast.output.time_words import drop_time_of_day
from rnnforecast.types import Floats

DPI = 120
FIGURE_WIDTH, LEFT_MARGIN, RIGHT_MARGIN = 9.0, 1.05, 0.95
"""Inches: the width of a figure, and the margins beside its axes."""


def stacked_axes(
    figure: Figure, title: str, heights: Sequence[float], *, gap: float = 0.42
) -> list[Axes]:
    """Axes of these heights in inches, one below the other, under a title."""
    lines = textwrap.wrap(title, 88) or [""]
    top, bottom = 0.22 + 0.24 * len(lines) + 0.22, 0.55
    height = top + sum(heights) + gap * (len(heights) - 1) + bottom
    figure.set_size_inches(FIGURE_WIDTH, height)
    text = "\n".join(lines).replace("$", r"\$")
    figure.text(0.12 / FIGURE_WIDTH, 1 - 0.14 / height, text, va="top", fontsize=12,
                fontweight="bold", color=TEXT_COLOR, linespacing=1.25)  # fmt: skip
    left = LEFT_MARGIN / FIGURE_WIDTH
    width = (FIGURE_WIDTH - LEFT_MARGIN - RIGHT_MARGIN) / FIGURE_WIDTH
    stack, low = [], height - top
    for each in heights:
        low -= each
        stack.append(figure.add_axes((left, low / height, width, each / height)))
        style_axes(stack[-1])
        low -= gap
    return stack


def set_caption(axes: Axes, text: str) -> None:
    """Sets a caption above the axes, aligned to the left."""
    axes.set_title(plot_text(text, 110), loc="left", fontsize=9, color=TEXT_COLOR, pad=4)


def add_legend(axes: Axes, n_columns: int, *, handle_length: float = 1.6) -> None:
    """Adds a legend above the axes, aligned to the right."""
    axes.legend(ncols=n_columns, loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False,
                fontsize=8.5, borderaxespad=0.1, borderpad=0.1, handlelength=handle_length,
                labelcolor=TEXT_COLOR)  # fmt: skip


def plot_series(axes: Axes, window: InspectedWindow) -> None:
    """Plots history, actual values and forecast; the x axis counts steps from the origin."""
    past, ahead = np.arange(-window.lookback, 0), np.arange(window.horizon)
    history, actual = window.values[: window.lookback], window.values[window.lookback :]
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    axes.plot(past + 0.5, history, color=TEXT_COLOR, linewidth=1.2, label="history")
    isolated = isolated_values(history)
    axes.plot(past[isolated] + 0.5, history[isolated], ".", color=TEXT_COLOR, markersize=3)
    if np.isfinite(actual).any():
        axes.plot(ahead + 0.5, actual, color=ORANGE, linewidth=1.0, marker="o", markersize=2.6,
                  markerfacecolor="white", markeredgewidth=0.8, label="actual")  # fmt: skip
    axes.plot(ahead + 0.5, window.forecast, color=BLUE, linewidth=1.8, label="forecast")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    format_ticks(axes.yaxis, window.values[np.isfinite(window.values)])
    axes.set_ylabel(plot_text(window.target, 18), fontsize=9, color=MUTED_COLOR)
    add_legend(axes, 3)
    set_caption(axes, window.label)
    widen_flat_ylim(axes)


def set_time_axis(
    axes: Axes, window: InspectedWindow, *, end_step: int | None = None, show_lags: bool = False
) -> None:
    """Sets an x axis up to `end_step` (None: the horizon) with a few timestamps and the origin.

    With `show_lags` the labels also show the distance from the origin.
    """
    end_step = window.horizon if end_step is None else end_step
    axes.set_xlim(-window.lookback, end_step)
    if end_step > 0:
        axes.axvline(0, color=MUTED_COLOR, linewidth=0.9, linestyle=(0, (1, 2)), zorder=5)
    times = window.timestamps
    steps = _tick_positions(times[: window.lookback + end_step]) - window.lookback
    times = drop_time_of_day(times)
    labels = [format_timestamp(times[step + window.lookback]) for step in steps]
    if show_lags:
        labels = [
            f"{label}\n{-step:,} back" if step < 0 else f"{label}\n{step + 1:,} ahead"
            for label, step in zip(labels, steps, strict=True)
        ]
    axes.set_xticks(steps + 0.5, labels)


def set_shared_time_axis(axes: Sequence[Axes], window: InspectedWindow) -> None:
    """Sets the same time axis on all axes of a stack, with labels at the bottom only."""
    for ax in axes:
        set_time_axis(ax, window)
    for ax in axes[:-1]:
        ax.set_xticklabels([])


def _tick_positions(timestamps: np.ndarray) -> np.ndarray:
    """Indices of a few `timestamps`: round dates if all are among them, else evenly spaced."""
    most = 6 if max(len(format_timestamp(end)) for end in timestamps[[0, -1]]) <= 10 else 5
    if timestamps.dtype.kind == "M":
        numbers = dates.date2num(timestamps)
        locator = dates.AutoDateLocator(minticks=3, maxticks=most)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # some spans exceed `maxticks`
            ticks = np.array(locator.tick_values(*dates.num2date(numbers[[0, -1]])))
        ticks = ticks[(ticks >= numbers[0]) & (ticks <= numbers[-1])]
        if 3 <= len(ticks) <= most and np.isin(ticks, numbers).all():
            return np.asarray(np.searchsorted(numbers, ticks))
    count = min(most, len(timestamps))
    return np.unique(np.linspace(0, len(timestamps) - 1, count).round().astype(int))


def plot_heatmap(
    axes: Axes,
    column_step_ranges: Sequence[tuple[int, int]],
    values: Floats,
    *,
    cmap: str,
    vmin: float,
    vmax: float,
) -> QuadMesh:
    """Plots `values [rows, n]` as a heat map, row 0 at the top, columns at their step ranges."""
    edges = [column_step_ranges[0][0], *(end for _, end in column_step_ranges)]
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return axes.pcolormesh(
        edges, np.arange(values.shape[0] + 1), values, cmap=cmap, vmin=vmin, vmax=vmax,
        rasterized=True,
    )  # fmt: skip


def add_colorbar(axes: Axes, mappable: ScalarMappable, title: str) -> None:
    """Adds the color scale of a heat map to the right of `axes`."""
    box = axes.get_position()
    position = (box.x0 + 1.015 * box.width, box.y0, 0.011, box.height)
    bar = axes.figure.colorbar(mappable, cax=axes.figure.add_axes(position))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7.5, length=2, colors=MUTED_COLOR, labelcolor=TEXT_COLOR)
    bar.ax.set_title(title, fontsize=7.5, color=MUTED_COLOR, loc="left", pad=4)
    if bar.ax.get_yscale() == "linear":
        bar.ax.yaxis.set_major_locator(MaxNLocator(5))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(format_number))


def number_rows(axes: Axes, count: int, label: str) -> None:
    """Numbers the rows of a heat map from 1 at the top."""
    axes.set_ylim(count, 0)
    rows = np.unique(np.linspace(0, count - 1, min(5, count)).round().astype(int))
    axes.set_yticks(rows + 0.5, [f"{row + 1:,}" for row in rows])
    axes.set_ylabel(label, fontsize=9, color=MUTED_COLOR)
