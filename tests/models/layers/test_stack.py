"""Stacks of layers against torch's networks of several layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnnforecast.models.base import NO_NOISE, Noise
from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from rnnforecast.registry import BACKBONES

B, G, K = 3, 7, 6


def layer(
    name: str, *, depth: int = 0, width: int = K, noise: Noise = NO_NOISE, **given: Any
) -> Any:
    torch.manual_seed(3)
    options = BACKBONES.options(name, given)
    return BACKBONES.load(name).build(width, options, depth=depth, noise=noise, gap_size=0).double()


def sequence(*, steps: int = G, width: int = K) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((B, steps, width), generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "torch_class"), [("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)]
)
def test_a_stack_of_two_equals_torchs_network_of_two_layers(name: str, torch_class: Any) -> None:
    net, other = (
        RecurrentStack(BackboneConfig(name, n_layers=2), K).double(),
        torch_class(K, K, 2, batch_first=True).double(),
    )
    for number, one in enumerate(net.layers):
        for key, value in one.cell.net.state_dict().items():
            other.state_dict()[key.replace("l0", f"l{number}")].copy_(value)
    out, state = net(sequence())
    expected, after = other(sequence())
    torch.testing.assert_close(out, expected)
    after = after if isinstance(after, tuple) else (after,)
    torch.testing.assert_close(torch.cat(state), torch.stack(after, 1).flatten(0, 1))
