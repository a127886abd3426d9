"""One HTML page about what a net does: findings first, then a picture of each. It stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rnnforecast.output.data_report.page import _PAGE_CSS, _image_tag
from rnnforecast.output.inspection import attribution_plots as effects
from rnnforecast.output.inspection import findings as says
from rnnforecast.output.inspection import network_plots as pictures
from rnnforecast.output.inspection.results import Inspection


@dataclass(frozen=True)
class InspectionSection:
    """One picture, with what it is called, what it shows, and what it shows in this run."""

    name: str
    """Also that of its file."""
    title: str
    explanation: str
    finding: str
    png: bytes


def build_sections(inspection: Inspection) -> list[InspectionSection]:
    """All pictures that there is something to draw for."""
    parts = [_units_section(inspection)]
    if says.layers_with_gates(inspection):
        parts.append(_gates_section(inspection))
    parts.append(_gradient_section(inspection))
    if inspection.horizon_attention is not None or inspection.self_attention:
        parts.append(_attention_section(inspection))
    if inspection.importance is not None and inspection.importance.inputs:
        parts.append(_importance_section(inspection))
    parts.append(_occlusion_section(inspection))
    return parts


def render_inspection_page(
    title: str, subtitle_lines: Sequence[str], sections: Sequence[InspectionSection]
) -> str:
    """The page as text; `lines` say what was looked at."""
    findings = "".join(
        f'<li><a href="#{part.name}">{escape(part.title)}</a>: {escape(part.finding)}.</li>'
        for part in sections
    )
    body = "".join(
        f'<h2 id="{part.name}">{escape(part.title)}</h2>{_image_tag(part.png, part.finding)}'
        f'<p>{escape(part.finding)}.</p><p class="faint">{escape(part.explanation)}</p>'
        for part in sections
    )
    told = "".join(f'<p class="faint">{escape(line)}</p>' for line in subtitle_lines)
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_PAGE_CSS}</style>"
    )
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{told}'
        f"<h2>What was found</h2><ul>{findings}</ul>{body}</body></html>\n"
    )


def _units_section(inspection: Inspection) -> InspectionSection:
    finding = says.describe_units(inspection)
    how = (
        "Each row is a unit of the network, each column what it says after one more piece of the "
        "past was read; units of like course stand together. Stripes that change with the series "
        "are what the network makes of it, rows of one colour do nothing."
    )
    return InspectionSection(
        "units", "Units", how, finding, pictures.plot_hidden_states(inspection, finding)
    )


def _gates_section(inspection: Inspection) -> InspectionSection:
    finding = says.describe_gates(inspection)
    how = (
        "A gate is a tap for each unit, from 0, closed, to 1, open; the line is the mean of the "
        "units, the band has eight in ten of them. Where a gate jumps the network reacts to "
        "something in the series; one that is always open or always closed has no use."
    )
    return InspectionSection(
        "gates", "Gates", how, finding, pictures.plot_gates(inspection, finding)
    )


def _gradient_section(inspection: Inspection) -> InspectionSection:
    finding = says.describe_gradient(inspection)
    how = (
        "The size of the gradient says how much the forecast moves when a past step is moved a "
        "little, on a scale on which each tick is a multiple of the one below. A line that falls "
        "towards the left means that old steps are forgotten (vanishing gradients), one that "
        "rises to the left that they count ever more (exploding ones)."
    )
    return InspectionSection(
        "gradient", "Reach", how, finding, effects.plot_gradient(inspection, finding)
    )


def _attention_section(inspection: Inspection) -> InspectionSection:
    finding = says.describe_attention(inspection)
    how = (
        "Each row is a piece that is forecast, or read, and bright is where it looks in the past; "
        "the weights of a row add up to 1. Bright columns are stretches that matter to all, a "
        "bright diagonal means that each piece looks at its own distance."
    )
    return InspectionSection(
        "attention", "Attention", how, finding, pictures.plot_attention(inspection, finding)
    )


def _importance_section(inspection: Inspection) -> InspectionSection:
    assert inspection.importance is not None
    finding = says.describe_importance(inspection)
    how = (
        f"Each bar is how much worse the forecasts of {inspection.importance.windows:,} windows of all "
        "series become when this input comes from another window, the rest being right; the black "
        f"line is two standard errors to either side, over {inspection.importance.repeats} shuffles. "
        "Grey bars cannot be told from nothing: the network does as well without."
    )
    return InspectionSection(
        "importance", "Importance", how, finding, effects.plot_importance(inspection, finding)
    )


def _occlusion_section(inspection: Inspection) -> InspectionSection:
    finding = says.describe_occlusion(inspection)
    how = (
        "Each stretch of the past is hidden in turn, as if it had never been measured, and the "
        "forecast is made again. High bars and strong colours are stretches that it rests on; "
        "each step ahead has a row of its own."
    )
    return InspectionSection(
        "hiding", "Hidden stretches", how, finding, effects.plot_occlusion(inspection, finding)
    )
