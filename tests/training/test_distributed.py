"""Training by several processes: shared batches, averages and random numbers."""

from __future__ import annotations

import pytest
import torch

from rnnforecast.training.distributed import SINGLE_PROCESS, DistributedContext
from tests.training.fits import net, trainer


def test_every_window_of_a_batch_goes_to_one_process() -> None:
    column = torch.arange(7)
    parts = [DistributedContext(rank, 3).shard((column,))[0] for rank in range(3)]
    assert [part.tolist() for part in parts] == [[0, 3, 6], [1, 4], [2, 5]]


def test_more_processes_than_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert DistributedContext(1, 2, 1).device_for(torch.device("cpu")).type == "cpu"
    with pytest.raises(ValueError, match="there is no cuda device for process 2"):
        DistributedContext(1, 2, 1).device_for(torch.device("cuda"))


def test_a_single_process_changes_nothing() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.tensor([6.0, 9.0])
    mean = SINGLE_PROCESS.average([weight], torch.tensor(12.0), torch.tensor(3.0))
    assert float(mean) == 4
    assert weight.grad.tolist() == [2, 3]
    weight.grad = torch.zeros(2)
    assert float(SINGLE_PROCESS.average([weight], torch.tensor(0.0), torch.tensor(0.0))) == 0
    assert weight.grad.tolist() == [0, 0]
    device = torch.device("cpu")
    assert SINGLE_PROCESS.any_process(True, device)
    assert not SINGLE_PROCESS.any_process(False, device)
    assert SINGLE_PROCESS.broadcast(0.1, device) == 0.1


def numbers_of(rank: int) -> torch.Tensor:
    """The first random numbers of a process after it was seeded."""
    torch.manual_seed(5)
    DistributedContext(rank, 3, rank).seed_process(5)
    return torch.rand(8)


def test_every_process_draws_numbers_of_its_own_and_the_first_those_of_a_single_one() -> None:
    torch.manual_seed(5)
    single = torch.rand(8)
    first, second, third = (numbers_of(rank) for rank in range(3))
    assert torch.equal(first, single)
    assert not set(first.tolist()) & set(second.tolist())
    assert not set(second.tolist()) & set(third.tolist())
    assert torch.equal(second, numbers_of(1))


class TwoProcesses(DistributedContext):
    """The second of two processes, of which the first is pretended."""

    def all_gather(self, value: torch.Tensor, device: torch.device) -> list[torch.Tensor]:
        return [torch.Generator().manual_seed(0).get_state(), value]

    def average(self, *sums: object) -> torch.Tensor:
        return torch.zeros(())

    def any_process(self, flag: bool, device: torch.device) -> bool:
        return flag

    def broadcast(self, number: float, device: torch.device) -> float:
        return number


def test_every_process_resumes_with_its_own_random_numbers() -> None:
    second = TwoProcesses(1, 2, 1)
    torch.manual_seed(3)
    state = trainer(net(), distributed=second).fit()
    expected = torch.rand(4)
    assert set(state.rng_state) == {"cpu", "cpu.1"}
    torch.manual_seed(4)
    trainer(net(), distributed=second, state=state)
    assert torch.equal(torch.rand(4), expected)
    trainer(net(), state=state)  # of a single process: those of the first
    assert torch.equal(torch.rand(4), torch.rand(4, generator=torch.Generator().manual_seed(0)))
