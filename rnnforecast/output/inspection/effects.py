"""Pictures of what a forecast hangs on: gradients, shuffled inputs, hidden stretches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnforecast.output.data_report.figures import FAINT, GRID, INK, _plainly
from rnnforecast.output.forecast_plots import _grouped
from rnnforecast.output.inspection.canvas import (
    BLUE,
    DIVERGING,
    ORANGE,
    SEQUENTIAL,
    caption,
    colour_bar,
    heat,
    numbered,
    panels,
    picture,
    series,
    time_axis,
)
from rnnforecast.output.inspection.findings import half_of, matters, spoken_lags
from rnnforecast.output.inspection.results import (
    Bar,
    Importance,
    Inspected,
)
from rnnforecast.types import Floats

DECADES = 5
"""Gradients smaller than the largest by more than so many powers of ten look alike."""
MOST_BARS = 20
"""Covariates that are drawn, those that matter most."""


@picture
def gradient(figure: Figure, inspection: Inspected, title: str) -> None:
    """Above, how much each past step counts in all of the horizon; below, in each step ahead."""
    top, below = panels(figure, title, [1.7, 1.9], gap=0.75)
    past = inspection.slope.shape[1]
    steps = np.arange(-past, 0) + 0.5
    lines = [(inspection.slope, "whole forecast", BLUE, "-", 1.6)]
    if inspection.recurrent is not None:
        lines.append((inspection.recurrent, "without the linear map", ORANGE, "--", 1.3))
    highest = 0.0
    for slope, label, colour, dashes, width in lines:
        size = np.abs(slope).sum(0)
        highest = max(highest, float(size.max()))
        top.plot(steps, np.where(size > 0, size, np.nan), color=colour, linestyle=dashes,
                 linewidth=width, label=label)  # fmt: skip
    if highest > 0:
        top.set_yscale("log")
        top.set_ylim(max(top.get_ylim()[0], highest * 10**-DECADES), None)
    top.grid(axis="y", color=GRID, linewidth=0.8)
    top.set_ylabel("size of gradient", fontsize=9, color=FAINT)
    top.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.5,
               borderaxespad=0.1, borderpad=0.1, handlelength=2.2, labelcolor=INK)  # fmt: skip
    caption(top, "How much the forecast hangs on each past step")
    half = half_of(inspection.slope)
    top.axvspan(-half, 0, color="#d6e6f2", linewidth=0, zorder=0)
    top.text(-half + 0.004 * past, 0.04, "half of it ", transform=top.get_xaxis_transform(),
             fontsize=8.5, color=BLUE, ha="left" if half > past / 6 else "right")  # fmt: skip
    time_axis(top, inspection.scene, end_step=0, show_lags=True)
    _each_step(below, inspection)


def _each_step(axes: Axes, inspection: Inspected) -> None:
    size, past = np.abs(inspection.slope), inspection.slope.shape[1]
    high = float(size.max()) or 1.0
    columns = [(step, step + 1) for step in range(-past, 0)]
    drawn = heat(axes, columns, size, cmap=SEQUENTIAL, vmin=0.0, vmax=high)
    drawn.set_norm(LogNorm(high * 10**-3, high, clip=True))
    numbered(axes, len(size), "step ahead")
    caption(axes, "… and each step ahead by itself")
    time_axis(axes, inspection.scene, end_step=0)
    colour_bar(axes, drawn, "size")


@picture
def importance(figure: Figure, inspection: Inspected, title: str) -> None:
    """By how much the error grows when something is shuffled; lines are twice the uncertainty."""
    assert inspection.importance is not None
    past = [bar for bar in inspection.importance.bars if bar.stretch is not None][::-1]
    others = sorted(
        (bar for bar in inspection.importance.bars if bar.stretch is None), key=lambda bar: -bar.mean
    )[:MOST_BARS]
    groups = [
        ("Past values of the target, by how long ago", past),
        ("Covariates, past and ahead", others),
    ]
    groups = [(says, bars) for says, bars in groups if bars]
    axes = panels(figure, title, [0.12 + 0.23 * len(bars) for _, bars in groups], gap=0.6)
    ends = [bar.mean + 2 * bar.error for bar in inspection.importance.bars]
    starts = [bar.mean - 2 * bar.error for bar in inspection.importance.bars]
    span = max([*ends, 1e-9]) - min([*starts, 0.0])
    for place, (says, bars) in zip(axes, groups, strict=True):
        names = [spoken_lags(bar.stretch) if bar.stretch else bar.name for bar in bars]
        _bars(place, bars, names)
        caption(place, says)
        place.set_xlim(min([*starts, 0.0]) - 0.01 * span, max([*ends, 1e-9]) + 0.13 * span)
        box = place.get_position()
        place.set_position((0.235, box.y0, 0.725, box.height))
    axes[-1].set_xlabel(_unit(inspection.importance), fontsize=9, color=FAINT)


def _unit(importance: Importance) -> str:
    return (
        "added to the mean absolute error, in % of the series' size "
        f"(now {_grouped(round(importance.error, 3))} %)"
    )


def _bars(axes: Axes, inputs: Sequence[Bar], names: Sequence[str]) -> None:
    means = np.array([bar.mean for bar in inputs])
    errors = np.array([2 * bar.error for bar in inputs])
    colours = [BLUE if matters(bar) else "#b5bec6" for bar in inputs]
    places = np.arange(len(inputs))
    axes.barh(places, means, color=colours, height=0.7)
    axes.errorbar(means, places, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.0, capsize=2.0)
    for place, mean, error in zip(places, means, errors, strict=True):
        text = _grouped(float(f"{mean:.2g}")) if abs(mean) >= 1e-9 else "0"
        axes.annotate(text, (max(mean + error, 0), place), xytext=(4, 0), va="center",
                      textcoords="offset points", fontsize=8, color=INK)  # fmt: skip
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_yticks(places, [_plainly(name, 26) for name in names])
    axes.set_ylim(len(inputs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(_grouped))


@picture
def hiding(figure: Figure, inspection: Inspected, title: str) -> None:
    """The series, how far the forecast moves without each stretch, and at which steps ahead."""
    top, middle, below = panels(figure, title, [1.25, 1.1, 1.9])
    scene, effect = inspection.scene, inspection.hiding
    series(top, scene)
    edges = [effect.stretches[0][0], *(end for _, end in effect.stretches)]
    middle.stairs(effect.size, edges, fill=True, color=BLUE)
    middle.stairs(effect.size, edges, color="white", linewidth=0.6)
    middle.grid(axis="y", color=GRID, linewidth=0.8)
    middle.yaxis.set_major_locator(MaxNLocator(4))
    middle.yaxis.set_major_formatter(FuncFormatter(_grouped))
    middle.set_ylabel(_plainly(scene.target, 18), fontsize=9, color=FAINT)
    caption(middle, "Mean change of a step of the forecast when this stretch is hidden")
    change = _visible(effect.change.T)
    size = float(np.abs(change).max()) or 1.0
    drawn = heat(below, effect.stretches, change, cmap=DIVERGING, vmin=-size, vmax=size)
    numbered(below, scene.ahead, "step ahead")
    caption(below, "… and of each step ahead: red is higher without the stretch, blue lower")
    colour_bar(below, drawn, _plainly(scene.target, 12))
    for place in (top, middle, below):
        time_axis(place, scene)
        if place is not below:
            place.set_xticklabels([])


def _visible(forecast_change: Floats) -> Floats:
    """Without the rounding of the last digit."""
    size = float(np.abs(forecast_change).max())
    return np.where(np.abs(forecast_change) > 1e-9 * size, forecast_change, 0.0)
