"""Errors: exit codes and messages."""

from __future__ import annotations

import pickle

import pytest

from rnnforecast import errors
from rnnforecast.errors import (
    DataError,
    ForecastWarning,
    Problem,
    RnnForecastError,
    RunFolderError,
    StaleInput,
    Stopped,
)


def test_a_problem_reads_as_place_then_finding_then_cure() -> None:
    problem = Problem("sales.csv, line 7, column 'y'", "found 'x1'", "delete the row")
    assert str(problem) == "sales.csv, line 7, column 'y': found 'x1' — delete the row"


def test_a_problem_without_place_or_cure_is_only_its_finding() -> None:
    assert str(Problem("", "nothing to forecast")) == "nothing to forecast"
    assert str(Problem("a.csv", "empty")) == "a.csv: empty"


def test_an_error_prints_one_line_a_problem_in_the_given_order() -> None:
    error = DataError(Problem("b", "second"), Problem("a", "first"))
    assert str(error) == "b: second\na: first"
    assert [problem.where for problem in error.problems] == ["b", "a"]


def test_an_error_without_a_problem_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one problem"):
        RnnForecastError()


def _all_errors(base: type[RnnForecastError] = RnnForecastError) -> list[type[RnnForecastError]]:
    return [base, *(each for child in base.__subclasses__() for each in _all_errors(child))]


@pytest.mark.parametrize("kind", _all_errors())
def test_an_error_that_was_pickled_is_the_same_error(kind: type[RnnForecastError]) -> None:
    error = kind(Problem("a", "first", "mend it"), Problem("b", "second"))
    error.add_note("in a worker")
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is kind
    assert (found.problems, str(found)) == (error.problems, str(error))
    assert vars(found) == vars(error)


def test_the_findings_and_the_signal_of_an_error_survive_pickling() -> None:
    stale = StaleInput(Problem("a", "old"), findings=[{"code": "age"}])
    assert pickle.loads(pickle.dumps(stale)).findings == ({"code": "age"},)
    stopped = pickle.loads(pickle.dumps(Stopped("saved", 15)))
    assert (stopped.text, stopped.number, stopped.exit_code) == ("saved", 15, 143)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("RnnForecastError", 1),
        ("UsageError", 2),
        ("SpecError", 3),
        ("DataError", 4),
        ("RunFolderError", 4),
        ("TrainingDiverged", 5),
        ("PartFailed", 6),
        ("StaleInput", 7),
        ("WorseThanBaseline", 8),
        ("OutputError", 1),
        ("LockHeld", 75),
    ],
)
def test_each_error_has_the_exit_code_that_the_manual_promises(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_every_error_can_be_caught_as_the_base_and_a_damaged_run_as_bad_data() -> None:
    named = [value for value in vars(errors).values() if isinstance(value, type)]
    raised = [kind for kind in named if issubclass(kind, Exception) and kind is not ForecastWarning]
    assert all(issubclass(kind, RnnForecastError) for kind in raised)
    assert issubclass(RunFolderError, DataError)
