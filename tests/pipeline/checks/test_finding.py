"""Findings: their text, their plain values, and the error that they become."""

from __future__ import annotations

import json

import pytest

from rnnforecast.errors import StaleInput
from rnnforecast.pipeline.checks.finding import MAX_SERIES, Finding, first_labels, raise_errors

OLD = Finding(
    "data_age", "the data end 9 days ago", "error", 9, 9.0, 3.0, cure="look at the delivery"
)
SHORT = Finding("short_history", "a is short", count=1, series=("a",))


def test_the_text_ends_with_the_code() -> None:
    assert str(SHORT) == "a is short (short_history)"


def test_the_plain_values_are_json() -> None:
    assert json.loads(json.dumps(SHORT.to_json()))["series"] == ["a"]


def test_the_first_labels_are_named() -> None:
    assert first_labels(range(100)) == tuple(map(str, range(MAX_SERIES)))


def test_an_error_has_all_errors_and_all_findings() -> None:
    raise_errors([SHORT])
    with pytest.raises(StaleInput) as caught:
        raise_errors([SHORT, OLD, OLD])
    assert len(caught.value.problems) == 2
    assert "look at the delivery" in str(caught.value)
    assert [each["code"] for each in caught.value.findings] == [
        "short_history",
        "data_age",
        "data_age",
    ]
