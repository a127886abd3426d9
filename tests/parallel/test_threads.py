"""The environment of numerical libraries, in this process, in workers and in programs of a user."""

from __future__ import annotations

import os

import pytest

from rnnforecast.parallel import threads


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment that ends with the test."""
    variables = {"PATH": "/bin", "OPENBLAS_NUM_THREADS": "3"}
    monkeypatch.setattr(os, "environ", variables)
    monkeypatch.setattr(threads, "_set_here", {})
    return variables


def test_waits_are_passive_and_variables_of_the_user_stay(environment: dict[str, str]) -> None:
    threads.set_environment()
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment["OPENBLAS_NUM_THREADS"] == "3"
    assert int(environment["OMP_NUM_THREADS"]) >= 1


def test_programs_of_the_user_get_the_environment_of_the_user(environment: dict[str, str]) -> None:
    before = dict(environment)
    threads.set_environment()
    assert environment != before
    assert threads.user_environment() == before


def test_a_worker_has_one_thread_whatever_the_user_set(environment: dict[str, str]) -> None:
    found = threads.worker_environment()
    assert {found[name] for name in threads._ONE_THREAD} == {"1"}
    assert found["PATH"] == "/bin"
    assert environment["OPENBLAS_NUM_THREADS"] == "3"
