"""The average of the last steps' weights, which lies in a wider valley than any one of them.

Stochastic weight averaging (Izmailov et al. 2018, arXiv:1803.05407), over steps, all equal.
"""

from __future__ import annotations

import torch

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training.fit_state import FitState


def swa_start_step(max_steps: int, swa_fraction: float) -> int:
    """Steps done after which the averaging begins; `max_steps` where `share` is 0: never."""
    return max_steps - max(1, round(swa_fraction * max_steps)) if swa_fraction else max_steps


@torch.no_grad()
def update_average(state: FitState, net: Forecaster) -> None:
    """The weights of `net` become part of the average in `state`."""
    state.averaged_steps += 1
    if state.averaged_steps == 1:
        state.average_weights = {
            name: value.detach().clone() for name, value in net.named_parameters()
        }
        return
    for name, value in net.named_parameters():
        state.average_weights[name].lerp_(value, 1 / state.averaged_steps)


def averaged_weights(state: FitState, net: Forecaster) -> dict[str, torch.Tensor]:
    """The average as weights of `net`, whose buffers stay as they are."""
    return {
        name: state.average_weights.get(name, value) for name, value in net.state_dict().items()
    }
