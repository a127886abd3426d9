"""The linear first forecast by least squares, before the first step of the training.

A linear map from the lookback to the horizon that is fitted in closed form is a strong forecast of
long, noisy series; the recurrent part then learns what it leaves over. Its weights are drawn
towards those of a simple forecast (ridge regression, Hoerl & Kennard 1970): which one, and how
strongly, is what does best on stretches of time that are left out in turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.first import starts
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training.batches import Batch

STRETCHES = 10
"""Parts of the time of training; one is forecast from those that are not its neighbours."""

STRENGTHS = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, math.inf)
"""What is tried, as shares of the mean square of what the map reads; infinity leaves the simple
forecast as it is."""

STEPS_TRIED = 24
"""Steps of the horizon, evenly spaced, by which the strength is chosen."""


@dataclass(frozen=True)
class Found:
    """The map that was taken: the simple forecast it is drawn to, and how strongly."""

    towards: str
    strength: float


@dataclass
class Sums:
    """What least squares needs of the windows of a stretch of time."""

    square: Tensor
    """`[L + 1, L + 1]` of what is read, and a 1 for the bias, with itself."""
    cross: dict[str, Tensor]
    """`[L + 1, H]` of that with what each simple forecast leaves over."""
    left: dict[str, Tensor]
    """`[H]` the sum of squares of what it leaves over."""

    @staticmethod
    def none(size: int, horizon: int, names: Iterable[str]) -> Sums:
        """Of no window."""
        square = torch.zeros(size, size, dtype=torch.float64)
        cross = {name: square.new_zeros(size, horizon) for name in names}
        return Sums(square, cross, {name: square.new_zeros(horizon) for name in cross})

    def add(self, other: Sums) -> None:
        """Takes in the windows of another stretch."""
        self.square += other.square
        for name in self.cross:
            self.cross[name] += other.cross[name]
            self.left[name] += other.left[name]

    def change(self, name: str, strength: float, steps: Tensor) -> Tensor:
        """What is best added to a simple forecast at some `steps`, `[L + 1, steps]`."""
        cross = self.cross[name][:, steps]
        scale = float(self.square.diagonal().mean())
        if math.isinf(strength) or not scale:
            return torch.zeros_like(cross)
        ridge = torch.full((len(cross),), strength * scale, dtype=cross.dtype)
        return torch.cholesky_solve(cross, torch.linalg.cholesky(self.square + torch.diag(ridge)))

    def error(self, name: str, change: Tensor, steps: Tensor) -> float:
        """The sum of squared errors at some `steps` of the simple forecast with `change` added."""
        cross, left = self.cross[name][:, steps], self.left[name][steps]
        product = self.square @ change
        return float(left.sum() - 2 * (change * cross).sum() + (change * product).sum())


@torch.no_grad()
def fit_first(net: Forecaster, windows: Iterable[tuple[Batch, Tensor]]) -> Found:
    """Sets the map of the net's first forecast from batches and the number of the stretch of time
    of each window, from 0 to `STRETCHES - 1`.

    Every window counts by its weight, as in the loss; steps that were not observed count as if
    they had been forecast without error.
    """
    assert net.first is not None
    line = net.first.map
    simple = {name: start.to(line.weight) for name, start in starts(net.architecture).items()}
    size, horizon = line.in_features + 1, line.out_features
    parts = [Sums.none(size, horizon, simple) for _ in range(STRETCHES)]
    for batch, stretch in windows:
        rows = _rows(net, batch)
        channels = len(rows[0]) // len(stretch)
        for number, part in enumerate(parts):
            some = (stretch == number).repeat_interleave(channels)
            _take_in(part, [row[some] for row in rows], simple)
    found = _best(parts)
    whole = _sum(parts)
    change = whole.change(found.towards, found.strength, torch.arange(horizon)).to(line.weight)
    line.weight.copy_(simple[found.towards] + change[:-1].T)
    line.bias.copy_(change[-1])
    return found


def _sum(parts: Sequence[Sums]) -> Sums:
    size, horizon = next(iter(parts[0].cross.values())).shape
    whole = Sums.none(size, horizon, parts[0].cross)
    for part in parts:
        whole.add(part)
    return whole


def _best(parts: Sequence[Sums]) -> Found:
    """What forecasts the stretches best that it was not fitted to."""
    horizon = len(next(iter(parts[0].left.values())))
    steps = torch.linspace(0, horizon - 1, min(STEPS_TRIED, horizon)).round().long()
    errors = {(name, strength): 0.0 for name in parts[0].cross for strength in STRENGTHS}
    for left_out, part in enumerate(parts):
        others = _sum([part for at, part in enumerate(parts) if abs(at - left_out) > 1])
        for name, strength in errors:
            change = others.change(name, strength, steps)
            errors[name, strength] += part.error(name, change, steps)
    name, strength = min(errors, key=errors.__getitem__)
    return Found(name, strength)


def _take_in(part: Sums, rows: Sequence[Tensor], simple: Mapping[str, Tensor]) -> None:
    seen, truth, weight, observed = rows
    weighed = (seen * weight**2).T
    part.square += (weighed @ seen).cpu().double()
    for name, start in simple.items():
        left = (truth - seen[:, :-1] @ start.T) * observed
        part.cross[name] += (weighed @ left).cpu().double()
        part.left[name] += (left * weight).square().sum(0).cpu().double()


def _rows(net: Forecaster, batch: Batch) -> list[Tensor]:
    """Of each window, or of each of its targets, a row each: what the map reads, `[N, L + 1]` with
    a 1 for its bias, what it is to say, `[N, H]`, the weight, `[N, 1]`, and what was observed."""
    seen, truth = net.first_pair(batch.history, batch.future)
    seen, truth, weight = (
        part.transpose(1, 2).flatten(0, 1) for part in (seen, truth, batch.weight)
    )
    seen = torch.cat([seen, torch.ones_like(seen[:, :1])], 1)
    observed = (weight > 0).to(truth.dtype)
    return [seen, torch.where(weight > 0, truth, 0.0), weight.amax(1, keepdim=True), observed]
