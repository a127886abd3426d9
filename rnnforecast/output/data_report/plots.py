"""Plots of the data report, each as a PNG in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rnnforecast.data.profiling.coverage import Coverage
from rnnforecast.data.profiling.example_series import ExampleSeries
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.output.plot_style import (
    as_png,
    format_ticks,
    isolated_values,
    plot_text,
    style_axes,
)
from rnnforecast.output.style import (
    BLUE,
    GRAY,
    GRID_COLOR,
    LIGHT_GRAY,
    MUTED_COLOR,
    ORANGE,
    PINK,
    TEXT_COLOR,
    YELLOW,
    format_number,
    format_percent,
)
from rnnforecast.output.time_words import drop_time_of_day

COVERAGE_COLORS = {
    "observed": BLUE,
    "missing, filled": YELLOW,
    "missing": ORANGE,
    "outside the series": LIGHT_GRAY,
}
DPI = 110
FIGURE_WIDTH, HALF_WIDTH = 9.0, 4.35
"""Full width and half width of the page, in inches."""
LEFT_MARGIN = 0.95
"""Inches to the left of the axes of all full-width plots, so that they are aligned."""
NARROW_LEFT_MARGIN = 0.6
"""The same of series in half-width plots."""
HISTOGRAM_BINS = 24
MAX_LABELED_ROWS = 12
"""Most rows of the coverage map with a label."""
MAX_EXACT_INTEGER = 2.0**53
"""Beyond it float64 cannot hold edges halfway between integers, nor all integers."""
MAX_PATTERN_BARS = 60
"""Longer seasonal patterns are drawn as a line instead of bars."""


@as_png(DPI)
def plot_coverage(figure: Figure, coverage: Coverage, fig_width: float = FIGURE_WIDTH) -> None:
    """Coverage over time: the number of series in each state above a map with one row per group.

    With a single series, the map alone. States and colors are those of `COVERAGE_COLORS`;
    `fig_width` is in inches.
    """
    groups = len(coverage.row_labels)
    several = int(coverage.series_counts.sum()) > 1
    row_height = 0.17 if groups <= MAX_LABELED_ROWS else 0.11
    map_height = max(row_height * groups, 0.45)
    strip_height, gap = (0.75, 0.12) if several else (0.0, 0.0)
    is_narrow = fig_width < FIGURE_WIDTH
    n_columns = 2 if is_narrow else 4
    patches = [
        Patch(color=color, label=name)
        for (name, color), share in zip(COVERAGE_COLORS.items(), _shares(coverage), strict=True)
        if name == "observed" or share.max() > 1e-9
    ]
    top, bottom = 0.13 + 0.22 * -(-len(patches) // n_columns), 0.35
    height = top + strip_height + gap + map_height + bottom
    figure.set_size_inches(fig_width, height)
    right = 0.1 if is_narrow else 0.4
    left, width = LEFT_MARGIN / fig_width, (fig_width - LEFT_MARGIN - right) / fig_width
    if several:
        low = (bottom + map_height + gap) / height
        strip = figure.add_axes((left, low, width, strip_height / height))
        _plot_series_counts(strip, coverage)
    axes = figure.add_axes((left, bottom / height, width, map_height / height))
    _plot_coverage_map(axes, coverage, show_labels=several, max_ticks=3 if is_narrow else 7)
    figure.legend(
        handles=patches, ncols=n_columns, loc="upper left",
        bbox_to_anchor=(0.02 if is_narrow else left, 1.0), frameon=False,
        borderaxespad=0.1, borderpad=0.2, handlelength=1.2, handletextpad=0.5, fontsize=9,
        labelcolor=TEXT_COLOR,
    )  # fmt: skip


def _shares(coverage: Coverage) -> np.ndarray:
    """Shares of the states in the order of `COVERAGE_COLORS`, `[4, groups, columns]`."""
    inside = np.stack([coverage.observed_share, coverage.filled_share, coverage.missing_share])
    return np.concatenate([inside, np.clip(1 - inside.sum(axis=0), 0, 1)[None]])


def _plot_series_counts(axes: Axes, coverage: Coverage) -> None:
    style_axes(axes)
    n_columns = coverage.observed_share.shape[1]
    counts = np.einsum("kgt,g->kt", _shares(coverage)[:3], coverage.series_counts)
    axes.stackplot(
        np.arange(n_columns + 1), np.pad(counts, ((0, 0), (0, 1)), mode="edge"),
        colors=list(COVERAGE_COLORS.values())[:3], step="post", linewidth=0,
    )  # fmt: skip
    axes.set_xlim(0, n_columns)
    axes.set_ylim(0, None)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(format_number))
    axes.set_xticks([])
    noun = "targets" if coverage.is_by_target else "series"
    axes.set_ylabel(noun, fontsize=8, color=MUTED_COLOR)


def _plot_coverage_map(
    axes: Axes, coverage: Coverage, *, show_labels: bool, max_ticks: int = 7
) -> None:
    groups, n_columns = coverage.observed_share.shape
    style_axes(axes)
    axes.spines["left"].set_visible(False)
    colors = [to_rgb(color) for color in COVERAGE_COLORS.values()]
    mixed = np.einsum("kgt,kc->gtc", _shares(coverage), colors)
    axes.imshow(
        mixed.clip(0, 1), aspect="auto", interpolation="nearest", extent=(0, n_columns, groups, 0)
    )
    _set_time_ticks(axes, coverage.edges, max_ticks)
    axes.set_yticks([])
    if show_labels:
        rows = np.unique(
            np.linspace(0, groups - 1, min(MAX_LABELED_ROWS, groups)).round().astype(int)
        )
        axes.set_yticks(rows + 0.5, [plot_text(coverage.row_labels[row], 13) for row in rows])
    axes.tick_params(axis="y", length=0)


@as_png(DPI)
def plot_bars(
    figure: Figure,
    values: Mapping[str, float],
    *,
    axis_label: str,
    highlight: str | None = None,
    as_percent: bool = False,
) -> None:
    """Horizontal bars labeled with their values, by name.

    With `as_percent` values are fractions of 1, shown in percent. With a `highlight` only the bar
    of that name is colored.
    """
    size = max(len(values), 1)
    height = 0.55 + 0.27 * size
    figure.set_size_inches(HALF_WIDTH, height)
    axes = figure.add_axes((0.31, 0.5 / height, 0.64, 0.27 * size / height))
    style_axes(axes)
    axes.spines["bottom"].set_visible(False)
    names, widths = list(values)[::-1], list(values.values())[::-1]
    colors = [BLUE if highlight in (None, name) else GRAY for name in names]
    bars = axes.barh(range(len(names)), widths, color=colors, height=0.72)
    text = [format_percent(v, decimals=0) if as_percent else format_number(v) for v in widths]
    axes.bar_label(bars, text, color=TEXT_COLOR, fontsize=8, padding=3)
    axes.set_yticks(range(len(names)), [plot_text(name, 24) for name in names])
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.5, size - 0.5)
    axes.set_xlim(0, 1.18 * (1.0 if as_percent else max([*widths, 1])))
    axes.set_xlabel(axis_label, fontsize=8.5, color=MUTED_COLOR, loc="left")


@as_png(DPI)
def plot_series_histogram(figure: Figure, values: np.ndarray, *, axis_label: str) -> None:
    """Histogram of one value per series, of the finite ones.

    The scale is logarithmic if all are positive and the largest is over 50 times the smallest.
    """
    finite = values[np.isfinite(values)]
    figure.set_size_inches(HALF_WIDTH, 2.1)
    axes = figure.add_axes((0.13, 0.24, 0.83, 0.7))
    style_axes(axes)
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    if len(finite):
        edges, is_log = _histogram_edges(finite)
        axes.hist(finite, bins=edges.tolist(), color=BLUE, edgecolor="white", linewidth=0.5)
        if is_log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=6))
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6))
    format_ticks(axes.xaxis, finite)
    axes.set_xlabel(plot_text(axis_label, 50), fontsize=8.5, color=MUTED_COLOR)
    axes.set_ylabel("series", fontsize=8.5, color=MUTED_COLOR)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(format_number))


@as_png(DPI)
def plot_examples(
    figure: Figure,
    examples: Sequence[ExampleSeries],
    phase_labels: Sequence[str] = (),
    fig_width: float = FIGURE_WIDTH,
) -> None:
    """The last steps of a few series with shaded gaps, and their seasonal patterns beside them.

    A figure narrower than `FIGURE_WIDTH` has no patterns; `fig_width` is in inches.
    """
    each, top, bottom = 1.0, 0.32, 0.3
    height = max(len(examples), 1) * (each + top + bottom)
    figure.set_size_inches(fig_width, height)
    is_narrow = fig_width < FIGURE_WIDTH
    has_patterns = not is_narrow and any(len(example.seasonal_pattern) for example in examples)
    margin = NARROW_LEFT_MARGIN if is_narrow else LEFT_MARGIN
    right = 3.0 if has_patterns else 0.1 if is_narrow else 0.4
    width = (fig_width - margin - right) / fig_width
    for row, example in enumerate(examples):
        low = (height - (row + 1) * (each + top + bottom) + bottom) / height
        axes = figure.add_axes((margin / fig_width, low, width, each / height))
        style_axes(axes)
        _plot_example(axes, example, max_ticks=3 if is_narrow else 5)
        title = " – ".join(
            part
            for part in (plot_text(example.label, 34 if is_narrow else 50), example.reason)
            if part
        )
        axes.set_title(title, loc="left", fontsize=9, color=TEXT_COLOR)
        if has_patterns and len(example.seasonal_pattern):
            left = (fig_width - 2.05) / fig_width
            small = figure.add_axes((left, low, 1.9 / fig_width, each / height))
            _plot_seasonal_pattern(small, example.seasonal_pattern, phase_labels)
            if row == 0:
                small.set_title("seasonal pattern", loc="left", fontsize=9, color=TEXT_COLOR)


def _plot_example(axes: Axes, example: ExampleSeries, max_ticks: int = 5) -> None:
    steps = np.arange(len(example.values))
    missing = np.isnan(example.values)
    for mask, color, alpha in (
        (missing & example.filled_mask, YELLOW, 0.75),
        (missing & ~example.filled_mask, ORANGE, 1.0),
    ):
        edge = np.diff(np.r_[0, mask.astype(int), 0])
        begins, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
        axes.broken_barh(
            list(zip(begins - 0.5, ends - begins, strict=True)), (0, 1), color=color, linewidth=0,
            alpha=alpha, transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    axes.plot(steps, example.values, color=BLUE, linewidth=1.0)
    isolated = isolated_values(example.values)
    axes.plot(steps[isolated], example.values[isolated], ".", color=BLUE, markersize=3)
    axes.plot(
        steps[example.outlier_mask], example.values[example.outlier_mask], "o", markersize=6,
        markerfacecolor="none", markeredgecolor=PINK,
    )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(3))
    format_ticks(axes.yaxis, example.values[~missing])
    axes.set_xlim(-0.5, max(len(steps), 1) - 0.5)
    _set_time_ticks(axes, example.timestamps, max_ticks)


def _plot_seasonal_pattern(axes: Axes, pattern: np.ndarray, phase_labels: Sequence[str]) -> None:
    style_axes(axes)
    axes.spines["left"].set_visible(False)
    axes.axhline(0, color=MUTED_COLOR, linewidth=0.8)
    if len(pattern) <= MAX_PATTERN_BARS:
        axes.bar(range(len(pattern)), pattern, color=BLUE, width=0.8)
    else:
        axes.plot(pattern, color=BLUE, linewidth=1.0)
    axes.set_yticks([])
    stride = -(-len(pattern) // 5) if len(pattern) > 12 else 1 + (len(pattern) > 7)
    phases = range(0, len(pattern), stride)
    labels = [phase_labels[k] if phase_labels else f"{k + 1}" for k in phases]
    axes.set_xticks(list(phases), labels)
    axes.tick_params(axis="x", length=0)


def _set_time_ticks(axes: Axes, timestamps: np.ndarray, max_ticks: int = 7) -> None:
    """Labels a few positions 0, 1, … of the x axis with their timestamps."""
    if not len(timestamps):
        axes.set_xticks([])
        return
    timestamps = drop_time_of_day(timestamps)
    ends = [format_timestamp(timestamps[0]), format_timestamp(timestamps[-1])]
    most = max_ticks if max(map(len, ends)) <= 10 else max(max_ticks - 2, 2)
    count = min(most, len(timestamps))
    positions = np.unique(np.linspace(0, len(timestamps) - 1, count).round().astype(int))
    axes.set_xticks(positions, [format_timestamp(timestamps[at]) for at in positions])
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    if len(labels) > 1:
        labels[-1].set_horizontalalignment("right")


def _histogram_edges(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """The edges of the bins, and whether the scale is logarithmic."""
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > 50 * low:
        return np.geomspace(low, high, HISTOGRAM_BINS + 1), True
    is_exact = max(abs(low), abs(high)) < MAX_EXACT_INTEGER and high - low < 1e9
    if is_exact and np.array_equal(values, np.round(values)):  # bins of whole numbers
        step = max(1, -(-int(high - low + 1) // HISTOGRAM_BINS))
        return np.arange(low - 0.5, high + step + 0.5, step), False
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = 0.05 * max(abs(low), abs(high), 1.0)
        low, high = low - room, high + room
    return np.linspace(low, high, HISTOGRAM_BINS + 1), False
