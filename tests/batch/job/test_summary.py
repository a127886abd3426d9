"""The summary of a job, its log lines and its metrics."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest

from rnnforecast.batch.job.log import JobLog, format_line
from rnnforecast.batch.job.metrics import metrics_text, write_metrics
from rnnforecast.batch.job.summary import JobState, new_summary, read_state, write_state
from rnnforecast.errors import OutputPathError, Problem, StaleInput
from rnnforecast.pipeline.progress import NullListener

METRIC = re.compile(r'rnnforecast_job_\w+\{\w+="(?:[^"\\]|\\.)*"(?:,\w+="[^"]*")*\} [-+.\de]+')


def test_a_finding_or_a_failed_training_makes_a_warning() -> None:
    summary = new_summary("shop")
    summary.published = ["f.csv"]
    summary.series = {"model": 3}
    summary.finish()
    assert (summary.status, summary.message) == ("ok", "shop: published to f.csv (3 model)")
    summary.add_finding({"code": "data_age", "level": "warning", "message": "old", "series": ["a"]})
    summary.finish()
    assert summary.status == "warning"
    assert summary.findings == {"data_age": {"level": "warning", "message": "old"}}
    summary.findings, summary.retrain = {}, "failed"
    summary.finish()
    assert summary.status == "warning"


def test_an_error_gives_its_code_problems_and_step() -> None:
    summary = new_summary("shop")
    finding = {"code": "data_age", "level": "error", "message": "9 days"}
    with pytest.raises(StaleInput), summary.timed("forecast"):
        raise StaleInput(Problem("data_age", "9 days"))
    summary.add_error(StaleInput(Problem("data_age", "9 days"), findings=[finding]))
    summary.finish()
    assert (summary.exit_code, summary.status, summary.step) == (7, "failed", "forecast")
    assert summary.errors == ["data_age: 9 days"]
    assert summary.findings["data_age"]["level"] == "error"
    assert "\n" not in summary.to_line()


def test_the_state_remembers_the_last_publication(tmp_path: Path) -> None:
    path = tmp_path / "shop.job.json"
    first, second = new_summary("shop"), new_summary("shop")
    first.published = ["f.csv"]
    write_state(path, first)
    second.exit_code = 7
    write_state(path, second)
    state = read_state(path)
    assert state.last["exit_code"] == 7
    assert state.last_published["run_id"] == first.run_id


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"last": 3}', "{", "\udcff"])
def test_a_state_that_cannot_be_read_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "s").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_state(tmp_path / "s") == JobState()
    assert read_state(tmp_path / "missing") == JobState()


def test_a_state_with_values_of_other_types_is_an_empty_one(tmp_path: Path) -> None:
    path, summary = tmp_path / "s", new_summary("shop")
    summary.published = ["f.csv"]
    for key, value in (("series", 3), ("series", {"model": "x"}), ("finished", "now")):
        write_state(path, summary)
        stored = json.loads(path.read_text(encoding="utf-8"))
        stored["last_published"][key] = value
        path.write_text(json.dumps(stored), encoding="utf-8")
        assert read_state(path).last["run_id"] == summary.run_id
        assert read_state(path).last_published == {}


def test_metrics_are_in_the_text_format_of_prometheus(tmp_path: Path) -> None:
    summary = new_summary('a "b"\\')
    summary.seconds = {"forecast": 1.5, "publish": 0.25}
    summary.series = {"model": 3, "fallback": 1}
    summary.published = ["f.csv"]
    summary.live = {"values": 4, "mase": 0.5, "baseline": "seasonal naive", "baseline_mase": None}
    summary.finish()
    state = write_state(tmp_path / "s", summary)
    text = metrics_text(summary.job, state)
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(METRIC.fullmatch(line) for line in samples), text
    names = [line.split("{")[0] for line in samples]
    typed = re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE)
    assert list(dict.fromkeys(names)) == typed
    assert any(line.endswith('status="fallback"} 1') for line in samples)
    assert any("duration_seconds" in line and line.endswith(" 1.75") for line in samples)
    write_metrics(tmp_path / "m.prom", summary.job, state)
    assert (tmp_path / "m.prom").read_text(encoding="utf-8") == text
    write_metrics(tmp_path / "j.prom", "j", JobState(new_summary("j").to_json()))  # nothing known


def test_metrics_do_not_replace_those_of_another_job(tmp_path: Path) -> None:
    path, state = tmp_path / "m.prom", JobState(new_summary("a").to_json())
    write_metrics(path, "a", state)
    write_metrics(path, "a", state)
    with pytest.raises(OutputPathError, match="no metrics of the job b"):
        write_metrics(path, "b", state)


def test_each_line_of_a_log_has_the_time_and_the_run(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "logs" / "a.log", "json", "r1", NullListener())
    log.info("one\ntwo")
    (tmp_path / "logs" / "a.log").rename(tmp_path / "rotated")
    log.warning("three")
    first = json.loads((tmp_path / "rotated").read_text(encoding="utf-8"))
    assert (first["run_id"], first["event"], first["text"]) == ("r1", "info", "one\ntwo")
    assert json.loads((tmp_path / "logs" / "a.log").read_text())["event"] == "warning"
    plain = format_line("plain", "r1", "info", {"text": "one\ntwo"}).splitlines()
    assert [line.split(" ", 2)[1] for line in plain] == ["r1", "r1"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z r1 info ", line) for line in plain)


def test_a_log_that_cannot_be_written_costs_one_warning(tmp_path: Path) -> None:
    stream = io.StringIO()
    os.mkfifo(tmp_path / "pipe")  # nobody reads it
    log = JobLog(tmp_path / "pipe", "json", "r1", NullListener(), stream)
    log.info("one")
    log.info("two")
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["info", "warning", "info"]
