"""Hooks of a job: what they get, and that nothing they do matters."""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from rnnforecast.batch.job import hooks
from rnnforecast.batch.job.hooks import find_command_problem, run_hook
from rnnforecast.batch.job.summary import JobSummary, new_summary
from rnnforecast.spec.job import HooksSpec

TELL = "import os, sys; open('told', 'w').write(os.environ[sys.argv[1]] + sys.stdin.read())"


@pytest.fixture
def summary() -> JobSummary:
    found = new_summary("shop; rm -rf")
    found.exit_code = 7
    found.finish()
    return found


def _hooks(*command: str, **options: object) -> HooksSpec:
    return HooksSpec.model_validate({"on_failure": list(command), **options})


def test_a_hook_gets_the_summary_and_its_main_parts(tmp_path: Path, summary: JobSummary) -> None:
    hooks = _hooks(sys.executable, "-c", TELL, "RNNFORECAST_EXIT_CODE")
    assert run_hook(hooks, summary, tmp_path) is None
    text = (tmp_path / "told").read_text(encoding="utf-8")
    assert text[0] == "7"
    assert json.loads(text[1:]) == summary.to_json()


def test_a_text_is_split_into_words_without_a_shell(tmp_path: Path, summary: JobSummary) -> None:
    hooks = HooksSpec(on_failure="touch 'a b' $HOME ;")
    assert run_hook(hooks, summary, tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["$HOME", ";", "a b"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["no-such-program-at-all"], "cannot be started"),
        (["false"], "ended with 1"),
        (["sh", "-c", "echo too bad; exit 3"], "ended with 3: too bad"),
    ],
)
def test_what_goes_wrong_is_told(
    tmp_path: Path, summary: JobSummary, command: list[str], told: str
) -> None:
    assert told in str(run_hook(_hooks(*command), summary, tmp_path))
    assert "split" in str(run_hook(HooksSpec(on_failure="it's"), summary, tmp_path))


def test_a_hook_that_does_not_end_is_ended_with_its_children(
    tmp_path: Path, summary: JobSummary
) -> None:
    hooks = _hooks("sh", "-c", "sleep 60 & sleep 60", timeout=timedelta(seconds=0.2))
    assert "ended after 0.2 s" in str(run_hook(hooks, summary, tmp_path))


def test_a_hook_that_reads_nothing_is_no_fault(tmp_path: Path, summary: JobSummary) -> None:
    summary.errors = ["x" * 1_000_000]
    assert run_hook(_hooks("true"), summary, tmp_path) is None


def test_of_a_long_output_the_end_is_kept_in_memory() -> None:
    output = bytearray()
    hooks._read_end(io.BytesIO(b"x" * 1_000_000 + b"the end"), output)
    assert len(output) <= 4 * hooks.MAX_OUTPUT
    assert output.endswith(b"the end")


def test_only_the_hook_of_the_status_is_started(tmp_path: Path) -> None:
    done = new_summary("shop")
    done.finish()
    assert run_hook(_hooks("no-such-program-at-all"), done, tmp_path) is None


def test_a_command_that_cannot_be_started_is_found_before_it_is_needed(tmp_path: Path) -> None:
    script = tmp_path / "tell.sh"
    script.write_text("#!/bin/sh\n", encoding="utf-8")
    hooks = HooksSpec(on_failure="./tell.sh", on_warning=("sh", "-c", "true"))
    problem = find_command_problem(hooks, "on_failure", tmp_path)
    assert problem == "hooks.on_failure: there is no program ./tell.sh"  # it may not be executed
    script.chmod(0o755)
    assert find_command_problem(hooks, "on_failure", tmp_path) is None
    assert find_command_problem(hooks, "on_warning", tmp_path) is None
    assert find_command_problem(hooks, "on_success", tmp_path) is None
