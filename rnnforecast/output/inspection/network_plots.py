"""Pictures of a net at work on one window: its units, its gates, and where it looks."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage

from rnnforecast.output.data_report.plots import GRID_COLOR, MUTED_COLOR, TEXT_COLOR
from rnnforecast.output.inspection.findings import layers_with_gates
from rnnforecast.output.inspection.plot_layout import (
    BLUE,
    DIVERGING_CMAP,
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
    Inspection,
    LayerActivations,
)
from rnnforecast.types import Floats

MAX_LAYERS, MAX_GATES, MAX_ATTENTION_MAPS = 4, 6, 3
"""Panels of a picture; of more layers the uppermost are shown."""

GATE_MEANINGS = {
    "reset": "1: a candidate reads all of the old state, 0: none of it",
    "keep": "1: the old state stays, 0: it is replaced",
    "belief": "1: the old state is still believed, 0: too long without an observation",
    "input": "1: what is new enters the cell, 0: it does not",
    "forget": "1: the cell keeps what it holds, 0: it is emptied",
    "output": "1: the cell is told to the rest of the net, 0: it is hidden",
    "reading": "1: the past is read in full, 0: it is not",
}
"""By the first word of a gate's name."""


def similarity_order(rows: Floats) -> np.ndarray:
    """The order of `rows [K, G]` in which those of like course stand together.

    Average linkage of the distances between standardised rows; rows that never change come last.
    """
    deviation = rows.std(1)
    moving = np.flatnonzero(deviation > 1e-12 * max(float(np.abs(rows).max()), 1e-300))
    still = np.setdiff1d(np.arange(len(rows)), moving)
    if len(moving) > 2:
        own = rows[moving]
        standard = (own - own.mean(1, keepdims=True)) / own.std(1, keepdims=True)
        tree = linkage(standard, "average", optimal_ordering=len(moving) <= 256)
        moving = moving[leaves_list(tree)]
    return np.concatenate([moving, still])


@as_png
def plot_hidden_states(figure: Figure, inspection: Inspection, title: str) -> None:
    """The series, and below it the units of each layer, those of like course together."""
    layers = inspection.layers[-MAX_LAYERS:]
    each = 2.6 if len(layers) == 1 else 1.7
    axes = stacked_axes(figure, title, [1.25, *[each] * len(layers)])
    plot_series(axes[0], inspection.window)
    set_time_axis(axes[0], inspection.window)
    axes[0].set_xticklabels([])
    for place, layer in zip(axes[1:], layers, strict=True):
        rows = layer.hidden.T
        rows = rows[similarity_order(rows)]
        size = float(np.quantile(np.abs(rows), 0.995)) or 1.0
        drawn = plot_heatmap(
            place, inspection.patch_step_ranges(), rows, cmap=DIVERGING_CMAP, vmin=-size, vmax=size
        )
        place.set_ylim(len(rows), 0)
        place.set_yticks([])
        place.set_ylabel(f"{len(rows):,} units", fontsize=9, color=MUTED_COLOR)
        set_caption(place, _hidden_states_caption(inspection, layer))
        set_time_axis(place, inspection.window)
        add_colorbar(place, drawn, "value")
        if place is not axes[-1]:
            place.set_xticklabels([])


def _hidden_states_caption(inspection: Inspection, layer: LayerActivations) -> str:
    what = (
        "What each unit says after each segment"
        if inspection.window.patch_length > 1
        else "What units say"
    )
    return f"{what}, {layer.name}" if len(inspection.layers) > 1 else what


@as_png
def plot_gates(figure: Figure, inspection: Inspection, title: str) -> None:
    """The series, and below it each gate: its mean over the units, and where most of them are."""
    layer = layers_with_gates(inspection)[-1]
    shown = list(layer.gates.items())[:MAX_GATES]
    axes = stacked_axes(figure, title, [1.25, *[0.95] * len(shown)], gap=0.4)
    plot_series(axes[0], inspection.window)
    segments = inspection.patch_step_ranges()
    edges = np.array([segments[0][0], *(end for _, end in segments)])
    for place, (name, gate) in zip(axes[1:], shown, strict=True):
        low, high = np.quantile(gate, [0.1, 0.9], axis=1)
        place.grid(axis="y", color=GRID_COLOR, linewidth=0.8)
        place.stairs(high, edges, baseline=low, fill=True, color="#a3c8e2", label="8 of 10 units")
        place.stairs(gate.mean(1), edges, baseline=None, color=BLUE, linewidth=1.6,
                     label="mean of the units")  # fmt: skip
        place.set_ylim(-0.02, 1.02)
        place.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        set_caption(place, f"{name} – {GATE_MEANINGS.get(name.partition(' ')[0], '')}")
    axes[1].legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False,
                   fontsize=8.5, borderaxespad=0.1, borderpad=0.1, handlelength=1.6,
                   labelcolor=TEXT_COLOR)  # fmt: skip
    for place in axes:
        set_time_axis(place, inspection.window)
        if place is not axes[-1]:
            place.set_xticklabels([])


@as_png
def plot_attention(figure: Figure, inspection: Inspection, title: str) -> None:
    """The series, and below it where the horizon, or each segment, looks in the past."""
    maps: list[tuple[str, Floats]] = []
    if inspection.horizon_attention is not None:
        maps.append(
            ("Where each piece of the horizon looks in the past", inspection.horizon_attention)
        )
    within = list(enumerate(inspection.self_attention, 1))[-MAX_ATTENTION_MAPS:]
    maps += [
        (
            f"Where each segment of the past looks: layer {number} of {len(inspection.self_attention)}",
            one,
        )
        for number, one in within
    ]
    heights = [1.25, *(max(0.9, min(2.4, 0.16 * len(one))) for _, one in maps)]
    axes = stacked_axes(figure, title, heights)
    plot_series(axes[0], inspection.window)
    set_time_axis(axes[0], inspection.window)
    axes[0].set_xticklabels([])
    for place, (says, weights) in zip(axes[1:], maps, strict=True):
        drawn = _plot_attention_weights(place, inspection, weights)
        set_caption(place, says)
        set_time_axis(place, inspection.window)
        add_colorbar(place, drawn, "weight")
        if place is not axes[-1]:
            place.set_xticklabels([])


def _plot_attention_weights(axes: Axes, inspection: Inspection, weights: Floats) -> ScalarMappable:
    ahead, high = weights is inspection.horizon_attention, float(weights.max())
    if not ahead:  # what comes later cannot be looked at, and the first has only itself
        high = float(weights[1:].max(initial=0.0)) or 1.0
        weights = np.where(np.tri(len(weights), dtype=bool), weights, np.nan)
    drawn = plot_heatmap(
        axes, inspection.patch_step_ranges(), weights, cmap=SEQUENTIAL_CMAP, vmin=0.0, vmax=high
    )
    number_rows(axes, len(weights), "piece ahead" if ahead else "segment that looks")
    return drawn
