"""Palette, number formats and page CSS of all plots and pages."""

from __future__ import annotations

import math
import unicodedata

import numpy as np

TEXT_COLOR, MUTED_COLOR, GRID_COLOR = "#262626", "#6b6b6b", "#e6e6e6"
BLUE, ORANGE, YELLOW, PINK = "#0072b2", "#d55e00", "#f0b040", "#cc79a7"
"""From the palette of Okabe and Ito, which colorblind readers can distinguish."""
BLUE_TINTS = ("#d6e6f2", "#a3c8e2", "#74abd3")
"""From light to dark."""
GRAY, LIGHT_GRAY = "#b5bec6", "#efefef"

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


def format_number(value: float, _: int | None = None) -> str:
    """`value` with grouped thousands and without trailing zeros: 12,500 or 0.25.

    The second argument makes it a formatter of matplotlib ticks.
    """
    text = f"{round(value, 9):,.9f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text.replace("-", "\N{MINUS SIGN}")


def format_rounded(value: float) -> str:
    """`value` rounded to three significant digits."""
    if value == 0 or not math.isfinite(value):
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
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


def _truncate(text: str, max_width: int) -> str:
    widths = np.cumsum([_character_width(letter) for letter in text])
    return text[: int(np.searchsorted(widths, max_width, side="right"))]


def _character_width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
