"""Pictures of a forecast and of a training, each as PNG and SVG.

The same numbers give the same bytes. Only matplotlib's object interface is used: no window, no
global figure, nothing left behind.
"""

from __future__ import annotations

import math
import re
import unicodedata
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from rnnforecast.output.atomic_files import atomic_file

PredictionInterval = tuple[float, np.ndarray, np.ndarray]
"""Coverage (0.8 = 80 %), lower and upper bound [H]."""

_TEXT_COLOR, _MUTED_COLOR, _GRID_COLOR = "#262626", "#6b6b6b", "#e6e6e6"
_BLUE, _ORANGE = "#0072b2", "#d55e00"  # Okabe & Ito: told apart by colour-blind readers
_INTERVAL_COLORS = ("#d6e6f2", "#a3c8e2", "#74abd3")  # widest band first
_MAX_STEPS_WITH_MARKERS = 60  # up to so many steps every one gets a marker
_MAX_ACTUAL_WITH_MARKERS = 31  # markers on a line over another line clutter sooner
_TICK_STEPS = [1, 2, 2.5, 5, 10]  # ticks at numbers that people count in
# Fonts for scripts that the built-in one lacks, if the machine has them.
_FALLBACK_FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei",
    "Hiragino Sans", "PingFang SC", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
    "Noto Sans Devanagari", "Noto Sans Thai", "Arial Unicode MS",
)  # fmt: skip
_WINDOWS_RESERVED_NAMES = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE
)  # on Windows


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
    unit: str = "",
    note: str = "",
) -> tuple[Path, Path]:
    """The forecast of one series is drawn in `path_stem`.png and .svg; returns both paths.

    `history_time` [T] and `history` [T] end at the origin; of them the last stretch is shown,
    four horizons but not less than 50 steps. `forecast_time`, `yhat`, `actual` and the values of
    `naive`, which come with their name, are [H]. Times are datetime64 or integers, values in
    original units, NaN where missing. `label` names the series, `unit` follows the
    target's name, `note` ends the line under the title.

    Raises OutputError as `whole_file` does.
    """
    shown = slice(-max(4 * len(forecast_timestamps), 50), None)
    times, past = history_timestamps[shown], history[shown]
    name, beside = baseline or ("", None)
    with plot_style():
        figure, axes = _new_figure(label)
        bounds = [bound for band in intervals for bound in band[1:]]
        scale = _set_value_axis(axes, target, unit, [past, yhat, actual, beside, *bounds])
        few = len(past) + len(yhat) <= _MAX_STEPS_WITH_MARKERS
        _plot_intervals(axes, forecast_timestamps, intervals, scale)
        if len(times):
            _mark_position(axes, times[-1], "origin")
        _plot_line(axes, times, past / scale, "history", color=_TEXT_COLOR, with_markers=few)
        if actual is not None:
            dots = len(actual) <= _MAX_ACTUAL_WITH_MARKERS
            _plot_line(
                axes,
                forecast_timestamps,
                actual / scale,
                "actual",
                color=_TEXT_COLOR,
                with_markers=dots,
                on_top=True,
            )
        if beside is not None:
            _plot_line(axes, forecast_timestamps, beside / scale, name, color=_ORANGE, dashed=True)
        _plot_line(
            axes,
            forecast_timestamps,
            yhat / scale,
            "forecast",
            color=_BLUE,
            with_markers=few,
            width=1.8,
        )
        _set_time_axis(axes, forecast_timestamps)
        _widen_flat_ylim(axes)
        sizes = f"last {_format_count(times)} of {_format_count(history)} steps, forecast of {_format_count(yhat)}"
        _add_subtitle_and_legend(figure, axes, f"{sizes} · {note}" if note else sizes)
        return _save_png_and_svg(figure, path_stem)


