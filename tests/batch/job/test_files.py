"""The places of a job, and which of them get in each other's way."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rnnforecast.batch.job.files import JobFiles, find_job_files
from rnnforecast.batch.ledger.ledger import default_location
from rnnforecast.batch.promotion.retrain import RetrainPolicy, find_due_reason
from rnnforecast.errors import SpecError
from rnnforecast.pipeline.run_versions import run_name
from rnnforecast.spec.load_job import parse_job


def _find(folder: Path, text: str) -> JobFiles:
    return find_job_files(folder / "job.yaml", parse_job(f"spec: spec.yaml\n{text}", name="job"))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("out: [f, ./f]", "out"),
        ("out: [f, link]", "out"),
        ("out: runs/job", "out"),
        ("out: runs/job/latest/f.csv", "out"),
        ("out: runs", "out"),
        ("run: runs/x\nout: runs/x.score", "out"),
        ("out: f\nledger: f/ledger", "ledger"),
        ("out: f\nledger: sqlite:///f/ledger.db", "ledger"),
        ("data: f/d.csv\nout: f", "out"),
        ("data: d.csv\nout: d.csv", "out"),
        ("log: {file: spec.yaml}", "log.file"),
        ("log: {file: job.yaml}", "log.file"),
        ("out: f\nmetrics: f/m.prom", "metrics"),
        ("out: .", "out"),
        ("run: /dev/null", "run"),
        ("run: loop", "run"),
    ],
)
def test_places_that_get_in_each_others_way_are_refused(
    tmp_path: Path, text: str, where: str
) -> None:
    (tmp_path / "link").symlink_to("f")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SpecError) as caught:
        _find(tmp_path, text)
    assert f"job.yaml, {where}" in str(caught.value)
    assert all(problem.cure for problem in caught.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        "out: [f, g.csv, 'sqlite:///x.db?table=f', 's3://a/f.csv']\nledger: sqlite:///x.db",
        "out: ['sqlite:///x.db?table=f']\ndata: ['sqlite:///x.db?table=y']",
        "out: [f.csv, f.parquet]\ndata: [d.csv, d.csv]\nledger: none\nmetrics: m.prom",
    ],
)
def test_places_beside_each_other_and_tables_of_one_database_are_fine(
    tmp_path: Path, text: str
) -> None:
    assert _find(tmp_path, text).store == tmp_path / "runs" / "job"


@pytest.mark.parametrize("text", ["out: pipe", "data: pipe", "log: {file: pipe}"])
def test_a_job_does_not_wait_for_a_pipe(tmp_path: Path, text: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpecError, match="is a pipe"):
        _find(tmp_path, text)


def test_the_place_of_a_run_may_be_a_loop_of_links_or_too_long(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    policy, now = RetrainPolicy(), datetime(2026, 11, 28, tzinfo=UTC)
    assert find_due_reason(tmp_path / ("x" * 300), policy, now)[0] == "no_model"
    assert find_due_reason(tmp_path / "loop", policy, now)[0] == "unreadable"
    assert run_name(tmp_path / "loop") == "loop"
    assert default_location(tmp_path / "loop") == str(tmp_path / "loop.ledger")
