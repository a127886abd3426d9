"""The command that pretrains: its state, history and weights."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from rnnforecast.models.pretrained.weights import load_network
from rnnforecast.pretraining import __main__ as command
from rnnforecast.pretraining import pretrainer as module
from rnnforecast.pretraining.__main__ import HISTORY_FILE, main
from rnnforecast.pretraining.pretrainer import STATE_FILE

Command = Callable[..., int]


@pytest.fixture
def pretrain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs the command for a tiny network; returns its exit code."""
    monkeypatch.setattr(module, "VALIDATION_BATCHES", 1)
    monkeypatch.setattr(module, "VALIDATION_PATCHES", 64)
    threads = torch.get_num_threads()
    sizes = ("--patches", "64", "--hidden-size", "8", "--layers", "1")

    def run(*arguments: str | Path) -> int:
        monkeypatch.setattr("sys.argv", ["pretraining", *map(str, arguments), *sizes])
        return main()

    yield run
    torch.set_num_threads(threads)


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / HISTORY_FILE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# a worker is a copy of this process, of which later versions of Python warn
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_calls_are_as_good_as_one_whatever_makes_the_series(
    tmp_path: Path, pretrain: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.safetensors"
    one, two = tmp_path / "one", tmp_path / "two"
    assert pretrain(one, "--steps", "3", "--weights", file) == 0
    assert pretrain(two, "--steps", "1", "--workers", "1") == 0
    assert pretrain(two, "--steps", "2", "--workers", "0") == 0
    assert (one / STATE_FILE).read_bytes() == (two / STATE_FILE).read_bytes()
    assert [row["step"] for row in history(two)] == ["1", "3"]
    (row,) = history(one)
    assert list(row) == [
        "step", "windows", "loss", "validation_loss", "seconds", "learning_rate",
    ]  # fmt: skip
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"step 3, {row['windows']} windows" in printed.err

    net = load_network(file)
    assert net.config.hidden_size == 8
    with safe_open(file, "pt") as stored:
        facts = json.loads(stored.metadata()["config"])["pretraining"]
    assert facts["step"] == 3
    assert facts["windows"] == int(row["windows"])
    assert facts["patches"] == 64


def test_the_pretraining_ends_with_the_decay_and_weights_can_be_written_later(
    tmp_path: Path, pretrain: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, file = tmp_path / "folder", tmp_path / "weights.safetensors"
    assert pretrain(folder, "--decay", "2") == 0
    assert [row["step"] for row in history(folder)] == ["2"]
    state = (folder / STATE_FILE).read_bytes()
    for ended in (("--decay", "2"), ("--steps", "0")):
        assert pretrain(folder, *ended, "--weights", file) == 0
        assert load_network(file).config.n_layers == 1
        file.unlink()
    capsys.readouterr()
    assert pretrain(folder, "--steps", "1") == 2
    (line,) = capsys.readouterr().err.splitlines()
    for words in ("from step 0 on", "--decay", "copy of the folder"):
        assert words in line
    assert (folder / STATE_FILE).read_bytes() == state


def test_a_folder_of_other_options_is_refused_in_words(
    tmp_path: Path, pretrain: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pretrain(tmp_path, "--minutes", "0") == 0
    assert pretrain(tmp_path, "--steps", "1", "--seed", "2") == 2
    assert "another config" in capsys.readouterr().err.splitlines()[-1]
    assert len(history(tmp_path)) == 1


def test_seconds_are_those_of_all_calls(
    tmp_path: Path, pretrain: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(step=100)
    monkeypatch.setattr(command, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    for _ in range(2):
        assert pretrain(tmp_path, "--steps", "1") == 0
    first, second = (int(row["seconds"]) for row in history(tmp_path))
    assert second == 2 * first > 0
