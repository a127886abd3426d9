"""The command `unlock`, and the option `--wait`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from rnnforecast.batch.lock import lock_path, output_lock
from rnnforecast.cli.options import parse_seconds

Run = Callable[..., Any]


def test_a_stale_lock_is_removed_and_a_held_one_is_not(rnnforecast: Run) -> None:
    assert "is not locked" in rnnforecast("unlock", "run").stderr
    with output_lock("run", "train"):
        stored = json.loads(lock_path("run").read_text(encoding="utf-8"))
        assert stored["pid"] == os.getpid()
        for arguments in ((), ("--force",)):
            refused = rnnforecast("unlock", "run", *arguments)
            assert refused.exit_code == 75
            assert "locked by train" in refused.stderr
    lock_path("run").write_text(json.dumps(stored | {"user": "anna"}), encoding="utf-8")
    removed = rnnforecast("unlock", "run")
    assert removed.exit_code == 0
    assert "of anna" in removed.stderr
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("90", 90), ("0.5 m", 30)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "10x", "-1", "nan", "1e9", "m"])
def test_other_durations_are_refused(rnnforecast: Run, text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_seconds(text)
    assert rnnforecast("predict", "run", f"--wait={text}").exit_code == 2


def test_who_waits_too_long_exits_with_75(rnnforecast: Run) -> None:
    Path("data.csv").touch()
    with output_lock("f.csv", "predict"):
        result = rnnforecast("predict", "data.csv", "-o", "f.csv", "--wait", "0.1s")
    assert result.exit_code == 75
    assert "waiting up to" in result.stderr
