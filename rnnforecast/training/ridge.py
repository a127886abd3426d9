"""Ridge regression of the linear base forecast, before the first training step.

A linear map from the lookback to the horizon, fitted in closed form, is a strong forecast of long,
noisy series; the recurrent part then learns its residuals. The weights are shrunk towards those of
a simple forecast, the prior (Hoerl & Kennard 1970). Prior and penalty are chosen by
cross-validation over folds of time.
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
"""Folds of the training period; each is forecast by a fit on the folds without common targets."""

RIDGE_PENALTIES = (math.inf, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.001)
"""Candidates, relative to the mean square of the inputs. Infinity leaves the prior unchanged; it is
chosen if all errors are equal."""

MAX_LOOKBACK = 2048
"""Longest lookback, in steps, that is fitted; the time grows with its cube."""

MIN_RESIDUAL_SIZE = 0.05
"""Lower bound of the mean absolute normalized residual that the weight of a window is divided
by."""

TUNING_STEPS = 24
"""Largest number of steps of the horizon, evenly spaced, in the cross-validation."""


@dataclass(frozen=True)
class RidgeFit:
    """The chosen prior and penalty."""

    prior: str
    penalty: float


@dataclass
class NormalEquations:
    """Sums over windows that determine the least-squares solution for each of S priors."""

    gram: Tensor
    """`[L + 1, L + 1]` products of the inputs, with a 1 for the bias, with themselves."""
    cross_products: Tensor
    """`[L + 1, S, H]` products of the inputs with the residuals of each prior."""
    residual_squares: Tensor
    """`[S, H]` squares of those residuals."""
    total_weight: Tensor
    """Scalar: the weight of all windows."""
    observed_weight: Tensor
    """`[H]` weight of the windows in which the step was observed."""

    @staticmethod
    def zeros(size: int, priors: int, horizon: int) -> NormalEquations:
        """Sums over no window."""
        shapes = (size, size), (size, priors, horizon), (priors, horizon), (), (horizon,)
        return NormalEquations(*(torch.zeros(shape, dtype=torch.float64) for shape in shapes))

    def add(self, other: NormalEquations, sign: int = 1) -> NormalEquations:
        """The sums over the windows of both; with `sign` -1, without those of `other`."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return NormalEquations(*(left + sign * right for left, right in pairs))

    def solve(self, penalty: float, steps: Tensor) -> Tensor:
        """Changes `[L + 1, S, steps]` to the coefficients of each prior for the given steps.

        Sums of a step that was observed in only part of the windows are scaled up to all windows.
        """
        cross = self.cross_products[..., steps] * self._observation_correction(steps)
        scale = float(self.gram.diagonal().mean())
        if math.isinf(penalty) or not scale:
            return torch.zeros_like(cross)
        ridge = torch.full((len(cross),), penalty * scale, dtype=cross.dtype)
        factor = torch.linalg.cholesky(self.gram + torch.diag(ridge))
        return torch.cholesky_solve(cross.flatten(1), factor).view_as(cross)

    def squared_errors(self, coefficients: Tensor, steps: Tensor) -> Tensor:
        """Sums of squared errors `[S]` at the given steps, with `coefficients` from `solve`."""
        correction = self._observation_correction(steps)
        cross = self.cross_products[..., steps] * correction
        squares = self.residual_squares[:, steps] * correction
        product = (self.gram @ coefficients.flatten(1)).view_as(coefficients)
        return squares.sum(1) + (coefficients * (product - 2 * cross)).sum((0, 2))

    def _observation_correction(self, steps: Tensor) -> Tensor:
        observed = self.observed_weight[steps]
        return torch.where(observed > 0, self.total_weight / observed.clamp_min(1e-12), 0.0)


