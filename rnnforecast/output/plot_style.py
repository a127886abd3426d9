"""Matplotlib style of all plots: fonts, axes, ticks, and PNG files in memory.

Plots use matplotlib's object interface, not pyplot. The same numbers give the same bytes, whatever
the user's matplotlibrc contains.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import FuncFormatter

from rnnforecast.output.style import MUTED_COLOR, TEXT_COLOR, format_number, shorten_text

DIVERGING_CMAP, SEQUENTIAL_CMAP = "RdBu_r", "cividis"
"""Color maps of values with a sign and of values without one, both safe for colorblind readers."""

MIN_MILLIONS = 1e6
"""Ticks of axes with such values are in millions: 1.5M."""
MAX_PLAIN_VALUE = 1e9
"""Ticks of larger values are in matplotlib's scientific notation."""

# Fonts for scripts that the built-in one lacks, used where they are installed.
_FALLBACK_FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei",
    "Hiragino Sans", "PingFang SC", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
    "Noto Sans Devanagari", "Noto Sans Thai", "Arial Unicode MS",
)  # fmt: skip

P = ParamSpec("P")


def plot_text(text: str, max_width: int) -> str:
    """`text` shortened, with dollar signs escaped, which would start a formula."""
    return shorten_text(text, max_width).replace("$", r"\$")


@contextmanager
def plot_style() -> Iterator[None]:
    """Context with the rcParams of all plots, independent of the user's matplotlibrc."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter without a font is drawn as a box in the PNG; the SVG and the table keep it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        installed = set(fontManager.get_font_names())
        fallbacks = [name for name in _FALLBACK_FONTS if name in installed]
        matplotlib.rc("font", size=9.5, family=["DejaVu Sans", *fallbacks, "sans-serif"])
        matplotlib.rc("date", converter="concise")
        # Without a salt the ids inside an SVG are random. Text stays text: it can be searched
        # and read out, and the viewer finds a font for any script.
        matplotlib.rc("svg", hashsalt="rnnforecast", fonttype="none")
        yield


def as_png(
    dpi: int,
) -> Callable[[Callable[Concatenate[Figure, P], None]], Callable[P, bytes]]:
    """Decorator of a function that draws on a figure; the decorated one returns the PNG."""

    def decorate(draw: Callable[Concatenate[Figure, P], None]) -> Callable[P, bytes]:
        @wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> bytes:
            return _render_png(lambda figure: draw(figure, *args, **kwargs), dpi)

        return drawn

    return decorate


def _render_png(draw: Callable[[Figure], None], dpi: int) -> bytes:
    file = io.BytesIO()
    with plot_style():
        figure = Figure(dpi=dpi)
        draw(figure)
        figure.savefig(file, format="png", metadata={"Software": ""})
    return file.getvalue()


def style_axes(axes: Axes) -> None:
    """Styles axes: two thin spines, small ticks, the grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED_COLOR)
    axes.tick_params(labelsize=8, colors=MUTED_COLOR, labelcolor=TEXT_COLOR)
    axes.set_axisbelow(True)


def format_ticks(axis: Axis, values: np.ndarray) -> None:
    """Sets tick labels by `format_number`, in millions if `values` are; values from
    `MAX_PLAIN_VALUE` on keep matplotlib's."""
    largest = float(np.abs(values).max()) if len(values) else 0.0
    if largest < MAX_PLAIN_VALUE:
        in_millions = largest >= MIN_MILLIONS
        axis.set_major_formatter(FuncFormatter(_format_millions if in_millions else format_number))


def _format_millions(value: float, _: int) -> str:
    """A tick such as 1.5M."""
    return f"{format_number(value / 1e6)}M" if value else "0"


def isolated_values(values: np.ndarray) -> np.ndarray:
    """`[T]` mask of finite values without finite neighbors, which a line does not show."""
    padded = np.concatenate([[False], np.isfinite(values), [False]])
    return np.asarray(padded[1:-1] & ~padded[:-2] & ~padded[2:])


def widen_flat_ylim(axes: Axes) -> None:
    """Centers a constant line on a y axis that extends a tenth of its value to either side."""
    low, high = axes.dataLim.intervaly
    size = max(abs(low), abs(high))
    if np.isfinite(size) and high - low <= 1e-6 * size:
        room = 0.1 * size or 1.0
        axes.set_ylim(low - room, high + room)
