"""The search for garbage is put off until a command has imported what it needs, and not longer."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rnnforecast.cli.error_handling import defer_gc, resume_gc


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leaves the search as it was."""
    yield
    gc.unfreeze()
    gc.enable()


def test_imports_are_not_searched_and_what_comes_later_is() -> None:
    defer_gc()
    assert not gc.isenabled()
    resume_gc()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000


def test_a_program_that_calls_a_command_keeps_its_own_ways() -> None:
    resume_gc()
    assert gc.get_freeze_count() == 0
    gc.disable()
    resume_gc()
    defer_gc()
    resume_gc()
    assert not gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_commands_that_work_search_again(
    given: Callable[..., None], train: Callable[..., Any], rnnforecast: Callable[..., Any]
) -> None:
    given()
    for command in (
        lambda: rnnforecast("init", "data.csv", "-o", "drafted.yaml", "--set", "window.horizon=7"),
        lambda: rnnforecast("check", "spec.yaml"),
        train,
        lambda: rnnforecast("predict", "run", "--no-plots"),
        lambda: rnnforecast("inspect", "run"),
    ):
        defer_gc()
        assert command().exit_code == 0
        assert gc.isenabled()
