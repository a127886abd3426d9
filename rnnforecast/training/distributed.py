"""One fit by several processes, each with windows and a device of its own, as torchrun starts them.

All of them draw the windows of a whole batch and each takes its part of it, so together they learn
from what a single process would; gradients are averaged before they are clipped. Whatever is
decided (to stop, to undo a step) is decided alike by all. The processes differ in their random
numbers for dropout alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

SEED_STRIDE = 7919
"""Between the seeds of two processes' own random numbers."""


@dataclass(frozen=True)
class DistributedContext:
    """The processes that fit one net together; the default is one that works alone."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Its number among those on the same machine."""

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes and speaks."""
        return self.rank == 0

    def device_for(self, requested: torch.device) -> torch.device:
        """The device of this process, where all have chosen one like `chosen`.

        ValueError where there are fewer devices than processes.
        """
        if self.world_size == 1 or requested.type == "cpu":
            return requested
        there = torch.cuda.device_count() if requested.type == "cuda" else 0
        if self.local_rank >= there:
            raise ValueError(
                f"there is no {requested.type} device for process {self.local_rank + 1}"
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device(requested.type, self.local_rank)

    def shard(self, windows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Of the columns `[B]` of a batch this process's part, every `size`-th window."""
        return tuple(column[self.rank :: self.world_size] for column in windows)

    def broadcast_weights(self, net: nn.Module) -> None:
        """All nets become the first process's."""
        if self.world_size > 1:
            for value in net.state_dict().values():
                distributed.broadcast(value, 0)

    def seed_process(self, number: int) -> None:
        """From now on each process has random numbers of its own; the first goes on as it was."""
        if not self.is_main:
            torch.manual_seed(number + SEED_STRIDE * self.rank)

    @torch.no_grad()
    def average(self, parameters: Sequence[Tensor], loss: Tensor, weight: Tensor) -> Tensor:
        """Turns sums over windows, of all processes, into means; returns the mean loss.

        `loss` and the gradients in `parameters` are sums of which each summand was multiplied by
        what it weighs, `weight` is the sum of the weights. A parameter without a gradient counts
        as one with a gradient of zero, as another process may have one.
        """
        if self.world_size == 1:
            weight = torch.where(weight > 0, weight, 1.0)  # nothing was observed: all are zero
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad /= weight
            return loss / weight
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([part.flatten() for part in parts] + [torch.stack([loss, weight])])
        distributed.all_reduce(flat)
        flat /= torch.where(flat[-1] > 0, flat[-1], 1.0)
        place = 0
        for parameter in parameters:
            mean = flat[place : place + parameter.numel()].view_as(parameter)
            parameter.grad = mean.clone()  # optimizers want gradients of the parameter's own layout
            place += parameter.numel()
        return flat[-2].clone()

    def any_process(self, flag: bool, device: torch.device) -> bool:
        """Whether any of the processes says so."""
        if self.world_size == 1:
            return flag
        said = torch.tensor([float(flag)], device=device)
        distributed.all_reduce(said, distributed.ReduceOp.MAX)
        return bool(said.item())

    def broadcast(self, number: float, device: torch.device) -> float:
        """What the first process says."""
        if self.world_size == 1:
            return number
        said = torch.tensor([number], dtype=torch.float64, device=device)
        distributed.broadcast(said, 0)
        return float(said)

    def all_gather(self, value: Tensor, device: torch.device) -> list[Tensor]:
        """The like of `value` of every process, in their order."""
        if self.world_size == 1:
            return [value]
        own = value.to(device)
        found = [torch.empty_like(own) for _ in range(self.world_size)]
        distributed.all_gather(found, own)
        return [part.to(value.device) for part in found]


SINGLE_PROCESS = DistributedContext()


@contextmanager
def distributed_context() -> Iterator[DistributedContext]:
    """The team that the launcher has started, or a process alone where there was none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield SINGLE_PROCESS
        return
    cuda = torch.cuda.is_available()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    rank = distributed.get_rank()
    yield DistributedContext(rank, size, int(os.environ.get("LOCAL_RANK", rank)))
    # not after an error: the others may never come to say goodbye
    distributed.destroy_process_group()