@torch.no_grad()
def fit_base_forecast(
    net: Forecaster, windows: Iterable[tuple[Batch, Ints]], *, neighbors: int = 1
) -> RidgeFit | None:
    """Fits the linear map of the base forecast of `net`, each window with its weight in the loss.

    Returns None if the map is left unchanged.

    Args:
        windows: batches, with the fold of each window, from 0 to `FOLD_COUNT - 1`.
        neighbors: folds on either side that share targets with a fold.
    """
    assert net.base_forecast is not None
    linear = net.base_forecast.linear
    if linear.in_features > MAX_LOOKBACK:
        return None
    priors_by_name = initial_weights(net.config)
    priors = torch.stack(list(priors_by_name.values())).to(linear.weight)  # [S, H, L]
    folds = [
        NormalEquations.zeros(linear.in_features + 1, len(priors), linear.out_features)
        for _ in range(FOLD_COUNT)
    ]
    squared_loss = "squared_error" in LOSSES.traits(net.config.loss)
    for batch, fold_index in windows:
        samples = _regression_samples(net, batch)
        channels = len(samples[0]) // len(fold_index)
        for index in range(FOLD_COUNT):
            in_fold = torch.as_tensor(fold_index == index, device=linear.weight.device)
            in_fold = in_fold.repeat_interleave(channels)
            if in_fold.any():
                selected = [sample[in_fold] for sample in samples]
                sums = _normal_equations(selected, priors, squared_loss=squared_loss)
                folds[index] = folds[index].add(sums)
    total = reduce(NormalEquations.add, folds)
    prior, penalty = _select_prior_and_penalty(folds, total, neighbors)
    all_steps = torch.arange(linear.out_features)
    change = total.solve(penalty, all_steps)[:, prior].to(linear.weight)  # [L + 1, H]
    if not change.isfinite().all():
        return None
    linear.weight.copy_(priors[prior] + change[:-1].T)
    linear.bias.copy_(change[-1])
    return RidgeFit(list(priors_by_name)[prior], penalty)


def _tuning_steps(horizon: int) -> Tensor:
    """Steps of the horizon by which prior and penalty are chosen, at most `TUNING_STEPS`."""
    return torch.linspace(0, horizon - 1, min(TUNING_STEPS, horizon)).round().long()


def _select_prior_and_penalty(
    folds: Sequence[NormalEquations], total: NormalEquations, neighbors: int
) -> tuple[int, float]:
    """Index of the prior and the penalty with the least squared error on the held-out folds."""
    n_priors, horizon = total.residual_squares.shape
    steps = _tuning_steps(horizon)
    errors = torch.zeros(len(RIDGE_PENALTIES), n_priors, dtype=torch.float64)
    for held_out, fold in enumerate(folds):
        near = folds[max(held_out - neighbors, 0) : held_out + neighbors + 1]
        training = reduce(lambda sums, other: sums.add(other, -1), near, total)
        for row, penalty in enumerate(RIDGE_PENALTIES):
            errors[row] += fold.squared_errors(training.solve(penalty, steps), steps)
    row, prior = divmod(int(errors.nan_to_num(math.inf).argmin()), n_priors)
    return prior, RIDGE_PENALTIES[row]


def _normal_equations(
    samples: Sequence[Tensor], priors: Tensor, *, squared_loss: bool
) -> NormalEquations:
    """The sums over the samples of `_regression_samples`, computed on their device.

    Unless the loss is a squared error, the weight of a sample is divided by the mean absolute
    residual of the priors, as in the first step of iteratively reweighted least squares. This
    approximates absolute errors, which a few outlying windows do not dominate.
    """
    inputs, targets, weight, observed = samples
    residuals = targets - torch.matmul(inputs[:, :-1], priors.transpose(1, 2))
    residuals = residuals * observed  # [S, N, H]
    if not squared_loss:
        size = residuals.abs().mean((0, 2)) / observed.mean(1).clamp_min(1 / observed.shape[1])
        weight = weight / size.clamp_min(MIN_RESIDUAL_SIZE).unsqueeze(1)
    weighted_inputs = (inputs * weight).T
    sums = (
        weighted_inputs @ inputs,
        torch.matmul(weighted_inputs, residuals).transpose(0, 1),
        (residuals.square() * weight).sum(1),
        weight.sum(),
        (observed * weight).sum(0),
    )
    return NormalEquations(*(part.cpu().double() for part in sums))


def _regression_samples(net: Forecaster, batch: Batch) -> list[Tensor]:
    """Samples of the regression, one for each window and target.

    Inputs `[N, L + 1]` with a 1 for the bias, targets `[N, H]`, weights `[N, 1]`, and a mask of
    observed targets `[N, H]`, 0 or 1.
    """
    inputs, targets = net.base_forecast_data(batch.history, batch.targets)
    inputs, targets, weight = (
        tensor.transpose(1, 2).flatten(0, 1) for tensor in (inputs, targets, batch.weight)
    )
    inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1)
    observed = (weight > 0).to(targets.dtype)
    targets = torch.where(weight > 0, targets, 0.0)
    return [inputs, targets, weight.amax(1, keepdim=True), observed]
