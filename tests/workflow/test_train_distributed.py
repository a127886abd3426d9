"""A training by several processes, and by a launcher with one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rnnforecast.errors import SpecError
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.progress import NullListener
from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext, distributed_context
from rnnforecast.workflow.train_session import TrainingSession

Given = Callable[..., None]

SETS = ("training.max_steps=6", "training.batch_size=5", "model.hidden_size=8", "model.dropout=0")


def test_two_processes_write_one_run_that_is_as_good_as_that_of_a_single_one(
    given: Given, rnnforecast: Callable[..., Any]
) -> None:
    given(more="forecast: {plots: 0}\ntraining: {optimizer: sgd, device: cpu}")
    sets = [part for override in SETS for part in ("--set", override)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    found = subprocess.run(
        [
            *(sys.executable, *launcher, "-m", "rnnforecast"),
            *("train", "spec.yaml", "-o", "both", *sets),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stderr.count("run written to both") == 1
    assert found.stdout.count("held-out horizon") == 1
    assert rnnforecast("train", "spec.yaml", "-o", "one", *sets).exit_code == 0
    both, one = (load_file(Path(run, "model.safetensors")) for run in ("both", "one"))
    for name, value in one.items():  # the windows are shared out, five between two here
        torch.testing.assert_close(both[name], value, rtol=1e-4, atol=1e-5)
    losses = [np.genfromtxt(Path(run, "history.csv"), delimiter=",")[1:] for run in ("both", "one")]
    assert np.isfinite(losses[0]).all()
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert not Path("both.checkpoint").exists()


def test_a_launcher_with_one_process_changes_nothing(
    given: Given, train: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given()
    train(out="plain")
    for name, value in (("WORLD_SIZE", "1"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    with distributed_context() as context:
        assert context is SINGLE_PROCESS
    assert train(out="launched").exit_code == 0
    files = [Path(out, "model.safetensors").read_bytes() for out in ("plain", "launched")]
    assert files[0] == files[1]


def test_fewer_windows_than_processes_are_refused(given: Given) -> None:
    given()
    prepared = prepare(Path("spec.yaml"), ("training.batch_size=1",))
    with pytest.raises(SpecError, match="1 windows cannot be shared by 2 processes"):
        TrainingSession(
            prepared, Path("run"), NullListener(), lambda: False, DistributedContext(1, 2, 1)
        )
