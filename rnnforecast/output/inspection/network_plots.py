"""Plots of a network's activations in one window: hidden states, gates, attention weights."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage

from rnnforecast.output.inspection.findings import layers_with_gates
from rnnforecast.output.inspection.plot_layout import (
    DPI,
    add_colorbar,
    add_legend,
    number_rows,
    plot_heatmap,
    plot_series,
    set_caption,
    set_shared_time_axis,
    stacked_axes,
)
from rnnforecast.output.inspection.results import Inspection, LayerActivations
from rnnforecast.output.plot_style import DIVERGING_CMAP, SEQUENTIAL_CMAP, as_png
from rnnforecast.output.style import BLUE, BLUE_TINTS, GRID_COLOR, MUTED_COLOR
from rnnforecast.registry import BACKBONES
from rnnforecast.types import Floats

MAX_LAYERS, MAX_GATES, MAX_ATTENTION_MAPS = 4, 6, 3
"""Most axes per figure; of more layers, the top ones are shown, of more gates, the first."""


def similarity_order(rows: Floats) -> np.ndarray:
    """An order of `rows [K, G]` in which similar rows are neighbors; constant rows are last.

    It comes from average linkage of the standardized rows.
    """
    deviation = rows.std(1)
    moving = np.flatnonzero(deviation > 1e-12 * max(float(np.abs(rows).max()), 1e-300))
    constant = np.setdiff1d(np.arange(len(rows)), moving)
    if len(moving) > 2:
        varying = rows[moving]
        standard = varying - varying.mean(1, keepdims=True)
        standard /= varying.std(1, keepdims=True)
        tree = linkage(standard, "average", optimal_ordering=len(moving) <= 256)
        moving = moving[leaves_list(tree)]
    return np.concatenate([moving, constant])


@as_png(DPI)
def plot_hidden_states(figure: Figure, inspection: Inspection, title: str) -> None:
    """The series, and below it the hidden states of each layer, similar units as neighbors."""
    layers = inspection.layers[-MAX_LAYERS:]
    each = 2.6 if len(layers) == 1 else 1.7
    axes = stacked_axes(figure, title, [1.25, *[each] * len(layers)])
    plot_series(axes[0], inspection.window)
    for ax, layer in zip(axes[1:], layers, strict=True):
        rows = layer.hidden.T
        rows = rows[similarity_order(rows)]
        size = float(np.quantile(np.abs(rows), 0.995)) or 1.0
        mesh = plot_heatmap(
            ax, inspection.patch_step_ranges(), rows, cmap=DIVERGING_CMAP, vmin=-size, vmax=size
        )
        ax.set_ylim(len(rows), 0)
        ax.set_yticks([])
        ax.set_ylabel(f"{len(rows):,} units", fontsize=9, color=MUTED_COLOR)
        set_caption(ax, _hidden_states_caption(inspection, layer))
        add_colorbar(ax, mesh, "value")
    set_shared_time_axis(axes, inspection.window)


def _hidden_states_caption(inspection: Inspection, layer: LayerActivations) -> str:
    unit = "patch" if inspection.window.patch_length > 1 else "step"
    suffix = f", {layer.name}" if len(inspection.layers) > 1 else ""
    return f"Hidden states after each {unit}{suffix}"


@as_png(DPI)
def plot_gates(figure: Figure, inspection: Inspection, title: str) -> None:
    """The series, and below it each gate: its mean and its 10 % to 90 % band over the units."""
    layer = layers_with_gates(inspection)[-1]
    shown = list(layer.gates.items())[:MAX_GATES]
    captions = {
        gate: caption
        for backbone in BACKBONES.names()
        for gate, caption in BACKBONES.literal(backbone, "GATES", {}).items()
    }
    axes = stacked_axes(figure, title, [1.25, *[0.95] * len(shown)], gap=0.4)
    plot_series(axes[0], inspection.window)
    patches = inspection.patch_step_ranges()
    edges = np.array([patches[0][0], *(end for _, end in patches)])
    for ax, (name, gate) in zip(axes[1:], shown, strict=True):
        low, high = np.quantile(gate, [0.1, 0.9], axis=1)
        ax.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
        ax.stairs(high, edges, baseline=low, fill=True, color=BLUE_TINTS[1], label="8 of 10 units")
        ax.stairs(gate.mean(1), edges, baseline=None, color=BLUE, linewidth=1.6,
                  label="mean of the units")  # fmt: skip
        ax.set_ylim(-0.02, 1.02)
        ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        set_caption(ax, f"{name} – {captions.get(name, '')}")
    add_legend(axes[1], 2)
    set_shared_time_axis(axes, inspection.window)


@as_png(DPI)
def plot_attention(figure: Figure, inspection: Inspection, title: str) -> None:
    """The series, and below it the attention weights of the horizon and of the layers."""
    maps: list[tuple[str, Floats]] = []
    if inspection.horizon_attention is not None:
        maps.append(("Attention of the horizon to the past", inspection.horizon_attention))
    n_layers = len(inspection.self_attention)
    maps += [
        (f"Self-attention of the past, layer {number} of {n_layers}", weights)
        for number, weights in list(enumerate(inspection.self_attention, 1))[-MAX_ATTENTION_MAPS:]
    ]
    heights = [1.25, *(max(0.9, min(2.4, 0.16 * len(weights))) for _, weights in maps)]
    axes = stacked_axes(figure, title, heights)
    plot_series(axes[0], inspection.window)
    for ax, (caption, weights) in zip(axes[1:], maps, strict=True):
        mesh = _plot_attention_weights(ax, inspection, weights)
        set_caption(ax, caption)
        add_colorbar(ax, mesh, "weight")
    set_shared_time_axis(axes, inspection.window)


def _plot_attention_weights(axes: Axes, inspection: Inspection, weights: Floats) -> ScalarMappable:
    is_horizon, high = weights is inspection.horizon_attention, float(weights.max())
    if not is_horizon:  # later patches are masked, and the first one only attends to itself
        high = float(weights[1:].max(initial=0.0)) or 1.0
        weights = np.where(np.tri(len(weights), dtype=bool), weights, np.nan)
    mesh = plot_heatmap(
        axes, inspection.patch_step_ranges(), weights, cmap=SEQUENTIAL_CMAP, vmin=0.0, vmax=high
    )
    number_rows(axes, len(weights), "horizon patch" if is_horizon else "query patch")
    return mesh
