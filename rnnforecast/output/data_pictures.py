"""Pictures of a data set, as PNG in memory for the page that shows them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from rnnforecast.output.plots import style

OBSERVED, FILLED, MISSING, NOWHERE = "#0072b2", "#f0b040", "#d55e00", "#ececec"
"""Okabe and Ito's colours: told apart by colour-blind readers."""
INK = "#262626"


def coverage(
    observed: np.ndarray, filled: np.ndarray, rows: Sequence[str], edges: Sequence[str]
) -> bytes:
    """A heat map of shares `[G, T]`, NaN where no series runs: observed, filled, missing."""
    groups, columns = observed.shape
    inside = ~np.isnan(observed)
    shares = np.stack([observed, filled, 1 - observed - filled], axis=-1)  # [G, T, 3]
    colours = np.array([to_rgb(colour) for colour in (OBSERVED, FILLED, MISSING)])
    mixed = np.nan_to_num(shares).clip(0, 1) @ colours
    image = np.where(inside[..., None], mixed, np.array(to_rgb(NOWHERE))).clip(0, 1)
    figure, axes = _canvas(9.0, 1.4 + 0.11 * max(groups, 6))
    axes.imshow(image, aspect="auto", interpolation="nearest", extent=(0, columns, groups, 0))
    places = np.unique(np.linspace(0, columns, min(6, columns + 1)).round().astype(int))
    axes.set_xticks(places, [edges[place] for place in places])
    shown = np.unique(np.linspace(0, groups - 1, min(8, groups)).round().astype(int))
    axes.set_yticks(shown + 0.5, [_short(rows[row]) for row in shown])
    patches = [
        Patch(color=colour, label=label)
        for colour, label in (
            (OBSERVED, "observed"),
            (FILLED, "missing, filled"),
            (MISSING, "missing"),
            (NOWHERE, "series does not run"),
        )
    ]
    axes.legend(
        handles=patches, ncols=4, loc="lower left", bbox_to_anchor=(0, 1.01), frameon=False,
        borderaxespad=0.0,
    )  # fmt: skip
    return _png(figure)


def bars(
    counts: Mapping[str, float], *, unit: str, highlight: str = "", most: float | None = None
) -> bytes:
    """One bar each, its number beside it; `highlight` has another colour, `most` ends the axis."""
    figure, axes = _canvas(4.4, 0.7 + 0.28 * max(len(counts), 1))
    names = list(counts)[::-1]
    values = [counts[name] for name in names]
    colours = [FILLED if name == highlight else OBSERVED for name in names]
    drawn = axes.barh(names, values, color=colours, height=0.7)
    axes.bar_label(
        drawn,
        [f" {value:,.3g}" if value < 1 else f" {value:,.0f}" for value in values],
        color=INK,
        fontsize=8,
    )
    axes.set_xlabel(unit)
    axes.margins(x=0.18)
    if most is not None:
        axes.set_xlim(0, most)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    return _png(figure)


def histogram(values: np.ndarray, *, unit: str) -> bytes:
    """How often which size comes; on a log scale where sizes differ a hundredfold."""
    known = values[np.isfinite(values)]
    figure, axes = _canvas(4.4, 2.2)
    if len(known):
        wide = known.min() > 0 and known.max() > 100 * known.min()
        low, high = float(known.min()), float(known.max())
        if low == high:
            low, high = low - 0.5, high + 0.5
        edges = np.geomspace(low, high, 31) if wide else np.linspace(low, high, 31)
        axes.hist(known, bins=edges.tolist(), color=OBSERVED)
        if wide:
            axes.set_xscale("log")
    axes.set_xlabel(unit)
    axes.set_ylabel("series")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return _png(figure)


def examples(series: Sequence[tuple[str, np.ndarray]], *, unit: str) -> bytes:
    """The last steps of a few series, gaps left open and marked below."""
    figure = Figure(figsize=(9.0, 1.3 * len(series) + 0.5), dpi=110, layout="constrained")
    with style():
        for place, (label, values) in enumerate(series):
            axes = figure.add_subplot(len(series), 1, place + 1)
            _plain(axes)
            steps = np.arange(-len(values), 0)
            axes.plot(steps, values, color=OBSERVED, linewidth=1.0)
            alone = np.isfinite(values)  # a value between two gaps has no line
            alone &= ~np.r_[False, alone[:-1]] & ~np.r_[alone[1:], False]
            axes.plot(steps[alone], values[alone], ".", color=OBSERVED, markersize=3)
            gaps = steps[np.isnan(values)]
            if len(gaps):
                axes.plot(
                    gaps, np.zeros(len(gaps)), "|", color=MISSING, markersize=7,
                    transform=axes.get_xaxis_transform(), clip_on=False,
                )  # fmt: skip
            axes.set_title(_short(label, 60), loc="left", fontsize=9)
            axes.yaxis.set_major_locator(MaxNLocator(3))
            axes.margins(x=0.005)
            if place + 1 == len(series):
                axes.set_xlabel(unit)
    return _png(figure)


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)


def _short(text: str, most: int = 24) -> str:
    """No longer than fits; a dollar sign is no formula."""
    text = text if len(text) <= most else text[: most - 1] + "…"
    return text.replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    """The same numbers give the same bytes."""
    file = io.BytesIO()
    with style():
        figure.savefig(file, format="png", metadata={"Software": ""})
    return file.getvalue()
