"""Tests of the section search: candidates are checked as the spec is, all at once."""

from __future__ import annotations

import pytest

from rnnforecast.errors import SpecError
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.search_space import (
    Choices,
    Range,
    search_parameters,
    searchable_keys,
    with_values,
)
from rnnforecast.spec.spec import Spec

MINIMAL = "data: {path: a.csv}\nwindow: {horizon: 3}\n"


def parse(keys: str, more: str = "") -> Spec:
    return parse_spec(f"{MINIMAL}search:\n  keys: {{{keys}}}\n{more}", name="spec.yaml")


def problems_of(keys: str, more: str = "") -> str:
    with pytest.raises(SpecError) as caught:
        parse(keys, more)
    return str(caught.value)


def test_lists_and_ranges_become_parameters_with_values_of_the_keys_type() -> None:
    spec = parse(
        "model.hidden_size: [32, auto, 6.4e1], training.learning_rate: {low: 0.001, high: 1,"
        " log: true}, window.lookback: {low: 24, high: 96, step: 12}"
    )
    assert search_parameters(spec) == {
        "model.hidden_size": Choices((32, "auto", 64)),
        "training.learning_rate": Range(0.001, 1.0, None, log=True, is_whole=False),
        "window.lookback": Range(24, 96, 12, log=False, is_whole=True),
    }


def test_all_problems_of_all_candidates_are_reported_with_their_lines() -> None:
    keys = (
        "model.hidden_size: [32, sixty, 0],\n model.hidden_siz: [1],\n data.path: [a, b],\n"
        " model.dropout: {low: 0.5, high: 0.1, stp: 3},\n window.lookback: {low: 2}"
    )
    found = problems_of(keys, "  trials: 0\n").splitlines()
    assert [line.partition(":")[0] for line in found] == [
        "spec.yaml, line 4, search.keys.model.hidden_size",
        "spec.yaml, line 4, search.keys.model.hidden_size",
        "spec.yaml, line 5, search.keys.model.hidden_siz",
        "spec.yaml, line 6, search.keys.data.path",
        "spec.yaml, line 7, search.keys.model.dropout",
        "spec.yaml, line 7, search.keys.model.dropout",
        "spec.yaml, line 8, search.keys.window.lookback",
        "spec.yaml, line 9, search.trials",
    ]
    assert "did you mean 'model.hidden_size'?" in found[2]
    assert "did you mean 'step'?" in found[4]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("model.backbone: {low: 1, high: 2}", "gru"),
        ("model.dropout: {low: 0.0, high: 0.5, log: true}", "logarithm"),
        ("training.l1: {low: 0.1, high: 0.5, log: true, step: 0.1}", "exclude"),
        ("window.lookback: {low: 24, high: 96, step: 1.5}", "whole number"),
        ("model.layer_norm: {low: false, high: true}", "no number"),
        ("model.layers: []", "empty"),
        ("model.layers: [1, 1.0]", "twice"),
        ("training.seed: [1, 2]", "cannot be searched"),
        # a rule of the spec on a key that is not searched
        ("model.channels: [independent, joint]", "joint"),
    ],
)
def test_candidates_that_the_spec_refuses_are_refused(keys: str, words: str) -> None:
    more = "model: {normalize: exponential_smoothing}\nclean: {missing: linear}\n"
    assert words in problems_of(keys, more if "channels" in keys else "")


def test_a_grid_needs_countable_values() -> None:
    keys = "training.learning_rate: {low: 0.001, high: 0.1}"
    assert "add a step" in problems_of(keys, "  sampler: grid\n")


def test_a_value_from_a_range_has_few_digits_and_stays_inside() -> None:
    parameter = Range(0.00031416, 0.01, None, log=True, is_whole=False)
    assert parameter.round(0.00512345) == 0.00512
    assert parameter.round(0.00031416) == 0.00031416
    assert Range(0.1, 0.9, 0.2, log=False, is_whole=False).contains(0.7)
    assert not Range(24, 96, 12, log=False, is_whole=True).contains(30)


def test_values_are_set_in_their_sections_and_other_keys_stay() -> None:
    spec = with_values(
        parse("model.layers: [1, 2]", "training: {loss: mae}\n"),
        {"model.layers": 2, "training.learning_rate": 0.1},
    )
    assert (spec.model.layers, spec.training.learning_rate) == (2, 0.1)
    assert spec.training.loss == "mae"
    assert "training.seed" not in searchable_keys()
