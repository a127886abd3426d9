"""Plots of forecasts, each as PNG and SVG."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnforecast.output.line_plots import (
    MAX_STEPS_WITH_MARKERS,
    LineFigure,
    add_subtitle_and_legend,
    mark_position,
    new_figure,
    plot_line,
    save_png_and_svg,
)
from rnnforecast.output.plot_style import isolated_values, plot_style, widen_flat_ylim
from rnnforecast.output.style import (
    BLUE,
    BLUE_TINTS,
    MUTED_COLOR,
    ORANGE,
    TEXT_COLOR,
    YELLOW,
    format_number,
    shorten_text,
)
from rnnforecast.output.time_axis import INDEX_TICK_STEPS, TimeAxis

PredictionInterval = tuple[float, np.ndarray, np.ndarray]
"""Coverage (0.8 = 80 %), lower and upper bound [H]."""

_MAX_ACTUAL_WITH_MARKERS = 31  # fewer, because this line overlaps another one
_NAME_WITH_UNIT = re.compile(r"(.*\S\s*[(\[])([^()\[\]]{1,12}[)\]])")
MIN_OVERVIEW_RATIO = 1.5
"""The whole history is shown too if it is longer than the shown part by more than this factor."""
MAX_OVERVIEW_POINTS = 1000
"""Longer histories are drawn as the range of several values at each point."""
_WINDOWS_RESERVED_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


@dataclass(frozen=True)
class MarkedSteps:
    """Steps to mark, such as those of promotions: their name, and masks `[T]` and `[H]`."""

    name: str
    in_history: np.ndarray
    in_horizon: np.ndarray


def plot_forecast(
    path_stem: Path | None,
    *,
    title: str,
    target: str,
    history_timestamps: np.ndarray,
    history: np.ndarray,
    forecast_timestamps: np.ndarray,
    yhat: np.ndarray,
    intervals: Sequence[PredictionInterval] = (),
    baseline: tuple[str, np.ndarray] | None = None,
    actual: np.ndarray | None = None,
    marked: MarkedSteps | None = None,
    season: int = 1,
    has_closed_steps: bool = False,
    subtitle: str = "",
) -> LineFigure:
    """The plot of the forecast of one series, written to `path_stem`.png and .svg if it is given.

    `history_timestamps` and `history` [T] end at the origin; the last two seasons are shown, see
    `shown_steps`, and the whole in a second, smaller panel if it is much longer.
    `forecast_timestamps`, `yhat`, `actual` and the values of `baseline`, a pair of name and values,
    are [H]. Timestamps are datetime64 or integers, values in original units, NaN where missing.
    `has_closed_steps`: steps are evenly spaced, so that closed days take no room.

    Raises OutputError as `atomic_file` does.
    """
    n_steps, horizon = len(history), len(yhat)
    n_shown = min(shown_steps(season, horizon), n_steps)
    all_times = np.concatenate([history_timestamps, forecast_timestamps])
    time = TimeAxis(all_times[n_steps - n_shown :], has_closed_steps)
    x, ahead = np.split(time.positions, [n_shown])
    past = history[n_steps - n_shown :]
    baseline_name, baseline_values = baseline or ("", None)
    with plot_style():
        has_overview = n_steps > MIN_OVERVIEW_RATIO * n_shown
        figure, axes, overview = new_figure(title, with_overview=has_overview)
        bounds = [bound for _, *pair in intervals for bound in pair]
        scale = _set_value_axis(axes, target, [past, yhat, actual, baseline_values, *bounds])
        last = (x[-1], past[-1] / scale) if n_shown and np.isfinite(past[-1]) else None
        if marked is not None:
            mask = np.r_[marked.in_history[n_steps - n_shown :], marked.in_horizon]
            _mark_steps(axes, time.edges, mask, marked.name)
        _plot_intervals(axes, ahead, intervals, scale, last)
        if n_shown:
            mark_position(axes, x[-1], "origin")
        few = n_shown + horizon <= MAX_STEPS_WITH_MARKERS
        plot_line(axes, x, past / scale, "history", color=TEXT_COLOR, with_markers=few)
        if baseline_values is not None:
            plot_line(axes, ahead, baseline_values / scale, baseline_name, color=MUTED_COLOR,
                       dashed=True)  # fmt: skip
        plot_line(axes, ahead, yhat / scale, "forecast", color=BLUE, with_markers=few, width=1.8,
                   start=last)  # fmt: skip
        if actual is not None:
            markers = len(actual) <= _MAX_ACTUAL_WITH_MARKERS
            plot_line(axes, ahead, actual / scale, "actual", color=ORANGE, with_markers=markers,
                       on_top=True, start=last)  # fmt: skip
        axes.margins(x=0.012)
        time.format(axes)
        widen_flat_ylim(axes)
        if overview is not None:
            whole = TimeAxis(all_times, has_closed_steps)
            values = np.r_[history, np.full(horizon, np.nan) if actual is None else actual]
            _plot_overview(overview, whole, values, yhat, n_shown)
        add_subtitle_and_legend(figure, axes, subtitle)
        if path_stem is not None:
            save_png_and_svg(figure, path_stem)
        return figure


def shown_steps(season: int, horizon: int) -> int:
    """How many steps of history are shown before a forecast: two seasons, but at least a horizon
    and not so many that the forecast is too narrow to be read."""
    two_seasons = min(2 * season, max(8 * horizon, 104))
    return max(two_seasons, horizon, 24)


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


def _mark_steps(axes: Axes, edges: np.ndarray, mask: np.ndarray, name: str) -> None:
    """Shades the steps of `mask [T]`, whose bounds are `edges [T + 1]`, from bottom to top."""
    change = np.diff(np.r_[0, mask.astype(int), 0])
    begins, ends = edges[np.flatnonzero(change == 1)], edges[np.flatnonzero(change == -1)]
    axes.broken_barh(
        list(zip(begins, ends - begins, strict=True)), (0, 1), color=YELLOW, alpha=0.3, linewidth=0,
        transform=axes.get_xaxis_transform(), label=shorten_text(name, 24), zorder=0,
    )  # fmt: skip


def _plot_overview(
    axes: Axes, time: TimeAxis, values: np.ndarray, yhat: np.ndarray, n_shown: int
) -> None:
    """The whole history: a line, or the range of many values; shaded, what is shown above."""
    x = time.positions
    scale, _ = _axis_scale(_largest([values, yhat]))
    axes.axvspan(x[-len(yhat) - n_shown], x[-1], color=BLUE_TINTS[0], linewidth=0, zorder=0)
    bins = -(-len(values) // MAX_OVERVIEW_POINTS)
    begins = np.arange(0, len(values), bins)
    low, high = (each.reduceat(values / scale, begins) for each in (np.fmin, np.fmax))
    if bins > 1:
        axes.fill_between(x[begins], low, high, color=TEXT_COLOR, linewidth=0.6)
    else:
        isolated = isolated_values(values)
        axes.plot(x, low, color=TEXT_COLOR, linewidth=0.8)
        axes.plot(x[isolated], low[isolated], ".", color=TEXT_COLOR, markersize=2)
    ahead = slice(max(len(values) - len(yhat) - 1, 0), None)
    joined = np.r_[values[: -len(yhat)], yhat][ahead]  # with the last value before
    axes.plot(x[ahead], joined / scale, color=BLUE, linewidth=1.2)
    axes.yaxis.set_major_formatter(FuncFormatter(format_number))
    axes.yaxis.set_major_locator(MaxNLocator(2, steps=INDEX_TICK_STEPS))
    axes.margins(x=0.012)
    axes.annotate("the whole history", (0, 1), xycoords="axes fraction", xytext=(0, 4),
                  textcoords="offset points", fontsize=8, color=MUTED_COLOR)  # fmt: skip
    time.format(axes)
    axes.set_xlabel("")
    widen_flat_ylim(axes)


def _plot_intervals(
    axes: Axes,
    x: np.ndarray,
    intervals: Sequence[PredictionInterval],
    scale: float,
    start: tuple[float, float] | None,
) -> None:
    """Plots the intervals behind all else, the widest first; bars if there is a single step.

    Bands widen from the last value before the forecast, `start`.
    """
    widest_first = sorted(intervals, key=lambda interval: interval[0], reverse=True)
    for rank, (coverage, lower, upper) in enumerate(widest_first):
        tint = BLUE_TINTS[min(rank, len(BLUE_TINTS) - 1)]
        label = f"{100 * coverage:.4g} % interval"
        low, high = lower / scale, upper / scale
        if len(x) == 1:
            axes.vlines(x, low, high, color=tint, linewidth=9, label=label, zorder=1)
            continue
        at = x
        if start is not None:
            at, low, high = np.r_[start[0], x], np.r_[start[1], low], np.r_[start[1], high]
        axes.fill_between(at, low, high, color=tint, linewidth=0, label=label, zorder=1)


def _set_value_axis(axes: Axes, target: str, values: Sequence[np.ndarray | None]) -> float:
    """Labels the y axis with `target`; returns the number that values have to be divided by."""
    scale, unit = _axis_scale(_largest(values))
    axes.set_ylabel(_scaled_name(shorten_text(target, 40), unit), parse_math=False)
    axes.yaxis.set_major_formatter(FuncFormatter(format_number))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=INDEX_TICK_STEPS))
    return scale


def _largest(values: Sequence[np.ndarray | None]) -> float:
    """The largest absolute value of those that are given and finite; 0 without any."""
    given = np.concatenate([part for part in values if part is not None])
    return float(np.max(np.abs(given[np.isfinite(given)]), initial=0.0))


def _scaled_name(name: str, scale: str) -> str:
    """`name` with the `scale` of the ticks: ``sales (million)``, ``Revenue (million k€)``."""
    if not scale:
        return name
    with_unit = _NAME_WITH_UNIT.fullmatch(name)
    return f"{with_unit[1]}{scale} {with_unit[2]}" if with_unit else f"{name} ({scale})"


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
