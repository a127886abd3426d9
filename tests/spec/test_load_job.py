"""Job files: what they may hold, and what is said about mistakes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rnnforecast.errors import SpecError
from rnnforecast.spec.job import GROUPS, JobSpec, job_json_schema
from rnnforecast.spec.load_job import parse_job, read_job


def _problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_job(text, name="job.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_job_needs_only_a_spec() -> None:
    job = parse_job("spec: spec.yaml\n", name="job.yaml")
    assert job.retrain.every == timedelta(days=7)
    assert (job.keep, job.score, job.wait) == (7, True, timedelta(0))
    with pytest.raises(SpecError, match="required"):
        parse_job("name: shop\n", name="job.yaml")


def test_times_have_a_unit() -> None:
    text = "spec: s.yaml\nretrain: {every: 4w}\nwait: 1.5h\nhooks: {timeout: 45s}\n"
    job = parse_job(text, name="job.yaml")
    assert job.retrain.every == timedelta(weeks=4)
    assert job.wait == timedelta(minutes=90)
    assert job.hooks.timeout == timedelta(seconds=45)
    assert parse_job("spec: s\nretrain: {every: never}", name="j").retrain.every == "never"
    (problem,) = _problems("spec: s.yaml\nretrain: {every: 7}\n")
    assert "line 2, retrain.every" in problem
    assert "7d" in problem


def test_unknown_keys_are_told_with_their_line_and_the_likely_one() -> None:
    text = "specs: s.yaml\nhooks:\n  on_fail: x\nevery: 7d\nlog: {keep: 3}\n"
    first, second, third, fourth = _problems(text)
    assert "line 1, specs" in first
    assert "did you mean 'spec'?" in first
    assert "line 3, hooks.on_fail" in second
    assert "did you mean 'on_failure'?" in second
    assert "belongs to the group retrain" in third
    assert "belongs to no group" in fourth


def test_all_wrong_values_are_told_at_once() -> None:
    found = _problems(
        "spec: s.yaml\nout: [a, a]\nkeep: 0\nretrain: {promote_if: best, margin: -1}\n"
        "metrics: metrics.txt\nhooks: [a]\n"
    )
    for words in ("named twice", "at least 1", "did you mean 'better'", "at least 0", ".prom"):
        assert any(words in problem for problem in found), words
    assert len(found) == 6


@pytest.mark.parametrize("text", ["", "- a", "spec: [", "\tspec: a", "spec: !!python/name:os a"])
def test_what_is_no_job_is_an_error_of_the_file(text: str) -> None:
    assert _problems(text)


def test_a_spec_in_place_of_a_job_is_told() -> None:
    (problem,) = _problems("data: {path: a.csv}\nwindow: {horizon: 7}\n")
    assert "this is a spec" in problem


def test_a_missing_file_is_told_with_one_of_a_similar_name(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").touch()
    with pytest.raises(SpecError, match=r"did you mean 'job\.yaml'"):
        read_job(tmp_path / "jobs.yaml")


def test_the_schema_has_every_key() -> None:
    schema = job_json_schema()
    assert set(JobSpec.model_fields) == set(schema["properties"])  # type: ignore[call-overload]
    groups = {info.annotation for info in JobSpec.model_fields.values()}
    assert set(GROUPS.values()) <= groups


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("name: a/b", "no slash"),
        ('run: "a\\0b"', "control character"),
        ("data: [a.csv, '-']", "standard input"),
        ("out: '-'", "standard output"),
        ("keep_days: 40000", "from 1 to 36500"),
        ("hooks: {timeout: 2d}", "at most 1d"),
        ("checks: {data_ag: 3}", "did you mean 'data_age'?"),
        ("checks: {level_shift: {eror: 3}}", "a group of warn and error"),
    ],
)
def test_what_no_run_could_use_is_refused(line: str, told: str) -> None:
    (problem,) = _problems(f"spec: s.yaml\n{line}\n")
    assert told in problem
    assert "line 2" in problem


def test_limits_of_checks_are_those_of_a_spec() -> None:
    job = parse_job("spec: s\nchecks: {data_age: {error: 2}, missing_rows: off}", name="job.yaml")
    assert job.checks.data_age.error == 2
    assert job.checks.missing_rows.warn == "off"
    assert job.checks.model_fields_set == {"data_age", "missing_rows"}
