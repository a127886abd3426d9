"""The page of an inspection, and the plots of all its sections."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rnnforecast.output.inspection import network_plots
from rnnforecast.output.inspection.page import build_sections, render_inspection_page
from rnnforecast.output.inspection.results import (
    InputImportance,
    InspectedWindow,
    Inspection,
    LayerActivations,
    Occlusion,
    PermutationImportance,
)


@pytest.fixture
def inspection() -> Inspection:
    """All results, with constant and zero values among them: L = 8, H = 2, G = 4, J = 2, K = 5."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(4, 5))
    hidden[:, 0] = 1.0
    layer = LayerActivations("layer 1", hidden, {"update (z)": rng.random((4, 5))})
    window = InspectedWindow(
        "a <b>", "y", np.arange(10), np.r_[np.nan, np.arange(9.0)], np.ones(2), patch_length=2
    )
    inputs = (InputImportance("past", 1.0, 0.1, (-2, 0)), InputImportance("$price$", 0.0, 0.0))
    return Inspection(
        window=window,
        layers=(layer,),
        gradient_norm=rng.random((2, 8)),
        recurrent_gradient_norm=np.zeros((2, 8)),
        horizon_attention=np.full((2, 4), 0.25),
        self_attention=(np.tril(np.full((4, 4), 0.25)),),
        importance=PermutationImportance(1.0, inputs, windows=9, repeats=3),
        occlusion=Occlusion(((-8, -4), (-4, 0)), np.array([[0.0, 0.0], [1.0, -1.0]])),
    )


def test_each_result_has_a_section_with_a_plot(inspection: Inspection) -> None:
    sections = build_sections(inspection)
    names = ["importance", "occlusion", "gradient", "attention", "units", "gates"]
    assert [section.name for section in sections] == names
    for section in sections:
        assert Image.open(io.BytesIO(section.png)).width == 9 * 120  # inches times dpi


def test_results_that_a_network_does_not_have_are_left_out(inspection: Inspection) -> None:
    bare = replace(
        inspection,
        layers=(replace(inspection.layers[0], gates={}),),
        recurrent_gradient_norm=None,
        horizon_attention=None,
        self_attention=(),
        importance=None,
    )
    assert [one.name for one in build_sections(bare)] == ["occlusion", "gradient", "units"]


def test_the_page_lists_the_findings_and_escapes_names(inspection: Inspection) -> None:
    sections = build_sections(inspection)
    text = render_inspection_page("Run <r>", ["a <b>: 2 steps"], sections)
    assert text.startswith("<!doctype html>")
    assert "Run &lt;r&gt;" in text
    assert "<b>" not in text
    assert text.count("data:image/png;base64,") == len(sections)
    for section in sections:
        assert f'<h3 id="{section.name}">{section.title}</h3>' in text
    for section in sections[1:]:
        assert f'<a href="#{section.name}">{section.title}</a>' in text


def test_the_page_leads_with_what_the_forecast_depends_on(inspection: Inspection) -> None:
    sections = build_sections(inspection)
    text = render_inspection_page("Run", [], sections)
    order = [
        f'<p class="headline">{sections[0].finding}', "<h2>What does the forecast depend on?",
        "<h2>How far back", "<h2>What does the network do?",
    ]  # fmt: skip
    assert sorted(order, key=text.index) == order
    assert "depends most on the last 2 values" in sections[0].finding


def test_the_json_has_the_keys_that_the_page_is_made_from(inspection: Inspection) -> None:
    values = inspection.to_json()
    assert values["patches"] == [(-8, -6), (-6, -4), (-4, -2), (-2, 0)]
    assert values["importance"]["baseline_error"] == 1.0
    assert values["importance"]["inputs"][0]["step_range"] == (-2, 0)
    assert [one["mean_absolute_change"] for one in values["occlusion"]] == [0.0, 1.0]
    assert [(one["first"], one["last"]) for one in values["occlusion"]] == [(0, 3), (4, 7)]
    assert replace(inspection, importance=None).to_json()["importance"] is None


def test_similar_units_are_neighbors_and_constant_ones_come_last() -> None:
    rising, falling = np.arange(6.0), -np.arange(6.0)
    rows = np.stack([rising, falling, np.ones(6), 3 * rising + 1, 2 * falling])
    order = network_plots.similarity_order(rows).tolist()
    assert order[-1] == 2
    assert {frozenset(order[:2]), frozenset(order[2:4])} == {frozenset({0, 3}), frozenset({1, 4})}
