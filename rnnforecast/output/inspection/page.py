"""One HTML page about what a net does: findings first, then a picture of each. It stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rnnforecast.output.data_report.page import _STYLE, _image
from rnnforecast.output.inspection import effects
from rnnforecast.output.inspection import figures as pictures
from rnnforecast.output.inspection import findings as says
from rnnforecast.output.inspection.results import Inspected


@dataclass(frozen=True)
class Section:
    """One picture, with what it is called, what it shows, and what it shows in this run."""

    name: str
    """Also that of its file."""
    title: str
    how: str
    finding: str
    png: bytes


def sections(inspection: Inspected) -> list[Section]:
    """All pictures that there is something to draw for."""
    parts = [_units(inspection)]
    if says.with_gates(inspection):
        parts.append(_gates(inspection))
    parts.append(_gradient(inspection))
    if inspection.ahead is not None or inspection.within:
        parts.append(_attention(inspection))
    if inspection.importance is not None and inspection.importance.bars:
        parts.append(_importance(inspection))
    parts.append(_hiding(inspection))
    return parts


def page(title: str, subtitle_lines: Sequence[str], sections: Sequence[Section]) -> str:
    """The page as text; `lines` say what was looked at."""
    findings = "".join(
        f'<li><a href="#{part.name}">{escape(part.title)}</a>: {escape(part.finding)}.</li>'
        for part in sections
    )
    body = "".join(
        f'<h2 id="{part.name}">{escape(part.title)}</h2>{_image(part.png, part.finding)}'
        f'<p>{escape(part.finding)}.</p><p class="faint">{escape(part.how)}</p>'
        for part in sections
    )
    told = "".join(f'<p class="faint">{escape(line)}</p>' for line in subtitle_lines)
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{told}'
        f"<h2>What was found</h2><ul>{findings}</ul>{body}</body></html>\n"
    )


def _units(inspection: Inspected) -> Section:
    finding = says.of_units(inspection)
    how = (
        "Each row is a unit of the network, each column what it says after one more piece of the "
        "past was read; units of like course stand together. Stripes that change with the series "
        "are what the network makes of it, rows of one colour do nothing."
    )
    return Section("units", "Units", how, finding, pictures.hidden(inspection, finding))


def _gates(inspection: Inspected) -> Section:
    finding = says.of_gates(inspection)
    how = (
        "A gate is a tap for each unit, from 0, closed, to 1, open; the line is the mean of the "
        "units, the band has eight in ten of them. Where a gate jumps the network reacts to "
        "something in the series; one that is always open or always closed has no use."
    )
    return Section("gates", "Gates", how, finding, pictures.gates(inspection, finding))


def _gradient(inspection: Inspected) -> Section:
    finding = says.of_reach(inspection)
    how = (
        "The size of the gradient says how much the forecast moves when a past step is moved a "
        "little, on a scale on which each tick is a multiple of the one below. A line that falls "
        "towards the left means that old steps are forgotten (vanishing gradients), one that "
        "rises to the left that they count ever more (exploding ones)."
    )
    return Section("gradient", "Reach", how, finding, effects.gradient(inspection, finding))


def _attention(inspection: Inspected) -> Section:
    finding = says.of_attention(inspection)
    how = (
        "Each row is a piece that is forecast, or read, and bright is where it looks in the past; "
        "the weights of a row add up to 1. Bright columns are stretches that matter to all, a "
        "bright diagonal means that each piece looks at its own distance."
    )
    return Section("attention", "Attention", how, finding, pictures.attention(inspection, finding))


def _importance(inspection: Inspected) -> Section:
    assert inspection.importance is not None
    finding = says.of_importance(inspection)
    how = (
        f"Each bar is how much worse the forecasts of {inspection.importance.windows:,} windows of all "
        "series become when this input comes from another window, the rest being right; the black "
        f"line is two standard errors to either side, over {inspection.importance.repeats} shuffles. "
        "Grey bars cannot be told from nothing: the network does as well without."
    )
    return Section("importance", "Importance", how, finding, effects.importance(inspection, finding))


def _hiding(inspection: Inspected) -> Section:
    finding = says.of_hiding(inspection)
    how = (
        "Each stretch of the past is hidden in turn, as if it had never been measured, and the "
        "forecast is made again. High bars and strong colours are stretches that it rests on; "
        "each step ahead has a row of its own."
    )
    return Section("hiding", "Hidden stretches", how, finding, effects.hiding(inspection, finding))