def plot_loss(
    path_stem: Path,
    steps: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    best_step: int | None = None,
) -> tuple[Path, Path]:
    """The course of a training is drawn in `path_stem`.png and .svg; returns both paths.

    `steps`, `train` and `validation` are [M]; losses are on the normalised scale, NaN where none
    was taken. The step whose weights were kept, `best_step`, is marked. The loss has a log scale
    where it spans more than a factor of ten. Raises OutputError as `whole_file` does.
    """
    with plot_style():
        figure, axes = _new_figure("Training and validation loss")
        _plot_line(axes, steps, train, "training", color=_BLUE, width=1.1)
        seen = np.isfinite(validation)
        few = int(seen.sum()) <= _MAX_STEPS_WITH_MARKERS
        _plot_line(
            axes,
            steps[seen],
            validation[seen],
            "validation",
            color=_ORANGE,
            with_markers=few,
            width=1.6,
        )
        if best_step is not None:
            _mark_position(axes, best_step, f"kept: step {best_step:,}")
        losses = np.concatenate([train, validation])
        losses = losses[np.isfinite(losses)]
        if len(losses) and losses.min() > 0 and losses.max() > 10 * losses.min():
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(_format_number))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.tick_params(axis="y", which="minor", length=0)
        axes.set_xlabel("step")
        axes.set_ylabel("loss, normalised scale")
        axes.xaxis.set_major_formatter(FuncFormatter(_format_number))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=_TICK_STEPS))
        axes.margins(x=0.01)
        _widen_flat_ylim(axes)
        last = f"{int(steps[-1]):,}" if len(steps) else "no"
        _add_subtitle_and_legend(figure, axes, f"{last} steps, {int(seen.sum()):,} validations")
        return _save_png_and_svg(figure, path_stem)


def safe_file_stem(label: str, taken: Collection[str] = ()) -> str:
    """A file name without suffix for the series `label`, unlike all in `taken`.

    Letters and digits of any script, ``.``, ``-`` and ``_`` stay, all else becomes ``_``; at most
    about 100 bytes. A name already taken, also in other capitals, gets ``-2``, ``-3``, …
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


@contextmanager
def plot_style() -> Iterator[None]:
    """matplotlib's own defaults and ours, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter that no font has is drawn as a box in the PNG; the SVG and the table have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        installed = set(fontManager.get_font_names())
        family = [
            "DejaVu Sans",
            *(name for name in _FALLBACK_FONTS if name in installed),
            "sans-serif",
        ]
        matplotlib.rc("font", size=9.5, family=family)
        matplotlib.rc("date", converter="concise")  # what all dates share is written once
        # Without a salt the ids inside an SVG are random; text as text can be searched and read
        # out, and the viewer finds a font for any script.
        matplotlib.rc("svg", hashsalt="rnnforecast", fonttype="none")
        yield


def _new_figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(10, 4.5), dpi=120)
    axes = figure.add_axes((0.085, 0.135, 0.885, 0.645))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_MUTED_COLOR)
    axes.grid(axis="y", color=_GRID_COLOR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0, colors=_MUTED_COLOR)
    axes.tick_params(axis="x", color=_MUTED_COLOR, labelcolor=_MUTED_COLOR)
    figure.text(0.02, 0.95, _shorten(title, 78), fontsize=13, fontweight="bold",
                color=_TEXT_COLOR, va="center", parse_math=False)  # fmt: skip
    return figure, axes


