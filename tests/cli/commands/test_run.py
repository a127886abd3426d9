"""`rnnforecast run`: what a job leaves, and how its end is told."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnnforecast.errors import Problem, Stopped, TrainingDiverged

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the model that the first test trains and the others start with."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def job(
    given: Run, rnnforecast: Run, monkeypatch: pytest.MonkeyPatch, models: Path
) -> Callable[..., Any]:
    """Runs a job on the usual data with a tiny model; `more` are lines of the job file.

    With `fresh` there is no model yet.
    """
    given(more="training: {max_steps: 4, batch_size: 8}\nmodel: {hidden_size: 8}\n")
    monkeypatch.setattr("rnnforecast.cli.commands.run.resume_gc", lambda: None)

    def run(
        *arguments: str, more: str = "out: [forecasts/shop, f.csv]\n", fresh: bool = False
    ) -> Any:
        head = "spec: spec.yaml\nname: shop\ndata: data.csv\n"
        Path("job.yaml").write_text(head + more, encoding="utf-8")
        if not fresh and (models / "shop").exists() and not Path("runs").exists():
            shutil.copytree(models / "shop", "runs/shop", symlinks=True)
        found = rnnforecast("run", "job.yaml", *arguments)
        if Path("runs/shop/latest").exists() and not (models / "shop").exists():
            shutil.copytree("runs/shop", models / "shop", symlinks=True)
        return found

    return run


def _summary(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_the_first_run_trains_and_publishes_to_every_place(job: Run) -> None:
    result = job(fresh=True)
    assert result.exit_code == 0, result.stderr
    summary = _summary(result)
    assert summary["retrain"] == "first"
    assert [Path(place).name for place in summary["published"]] == ["shop", "f.csv"]
    assert summary["series"] == {"model": 2}
    left, right = pd.read_csv("forecasts/shop/forecast.csv"), pd.read_csv("f.csv")
    pd.testing.assert_frame_equal(left, right)
    lines = [json.loads(line) for line in Path("runs/shop.log").read_text().splitlines()]
    assert {line["run_id"] for line in lines} == {summary["run_id"]}
    assert lines[-1]["event"] == "summary"
    state = json.loads(Path("runs/shop.job.json").read_text(encoding="utf-8"))
    assert state["last"] == state["last_published"] == summary


def test_a_place_that_fails_does_not_cost_the_others(job: Run) -> None:
    Path("file").touch()
    result = job(more="out: [file/below, f.csv, 'sqlite:///x.db']\n")
    summary = _summary(result)
    assert result.exit_code == summary["exit_code"] == 2
    assert [Path(place).name for place in summary["published"]] == ["f.csv"]
    assert len(summary["not_published"]) == 2
    assert "table" in summary["not_published"]["sqlite:///" + str(Path("x.db").absolute())]
    assert Path("f.csv").is_file()


def test_a_run_that_fails_keeps_the_forecast_and_calls_for_help(job: Run) -> None:
    more = "out: f.csv\nhooks: {on_failure: [sh, -c, 'cat > told; exit 3']}\nmetrics: m.prom\n"
    assert job(more=more).exit_code == 0
    before = Path("f.csv").read_bytes()
    assert not Path("told").exists()
    Path("data.csv").write_text("nothing", encoding="utf-8")
    result = job(more=more)
    assert result.exit_code == 4
    told = json.loads(Path("told").read_text(encoding="utf-8"))
    assert told == _summary(result)
    assert told["status"] == "failed"
    assert told["step"] == "forecast"
    assert "hooks.on_failure" in result.stderr  # it ended with 3, which changes nothing
    assert Path("f.csv").read_bytes() == before
    metrics = Path("m.prom").read_text(encoding="utf-8")
    assert 'rnnforecast_job_exit_code{job_name="shop"} 4' in metrics
    assert "rnnforecast_job_last_published_timestamp_seconds" in metrics


def test_a_stopped_run_tells_so_and_keeps_the_forecast(
    job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "out: f.csv\nhooks: {on_failure: [sh, -c, 'cat > told']}\n"
    assert job(more=more).exit_code == 0
    before = Path("f.csv").read_bytes()

    def stop(*_: object, **__: object) -> None:
        raise Stopped(number=signal.SIGTERM)

    monkeypatch.setattr("rnnforecast.batch.job.forecast.make_forecast", stop)
    result = job(more=more)
    summary = _summary(result)
    assert result.exit_code == summary["exit_code"] == 143
    assert summary["step"] == "forecast"
    assert json.loads(Path("told").read_text(encoding="utf-8")) == summary
    assert Path("f.csv").read_bytes() == before
    assert "SIGTERM" in result.stderr


def test_a_training_that_fails_after_the_forecast_is_a_warning(
    job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "out: f.csv\nhooks: {on_warning: [sh, -c, 'cat > told']}\n"
    assert job(more=more).exit_code == 0
    Path("f.csv").unlink()
    monkeypatch.setattr("rnnforecast.batch.promotion.retrain.train_candidate", _diverge)
    result = job("--now", "2999-01-01", more=f"{more}checks: {{model_age: off}}\n")
    assert result.exit_code == 0, result.stderr
    summary = _summary(result)
    assert (summary["status"], summary["retrain"]) == ("warning", "failed")
    assert "infinite" in summary["retrain_message"]
    assert Path("f.csv").is_file()
    assert Path("told").is_file()


def _diverge(*_: object, **__: object) -> None:
    raise TrainingDiverged(Problem("", "the loss became infinite"))


def test_messages_on_stderr_may_be_json_lines(job: Run) -> None:
    Path("data.csv").write_text("nothing", encoding="utf-8")
    result = job("--log-format", "json")
    assert result.exit_code == 4
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert {line["run_id"] for line in lines} == {_summary(result)["run_id"]}
    assert [line["event"] for line in lines][-2:] == ["error", "summary"]
    assert job("--log-format", "xml").exit_code == 2


def test_a_wrong_job_file_is_told_with_its_line(job: Run) -> None:
    result = job(more="ou: x\n")
    assert result.exit_code == 3
    assert "did you mean 'out'?" in result.stderr
    assert result.stdout == ""


def test_retry_failed_replaces_only_what_the_model_did_not_forecast(
    job: Run, table: Callable[..., pd.DataFrame]
) -> None:
    assert job(more="out: [forecasts/shop, f.csv, f.parquet]\n").exit_code == 0
    good = table(("a", "b", "c, and more"))
    broken = good.assign(y=good["y"].where(good["unique_id"] != "c, and more"))
    broken.to_csv("data.csv", index=False)
    first = job(more="out: [forecasts/shop, f.csv, f.parquet]\n")
    before = Path("f.csv").read_text(encoding="utf-8").splitlines()
    failed = [line for line in before if "model" not in line.rsplit(",", 1)[-1]][1:]
    assert len(failed) == 7
    good.loc[good["unique_id"] == "a", "y"] += 0.5  # revised, and published already
    good.to_csv("data.csv", index=False)
    result = job("--retry-failed", more="out: [forecasts/shop, f.csv, f.parquet]\n")
    assert result.exit_code == 0, result.stderr
    assert first.exit_code == 6  # a series without a value has no forecast at all
    assert _summary(first)["series"] == {"model": 2, "skipped": 1}
    assert _summary(first)["series_errors"] == {"no_values": 1}
    assert _summary(result)["retried"] == 1
    after = Path("f.csv").read_text(encoding="utf-8").splitlines()
    assert [line for line in after if '"c' not in line] == [x for x in before if '"c' not in x]
    retried = [line for line in after if '"c' in line]
    assert len(retried) == 7
    assert not set(retried) & set(failed)
    folder = Path("forecasts/shop/forecast.csv").read_text(encoding="utf-8").splitlines()
    assert folder == after
    numbers = ["yhat", "q0.1"]
    written = pd.read_parquet("f.parquet")[numbers]
    pd.testing.assert_frame_equal(written, pd.read_csv("f.csv")[numbers])
    again = job("--retry-failed", more="out: [forecasts/shop, f.csv, f.parquet]\n")
    assert _summary(again)["retried"] == 0
    assert _summary(again)["published"] == []


def test_retry_failed_of_another_night_forecasts_all(
    job: Run, table: Callable[..., pd.DataFrame]
) -> None:
    assert job("--retry-failed").exit_code == 0  # nothing was published before
    table(steps=61).to_csv("data.csv", index=False)
    result = job("--retry-failed")
    assert result.exit_code == 0
    assert "other data" in result.stderr
    assert _summary(result)["retried"] is None
    assert pd.read_csv("f.csv")["ds"].min() == "2024-03-02"


def _times() -> dict[Path, int]:
    files = (path for path in Path().rglob("*") if path.name != "job.yaml")
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_dry_run_writes_nothing(job: Run) -> None:
    first = job("--dry-run", fresh=True)
    assert first.exit_code == 0, first.stderr
    assert "would train a model" in first.stderr
    assert not Path("runs").exists()
    assert job().exit_code == 0
    before = {
        path: path.stat().st_mtime_ns for path in Path().rglob("*") if path != Path("job.yaml")
    }
    second = job("--dry-run", "--now", "2999-01-01")
    assert "would train again" in second.stderr
    assert _summary(second)["dry_run"]
    assert "nothing is published" in _summary(second)["message"]
    assert _summary(second)["series"] == {"model": 2}
    after = {
        path: path.stat().st_mtime_ns for path in Path().rglob("*") if path != Path("job.yaml")
    }
    assert before == after


def test_two_runs_at_once_end_with_75_and_one_result(job: Run) -> None:
    from rnnforecast.batch.lock import output_lock

    assert job().exit_code == 0
    state = Path("runs/shop.job.json").read_bytes()
    with output_lock(Path("runs/shop"), "run shop"):
        result = job()
    assert result.exit_code == _summary(result)["exit_code"] == 75
    assert "run shop" in result.stderr
    assert Path("runs/shop.job.json").read_bytes() == state


def test_a_job_reads_the_data_and_limits_of_tonights_spec(
    job: Run,
) -> None:
    assert job().exit_code == 0
    Path("data.csv").rename("moved.csv")
    text = Path("spec.yaml").read_text(encoding="utf-8").replace("data.csv", "moved.csv")
    text = text.replace("horizon: 7", "horizon: 5") + "checks: {data_age: {error: 3}}\n"
    Path("spec.yaml").write_text(text, encoding="utf-8")
    head = "out: [forecasts/shop, f.csv]\ndata: []\n"
    job_file = Path("job.yaml")
    job_file.write_text("spec: spec.yaml\nname: shop\n" + head, encoding="utf-8")
    from rnnforecast.batch.job.files import find_job_files
    from rnnforecast.batch.job.run_job import JobOptions, run_job
    from rnnforecast.spec.load_job import parse_job

    settings = parse_job(job_file.read_text(encoding="utf-8"), name="job")
    result = run_job(
        find_job_files(job_file, settings), JobOptions(datetime(2999, 1, 1, tzinfo=UTC))
    )
    assert result.summary.exit_code == 7
    assert result.summary.findings["data_age"]["threshold"] == 3
    assert "window.horizon" in result.summary.findings["spec_changed"]["message"]


def test_a_damaged_model_is_replaced_with_a_warning(job: Run) -> None:
    assert job().exit_code == 0
    with Path("runs/shop/latest/model.safetensors").open("ab") as file:
        file.write(b"x")
    result = job()
    assert result.exit_code == 0, result.stderr
    summary = _summary(result)
    assert summary["status"] == "warning"
    assert "damaged" in summary["findings"]["model_replaced"]["message"]


def test_stale_data_publish_nothing_and_end_with_7(
    job: Run, table: Callable[..., pd.DataFrame]
) -> None:
    more = "out: f.csv\nhooks: {on_failure: [sh, -c, 'cat > told']}\n"
    more += "checks: {data_age: {warn: 5, error: 5}}\n"
    assert job("--now", "2024-03-01T02:15", more=more).exit_code == 0
    before = Path("f.csv").read_bytes()
    table(steps=62).to_csv("data.csv", index=False)  # to 2 March
    result = job("--now", "2024-03-20T02:15", more=more)
    summary = _summary(result)
    assert result.exit_code == summary["exit_code"] == 7
    assert summary["findings"]["data_age"]["level"] == "error"
    assert summary["published"] == []
    assert Path("f.csv").read_bytes() == before
    assert json.loads(Path("told").read_text(encoding="utf-8")) == summary
    lenient = more.replace("error: 5", "error: 99")
    result = job("--now", "2024-03-20T02:15", more=lenient)
    assert result.exit_code == 0, result.stderr
    assert _summary(result)["status"] == "warning"


def test_earlier_forecasts_are_scored_when_their_values_come(
    job: Run, table: Callable[..., pd.DataFrame]
) -> None:
    more = "out: f.csv\nmetrics: m.prom\n"
    first = job("--now", "2024-03-01T02:15", more=more)
    assert _summary(first)["live"] == {}
    assert _summary(first)["status"] == "ok", first.stdout
    table(steps=63).to_csv("data.csv", index=False)
    result = job("--now", "2024-03-04T02:15", more=more)
    assert result.exit_code == 0, result.stderr
    summary = _summary(result)
    assert summary["live"]["values"] == 6  # two series, three days
    assert summary["live"]["mase"] > 0
    assert Path("runs/shop.score/score.json").is_file()
    assert 'live_mase{job_name="shop",model="rnnforecast"}' in Path("m.prom").read_text()
