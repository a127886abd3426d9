"""Keys without an effect: reported where their partner is off, silent where it is on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.spec.unused_keys import DEPENDENCIES, find_unused_keys

TEXT = "data: {path: a.csv}\nwindow: {horizon: 3}\n"
RESOLVED = ("ensemble.members=1", "model.decoder=direct", "model.normalize=standard")

CHANGED: dict[str, str] = {
    "data.sheet": "2",
    "data.query": "SELECT 1",
    "clean.tolerance": "0.1",
    "clean.partial_periods": "keep",
    "clean.ambiguous_hour": "later",
    "clean.nonexistent_hour": "drop",
    "clean.fill_value": "7",
    "clean.max_gap": "2",
    "clean.outlier_action": "clip",
    "clean.outlier_threshold": "4",
    "features.text_size": "3",
    "features.vector_size": "3",
    "features.holiday_window": "2",
    "features.missing_future": "last",
    "model.attention": "multiplicative",
    "model.teacher_forcing": "0.5",
    "model.smoothing_seasons": "7",
    "training.patience": "3",
    "training.time_budget": "5",
    "ensemble.combine": "mean",
    "backtest.warm_start": "false",
}
OFF = {"training.patience": "training.early_stopping=false"}


def spec_of(*overrides: str) -> Spec:
    return parse_spec(TEXT, name="spec.yaml", overrides=overrides, rules=())


def unused(*overrides: str) -> list[Any]:
    spec = spec_of(*overrides)
    return list(find_unused_keys(spec, [spec]))


def test_every_dependency_is_tested() -> None:
    assert {dependency.key for dependency in DEPENDENCIES} == set(CHANGED)


@pytest.mark.parametrize("key", CHANGED)
def test_a_key_whose_partner_is_off_is_reported_and_the_cure_gives_it_an_effect(key: str) -> None:
    off = [*RESOLVED, *([OFF[key]] if key in OFF else [])]
    (problem,) = unused(*off, f"{key}={CHANGED[key]}")
    assert problem.where == key
    assert "no effect" in problem.found
    partner, value = cure_of(problem.cure)
    assert not unused(*off, f"{key}={CHANGED[key]}", f"{partner}={value}")


def cure_of(cure: str) -> tuple[str, str]:
    """The key and the value that a cure names."""
    if "emb_*" in cure:
        return "features.past", "emb_*"
    if found := re.search(r"list one under (\S+?),", cure):
        return found[1], "note"
    found = re.search(
        r"set (\S+?),? (?:to|for example to|to a method that does, for example) (\S+?)(?:,| or|$)",
        cure,
    )
    assert found, cure
    return found[1], found[2]


def test_defaults_are_never_reported() -> None:
    assert unused(*RESOLVED) == []


def test_a_key_that_one_network_of_several_uses_is_used() -> None:
    given = spec_of("model.attention=multiplicative")
    direct, seq2seq = spec_of(*RESOLVED), spec_of(*RESOLVED, "model.decoder=seq2seq")
    assert list(find_unused_keys(given, [direct]))
    assert not list(find_unused_keys(given, [direct, seq2seq]))
