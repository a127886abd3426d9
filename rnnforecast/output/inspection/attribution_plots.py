"""Plots of what a forecast depends on: input gradients, permutation importance, occlusion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rnnforecast.output.inspection.findings import (
    format_lag_range,
    half_gradient_lookback,
    is_significant,
)
from rnnforecast.output.inspection.plot_layout import (
    DPI,
    add_colorbar,
    add_legend,
    number_rows,
    plot_heatmap,
    plot_series,
    set_caption,
    set_shared_time_axis,
    set_time_axis,
    stacked_axes,
)
from rnnforecast.output.inspection.results import InputImportance, Inspection
from rnnforecast.output.plot_style import DIVERGING_CMAP, SEQUENTIAL_CMAP, as_png, plot_text
from rnnforecast.output.style import (
    BLUE,
    BLUE_TINTS,
    GRAY,
    GRID_COLOR,
    MUTED_COLOR,
    ORANGE,
    TEXT_COLOR,
    format_number,
)
from rnnforecast.types import Floats

MAX_GRADIENT_DECADES = 5
"""Most powers of ten that the gradient axis shows below the largest value."""
MAX_COVARIATE_BARS = 20
"""Most covariates that are shown, the most important ones."""


@as_png(DPI)
def plot_gradient(figure: Figure, inspection: Inspection, title: str) -> None:
    """The gradient norm by past step, summed over the horizon and by step of the horizon."""
    top, bottom = stacked_axes(figure, title, [1.7, 1.9], gap=0.75)
    lookback = inspection.gradient_norm.shape[1]
    steps = np.arange(-lookback, 0) + 0.5
    lines = [(inspection.gradient_norm, "sum over the horizon", BLUE, "-", 1.6)]
    if inspection.recurrent_gradient_norm is not None:
        recurrent = inspection.recurrent_gradient_norm
        lines.append((recurrent, "without the linear map", ORANGE, "--", 1.3))
    highest = 0.0
    for gradient, label, color, linestyle, linewidth in lines:
        size = np.abs(gradient).sum(0)
        highest = max(highest, float(size.max()))
        top.plot(steps, np.where(size > 0, size, np.nan), color=color, linestyle=linestyle,
                 linewidth=linewidth, label=label)  # fmt: skip
    if highest > 0:
        top.set_yscale("log")
        top.set_ylim(max(top.get_ylim()[0], highest * 10**-MAX_GRADIENT_DECADES), None)
    top.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    top.set_ylabel("gradient norm", fontsize=9, color=MUTED_COLOR)
    add_legend(top, 2, handle_length=2.2)
    set_caption(top, "Gradient of the forecast by past step")
    half = half_gradient_lookback(inspection.gradient_norm)
    top.axvspan(-half, 0, color=BLUE_TINTS[0], linewidth=0, zorder=0)
    top.text(-half + 0.004 * lookback, 0.04, "half of it ", transform=top.get_xaxis_transform(),
             fontsize=8.5, color=BLUE, ha="left" if half > lookback / 6 else "right")  # fmt: skip
    set_time_axis(top, inspection.window, end_step=0, show_lags=True)
    _plot_gradient_by_horizon_step(bottom, inspection)


def _plot_gradient_by_horizon_step(axes: Axes, inspection: Inspection) -> None:
    size, lookback = np.abs(inspection.gradient_norm), inspection.gradient_norm.shape[1]
    high = float(size.max()) or 1.0
    columns = [(step, step + 1) for step in range(-lookback, 0)]
    mesh = plot_heatmap(axes, columns, size, cmap=SEQUENTIAL_CMAP, vmin=0.0, vmax=high)
    mesh.set_norm(LogNorm(high * 10**-3, high, clip=True))
    number_rows(axes, len(size), "horizon step")
    set_caption(axes, "The same for each step of the horizon")
    set_time_axis(axes, inspection.window, end_step=0)
    add_colorbar(axes, mesh, "norm")


@as_png(DPI)
def plot_importance(figure: Figure, inspection: Inspection, title: str) -> None:
    """The increase of the error per shuffled input, with error bars of two standard errors."""
    assert inspection.importance is not None
    inputs = inspection.importance.inputs
    past = [one for one in inputs if one.step_range is not None][::-1]
    covariates = sorted(
        (one for one in inputs if one.step_range is None), key=lambda one: -one.mean
    )
    groups = [
        ("Past values of the target, by steps back", past),
        ("Covariates, past and future", covariates[:MAX_COVARIATE_BARS]),
    ]
    groups = [(caption, members) for caption, members in groups if members]
    heights = [0.12 + 0.23 * len(members) for _, members in groups]
    axes = stacked_axes(figure, title, heights, gap=0.6)
    high = max([*(one.mean + 2 * one.std_error for one in inputs), 1e-9])
    low = min([*(one.mean - 2 * one.std_error for one in inputs), 0.0])
    for ax, (caption, members) in zip(axes, groups, strict=True):
        _plot_importance_bars(ax, members)
        set_caption(ax, caption)
        ax.set_xlim(low - 0.01 * (high - low), high + 0.13 * (high - low))
        box = ax.get_position()
        ax.set_position((0.235, box.y0, 0.725, box.height))
    error = format_number(round(inspection.importance.baseline_error, 3))
    axes[-1].set_xlabel(
        f"increase of the mean absolute error, in % of the mean absolute value (now {error} %)",
        fontsize=9, color=MUTED_COLOR,
    )  # fmt: skip


def _plot_importance_bars(axes: Axes, inputs: Sequence[InputImportance]) -> None:
    means = np.array([one.mean for one in inputs])
    errors = np.array([2 * one.std_error for one in inputs])
    rows = np.arange(len(inputs))
    colors = [BLUE if is_significant(one) else GRAY for one in inputs]
    axes.barh(rows, means, color=colors, height=0.7)
    axes.errorbar(
        means, rows, xerr=errors, fmt="none", ecolor=TEXT_COLOR, elinewidth=1.0, capsize=2.0
    )
    for row, mean, error in zip(rows, means, errors, strict=True):
        text = format_number(float(f"{mean:.2g}")) if abs(mean) >= 1e-9 else "0"
        axes.annotate(text, (max(mean + error, 0), row), xytext=(4, 0), va="center",
                      textcoords="offset points", fontsize=8, color=TEXT_COLOR)  # fmt: skip
    axes.axvline(0, color=MUTED_COLOR, linewidth=0.8)
    names = [format_lag_range(one.step_range) if one.step_range else one.name for one in inputs]
    axes.set_yticks(rows, [plot_text(name, 26) for name in names])
    axes.set_ylim(len(inputs) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(format_number))


@as_png(DPI)
def plot_occlusion(figure: Figure, inspection: Inspection, title: str) -> None:
    """The series, and the change of the forecast per occluded range, on average and by step."""
    top, middle, bottom = stacked_axes(figure, title, [1.25, 1.1, 1.9])
    window, occlusion = inspection.window, inspection.occlusion
    plot_series(top, window)
    edges = [occlusion.step_ranges[0][0], *(end for _, end in occlusion.step_ranges)]
    middle.stairs(occlusion.mean_absolute_change, edges, fill=True, color=BLUE)
    middle.stairs(occlusion.mean_absolute_change, edges, color="white", linewidth=0.6)
    middle.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
    middle.yaxis.set_major_locator(MaxNLocator(4))
    middle.yaxis.set_major_formatter(FuncFormatter(format_number))
    middle.set_ylabel(plot_text(window.target, 18), fontsize=9, color=MUTED_COLOR)
    set_caption(middle, "Mean absolute change of the forecast when this range is occluded")
    change = _zero_rounding_errors(occlusion.forecast_change.T)
    high = float(np.abs(change).max()) or 1.0
    mesh = plot_heatmap(
        bottom, occlusion.step_ranges, change, cmap=DIVERGING_CMAP, vmin=-high, vmax=high
    )
    number_rows(bottom, window.horizon, "horizon step")
    set_caption(bottom, "Change of each horizon step: red is higher when occluded, blue lower")
    add_colorbar(bottom, mesh, plot_text(window.target, 12))
    set_shared_time_axis((top, middle, bottom), window)


def _zero_rounding_errors(forecast_change: Floats) -> Floats:
    """`forecast_change` with 0 where it is no larger than rounding errors."""
    size = float(np.abs(forecast_change).max())
    return np.where(np.abs(forecast_change) > 1e-9 * size, forecast_change, 0.0)
