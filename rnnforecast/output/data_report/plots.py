"""Pictures of a data set, as PNG in memory for the page that shows them.

The same numbers give the same bytes, whatever the user's matplotlibrc says.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rnnforecast.data.profiling.coverage import Coverage
from rnnforecast.data.profiling.example_series import ExampleSeries
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.output.forecast_plots import _format_number, _shorten, plot_style

OBSERVED_COLOR, FILLED_COLOR, MISSING_COLOR, OUTSIDE_COLOR = (
    "#0072b2",
    "#f0b040",
    "#d55e00",
    "#efefef",
)
"""Okabe and Ito's colours: told apart by colour-blind readers."""
OUTLIER_COLOR = "#cc79a7"
TEXT_COLOR, MUTED_COLOR, GRID_COLOR = "#262626", "#6b6b6b", "#e6e6e6"
FIGURE_WIDTH, HALF_WIDTH = 9.0, 4.35
"""Inches: the width of the page, and of one of two pictures side by side."""
LEFT_MARGIN = 0.95
"""Inches to the left of the axes, so that those of wide pictures stand below each other."""
HISTOGRAM_BINS = 24

P = ParamSpec("P")


def _as_png(draw: Callable[Concatenate[Figure, P], None]) -> Callable[P, bytes]:
    """`draw` on a new figure; the result is its PNG."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> bytes:
        file = io.BytesIO()
        with plot_style():
            figure = Figure(dpi=110)
            draw(figure, *args, **kwargs)
            figure.savefig(file, format="png", metadata={"Software": ""})
        return file.getvalue()

    return drawn


@_as_png
def plot_coverage(figure: Figure, coverage: Coverage) -> None:
    """Above, how many series have a value when; below, which: a row a series, or a group."""
    groups, columns = coverage.observed_share.shape
    many = int(coverage.series_counts.sum())
    rows = max(0.11 * groups, 0.45)
    strip = 0.75 if many > 1 else 0.0
    top, gap, bottom = 0.35, 0.12 if strip else 0.0, 0.35
    height = top + strip + gap + rows + bottom
    figure.set_size_inches(FIGURE_WIDTH, height)
    left, width = LEFT_MARGIN / FIGURE_WIDTH, (FIGURE_WIDTH - LEFT_MARGIN - 0.4) / FIGURE_WIDTH
    shares = np.stack(
        [coverage.observed_share, coverage.filled_share, coverage.missing_share]
    )  # [3, G, T]
    colours = (OBSERVED_COLOR, FILLED_COLOR, MISSING_COLOR)
    if strip:
        above = figure.add_axes((left, (bottom + rows + gap) / height, width, strip / height))
        _style_axes(above)
        above.stackplot(
            np.arange(columns + 1),
            np.pad(np.einsum("kgt,g->kt", shares, coverage.series_counts), ((0, 0), (0, 1)), mode="edge"),
            colors=colours, step="post", linewidth=0,
        )  # fmt: skip
        above.set_xlim(0, columns)
        above.set_ylim(0, None)
        above.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        above.yaxis.set_major_formatter(FuncFormatter(_format_number))
        above.set_xticks([])
        above.set_ylabel("series", fontsize=8, color=MUTED_COLOR)
    below = figure.add_axes((left, bottom / height, width, rows / height))
    _style_axes(below)
    below.spines["left"].set_visible(False)
    rest = np.clip(1 - shares.sum(axis=0), 0, 1)
    mixed = np.einsum(
        "kgt,kc->gtc", [*shares, rest], [to_rgb(c) for c in (*colours, OUTSIDE_COLOR)]
    )
    below.imshow(
        mixed.clip(0, 1), aspect="auto", interpolation="nearest", extent=(0, columns, groups, 0)
    )
    _set_time_ticks(below, coverage.edges)
    shown = np.unique(np.linspace(0, groups - 1, min(10, groups)).round().astype(int))
    if many > 1:
        below.set_yticks(shown + 0.5, [_plot_text(coverage.row_labels[row], 13) for row in shown])
    else:
        below.set_yticks([])
    below.tick_params(axis="y", length=0)
    there = [True, coverage.filled_share.any(), coverage.missing_share.any(), rest.max() > 1e-9]
    names = ("observed", "missing, filled", "missing", "series does not run")
    patches = [
        Patch(color=colour, label=name)
        for colour, name, some in zip((*colours, OUTSIDE_COLOR), names, there, strict=True)
        if some
    ]
    figure.legend(
        handles=patches, ncols=4, loc="upper left", bbox_to_anchor=(left, 1.0), frameon=False,
        borderaxespad=0.1, borderpad=0.2, handlelength=1.2, handletextpad=0.5, fontsize=9,
        labelcolor=TEXT_COLOR,
    )  # fmt: skip


@_as_png
def plot_bars(
    figure: Figure,
    counts: Mapping[str, float],
    *,
    axis_label: str,
    highlight: str | None = None,
    as_percent: bool = False,
) -> None:
    """One bar each, its number at the end; of `shares` 1 is the whole. Only `highlight` is in
    colour, if it is one of the names or ""."""
    size = max(len(counts), 1)
    height = 0.55 + 0.27 * size
    figure.set_size_inches(HALF_WIDTH, height)
    axes = figure.add_axes((0.31, 0.5 / height, 0.64, 0.27 * size / height))
    _style_axes(axes)
    axes.spines["bottom"].set_visible(False)
    names, values = list(counts)[::-1], list(counts.values())[::-1]
    colours = [OBSERVED_COLOR if highlight in (None, name) else "#b5bec6" for name in names]
    drawn = axes.barh(range(len(names)), values, color=colours, height=0.72)
    text = [_format_percent(value) if as_percent else _format_number(value) for value in values]
    axes.bar_label(drawn, text, color=TEXT_COLOR, fontsize=8, padding=3)
    axes.set_yticks(range(len(names)), [_plot_text(name, 24) for name in names])
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.5, size - 0.5)
    axes.set_xlim(0, 1.18 * (1.0 if as_percent else max([*values, 1])))
    axes.set_xlabel(axis_label, fontsize=8.5, color=MUTED_COLOR, loc="left")


@_as_png
def plot_histogram(figure: Figure, values: np.ndarray, *, axis_label: str) -> None:
    """How often which size comes; on a log scale where sizes differ fiftyfold."""
    known = values[np.isfinite(values)]
    figure.set_size_inches(HALF_WIDTH, 2.1)
    axes = figure.add_axes((0.13, 0.24, 0.83, 0.7))
    _style_axes(axes)
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    if len(known):
        edges, wide = _histogram_edges(known)
        axes.hist(
            known, bins=edges.tolist(), color=OBSERVED_COLOR, edgecolor="white", linewidth=0.5
        )
        if wide:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=6))
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6))
    if not len(known) or abs(known).max() < 1e9:  # else powers of ten are shorter
        axes.xaxis.set_major_formatter(FuncFormatter(_format_number))
    axes.set_xlabel(_plot_text(axis_label, 50), fontsize=8.5, color=MUTED_COLOR)
    axes.set_ylabel("series", fontsize=8.5, color=MUTED_COLOR)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_format_number))


@_as_png
def plot_examples(
    figure: Figure, examples: Sequence[ExampleSeries], phase_labels: Sequence[str] = ()
) -> None:
    """The last steps of a few series, gaps shaded; beside each its seasonal pattern, if any."""
    each, top, bottom = 1.0, 0.32, 0.3
    height = max(len(examples), 1) * (each + top + bottom)
    figure.set_size_inches(FIGURE_WIDTH, height)
    patterned = any(len(one.seasonal_pattern) for one in examples)
    width = (FIGURE_WIDTH - LEFT_MARGIN - (3.0 if patterned else 0.4)) / FIGURE_WIDTH
    for place, one in enumerate(examples):
        low = height - (place + 1) * (each + top + bottom) + bottom
        axes = figure.add_axes((LEFT_MARGIN / FIGURE_WIDTH, low / height, width, each / height))
        _style_axes(axes)
        _plot_example(axes, one)
        title = " – ".join(part for part in (_plot_text(one.label, 50), one.reason) if part)
        axes.set_title(title, loc="left", fontsize=9, color=TEXT_COLOR)
        if len(one.seasonal_pattern):
            small = figure.add_axes(((FIGURE_WIDTH - 2.05) / FIGURE_WIDTH, low / height, 1.9 / FIGURE_WIDTH,
                                     each / height))  # fmt: skip
            _plot_seasonal_pattern(small, one.seasonal_pattern, phase_labels)
            if place == 0:
                small.set_title("seasonal pattern", loc="left", fontsize=9, color=TEXT_COLOR)


def _plot_example(axes: Axes, example: ExampleSeries) -> None:
    steps = np.arange(len(example.values))
    missing = np.isnan(example.values)
    for mask, colour in (
        (missing & example.filled_mask, FILLED_COLOR),
        (missing & ~example.filled_mask, MISSING_COLOR),
    ):
        edge = np.diff(np.r_[0, mask.astype(int), 0])
        begins, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
        axes.broken_barh(
            list(zip(begins - 0.5, ends - begins, strict=True)), (0, 1), color=colour, linewidth=0,
            alpha=0.75 if colour == FILLED_COLOR else 1.0, transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    axes.plot(steps, example.values, color=OBSERVED_COLOR, linewidth=1.0)
    present = np.r_[False, ~missing, False]  # a value between two gaps has no line
    alone = present[1:-1] & ~present[:-2] & ~present[2:]
    axes.plot(steps[alone], example.values[alone], ".", color=OBSERVED_COLOR, markersize=3)
    axes.plot(
        steps[example.outlier_mask], example.values[example.outlier_mask], "o", markersize=6, markerfacecolor="none",
        markeredgecolor=OUTLIER_COLOR,
    )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(3))
    known = example.values[~missing]
    if not len(known) or abs(known).max() < 1e9:
        axes.yaxis.set_major_formatter(FuncFormatter(_format_number))
    axes.set_xlim(-0.5, max(len(steps), 1) - 0.5)
    _set_time_ticks(axes, example.timestamps, max_ticks=5)


def _plot_seasonal_pattern(axes: Axes, pattern: np.ndarray, phase_labels: Sequence[str]) -> None:
    _style_axes(axes)
    axes.spines["left"].set_visible(False)
    axes.axhline(0, color=MUTED_COLOR, linewidth=0.8)
    if len(pattern) <= 60:
        axes.bar(range(len(pattern)), pattern, color=OBSERVED_COLOR, width=0.8)
    else:
        axes.plot(pattern, color=OBSERVED_COLOR, linewidth=1.0)
    axes.set_yticks([])
    every = -(-len(pattern) // 5) if len(pattern) > 12 else 1 + (len(pattern) > 7)
    shown = range(0, len(pattern), every)
    axes.set_xticks(list(shown), [phase_labels[k] if phase_labels else f"{k + 1}" for k in shown])
    axes.tick_params(axis="x", length=0)


def _set_time_ticks(axes: Axes, timestamps: np.ndarray, max_ticks: int = 7) -> None:
    """Places 0, 1, … of the x axis are called by their stamps, a few of them."""
    if not len(timestamps):
        axes.set_xticks([])
        return
    if timestamps.dtype.kind == "M" and timestamps[-1] - timestamps[0] >= np.timedelta64(60, "D"):
        timestamps = timestamps.astype("datetime64[D]")  # the hour does not matter
    names = [format_timestamp(timestamps[0]), format_timestamp(timestamps[-1])]
    count = min(max_ticks if max(map(len, names)) <= 10 else max_ticks - 2, len(timestamps))
    places = np.unique(np.linspace(0, len(timestamps) - 1, count).round().astype(int))
    axes.set_xticks(places, [format_timestamp(timestamps[place]) for place in places])
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    if len(labels) > 1:
        labels[-1].set_horizontalalignment("right")


def _histogram_edges(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """The bounds of the bars, and whether they are to stand on a log scale."""
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > 50 * low:
        return np.geomspace(low, high, HISTOGRAM_BINS + 1), True
    if np.array_equal(values, np.round(values)) and high - low < 1e9:  # a bar holds whole numbers
        step = max(1, -(-int(high - low + 1) // HISTOGRAM_BINS))
        return np.arange(low - 0.5, high + step + 0.5, step), False
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = 0.05 * max(abs(low), abs(high), 1.0)
        low, high = low - room, high + room
    return np.linspace(low, high, HISTOGRAM_BINS + 1), False


def _format_percent(share: float) -> str:
    return "less than 1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")


def _plot_text(text: str, max_width: int) -> str:
    """On one line and no longer than fits; a dollar sign is no formula."""
    return _shorten(text, max_width).replace("$", r"\$")


def _style_axes(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED_COLOR)
    axes.tick_params(labelsize=8, colors=MUTED_COLOR, labelcolor=TEXT_COLOR)
    axes.set_axisbelow(True)
