"""Random tensors of one generator on one device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Random:
    """Draws tensors of a shape; the same seed gives the same tensors on the same kind of device."""

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.generator = torch.Generator(device).manual_seed(seed)
        self.device = device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Between `low` and `high`."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, device=self.device)

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Between `low` and `high`, uniform in the logarithm."""
        ratio = torch.log(torch.tensor(high / low, device=self.device))
        return low * torch.exp(ratio * self.uniform(0, 1, *shape))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def student_t(self, freedom: int, *shape: int) -> Tensor:
        """Student-t with unit scale."""
        chi = self.normal(freedom, *shape).square().sum(0) / freedom
        return self.normal(*shape) / chi.sqrt()

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """From `low` to `high - 1`."""
        return torch.randint(low, high, shape, generator=self.generator, device=self.device)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """True with a probability."""
        return self.uniform(0, 1, *shape) < probability

    def choice(self, weights: Sequence[float], *shape: int) -> Tensor:
        """Indices with these relative weights."""
        limits = torch.tensor(weights, device=self.device).cumsum(0)
        draws = self.uniform(0, 1, *shape) * limits[-1]
        return torch.searchsorted(limits, draws).clamp_max(len(weights) - 1)

    def permutation(self, count: int) -> Tensor:
        """A random order."""
        return torch.randperm(count, generator=self.generator, device=self.device)
