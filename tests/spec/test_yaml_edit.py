"""Tests of changes in the text of a spec: comments, order and all other bytes stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.search_space import with_values
from rnnforecast.spec.yaml_edit import edited_spec

COMMENTED = """# the spec of the shop
data:
  path: a.csv  # every night
window:
  horizon: 3   # days

model: {backbone: gru, layers: 1}  # small

training:
  # found by hand
  learning_rate: 0.01  # high
  loss_options: {}
"""


def edited(text: str, values: dict[str, object]) -> str:
    spec = with_values(parse_spec(text, name="spec"), values)
    found = edited_spec(text, spec, values)
    assert parse_spec(found, name="edited") == spec
    return found


def test_a_given_key_changes_in_its_line_only() -> None:
    found = edited(COMMENTED, {"training.learning_rate": 0.00345})
    assert found == COMMENTED.replace("0.01  # high", "0.00345  # high")


def test_a_new_key_goes_to_the_end_of_its_section_or_into_its_braces() -> None:
    found = edited(COMMENTED, {"window.lookback": 24, "model.hidden_size": 64})
    assert found == COMMENTED.replace(
        "  horizon: 3   # days\n", "  horizon: 3   # days\n  lookback: 24\n"
    ).replace("layers: 1}", "layers: 1, hidden_size: 64}")


def test_a_new_section_goes_to_the_end() -> None:
    found = edited(COMMENTED, {"ensemble.network_weight": 1.0})
    assert found == f"{COMMENTED}ensemble:\n  network_weight: 1.0\n"


@pytest.mark.parametrize(
    "text",
    [
        "{data: {path: a.csv}, window: {horizon: 3}}",
        "data: {path: a.csv}\nwindow: {horizon: 3}\nmodel:\n",
        "data: {path: a.csv}\nwindow: {horizon: 3}\nmodel:\n  smoothing_seasons:\n  - 7\n",
    ],
)
def test_what_cannot_be_edited_is_written_anew(text: str) -> None:
    edited(text, {"model.hidden_size": 64, "model.smoothing_seasons": [7, 14]})


@given(
    st.dictionaries(
        st.sampled_from(["model.hidden_size", "model.layers", "window.lookback"]),
        st.integers(1, 999),
    ),
    st.floats(1e-6, 10),
)
def test_the_edited_text_gives_the_spec(sizes: dict[str, object], rate: float) -> None:
    edited(COMMENTED, {**sizes, "training.learning_rate": rate})
