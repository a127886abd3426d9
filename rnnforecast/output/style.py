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

REPORT_CSS = """
:root { color-scheme: light dark; --page: #fff; --text: #262626; --faint: #5f5f5f; --grid: #e6e6e6;
  --blue: #0072b2; --orange: #d55e00; --gray: #7c8790; --pink: #a8467f; --green: #00694b;
  --wide: #d6e6f2; --mid: #a3c8e2; --narrow: #74abd3; --panel: #f5f7f9; --bad: #b03000;
  --look: #8a5a00; --chosen: #e3eef7; }
@media screen and (prefers-color-scheme: dark) { :root { --page: #16191d; --text: #e8e8e8;
  --faint: #a9b0b6; --grid: #333a41; --blue: #58b0e8; --orange: #f08a3c; --gray: #98a4ad;
  --pink: #e29cc6; --green: #5cc79f; --wide: #1d3446; --mid: #28506f; --narrow: #3a759f;
  --panel: #20252a; --bad: #ff8a66; --look: #e6b450; --chosen: #24394a; } }
body { background: var(--page); color: var(--text); max-width: 70rem; }
.faint { color: var(--faint); } th, td { border-color: var(--grid); }
a { color: var(--blue); } nav { margin: .8rem 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
.headline { font-size: 1.45rem; line-height: 1.35; overflow-wrap: anywhere; }
.headline.several { font-size: 1.1rem; margin: .5rem 0; }
.statements { list-style: none; padding: 0; margin: .6rem 0; }
.statements li { display: flex; gap: .6rem; margin: .25rem 0; color: var(--text); }
.symbol { font-weight: 700; flex: 0 0 1rem; text-align: center; }
.good .symbol { color: var(--green); } .look .symbol { color: var(--look); }
.bad .symbol { color: var(--bad); }
.browser { display: grid; grid-template-columns: 17rem minmax(0, 1fr); gap: 1.2rem;
  margin-top: .6rem; }
.finder[hidden] + .picture, .alone .picture { grid-column: 1 / -1; }
.alone .finder { display: none; }
.alone #previous, .alone #next { display: none; }
.finder label { display: block; font-size: 13px; color: var(--faint); margin-top: .4rem; }
.finder input, .finder select { width: 100%; box-sizing: border-box; font: inherit;
  padding: .35rem .5rem; border: 1px solid var(--gray); border-radius: 5px;
  background: var(--page); color: var(--text); }
#names { list-style: none; margin: 0; padding: 0; max-height: 21rem; overflow-y: auto;
  border: 1px solid var(--grid); border-radius: 5px; }
#names li { margin: 0; border-bottom: 1px solid var(--grid); }
#names button { display: flex; justify-content: space-between; gap: .6rem; width: 100%;
  font: inherit; font-size: 14px; text-align: start; padding: .3rem .5rem; border: 0;
  background: none; color: var(--text); cursor: pointer; }
#names button span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
#names button .number { flex: 0 0 auto; color: var(--faint); font-variant-numeric: tabular-nums; }
#names button:hover { background: var(--panel); }
#names button[aria-current] { background: var(--chosen); font-weight: 600; }
.found { display: flex; justify-content: space-between; gap: .6rem; font-size: 13px;
  margin: .5rem .5rem .2rem 0; } .found span:last-child { text-align: end; }
.picture-head { display: flex; justify-content: space-between; align-items: start; gap: 1rem; }
.picture-head h3 { margin: 0; overflow-wrap: anywhere; }
.tools[hidden] { display: none; } .tools { display: flex; gap: .25rem; }
.tools button { font: inherit; min-width: 2rem; padding: .1rem .4rem; border-radius: 5px;
  border: 1px solid var(--grid); background: var(--panel); color: var(--text); cursor: pointer; }
.tools button:disabled { opacity: .4; cursor: default; }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 1px; }
#plot { margin-top: .4rem; touch-action: pan-y; } #readout { min-height: 1.5em; font-size: 14px; }
.chart { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.chart .tick text, .chart .axis { fill: var(--faint); }
path { fill: none; stroke-linejoin: round; } .grid path { stroke: var(--grid); }
.line-actual { stroke: var(--text); stroke-width: 1.4; }
.line-forecast { stroke: var(--blue); stroke-width: 2; }
.line-a { stroke: var(--orange); stroke-width: 1.5; }
.line-b { stroke: var(--gray); stroke-width: 1.5; stroke-dasharray: 6 3; }
.line-c { stroke: var(--pink); stroke-width: 1.5; stroke-dasharray: 2 2; }
.line-nominal { stroke: var(--gray); stroke-dasharray: 4 3; }
.line-origin { stroke: var(--gray); stroke-dasharray: 2 3; } .line-cursor { stroke: var(--text); }
.band-1 { fill: var(--wide); } .band-2 { fill: var(--mid); } .band-3 { fill: var(--narrow); }
.bar { fill: var(--narrow); } .brush { fill: var(--blue); opacity: .18; }
.dot { fill: var(--text); }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: 13px; color: var(--faint); }
.legend svg { width: 22px; height: 12px; margin-right: .35rem; vertical-align: -1px; }
.charts { display: flex; flex-wrap: wrap; gap: .8rem 1.8rem; margin: .6rem 0; }
figure { margin: 0; flex: 0 1 21rem; } .charts .scroll { flex: 1 1 24rem; margin-top: .4rem; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.facts td:first-child { min-width: 6rem; color: var(--faint); }
figcaption { font-weight: 600; margin-top: .4rem; }
.small { font-size: 13px; } .ylabel { font-size: 12px; margin: 0; }
pre { font-size: 12.5px; background: var(--panel); padding: .6rem .8rem; overflow-x: auto;
  border-radius: 5px; margin: .3rem 0; } summary { cursor: pointer; padding: .2rem 0; }
.to-series button { font: inherit; color: var(--blue); background: none; border: 0; padding: 0;
  cursor: pointer; text-align: start; text-decoration: underline; }
@media (max-width: 44rem) { .browser { grid-template-columns: minmax(0, 1fr); }
  .headline { font-size: 1.2rem; } figure { flex-basis: 100%; } #names { max-height: 11rem; }
  .tools button { min-width: 2.3rem; min-height: 2.1rem; } }
@media print { :root { color-scheme: light; } .finder, .tools, .hint, nav { display: none; }
  .browser { display: block; } figure { flex-basis: 30%; }
  figure, .picture { break-inside: avoid; } pre { white-space: pre-wrap; } }
"""
"""Of the forecast report, after `PAGE_CSS`: light and dark colors, charts, list of series."""


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
