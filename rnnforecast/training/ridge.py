"""The linear first forecast by least squares, before the first step of the training.

A linear map from the lookback to the horizon that is fitted in closed form is a strong forecast of
long, noisy series; the recurrent part then learns what it leaves over. Its weights are drawn
towards those of a simple forecast (ridge regression, Hoerl & Kennard 1970): which one, and how
strongly, is what does best on stretches of time that are left out in turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from rnnforecast.models.base_forecast.base_forecast import initial_weights
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.registry import LOSSES
from rnnforecast.training.dataset import Batch
from rnnforecast.types import Ints

FOLD_COUNT = 10
"""Parts of the time of training; one is forecast from those that share no targets with it."""

RIDGE_PENALTIES = (math.inf, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.001)
"""What is tried, as shares of the mean square of what the map reads; infinity leaves the simple
forecast as it is, and is taken where nothing tells them apart."""

MAX_LOOKBACK = 2048
"""Steps: of longer lookbacks the map is left as it is, since the work grows with their cube."""

MIN_RESIDUAL_SIZE = 0.05
"""In the net's units: windows that simple forecasts miss by less than this all count alike."""

TUNING_STEPS = 24
"""Steps of the horizon, evenly spaced, by which the strength is chosen."""


@dataclass(frozen=True)
class RidgeFit:
    """The map that was taken: the simple forecast it is drawn to, and how strongly."""

    prior: str
    penalty: float


@dataclass
class NormalEquations:
    """What least squares needs of the windows of a stretch of time."""

    gram: Tensor
    """`[L + 1, L + 1]` of what is read, and a 1 for the bias, with itself."""
    cross_products: Tensor
    """`[L + 1, S, H]` of that with what each of S simple forecasts leaves over."""
    residual_squares: Tensor
    """`[S, H]` the sum of squares of what it leaves over."""
    total_weight: Tensor
    """Scalar: the weights of all windows."""
    observed_weight: Tensor
    """`[H]` those of the windows in which a step was observed."""

    @staticmethod
    def zeros(size: int, priors: int, horizon: int) -> NormalEquations:
        """Of no window."""
        shapes = (size, size), (size, priors, horizon), (priors, horizon), (), (horizon,)
        return NormalEquations(*(torch.zeros(shape, dtype=torch.float64) for shape in shapes))

    def tensors(self) -> tuple[Tensor, ...]:
        """All sums."""
        return (
            self.gram,
            self.cross_products,
            self.residual_squares,
            self.total_weight,
            self.observed_weight,
        )

    def add(self, other: NormalEquations, sign: int = 1) -> NormalEquations:
        """The windows of both, or without those of the other."""
        pairs = zip(self.tensors(), other.tensors(), strict=True)
        return NormalEquations(*(own + sign * part for own, part in pairs))

    def solve(self, penalty: float, steps: Tensor) -> Tensor:
        """What is best added to the simple forecasts at some `steps`, `[L + 1, S, steps]`.

        A step that was observed in few windows has its sums made up to those of all.
        """
        cross = self.cross_products[..., steps] * self._observation_correction(steps)
        scale = float(self.gram.diagonal().mean())
        if math.isinf(penalty) or not scale:
            return torch.zeros_like(cross)
        ridge = torch.full((len(cross),), penalty * scale, dtype=cross.dtype)
        factor = torch.linalg.cholesky(self.gram + torch.diag(ridge))
        return torch.cholesky_solve(cross.flatten(1), factor).view_as(cross)

    def squared_errors(self, coefficients: Tensor, steps: Tensor) -> Tensor:
        """`[S]` sums of squared errors at some `steps` of the simple forecasts with `changes`."""
        made_up = self._observation_correction(steps)
        cross, left = (
            self.cross_products[..., steps] * made_up,
            self.residual_squares[:, steps] * made_up,
        )
        product = (self.gram @ coefficients.flatten(1)).view_as(coefficients)
        return left.sum(1) + (coefficients * (product - 2 * cross)).sum((0, 2))

    def _observation_correction(self, steps: Tensor) -> Tensor:
        observed = self.observed_weight[steps]
        return torch.where(observed > 0, self.total_weight / observed.clamp_min(1e-12), 0.0)


