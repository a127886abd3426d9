"""Parts of line plots: the figure with its title, lines, marks, and the files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnforecast.output.atomic_files import atomic_file
from rnnforecast.output.plot_style import isolated_values
from rnnforecast.output.style import GRID_COLOR, MUTED_COLOR, TEXT_COLOR, shorten_text

MAX_STEPS_WITH_MARKERS = 60
"""Longer lines have no markers."""
MAIN_HEIGHT, OVERVIEW_HEIGHT = 4.5, 1.2
"""Inches of a plot without the panel of the whole history, and of that panel."""


class LineFigure(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def new_figure(title: str, *, with_overview: bool = False) -> tuple[LineFigure, Axes, Axes | None]:
    """A figure with a title, its axes, and the axes of the whole history below."""
    below = OVERVIEW_HEIGHT if with_overview else 0.0
    height = MAIN_HEIGHT + below
    figure = LineFigure(figsize=(10, height), dpi=120)
    axes = figure.add_axes((0.085, (0.6 + below) / height, 0.885, 2.9 / height))
    overview = None
    if with_overview:
        overview = figure.add_axes((0.085, 0.42 / height, 0.885, 0.72 / height))
    for each in (axes, overview):
        if each is not None:
            each.spines[["top", "right", "left"]].set_visible(False)
            each.spines["bottom"].set_color(MUTED_COLOR)
            each.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
            each.set_axisbelow(True)
            each.tick_params(axis="y", length=0, colors=MUTED_COLOR)
            each.tick_params(axis="x", color=MUTED_COLOR, labelcolor=MUTED_COLOR)
    figure.text(0.02, 1 - 0.225 / height, shorten_text(title, 78), fontsize=13, fontweight="bold",
                color=TEXT_COLOR, va="center", parse_math=False)  # fmt: skip
    return figure, axes, overview


def add_subtitle_and_legend(figure: Figure, axes: Axes, subtitle: str) -> None:
    """Adds the line below the title, and the legend with intervals last."""
    height = figure.get_figheight()
    figure.text(0.02, 1 - 0.48 / height, shorten_text(subtitle, 130), color=MUTED_COLOR,
                va="center", parse_math=False)  # fmt: skip
    axes.xaxis.label.set_color(MUTED_COLOR)
    axes.yaxis.label.set_color(MUTED_COLOR)
    axes.yaxis.set_label_coords(-0.066, 0.5)  # the same position in every plot
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: "interval" in labels[i])
    figure.legend([handles[i] for i in order], [labels[i] for i in order], loc="center left",
                  bbox_to_anchor=(0.02, 1 - 0.73 / height), ncols=len(labels), frameon=False,
                  fontsize=9, handlelength=1.8, columnspacing=1.6, labelcolor=TEXT_COLOR,
                  borderpad=0, borderaxespad=0)  # fmt: skip


def plot_line(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    label: str,
    *,
    color: str,
    with_markers: bool = False,
    width: float = 1.3,
    dashed: bool = False,
    on_top: bool = False,
    start: tuple[float, float] | None = None,
) -> None:
    """Plots `y` as a line that breaks at missing values, with isolated values as dots.

    The line begins at the point `start`, which has no marker.
    """
    if dashed:
        width = 1.0
    elif on_top:  # bands stay visible below many steps
        width = 1.2 if with_markers else 0.8
    marked = np.isfinite(y) if with_markers else isolated_values(y)
    if start is not None:
        x, y, marked = np.r_[start[0], x], np.r_[start[1], y], np.r_[False, marked]
    axes.plot(
        x, y, label=label, color=color, zorder=4 if on_top else 3, solid_joinstyle="round",
        linewidth=width,
        linestyle=(0, (4, 2.5)) if dashed else "-",
        marker="o" if marked.any() else "", markevery=np.flatnonzero(marked).tolist(),
        markersize=3.8 if on_top else 2.8, markerfacecolor="white" if on_top else color,
        markeredgewidth=0.9,
    )  # fmt: skip


def mark_position(axes: Axes, x: Any, text: str) -> None:
    """Adds a dotted vertical line at `x`, with `text` above it."""
    axes.axvline(x, color=MUTED_COLOR, linewidth=0.8, linestyle=(0, (1, 2)), zorder=2)
    axes.annotate(text, (x, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                  textcoords="offset points", ha="center", fontsize=8,
                  color=MUTED_COLOR)  # fmt: skip


def save_png_and_svg(figure: Figure, path_stem: Path) -> tuple[Path, Path]:
    """Writes both files atomically; the SVG contains no date of creation."""
    paths = []
    for kind in ("png", "svg"):
        path = path_stem.with_name(f"{path_stem.name}.{kind}")
        with atomic_file(path) as partial:
            figure.savefig(partial, format=kind, metadata={"Date": None} if kind == "svg" else None)
        paths.append(path)
    return paths[0], paths[1]
