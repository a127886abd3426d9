"""Errors: a documented exit code, a message with a cure on stderr, and no partial output."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.cli.error_handling import defer_gc, open_console, resume_gc

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]


def files() -> set[str]:
    """Everything in the current folder, hidden files too."""
    return {str(path) for path in Path().rglob("*")}


def assert_refused(result: Any, code: int, *words: str) -> None:
    """The exit code, the words in the message, no traceback, nothing on stdout."""
    assert result.exit_code == code, result.stderr
    for word in words:
        assert word in result.stderr
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def assert_refused_after_facts(result: Any, code: int, word: str) -> None:
    """As `assert_refused`, after other messages."""
    assert result.exit_code == code, result.stderr
    assert "error: " in result.stderr
    assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_unknown_key_and_a_wrong_type_are_reported_together_with_lines(
    given: Run, train: Run
) -> None:
    given(more="model:\n  hiden_size: 8\ntraining:\n  seed: many\n")
    before = files()
    result = train()
    assert_refused(result, 3, "line 4, model.hiden_size", "did you mean 'hidden_size'?")
    assert "line 6, training.seed: expected a whole number" in result.stderr
    assert files() == before


def test_an_unknown_network_and_option_are_refused(given: Run, train: Run) -> None:
    given(more="model: {backbone: gruu}\n")
    assert_refused(train(), 3, "line 3, model.backbone", "did you mean 'gru'?")
    given(more="model: {backbone: rnn, backbone_options: {nonlinearity: sine}}\n")
    assert_refused(
        train(), 3, "backbone_options.nonlinearity: expected tanh, relu or sigmoid, found 'sine'"
    )


DAYS = pd.date_range("2024-01-01", periods=40).strftime("%Y-%m-%d").tolist()


def rows(**changed: str) -> str:
    """A single series as CSV text, with the rows ``r5="..."`` replaced."""
    lines = ["ds,y"] + [f"{day},{10 + place % 7}" for place, day in enumerate(DAYS)]
    for key, text in changed.items():
        lines[int(key[1:])] = text
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (rows(r5="not a day,3"), ("data.csv, line 6, column 'ds'", "'not a day'")),
        (rows(r7="2024-01-07,three"), ("data.csv, line 8, column 'y'", "'three'")),
        ("", ("data.csv", "empty")),
        ("ds,y\n", ("data.csv", "no rows")),
        (rows(r9="2024-01-08,4"), ("line 9", "line 10", "duplicates")),
        (
            rows(r1="2024-01-01T00:00+01:00,1", r2="2024-01-02T00:00+02:00,1"),
            ("zone",),
        ),
        ("ds,y\n" + "".join(f"{day},\n" for day in DAYS), ("data.csv",)),
        ("ds,y\n2024-01-01,5\n", ("clean.frequency",)),
        ("ds,y\n2024-01-01,5\n2024-01-02,5\n2024-01-03,4\n", ("window.horizon", "longest")),
    ],
    ids=[
        "unparseable date",
        "text in a numeric column",
        "empty file",
        "header only",
        "duplicate timestamps",
        "mixed time zones",
        "all missing",
        "one row",
        "horizon longer than the data",
    ],
)
def test_data_that_cannot_be_used_are_refused(
    given: Run, train: Run, data: str, words: tuple[str, ...]
) -> None:
    given(data)
    before = files()
    assert_refused(train(), 4, *words)
    assert files() == before


def test_a_missing_column_is_refused_with_the_nearest_name(given: Run, train: Run) -> None:
    given(rows())
    before = files()
    assert_refused(train("data.targets=[yy]"), 4, "'yy'", "did you mean 'y'?")
    assert files() == before


def test_a_missing_file_is_refused(given: Run, train: Run) -> None:
    given()
    Path("data.csv").unlink()
    assert_refused(train(), 4, "data.csv", "no such file")


def test_a_constant_series_is_forecast_with_a_warning(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    frame = pd.DataFrame({"ds": DAYS, "y": 5.0})
    given(frame)
    result = train()
    assert result.exit_code == 0, result.stderr
    assert "warning: 1 series never change" in result.stderr
    forecast = rnnforecast("predict", "run", "-o", "f.csv")
    assert forecast.exit_code == 0, forecast.stderr
    np.testing.assert_allclose(pd.read_csv("f.csv")["yhat"], 5.0, rtol=0.02)


def test_a_bad_series_does_not_affect_the_others(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table(("a", "b", "empty", "twice"))
    frame.loc[frame["unique_id"] == "empty", "y"] = np.nan
    given(frame)
    assert train().exit_code == 0
    again = frame[frame["unique_id"] == "twice"].tail(1)
    short = again.assign(unique_id="new")
    pd.concat([frame, again, short]).to_csv("data.csv", index=False)
    result = rnnforecast("predict", "run", "-o", "f.csv")
    assert_refused_after_facts(result, 6, "1 series lack a forecast: empty")
    for word in ("twice", "written to f.csv"):
        assert word in result.stderr
    found = pd.read_csv("f.csv").groupby("unique_id")
    assert found["status"].first().to_dict() == {
        "a": "model",
        "b": "model",
        "empty": "skipped",
        "new": "cold_start",
        "twice": "fallback",
    }
    assert (found["yhat"].count() == 7).to_dict() == {
        name: name != "empty" for name in ("a", "b", "empty", "new", "twice")
    }


@pytest.mark.parametrize("name", ["state.json", "model.safetensors", "resolved.yaml", "SHA256SUMS"])
def test_a_flipped_byte_in_a_run_folder_is_detected(
    given: Run, train: Run, rnnforecast: Run, name: str
) -> None:
    given()
    assert train().exit_code == 0
    path = Path("run", name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    before = files()
    result = rnnforecast("predict", "run", "-o", "f.csv")
    if name == "SHA256SUMS" and result.exit_code == 0:
        return  # the byte was in the sum of a file that a forecast does not need
    assert_refused(result, 4, "damaged", "train again")
    assert files() == before


def test_a_folder_that_is_no_run_is_refused(rnnforecast: Run) -> None:
    Path("empty").mkdir()
    assert_refused(rnnforecast("predict", "empty"), 4, "is not a run folder")
    assert_refused(rnnforecast("predict", "nowhere"), 4, "nowhere", "there is no such file")


def test_a_run_may_have_a_dot_in_its_name(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    train(out="run.v2")
    done = rnnforecast("predict", "run.v2", "--no-plots")
    assert done.exit_code == 0, done.stderr
    assert "written to forecasts/run.v2" in done.stderr
    assert Path("forecasts/run.v2/forecast.csv").is_file()


def test_a_folder_that_is_no_run_is_never_replaced(given: Run, train: Run) -> None:
    given()
    Path("run").mkdir()
    Path("run/thesis.txt").write_text("years of work")
    assert_refused_after_facts(train(), 2, "will not be replaced")
    assert Path("run/thesis.txt").read_text() == "years of work"


def _limited(*arguments: str, most: int) -> subprocess.CompletedProcess[str]:
    """Runs the command with files of at most `most` bytes: the nearest thing to a full disk."""
    return subprocess.run(
        [sys.executable, "-m", "rnnforecast", *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )


def test_a_full_disk_leaves_no_partial_output(given: Run, train: Run) -> None:
    given()
    before = files()
    sets = ["--set", "training.max_steps=4", "--set", "model.hidden_size=8"]
    result = _limited("train", "spec.yaml", "-o", "run", "-q", *sets, most=2000)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert files() == before
    assert train().exit_code == 0
    before = files()
    result = _limited("predict", "run", "-o", "f.csv", "-q", most=300)
    assert result.returncode == 1
    assert "file sizes" in result.stderr
    assert files() == before


def test_a_loss_of_nan_has_exit_code_5(given: Run, train: Run) -> None:
    given()
    before = files()
    result = train(
        "training.learning_rate=1e30", "training.max_steps=60", "training.clip_norm=null"
    )
    assert_refused_after_facts(result, 5, "training.learning_rate")
    assert {name for name in files() - before if not name.endswith(".checkpoint")} == set()


def test_a_second_training_of_one_run_is_refused(given: Run, train: Run) -> None:
    from rnnforecast.batch.lock import output_lock

    given()
    with output_lock(Path("run"), "train"):
        assert_refused(train(), 75, "locked by train")
    assert train().exit_code == 0


# garbage collection


@pytest.fixture
def deferred_gc() -> Iterator[None]:
    """Garbage collection deferred; enabled again afterwards."""
    defer_gc()
    yield
    resume_gc()
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("deferred_gc")
def test_imports_are_frozen_and_later_objects_collected() -> None:
    assert not gc.isenabled()
    resume_gc()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000


def test_a_program_that_calls_a_command_keeps_its_own_setting() -> None:
    resume_gc()
    assert gc.get_freeze_count() == 0
    gc.disable()
    resume_gc()
    defer_gc()
    resume_gc()
    assert not gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.enable()


@pytest.mark.usefixtures("deferred_gc")
def test_commands_enable_garbage_collection_before_they_work(
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


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_too_little_memory_is_no_bug_of_the_program(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, open_console():
        raise error
    shown = capsys.readouterr().err
    assert ended.value.code == 4
    assert "memory" in shown
    assert "bug" not in shown


def test_names_that_no_result_can_have_are_wrong_use(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    assert train().exit_code == 0
    Path("foreign").mkdir()
    Path("foreign/thesis.txt").write_text("years of work")
    for command in (("predict", "run"), ("train", "spec.yaml"), ("inspect", "run")):
        for name in ("foreign/", "/", "data.csv/x", "a" * 5000):
            done = rnnforecast(*command, "-o", name)
            assert done.exit_code == 2, (command, name[:20], done.stderr)
            assert "Traceback" not in done.stderr
    assert rnnforecast("init", "data.csv", "-o", "a" * 5000).exit_code == 2
    assert_refused(rnnforecast("predict", "a" * 5000), 4, "run folder")
    assert_refused(rnnforecast("predict", "run", "--data", ""), 4, "is empty")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_can_be_used(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    assert train(out="run\udcff").exit_code == 0
    done = rnnforecast("predict", "run\udcff", "-o", "out\udcff/", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["out"] == "out\udcff"
    assert json.loads(Path("out\udcff/run.json").read_text())["out"] == "out\udcff"
