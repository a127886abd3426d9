"""The networks of an ensemble in worker processes: the same bytes, stops, and when they pay."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from rnnforecast.data.cleaning.imputation import impute
from rnnforecast.parallel.in_process import InProcessEngine
from rnnforecast.parallel.local import LocalEngine
from rnnforecast.pipeline.progress import NullListener
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training.checkpoint import load_checkpoint
from rnnforecast.training.dataset import PanelArrays, WindowDataset
from rnnforecast.training.distributed import DistributedContext
from rnnforecast.workflow import train_members
from rnnforecast.workflow.train_checkpoints import TrainingState
from rnnforecast.workflow.train_fit import FINAL_FIT, FIRST_FIT
from rnnforecast.workflow.train_member import FitData, MemberTask
from rnnforecast.workflow.train_members import MemberFits, choose_engine
from tests.workflow.runs import StopAt, contents, shared, trained

pytestmark = pytest.mark.usefixtures("without_pictures")

THREE = """ensemble:
  members: 3
  vary: {window.lookback: [14, 28], training.loss: [quantile, normal]}
"""


def test_networks_stopped_in_workers_and_resumed_here_are_those_of_one_process(
    given: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_members, "WORKER_START_SECONDS", -1.0)
    given(more=THREE)
    shared("whole")
    stop = StopAt("final fit 2 of 3", 2)
    assert trained("again", stop=stop, engine=LocalEngine(2)).interrupted
    assert {"fit 1 of 3", "final fit 2 of 3"} <= set(stop.phases)
    fits = load_checkpoint(Path("again.checkpoint"))
    assert "fit/1" in fits.weights
    assert "final fit/1" in fits.states
    assert not trained("again", resume=True).interrupted
    assert contents("again") == contents("whole")


def test_windows_come_through_pickle_without_a_copy_and_keep_what_they_share() -> None:
    values, mask = np.arange(12.0).reshape(6, 2), np.ones((6, 2), dtype=bool)
    offsets = np.array([0, 6])
    arrays = PanelArrays(impute(values, mask, offsets, "mask"), mask, offsets)
    windows = WindowDataset(arrays, lookback=3, horizon=2, device=torch.device("cpu"))
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(windows, protocol=5, buffer_callback=buffers.append)
    assert len(body) < 3000
    found = pickle.loads(body, buffers=buffers)
    assert found.values.data_ptr() == windows.values.data_ptr()
    assert (found.input_mask is found.value_mask) == (windows.input_mask is windows.value_mask)
    last = torch.tensor([1]), torch.tensor([4]), torch.tensor([6])
    assert torch.equal(found.gather(*last).targets, windows.gather(*last).targets)


def fit_data(device: str = "cpu", **options: Any) -> FitData:
    windows = cast("Any", SimpleNamespace(device=torch.device(device)))
    return FitData(windows, None, {FIRST_FIT: cast("Any", None), FINAL_FIT: None}, **options)


def member_tasks(count: int, steps: int) -> list[MemberTask]:
    backbone = SimpleNamespace(n_layers=1)
    config = cast("Any", SimpleNamespace(hidden_size=128, n_patches=7, backbone=backbone))
    spec = TrainingSpec(max_steps=steps, batch_size=128)
    return [MemberTask(index, count, spec, config) for index in range(count)]


@pytest.mark.parametrize(
    ("count", "steps", "workers", "data", "pays"),
    [
        (2, 2800, 2, fit_data(), True),
        (1, 2800, 2, fit_data(), False),
        (6, 20, 2, fit_data(), False),
        (2, 2800, 1, fit_data(), False),
        (2, 2800, 2, fit_data("meta"), False),
        (2, 2800, 2, fit_data(distributed=DistributedContext(0, 2)), False),
    ],
)
def test_workers_start_only_where_they_save_more_time_than_they_take(
    count: int, steps: int, workers: int, data: FitData, pays: bool
) -> None:
    engine = LocalEngine(workers)
    chosen = choose_engine(engine, member_tasks(count, steps), data)
    assert (chosen is engine) == pays


def test_workers_begin_with_the_longest_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, begun = LocalEngine(2), list[int]()

    def record(function: Any, shared: Any, tasks: list[MemberTask], **options: Any) -> list[Any]:
        begun.extend(task.index for task in tasks)
        return [(index, None) for index in range(len(tasks))]

    monkeypatch.setattr(engine, "run", record)
    short, long = member_tasks(6, 2800)[::2], member_tasks(6, 5600)[1::2]
    tasks = [task for pair in zip(short, long, strict=True) for task in pair]
    MemberFits(fit_data(), TrainingState(), NullListener(), None).run(
        tasks, engine, lambda: False, None
    )
    assert begun == [1, 3, 5, 0, 2, 4]


def test_a_time_budget_is_asked_between_networks_that_run_together() -> None:
    fits = MemberFits(fit_data(), TrainingState(), NullListener(), None)
    tasks = member_tasks(5, 1)
    fits.run(tasks, InProcessEngine(), lambda: True, None)
    assert fits.stopped
    batches = list(fits._batches(tasks, 2, 1.0))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert len(list(fits._batches(tasks, 2, 0.0))) == 1