@torch.no_grad()
def fit_base_forecast(
    net: Forecaster, windows: Iterable[tuple[Batch, Ints]], *, neighbors: int = 1
) -> RidgeFit | None:
    """Sets the map of the net's first forecast from batches and the number of the stretch of time
    of each window, from 0 to `STRETCHES - 1`; `neighbours` on either side share targets with one.

    Every window counts by its weight, as in the loss. None where the map stays what it was.
    """
    assert net.base_forecast is not None
    line = net.base_forecast.linear
    if line.in_features > MAX_LOOKBACK:
        return None
    simple = initial_weights(net.config)
    bases = torch.stack(list(simple.values())).to(line.weight)  # [S, H, L]
    parts = [
        NormalEquations.zeros(line.in_features + 1, len(bases), line.out_features)
        for _ in range(FOLD_COUNT)
    ]
    squares = "squared_error" in LOSSES.traits(net.config.loss)
    for batch, stretch in windows:
        rows = _regression_samples(net, batch)
        channels = len(rows[0]) // len(stretch)
        for number in range(FOLD_COUNT):
            some = torch.as_tensor(stretch == number, device=line.weight.device)
            some = some.repeat_interleave(channels)
            if some.any():
                parts[number] = parts[number].add(
                    _normal_equations([row[some] for row in rows], bases, squared_loss=squares)
                )
    whole = reduce(NormalEquations.add, parts)
    number, strength = _select_prior_and_penalty(parts, whole, neighbors)
    change = whole.solve(strength, torch.arange(line.out_features))[:, number].to(line.weight)
    if not change.isfinite().all():
        return None
    line.weight.copy_(bases[number] + change[:-1].T)
    line.bias.copy_(change[-1])
    return RidgeFit(list(simple)[number], strength)


def _select_prior_and_penalty(
    folds: Sequence[NormalEquations], total: NormalEquations, neighbors: int
) -> tuple[int, float]:
    """Which simple forecast and how strong a pull to it forecast the stretches best that were not
    fitted to."""
    horizon = total.residual_squares.shape[1]
    steps = torch.linspace(0, horizon - 1, min(TUNING_STEPS, horizon)).round().long()
    errors = torch.zeros(len(RIDGE_PENALTIES), len(total.residual_squares), dtype=torch.float64)
    for left_out, part in enumerate(folds):
        near = folds[max(left_out - neighbors, 0) : left_out + neighbors + 1]
        others = reduce(lambda rest, one: rest.add(one, -1), near, total)
        for row, strength in enumerate(RIDGE_PENALTIES):
            errors[row] += part.squared_errors(others.solve(strength, steps), steps)
    row, number = divmod(int(errors.nan_to_num(math.inf).argmin()), errors.shape[1])
    return number, RIDGE_PENALTIES[row]


def _normal_equations(
    samples: Sequence[Tensor], priors: Tensor, *, squared_loss: bool
) -> NormalEquations:
    """Of the rows of `_rows`; the products are made on the device of the net.

    Unless the loss is of `squares` itself, those of a window count less the more the simple
    forecasts miss it: by and large its sizes are then summed, not its squares, and no few wild
    windows decide (the first step of iteratively reweighted least squares).
    """
    seen, truth, weight, observed = samples
    left = (truth - torch.matmul(seen[:, :-1], priors.transpose(1, 2))) * observed  # [S, N, H]
    if not squared_loss:
        size = left.abs().mean((0, 2)) / observed.mean(1).clamp_min(1 / observed.shape[1])
        weight = weight / size.clamp_min(MIN_RESIDUAL_SIZE).unsqueeze(1)
    weighed = (seen * weight).T
    found = (
        weighed @ seen,
        torch.matmul(weighed, left).transpose(0, 1),
        (left.square() * weight).sum(1),
        weight.sum(),
        (observed * weight).sum(0),
    )
    return NormalEquations(*(part.cpu().double() for part in found))


def _regression_samples(net: Forecaster, batch: Batch) -> list[Tensor]:
    """Of each window, or of each of its targets, a row each: what the map reads, `[N, L + 1]` with
    a 1 for its bias, what it is to say, `[N, H]`, its weight, `[N, 1]`, and what was observed,
    `[N, H]`."""
    seen, truth = net.base_forecast_data(batch.history, batch.targets)
    seen, truth, weight = (
        part.transpose(1, 2).flatten(0, 1) for part in (seen, truth, batch.weight)
    )
    seen = torch.cat([seen, torch.ones_like(seen[:, :1])], 1)
    observed = (weight > 0).to(truth.dtype)
    truth = torch.where(weight > 0, truth, 0.0)
    return [seen, truth, weight.amax(1, keepdim=True), observed]
