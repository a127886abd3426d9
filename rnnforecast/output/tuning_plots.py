"""Plots of a search for hyperparameters: its course, the weight of each key, scores by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnforecast.output.line_plots import (
    add_subtitle_and_legend,
    new_figure,
    plot_line,
    save_png_and_svg,
)
from rnnforecast.output.plot_style import plot_style, style_axes, widen_flat_ylim
from rnnforecast.output.style import (
    BLUE,
    GRAY,
    GRID_COLOR,
    MUTED_COLOR,
    ORANGE,
    TEXT_COLOR,
    format_number,
    format_percent,
    shorten_text,
)
from rnnforecast.types import Floats, Ints

MAX_SLICES = 9
"""Keys with a plot of their own."""
SLICES_PER_ROW = 3


@dataclass(frozen=True)
class SearchHistory:
    """The N trials of a search."""

    numbers: Ints
    """`[N]`."""
    scores: Floats
    """`[N]`, NaN for a trial that was pruned or failed."""
    values: Mapping[str, Sequence[Any]]
    """The N values of each key."""
    criterion: str

    @property
    def best(self) -> int | None:
        """The index of the best trial; None without a score."""
        return int(np.nanargmin(self.scores)) if np.isfinite(self.scores).any() else None


def plot_search_history(path_stem: Path, history: SearchHistory) -> tuple[Path, Path]:
    """Plots the score of each trial and the best so far; returns the PNG and the SVG."""
    scores, numbers = history.scores, history.numbers
    with plot_style():
        figure, axes, _ = new_figure("Scores of the trials")
        known = np.isfinite(scores)
        axes.plot(
            numbers[known], scores[known], "o", color=BLUE, markersize=4.5, label="trial", zorder=3
        )
        best = np.fmin.accumulate(scores) if len(scores) else scores
        if known.any():
            steps = np.repeat(numbers, 2)[1:], np.repeat(best, 2)[:-1]
            plot_line(axes, *steps, "best so far", color=ORANGE, width=1.6)
            axes.set_xlim(0.5, float(numbers[-1]) + 0.5)
        axes.set_xlabel("trial")
        axes.set_ylabel(f"{history.criterion}, lower is better")
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(format_number))
        widen_flat_ylim(axes)
        ended_early = int((~known).sum())
        subtitle = f"{int(known.sum()):,} complete, {ended_early:,} pruned or failed"
        add_subtitle_and_legend(figure, axes, subtitle)
        return save_png_and_svg(figure, path_stem)


def plot_importances(path_stem: Path, importances: Mapping[str, float]) -> tuple[Path, Path]:
    """Plots the share of each key in the variance of the scores; returns the PNG and the SVG."""
    with plot_style():
        height = 1.1 + 0.32 * max(len(importances), 1)
        figure = Figure(figsize=(10, height), dpi=120)
        axes = figure.add_axes((0.27, 0.12, 0.66, 1 - 0.85 / height - 0.12))
        style_axes(axes)
        axes.spines[["left", "bottom"]].set_visible(False)
        names, shares = list(importances), np.array([*importances.values()], dtype=np.float64)
        axes.barh(names, shares, color=BLUE, height=0.62)
        for place, share in enumerate(shares):
            axes.annotate(format_percent(share), (share, place), xytext=(4, 0), va="center",
                          textcoords="offset points", fontsize=8, color=TEXT_COLOR)  # fmt: skip
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.set_xlim(0, 1.1 * max(shares.max(initial=0.0), 1e-9))
        axes.tick_params(axis="y", length=0, labelsize=9)
        _add_title(
            figure, "What the score depends on", "share of each key in the variance of the scores"
        )
        return save_png_and_svg(figure, path_stem)


def plot_slices(path_stem: Path, history: SearchHistory) -> tuple[Path, Path]:
    """Plots the scores by the value of each of the first keys; returns the PNG and the SVG."""
    names = list(history.values)[:MAX_SLICES]
    rows = -(-len(names) // SLICES_PER_ROW)
    with plot_style():
        height = 0.8 + 2.4 * rows
        figure = Figure(figsize=(10, height), dpi=120)
        width = 0.93 / SLICES_PER_ROW
        for place, name in enumerate(names):
            row, column = divmod(place, SLICES_PER_ROW)
            bottom = 1 - (0.95 + 2.4 * row + 1.7) / height
            axes = figure.add_axes((0.075 + column * width, bottom, width - 0.06, 1.6 / height))
            _plot_slice(axes, name, history)
            if column == 0:
                axes.set_ylabel(history.criterion, fontsize=8, color=MUTED_COLOR)
        _add_title(figure, "Scores by value", "each dot is a trial, the best one is orange")
        return save_png_and_svg(figure, path_stem)


def _plot_slice(axes: Axes, name: str, history: SearchHistory) -> None:
    known = np.flatnonzero(np.isfinite(history.scores)).tolist()
    values = [history.values[name][index] for index in known]
    scores = history.scores[known]
    style_axes(axes)
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    is_number = [isinstance(value, int | float) and not isinstance(value, bool) for value in values]
    if all(is_number):
        x = np.array(values, dtype=np.float64)
        if len(x) and x.min() > 0 and x.max() > 20 * x.min():
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(FuncFormatter(format_number))
    else:
        labels = [str(value).lower() for value in values]
        words = sorted(set(labels))
        x = np.array([words.index(label) for label in labels], dtype=np.float64)
        axes.set_xticks(range(len(words)), [shorten_text(word, 14) for word in words])
        axes.margins(x=0.15)
    color = [ORANGE if index == history.best else BLUE for index in known]
    axes.scatter(x, scores, c=color or GRAY, s=16, zorder=3)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(format_number))
    axes.set_title(name, fontsize=9, loc="left", color=TEXT_COLOR)


def _add_title(figure: Figure, title: str, subtitle: str) -> None:
    height = figure.get_figheight()
    figure.text(0.02, 1 - 0.225 / height, title, fontsize=13, fontweight="bold",
                color=TEXT_COLOR, va="center")  # fmt: skip
    figure.text(0.02, 1 - 0.48 / height, subtitle, color=MUTED_COLOR, va="center")
