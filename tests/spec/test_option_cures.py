"""Cures for a command without a spec."""

from __future__ import annotations

import pytest

from rnnforecast.errors import Problem
from rnnforecast.spec.option_cures import add_options


@pytest.mark.parametrize(
    ("cure", "options"),
    [
        ("set data.encoding", "--set data.encoding=…"),
        ("set data.timezone, such as Europe/Berlin, or", "--set data.timezone=Europe/Berlin"),
        ("set clean.duplicates to first, last or sum", "--set clean.duplicates=first"),
        ("set data.decimal to ',' if that is the mark", "--set data.decimal=,"),
        ("set data.thousands to ' '", "--set data.thousands=' '"),
        ("set data.time to a column of dates", "--set data.time=…"),
        (
            "set clean.resample to mean, clean.frequency to D, or see clean.resample",
            "--set clean.resample=mean, --set clean.frequency=D",
        ),
        (
            "raise checks.data_age.error, now 4, or set checks.data_age to off",
            "--set checks.data_age=off",
        ),
    ],
)
def test_keys_of_a_cure_become_options(cure: str, options: str) -> None:
    (found,) = add_options([Problem("data.csv, line 2", "is wrong", cure)])
    assert found == Problem("data.csv, line 2", "is wrong", f"{cure}; without a spec: {options}")


@pytest.mark.parametrize(
    "cure", ["", "correct the cell", "write it to data.csv", "add --set data.time=ds to data.time"]
)
def test_other_cures_stay(cure: str) -> None:
    assert add_options([Problem("", "is wrong", cure)])[0].cure == cure


def test_the_same_options_are_named_once() -> None:
    problems = [Problem(f"line {line}", "is wrong", "set data.timezone") for line in range(3)]
    cures = [problem.cure for problem in add_options(problems)]
    assert ["--set" in cure for cure in cures] == [True, False, False]
