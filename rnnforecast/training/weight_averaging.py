"""Stochastic weight averaging: the mean of the weights after each of the last steps.

Izmailov et al. 2018, arXiv:1803.05407.
"""

from __future__ import annotations

import torch

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training.fit_state import FitState


def swa_start_step(max_steps: int, swa_fraction: float) -> int:
    """Number of steps before averaging begins; `max_steps` if `swa_fraction` is 0."""
    return max_steps - max(1, round(swa_fraction * max_steps)) if swa_fraction else max_steps


@torch.no_grad()
def update_average(state: FitState, net: Forecaster) -> None:
    """Adds the weights of `net` to the average in `state`."""
    state.averaged_steps += 1
    if state.averaged_steps == 1:
        state.average_weights = {
            name: value.detach().clone() for name, value in net.named_parameters()
        }
        return
    for name, value in net.named_parameters():
        state.average_weights[name].lerp_(value, 1 / state.averaged_steps)


def averaged_weights(state: FitState, net: Forecaster) -> dict[str, torch.Tensor]:
    """The averaged parameters and the buffers of `net`, as a state dict."""
    return {
        name: state.average_weights.get(name, value) for name, value in net.state_dict().items()
    }
