"""Self-contained HTML page of an inspection: what the forecast depends on, then the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnforecast.output.inspection import findings
from rnnforecast.output.inspection.attribution_plots import (
    plot_gradient,
    plot_importance,
    plot_occlusion,
)
from rnnforecast.output.inspection.network_plots import (
    plot_attention,
    plot_gates,
    plot_hidden_states,
)
from rnnforecast.output.inspection.results import Inspection
from rnnforecast.output.rendering import render_template
from rnnforecast.output.style import PAGE_CSS

DEPENDENCE, LOOKBACK, NETWORK = (
    "What does the forecast depend on?",
    "How far back does it look?",
    "What does the network do?",
)
"""Headings of the parts of the page."""


@dataclass(frozen=True)
class InspectionSection:
    """One plot of the page with its title, its explanation, and the finding in this run."""

    part: str
    """Heading of the part of the page, the question that it answers."""
    name: str
    """Stem of the plot's file, and key of the finding in the JSON."""
    title: str
    explanation: str
    finding: str
    png: bytes


def build_sections(inspection: Inspection) -> list[InspectionSection]:
    """The sections that the inspected network has results for: first what the forecast depends on,
    then how far back, then what the network does inside."""
    sections = [_occlusion_section(inspection), _gradient_section(inspection)]
    if inspection.importance is not None and inspection.importance.inputs:
        sections.insert(0, _importance_section(inspection))
    if inspection.horizon_attention is not None or inspection.self_attention:
        sections.append(_attention_section(inspection))
    sections.append(_units_section(inspection))
    if findings.layers_with_gates(inspection):
        sections.append(_gates_section(inspection))
    return sections


def render_inspection_page(
    title: str, subtitle_lines: Sequence[str], sections: Sequence[InspectionSection]
) -> str:
    """The page as HTML; `subtitle_lines` describe the window and the network."""
    return render_template(
        "inspection.html",
        css=PAGE_CSS,
        title=title,
        subtitle_lines=subtitle_lines,
        sections=sections,
    )


def _units_section(inspection: Inspection) -> InspectionSection:
    finding = findings.describe_units(inspection)
    explanation = (
        "Each row is a hidden unit, each column its output after one more patch of the past; "
        "similar units are neighbors. Stripes that change with the series are what the network "
        "has learned of it; rows of a single color do not react."
    )
    png = plot_hidden_states(inspection, finding)
    return InspectionSection(NETWORK, "units", "Hidden states", explanation, finding, png)


def _gates_section(inspection: Inspection) -> InspectionSection:
    finding = findings.describe_gates(inspection)
    explanation = (
        "The activation of a gate lies between 0, closed, and 1, open; the line is the mean over "
        "the units, the band contains eight in ten of them. Where a gate jumps the network reacts "
        "to something in the series; a gate that is always open or always closed does not matter."
    )
    png = plot_gates(inspection, finding)
    return InspectionSection(NETWORK, "gates", "Gate activations", explanation, finding, png)


def _gradient_section(inspection: Inspection) -> InspectionSection:
    finding = findings.describe_gradient(inspection)
    explanation = (
        "The norm of the gradient of the forecast with respect to each past step, on a log scale: "
        "how much the forecast changes with a small change of the input. A line that falls towards "
        "the left means that old steps are forgotten (vanishing gradients), one that rises to the "
        "left that their influence grows (exploding gradients)."
    )
    png = plot_gradient(inspection, finding)
    return InspectionSection(LOOKBACK, "gradient", "Input gradients", explanation, finding, png)


def _attention_section(inspection: Inspection) -> InspectionSection:
    finding = findings.describe_attention(inspection)
    explanation = (
        "Each row is a query, a patch of the horizon or of the past, and bright columns are the "
        "patches it attends to; the weights of a row sum to 1. A bright column matters to all "
        "queries, a bright diagonal means that each query attends to a fixed distance."
    )
    png = plot_attention(inspection, finding)
    return InspectionSection(LOOKBACK, "attention", "Attention weights", explanation, finding, png)


def _importance_section(inspection: Inspection) -> InspectionSection:
    assert inspection.importance is not None
    importance = inspection.importance
    finding = findings.describe_importance(inspection)
    explanation = (
        f"Each bar is the increase of the error over {importance.windows:,} windows of all series "
        "when this input is taken from another window and all else is unchanged; the black line "
        f"is two standard errors to either side, over {importance.repeats} shuffles. Gray bars do "
        "not differ significantly from zero: the network forecasts as well without the input."
    )
    png = plot_importance(inspection, finding)
    return InspectionSection(
        DEPENDENCE, "importance", "Inputs: permutation importance", explanation, finding, png
    )


def _occlusion_section(inspection: Inspection) -> InspectionSection:
    finding = findings.describe_occlusion(inspection)
    explanation = (
        "Each range of past steps is occluded in turn, as if it had never been observed, and the "
        "forecast is computed again. High bars and strong colors mark the ranges that the forecast "
        "depends on; each step of the horizon has a row."
    )
    png = plot_occlusion(inspection, finding)
    return InspectionSection(
        DEPENDENCE, "occlusion", "Stretches of history: occlusion", explanation, finding, png
    )
