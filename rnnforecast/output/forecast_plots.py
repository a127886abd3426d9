"""Plots of forecasts and of training losses, each as PNG and SVG."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rnnforecast.output.atomic_files import atomic_file
from rnnforecast.output.style import (
    BLUE,
    BLUE_TINTS,
    GRID_COLOR,
    MUTED_COLOR,
    ORANGE,
    TEXT_COLOR,
    format_number,
    isolated_values,
    plot_style,
    shorten_text,
    widen_flat_ylim,
)

PredictionInterval = tuple[float, np.ndarray, np.ndarray]
"""Coverage (0.8 = 80 %), lower and upper bound [H]."""

_MAX_STEPS_WITH_MARKERS = 60  # longer lines have no markers
_MAX_ACTUAL_WITH_MARKERS = 31  # fewer, because this line overlaps another one
_TICK_STEPS = [1, 2, 2.5, 5, 10]
_WINDOWS_RESERVED_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def plot_forecast(
    path_stem: Path,
    *,
    label: str,
    target: str,
    history_timestamps: np.ndarray,
    history: np.ndarray,
    forecast_timestamps: np.ndarray,
    yhat: np.ndarray,
    intervals: Sequence[PredictionInterval] = (),
    baseline: tuple[str, np.ndarray] | None = None,
    actual: np.ndarray | None = None,
    note: str = "",
) -> tuple[Path, Path]:
    """Plots the forecast of one series to `path_stem`.png and .svg; returns both paths.

    `history_timestamps` and `history` [T] end at the origin; the last four horizons are shown,
    but at least 50 steps. `forecast_timestamps`, `yhat`, `actual` and the values of `baseline`,
    a pair of name and values, are [H]. Timestamps are datetime64 or integers, values in original
    units, NaN where missing. `label` is the title, `note` the end of the line below it.

    Raises OutputError as `atomic_file` does.
    """
    shown = slice(-max(4 * len(forecast_timestamps), 50), None)
    times, past = history_timestamps[shown], history[shown]
    baseline_name, baseline_values = baseline or ("", None)
    with plot_style():
        figure, axes = _new_figure(label)
        bounds = [bound for _, *pair in intervals for bound in pair]
        scale = _set_value_axis(axes, target, [past, yhat, actual, baseline_values, *bounds])
        few = len(past) + len(yhat) <= _MAX_STEPS_WITH_MARKERS
        _plot_intervals(axes, forecast_timestamps, intervals, scale)
        if len(times):
            _mark_position(axes, times[-1], "origin")
        _plot_line(axes, times, past / scale, "history", color=TEXT_COLOR, with_markers=few)
        if actual is not None:
            markers = len(actual) <= _MAX_ACTUAL_WITH_MARKERS
            _plot_line(axes, forecast_timestamps, actual / scale, "actual", color=TEXT_COLOR,
                       with_markers=markers, on_top=True)  # fmt: skip
        if baseline_values is not None:
            _plot_line(axes, forecast_timestamps, baseline_values / scale, baseline_name,
                       color=ORANGE, dashed=True)  # fmt: skip
        _plot_line(axes, forecast_timestamps, yhat / scale, "forecast", color=BLUE,
                   with_markers=few, width=1.8)  # fmt: skip
        _set_time_axis(axes, forecast_timestamps)
        widen_flat_ylim(axes)
        sizes = f"last {len(times):,} of {len(history):,} steps, forecast of {len(yhat):,}"
        _add_subtitle_and_legend(figure, axes, f"{sizes} · {note}" if note else sizes)
        return _save_png_and_svg(figure, path_stem)


def plot_loss(
    path_stem: Path,
    steps: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    best_step: int | None = None,
) -> tuple[Path, Path]:
    """Plots the losses of a training to `path_stem`.png and .svg; returns both paths.

    `steps`, `train` and `validation` are [M]; losses are in normalized values, NaN where
    missing. `best_step` marks the step whose weights were kept. The loss axis is logarithmic if the
    largest loss is over ten times the smallest. Raises OutputError as `atomic_file` does.
    """
    with plot_style():
        figure, axes = _new_figure("Training and validation loss")
        _plot_line(axes, steps, train, "training", color=BLUE, width=1.1)
        known = np.isfinite(validation)
        n_validations = int(known.sum())
        _plot_line(axes, steps[known], validation[known], "validation", color=ORANGE,
                   with_markers=n_validations <= _MAX_STEPS_WITH_MARKERS, width=1.6)  # fmt: skip
        if best_step is not None:
            _mark_position(axes, best_step, f"kept: step {best_step:,}")
        losses = np.concatenate([train, validation])
        losses = losses[np.isfinite(losses)]
        if len(losses) and losses.min() > 0 and losses.max() > 10 * losses.min():
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(format_number))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.tick_params(axis="y", which="minor", length=0)
        axes.set_xlabel("step")
        axes.set_ylabel("loss, normalized values")
        axes.xaxis.set_major_formatter(FuncFormatter(format_number))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=_TICK_STEPS))
        axes.margins(x=0.01)
        widen_flat_ylim(axes)
        last = f"{int(steps[-1]):,}" if len(steps) else "no"
        _add_subtitle_and_legend(figure, axes, f"{last} steps, {n_validations:,} validations")
        return _save_png_and_svg(figure, path_stem)


def safe_file_stem(label: str, taken: Collection[str] = ()) -> str:
    """A file name without suffix for the series `label`, different from all in `taken`.

    Letters and digits of any script, ``.``, ``-`` and ``_`` stay, all else becomes ``_``; at most
    about 100 bytes. A name in `taken`, compared without case, gets ``-2``, ``-3``, …
    """
    text = unicodedata.normalize("NFC", label)
    stem = re.sub(r"[^\w.-]+", "_", text).strip("._-") or "series"
    stem = stem.encode("utf-8")[:100].decode("utf-8", "ignore")
    if _WINDOWS_RESERVED_NAMES.match(stem):
        stem = f"series_{stem}"
    used = {name.casefold() for name in taken}
    number, unique = 1, stem
    while unique.casefold() in used:
        number += 1
        unique = f"{stem}-{number}"
    return unique


def _new_figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(10, 4.5), dpi=120)
    axes = figure.add_axes((0.085, 0.135, 0.885, 0.645))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(MUTED_COLOR)
    axes.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0, colors=MUTED_COLOR)
    axes.tick_params(axis="x", color=MUTED_COLOR, labelcolor=MUTED_COLOR)
    figure.text(0.02, 0.95, shorten_text(title, 78), fontsize=13, fontweight="bold",
                color=TEXT_COLOR, va="center", parse_math=False)  # fmt: skip
    return figure, axes


def _add_subtitle_and_legend(figure: Figure, axes: Axes, subtitle: str) -> None:
    """Adds the line below the title, and the legend with intervals last."""
    figure.text(0.02, 0.893, shorten_text(subtitle, 130), color=MUTED_COLOR, va="center",
                parse_math=False)  # fmt: skip
    axes.xaxis.label.set_color(MUTED_COLOR)
    axes.yaxis.label.set_color(MUTED_COLOR)
    axes.yaxis.set_label_coords(-0.066, 0.5)  # the same position in every plot
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: "interval" in labels[i])
    figure.legend([handles[i] for i in order], [labels[i] for i in order], loc="center left",
                  bbox_to_anchor=(0.02, 0.838), ncols=len(labels), frameon=False, fontsize=9,
                  handlelength=1.8, columnspacing=1.6, labelcolor=TEXT_COLOR, borderpad=0,
                  borderaxespad=0)  # fmt: skip


def _plot_line(
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
) -> None:
    """Plots `y` as a line that breaks at missing values, with isolated values as dots."""
    marked = np.isfinite(y) if with_markers else isolated_values(y)
    axes.plot(
        x, y, label=label, color=color, zorder=4 if on_top else 3, solid_joinstyle="round",
        linewidth=1.0 if dashed or on_top else width, linestyle=(0, (4, 2.5)) if dashed else "-",
        marker="o" if marked.any() else "", markevery=np.flatnonzero(marked).tolist(),
        markersize=3.8 if on_top else 2.8, markerfacecolor="white" if on_top else color,
        markeredgewidth=0.9,
    )  # fmt: skip


def _mark_position(axes: Axes, x: Any, text: str) -> None:
    """Adds a dotted vertical line at `x`, with `text` above it."""
    axes.axvline(x, color=MUTED_COLOR, linewidth=0.8, linestyle=(0, (1, 2)), zorder=2)
    axes.annotate(text, (x, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                  textcoords="offset points", ha="center", fontsize=8,
                  color=MUTED_COLOR)  # fmt: skip


def _plot_intervals(
    axes: Axes, x: np.ndarray, intervals: Sequence[PredictionInterval], scale: float
) -> None:
    """Plots the intervals behind all else, the widest first; bars if there is a single step."""
    widest_first = sorted(intervals, key=lambda interval: interval[0], reverse=True)
    for rank, (coverage, lower, upper) in enumerate(widest_first):
        tint = BLUE_TINTS[min(rank, len(BLUE_TINTS) - 1)]
        label = f"{100 * coverage:.4g} % interval"
        if len(x) == 1:
            axes.vlines(x, lower / scale, upper / scale, color=tint, linewidth=9, label=label,
                        zorder=1)  # fmt: skip
        else:
            axes.fill_between(x, lower / scale, upper / scale, color=tint, linewidth=0,
                              label=label, zorder=1)  # fmt: skip


def _set_value_axis(axes: Axes, target: str, values: Sequence[np.ndarray | None]) -> float:
    """Labels the y axis with `target`; returns the number that values have to be divided by."""
    given = np.concatenate([part for part in values if part is not None])
    largest = float(np.max(np.abs(given[np.isfinite(given)]), initial=0.0))
    scale, unit = _axis_scale(largest)
    name = shorten_text(target, 40)
    axes.set_ylabel(f"{name} ({unit})" if unit else name, parse_math=False)
    axes.yaxis.set_major_formatter(FuncFormatter(format_number))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=_TICK_STEPS))
    return scale


def _axis_scale(largest: float) -> tuple[float, str]:
    """A divisor that keeps the ticks of values up to `largest` short, and its name."""
    for scale, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if scale <= largest < 1e15:
            return scale, name
    if 1e-3 <= largest < 1e6 or largest == 0:
        return 1.0, ""
    power = 3 * math.floor(math.log10(largest) / 3)
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return 10.0**power, f"\N{MULTIPLICATION SIGN}10{digits}"


def _set_time_axis(axes: Axes, forecast_timestamps: np.ndarray) -> None:
    """Formats the x axis: short labels for dates, whole numbers for an integer index."""
    axes.margins(x=0.012)
    if forecast_timestamps.dtype.kind == "M":
        axes.xaxis.get_offset_text().set_color(MUTED_COLOR)
        return
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=_TICK_STEPS))
    # not grouped, because they may be years
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.set_xlabel("time")


def _save_png_and_svg(figure: Figure, path_stem: Path) -> tuple[Path, Path]:
    """Writes both files atomically; the SVG contains no date of creation."""
    paths = []
    for kind in ("png", "svg"):
        path = path_stem.with_name(f"{path_stem.name}.{kind}")
        with atomic_file(path) as partial:
            figure.savefig(partial, format=kind, metadata={"Date": None} if kind == "svg" else None)
        paths.append(path)
    return paths[0], paths[1]
