"""Pictures of what a forecast hangs on: gradients, shuffled inputs, hidden stretches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnforecast.output.data_report.plots import GRID_COLOR, MUTED_COLOR, TEXT_COLOR, _plot_text
from rnnforecast.output.forecast_plots import _format_number
from rnnforecast.output.inspection.findings import (
    format_lag_range,
    half_gradient_lookback,
    is_significant,
)
from rnnforecast.output.inspection.plot_layout import (
    BLUE,
    DIVERGING_CMAP,
    ORANGE,
    SEQUENTIAL_CMAP,
    add_colorbar,
    as_png,
    number_rows,
    plot_heatmap,
    plot_series,
    set_caption,
    set_time_axis,
    stacked_axes,
)
from rnnforecast.output.inspection.results import (
    InputImportance,
    Inspection,
    PermutationImportance,
)
from rnnforecast.types import Floats

MAX_GRADIENT_DECADES = 5
"""Gradients smaller than the largest by more than so many powers of ten look alike."""
MAX_COVARIATE_BARS = 20
"""Covariates that are drawn, those that matter most."""


@as_png
def plot_gradient(figure: Figure, inspection: Inspection, title: str) -> None:
    """Above, how much each past step counts in all of the horizon; below, in each step ahead."""
    top, below = stacked_axes(figure, title, [1.7, 1.9], gap=0.75)
    past = inspection.gradient_norm.shape[1]
    steps = np.arange(-past, 0) + 0.5
    lines = [(inspection.gradient_norm, "whole forecast", BLUE, "-", 1.6)]
    if inspection.recurrent_gradient_norm is not None:
        lines.append(
            (inspection.recurrent_gradient_norm, "without the linear map", ORANGE, "--", 1.3)
        )
    highest = 0.0
    for slope, label, colour, dashes, width in lines:
        size = np.abs(slope).sum(0)
        highest = max(highest, float(size.max()))
        top.plot(steps, np.where(size > 0, size, np.nan), color=colour, linestyle=dashes,
                 linewidth=width, label=label)  # fmt: skip
    if highest > 0:
        top.set_yscale("log")
        top.set_ylim(max(top.get_ylim()[0], highest * 10**-MAX_GRADIENT_DECADES), None)
    top.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    top.set_ylabel("size of gradient", fontsize=9, color=MUTED_COLOR)
    top.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.5,
               borderaxespad=0.1, borderpad=0.1, handlelength=2.2, labelcolor=TEXT_COLOR)  # fmt: skip
    set_caption(top, "How much the forecast hangs on each past step")
    half = half_gradient_lookback(inspection.gradient_norm)
    top.axvspan(-half, 0, color="#d6e6f2", linewidth=0, zorder=0)
    top.text(-half + 0.004 * past, 0.04, "half of it ", transform=top.get_xaxis_transform(),
             fontsize=8.5, color=BLUE, ha="left" if half > past / 6 else "right")  # fmt: skip
    set_time_axis(top, inspection.window, end_step=0, show_lags=True)
    _plot_gradient_by_horizon_step(below, inspection)


def _plot_gradient_by_horizon_step(axes: Axes, inspection: Inspection) -> None:
    size, past = np.abs(inspection.gradient_norm), inspection.gradient_norm.shape[1]
    high = float(size.max()) or 1.0
    columns = [(step, step + 1) for step in range(-past, 0)]
    drawn = plot_heatmap(axes, columns, size, cmap=SEQUENTIAL_CMAP, vmin=0.0, vmax=high)
    drawn.set_norm(LogNorm(high * 10**-3, high, clip=True))
    number_rows(axes, len(size), "step ahead")
    set_caption(axes, "… and each step ahead by itself")
    set_time_axis(axes, inspection.window, end_step=0)
    add_colorbar(axes, drawn, "size")


@as_png
def plot_importance(figure: Figure, inspection: Inspection, title: str) -> None:
    """By how much the error grows when something is shuffled; lines are twice the uncertainty."""
    assert inspection.importance is not None
    past = [bar for bar in inspection.importance.inputs if bar.step_range is not None][::-1]
    others = sorted(
        (bar for bar in inspection.importance.inputs if bar.step_range is None),
        key=lambda bar: -bar.mean,
    )[:MAX_COVARIATE_BARS]
    groups = [
        ("Past values of the target, by how long ago", past),
        ("Covariates, past and ahead", others),
    ]
    groups = [(says, bars) for says, bars in groups if bars]
    axes = stacked_axes(figure, title, [0.12 + 0.23 * len(bars) for _, bars in groups], gap=0.6)
    ends = [bar.mean + 2 * bar.std_error for bar in inspection.importance.inputs]
    starts = [bar.mean - 2 * bar.std_error for bar in inspection.importance.inputs]
    span = max([*ends, 1e-9]) - min([*starts, 0.0])
    for place, (says, bars) in zip(axes, groups, strict=True):
        names = [format_lag_range(bar.step_range) if bar.step_range else bar.name for bar in bars]
        _plot_importance_bars(place, bars, names)
        set_caption(place, says)
        place.set_xlim(min([*starts, 0.0]) - 0.01 * span, max([*ends, 1e-9]) + 0.13 * span)
        box = place.get_position()
        place.set_position((0.235, box.y0, 0.725, box.height))
    axes[-1].set_xlabel(
        _importance_axis_label(inspection.importance), fontsize=9, color=MUTED_COLOR
    )


def _importance_axis_label(importance: PermutationImportance) -> str:
    return (
        "added to the mean absolute error, in % of the series' size "
        f"(now {_format_number(round(importance.baseline_error, 3))} %)"
    )


def _plot_importance_bars(
    axes: Axes, inputs: Sequence[InputImportance], names: Sequence[str]
) -> None:
    means = np.array([bar.mean for bar in inputs])
    errors = np.array([2 * bar.std_error for bar in inputs])
    colours = [BLUE if is_significant(bar) else "#b5bec6" for bar in inputs]
    places = np.arange(len(inputs))
    axes.barh(places, means, color=colours, height=0.7)
    axes.errorbar(
        means, places, xerr=errors, fmt="none", ecolor=TEXT_COLOR, elinewidth=1.0, capsize=2.0
    )
    for place, mean, error in zip(places, means, errors, strict=True):
        text = _format_number(float(f"{mean:.2g}")) if abs(mean) >= 1e-9 else "0"
        axes.annotate(text, (max(mean + error, 0), place), xytext=(4, 0), va="center",
                      textcoords="offset points", fontsize=8, color=TEXT_COLOR)  # fmt: skip
    axes.axvline(0, color=MUTED_COLOR, linewidth=0.8)
    axes.set_yticks(places, [_plot_text(name, 26) for name in names])
    axes.set_ylim(len(inputs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(_format_number))


@as_png
def plot_occlusion(figure: Figure, inspection: Inspection, title: str) -> None:
    """The series, how far the forecast moves without each stretch, and at which steps ahead."""
    top, middle, below = stacked_axes(figure, title, [1.25, 1.1, 1.9])
    scene, effect = inspection.window, inspection.occlusion
    plot_series(top, scene)
    edges = [effect.step_ranges[0][0], *(end for _, end in effect.step_ranges)]
    middle.stairs(effect.mean_absolute_change, edges, fill=True, color=BLUE)
    middle.stairs(effect.mean_absolute_change, edges, color="white", linewidth=0.6)
    middle.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    middle.yaxis.set_major_locator(MaxNLocator(4))
    middle.yaxis.set_major_formatter(FuncFormatter(_format_number))
    middle.set_ylabel(_plot_text(scene.target, 18), fontsize=9, color=MUTED_COLOR)
    set_caption(middle, "Mean change of a step of the forecast when this stretch is hidden")
    change = _zero_rounding_errors(effect.forecast_change.T)
    size = float(np.abs(change).max()) or 1.0
    drawn = plot_heatmap(
        below, effect.step_ranges, change, cmap=DIVERGING_CMAP, vmin=-size, vmax=size
    )
    number_rows(below, scene.horizon, "step ahead")
    set_caption(below, "… and of each step ahead: red is higher without the stretch, blue lower")
    add_colorbar(below, drawn, _plot_text(scene.target, 12))
    for place in (top, middle, below):
        set_time_axis(place, scene)
        if place is not below:
            place.set_xticklabels([])


def _zero_rounding_errors(forecast_change: Floats) -> Floats:
    """Without the rounding of the last digit."""
    size = float(np.abs(forecast_change).max())
    return np.where(np.abs(forecast_change) > 1e-9 * size, forecast_change, 0.0)