def _add_subtitle_and_legend(figure: Figure, axes: Axes, subtitle: str) -> None:
    """The line under the title and the legend, in the order of drawing, are in place."""
    figure.text(0.02, 0.893, _shorten(subtitle, 130), color=_MUTED_COLOR, va="center",
                parse_math=False)  # fmt: skip
    axes.xaxis.label.set_color(_MUTED_COLOR)
    axes.yaxis.label.set_color(_MUTED_COLOR)
    axes.yaxis.set_label_coords(-0.066, 0.5)  # the same place in every picture
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: "interval" in labels[i])
    figure.legend([handles[i] for i in order], [labels[i] for i in order], loc="center left",
                  bbox_to_anchor=(0.02, 0.838), ncols=len(labels), frameon=False, fontsize=9,
                  handlelength=1.8, columnspacing=1.6, labelcolor=_TEXT_COLOR, borderpad=0,
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
    """`y` is a line that breaks where values are missing; a value on its own is a dot."""
    present = np.isfinite(y)
    padded = np.concatenate([[False], present, [False]])
    alone = present & ~padded[:-2] & ~padded[2:]
    marked = present if with_markers else alone
    axes.plot(
        x, y, label=label, color=color, zorder=4 if on_top else 3, solid_joinstyle="round",
        linewidth=1.0 if dashed or on_top else width, linestyle=(0, (4, 2.5)) if dashed else "-",
        marker="o" if marked.any() else "", markevery=np.flatnonzero(marked).tolist(),
        markersize=3.8 if on_top else 2.8, markerfacecolor="white" if on_top else color,
        markeredgewidth=0.9,
    )  # fmt: skip


def _mark_position(axes: Axes, x: Any, text: str) -> None:
    """A thin dotted line stands at `x`, with `text` on top."""
    axes.axvline(x, color=_MUTED_COLOR, linewidth=0.8, linestyle=(0, (1, 2)), zorder=2)
    axes.annotate(text, (x, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                  textcoords="offset points", ha="center", fontsize=8, color=_MUTED_COLOR)  # fmt: skip


def _plot_intervals(
    axes: Axes, x: np.ndarray, intervals: Sequence[PredictionInterval], scale: float
) -> None:
    """The bands lie behind everything, the widest first; a band of one step is a bar."""
    widest_first = sorted(intervals, key=lambda band: band[0], reverse=True)
    for place, (coverage, lower, upper) in enumerate(widest_first):
        tint = _INTERVAL_COLORS[min(place, len(_INTERVAL_COLORS) - 1)]
        label = f"{100 * coverage:.4g} % interval"
        if len(x) == 1:
            axes.vlines(x, lower / scale, upper / scale, color=tint, linewidth=9, label=label,
                        zorder=1)  # fmt: skip
        else:
            axes.fill_between(x, lower / scale, upper / scale, color=tint, linewidth=0,
                              label=label, zorder=1)  # fmt: skip


def _set_value_axis(
    axes: Axes, target: str, unit: str, values: Sequence[np.ndarray | None]
) -> float:
    """The y axis says what it shows; returns what the values must be divided by."""
    given = np.concatenate([part for part in values if part is not None])
    largest = float(np.max(np.abs(given[np.isfinite(given)]), initial=0.0))
    scale, word = _axis_scale(largest)
    measure = " ".join(part for part in (word, unit) if part)
    name = _shorten(target, 40)
    axes.set_ylabel(f"{name} ({_shorten(measure, 24)})" if measure else name, parse_math=False)
    axes.yaxis.set_major_formatter(FuncFormatter(_format_number))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=_TICK_STEPS))
    return scale


def _axis_scale(largest: float) -> tuple[float, str]:
    """What to divide values up to `largest` by so that ticks are short, and its name."""
    for scale, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if scale <= largest < 1e15:
            return scale, word
    if 1e-3 <= largest < 1e6 or largest == 0:
        return 1.0, ""
    power = 3 * math.floor(math.log10(largest) / 3)
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return 10.0**power, f"\N{MULTIPLICATION SIGN}10{digits}"


def _format_number(value: float, _: int | None = None) -> str:
    """The number with thousands apart and no digit that says nothing: 12,500 or 0.25."""
    text = f"{round(value, 9):,.9f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text.replace("-", "\N{MINUS SIGN}")


def _set_time_axis(axes: Axes, forecast_timestamps: np.ndarray) -> None:
    """Dates have short labels; an integer index has whole numbers."""
    axes.margins(x=0.012)
    if forecast_timestamps.dtype.kind == "M":
        axes.xaxis.get_offset_text().set_color(_MUTED_COLOR)
        return
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=_TICK_STEPS))
    # not grouped: they may be years
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.set_xlabel("time")


def _widen_flat_ylim(axes: Axes) -> None:
    """A constant is drawn in the middle of an axis a tenth of its size to either side."""
    low, high = axes.dataLim.intervaly
    size = max(abs(low), abs(high))
    if np.isfinite(size) and high - low <= 1e-6 * size:
        room = 0.1 * size or 1.0
        axes.set_ylim(low - room, high + room)


def _shorten(text: str, max_width: int) -> str:
    """`text` on one line, its middle left out if it is wider than `most` Latin letters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if sum(map(_character_width, text)) <= max_width:
        return text
    half = (max_width - 1) // 2
    return f"{_truncate(text, half).rstrip()}…{_truncate(text[::-1], half)[::-1].lstrip()}"


def _truncate(text: str, max_width: int) -> str:
    widths = np.cumsum([_character_width(letter) for letter in text])
    return text[: int(np.searchsorted(widths, max_width, side="right"))]


def _character_width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _format_count(values: np.ndarray) -> str:
    return f"{len(values):,}"


def _save_png_and_svg(figure: Figure, path_stem: Path) -> tuple[Path, Path]:
    """Both pictures are on disk, each whole, without a date inside."""
    paths = []
    for kind in ("png", "svg"):
        path = path_stem.with_name(f"{path_stem.name}.{kind}")
        with atomic_file(path) as partial:
            figure.savefig(partial, format=kind, metadata={"Date": None} if kind == "svg" else None)
        paths.append(path)
    return paths[0], paths[1]
