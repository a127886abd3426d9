"""Forecasts and sample paths that memory or the calendar cannot hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_forecasts_that_nothing_can_hold_are_refused_at_once(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    assert train().exit_code == 0
    for options, words in (
        (("--horizon", "1000000000000"), "--horizon: needs about"),
        (("--horizon", "9" * 30), "--horizon: needs about"),
        (("--horizon", "3000000"), "after the year 9999"),
        (("--paths", "1000000000000"), "--paths: needs about"),
        (("-o", ""), "the name is empty"),
    ):
        done = rnnforecast("predict", "run", "-o", "f.csv", *options)
        assert done.exit_code == 2, done.stderr
        assert words in done.stderr
    assert not list(Path().glob("f*.csv"))


def test_a_limit_on_memory_counts(
    given: Run, train: Run, rnnforecast: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given()
    assert train().exit_code == 0
    monkeypatch.setattr("rnnforecast.workflow.predict_size._memory_limit", lambda: 1_000_000)
    assert rnnforecast("predict", "run", "-o", "f.csv", "--paths", "100").exit_code == 0
    # two series of seven steps
    done = rnnforecast("predict", "run", "-o", "f.csv", "--paths", "1000")
    assert done.exit_code == 2
    assert "--paths" in done.stderr


def test_a_total_given_twice_is_forecast_once(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    assert train().exit_code == 0
    assert (
        rnnforecast("predict", "run", "-o", "f.csv", "--total", "3", "--total", "3").exit_code == 0
    )
    assert len(Path("f-totals.csv").read_text().splitlines()) == 1 + 2
