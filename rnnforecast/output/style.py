"""Palette, number formats, page CSS and matplotlib style of all plots and pages.

Plots use matplotlib's object interface, not pyplot. The same numbers give the same bytes, whatever
the user's matplotlibrc contains.
"""

from __future__ import annotations

import io
import unicodedata
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

TEXT_COLOR, MUTED_COLOR, GRID_COLOR = "#262626", "#6b6b6b", "#e6e6e6"
BLUE, ORANGE, YELLOW, PINK = "#0072b2", "#d55e00", "#f0b040", "#cc79a7"
"""From the palette of Okabe and Ito, which colorblind readers can distinguish."""
BLUE_TINTS = ("#d6e6f2", "#a3c8e2", "#74abd3")
"""From light to dark."""
GRAY, LIGHT_GRAY = "#b5bec6", "#efefef"
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

PAGE_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; color: #262626; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
p { margin: .3rem 0; } .faint { color: #6b6b6b; }
table { border-collapse: collapse; font-size: 13px; }
th, td { text-align: right; padding: .15rem .7rem .15rem 0; border-bottom: 1px solid #e6e6e6; }
th:first-child, td:first-child { text-align: left; }
.grades td { text-align: left; font-size: 15px; border: 0; }
.good { color: #00694b; } .look { color: #8a5a00; } .bad { color: #b03000; }
.grade { font-weight: 600; white-space: nowrap; vertical-align: top; }
.headline { font-size: 1.25rem; font-weight: 600; margin: 1rem 0 .4rem; }
.pair { display: flex; flex-wrap: wrap; gap: 0 2%; } .pair > div { flex: 0 1 49%; }
.pair > p { flex-basis: 100%; } img { max-width: 100%; height: auto; display: block; }
ul { margin: .3rem 0; padding-left: 1.2rem; } li, h1, td { overflow-wrap: anywhere; }
.on-narrow { display: none; } .scroll { overflow-x: auto; } .scroll td { white-space: nowrap; }
.scroll td:first-child { white-space: normal; min-width: 6rem; }
@media (max-width: 44rem) { body { margin: 1rem auto; } .pair > div { flex-basis: 100%; }
  table { font-size: 14px; } th, td { padding-right: .5rem; } img { width: 100%; }
  .on-wide { display: none; }
  .scroll img { width: 46rem; max-width: none; } .on-narrow { display: block; } }
@media print { body { margin: 0; font-size: 12px; } h2, h3 { break-after: avoid; }
  img, tr { break-inside: avoid; } }
"""

P = ParamSpec("P")


def format_number(value: float, _: int | None = None) -> str:
    """`value` with grouped thousands and without trailing zeros: 12,500 or 0.25.

    The second argument makes it a formatter of matplotlib ticks.
    """
    text = f"{round(value, 9):,.9f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text.replace("-", "\N{MINUS SIGN}")


def format_rounded(value: float) -> str:
    """`value` rounded to three significant digits."""
    if value == 0 or not np.isfinite(value):
        return "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return format_number(round(float(value), min(digits, 6)) if digits < 7 else float(value))


def format_percent(share: float, decimals: int = 1) -> str:
    """`share` in percent, with `decimals` below 10 %; a positive share is not shown as 0 %."""
    value = 100 * float(share)
    smallest = 10.0**-decimals
    if 0 < value < smallest:
        return f"less than {smallest:g} %"
    return f"{value:.{decimals}f} %" if 0 < value < 10 else f"{value:.0f} %"


def shorten_text(text: str, max_width: int) -> str:
    """`text` on one line, its middle replaced by … if it is wider than `max_width` characters.

    East Asian wide characters count twice.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if sum(map(_character_width, text)) <= max_width:
        return text
    half = (max_width - 1) // 2
    return f"{_truncate(text, half).rstrip()}…{_truncate(text[::-1], half)[::-1].lstrip()}"


def plot_text(text: str, max_width: int) -> str:
    """`text` shortened, with dollar signs escaped, which would start a formula."""
    return shorten_text(text, max_width).replace("$", r"\$")


def _truncate(text: str, max_width: int) -> str:
    widths = np.cumsum([_character_width(letter) for letter in text])
    return text[: int(np.searchsorted(widths, max_width, side="right"))]


def _character_width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


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
            file = io.BytesIO()
            with plot_style():
                figure = Figure(dpi=dpi)
                draw(figure, *args, **kwargs)
                figure.savefig(file, format="png", metadata={"Software": ""})
            return file.getvalue()

        return drawn

    return decorate


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


def drop_time_of_day(timestamps: np.ndarray) -> np.ndarray:
    """`timestamps [T]` as dates if they cover 60 days or more, else unchanged."""
    if timestamps.dtype.kind == "M" and timestamps[-1] - timestamps[0] >= np.timedelta64(60, "D"):
        return timestamps.astype("datetime64[D]")
    return timestamps


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
