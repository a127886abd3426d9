"""Data-parallel training by several processes, started by torchrun.

All processes draw the same batch and each takes every `world_size`-th window of it, so together
they train on the same windows as a single process; gradients are averaged before they are clipped.
Decisions (to stop, to roll back) are the same in all processes; only their random numbers, as for
dropout, differ.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

SEED_STRIDE = 7919
"""Difference between the seeds of two processes."""


@dataclass(frozen=True)
class DistributedContext:
    """The processes that fit one network together; by default a single one."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    """Rank among the processes of the same machine."""

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and messages."""
        return self.rank == 0

    def device_for(self, requested: torch.device) -> torch.device:
        """The device of this process, of the type of `requested`.

        ValueError if there are fewer devices than processes.
        """
        if self.world_size == 1 or requested.type == "cpu":
            return requested
        n_devices = torch.cuda.device_count() if requested.type == "cuda" else 0
        if self.local_rank >= n_devices:
            raise ValueError(
                f"there is no {requested.type} device for process {self.local_rank + 1}"
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device(requested.type, self.local_rank)

    def shard(self, windows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """This process's part of the tensors `[B]` of a batch: every `world_size`-th window."""
        return tuple(tensor[self.rank :: self.world_size] for tensor in windows)

    def broadcast_weights(self, net: nn.Module) -> None:
        """Copies the weights of the first process to all."""
        if self.world_size > 1:
            for value in net.state_dict().values():
                distributed.broadcast(value, 0)

    def seed_process(self, seed: int) -> None:
        """Gives each process random numbers of its own; those of the first are not reseeded."""
        if not self.is_main:
            torch.manual_seed(seed + SEED_STRIDE * self.rank)

    @torch.no_grad()
    def average(self, parameters: Sequence[Tensor], loss: Tensor, weight: Tensor) -> Tensor:
        """Divides weighted sums over the windows of all processes by their weight.

        Args:
            parameters: their gradients are weighted sums and become means. A missing gradient
                counts as zero, as another process may have one.
            loss: weighted sum of losses; the mean is returned.
            weight: sum of the weights.
        """
        if self.world_size == 1:
            weight = torch.where(weight > 0, weight, 1.0)  # without observations all sums are zero
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad /= weight
            return loss / weight
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([part.flatten() for part in gradients] + [torch.stack([loss, weight])])
        distributed.all_reduce(flat)
        flat /= torch.where(flat[-1] > 0, flat[-1], 1.0)
        begin = 0
        for parameter in parameters:
            mean = flat[begin : begin + parameter.numel()].view_as(parameter)
            parameter.grad = mean.clone()  # optimizers need the memory layout of the parameter
            begin += parameter.numel()
        return flat[-2].clone()

    def any_process(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in any process."""
        if self.world_size == 1:
            return flag
        any_flag = torch.tensor([float(flag)], device=device)
        distributed.all_reduce(any_flag, distributed.ReduceOp.MAX)
        return bool(any_flag.item())

    def broadcast(self, number: float, device: torch.device) -> float:
        """The number of the first process."""
        if self.world_size == 1:
            return number
        tensor = torch.tensor([number], dtype=torch.float64, device=device)
        distributed.broadcast(tensor, 0)
        return float(tensor)

    def all_gather(self, value: Tensor, device: torch.device) -> list[Tensor]:
        """The values of all processes, in order of rank."""
        if self.world_size == 1:
            return [value]
        own = value.to(device)
        gathered = [torch.empty_like(own) for _ in range(self.world_size)]
        distributed.all_gather(gathered, own)
        return [part.to(value.device) for part in gathered]


SINGLE_PROCESS = DistributedContext()


@contextmanager
def distributed_context() -> Iterator[DistributedContext]:
    """Context of the processes that torchrun started, or of a single process without it."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield SINGLE_PROCESS
        return
    has_cuda = torch.cuda.is_available()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if has_cuda else "gloo")
    rank = distributed.get_rank()
    yield DistributedContext(rank, world_size, int(os.environ.get("LOCAL_RANK", rank)))
    # only without an error: after one, the other processes may never reach this point
    distributed.destroy_process_group()
