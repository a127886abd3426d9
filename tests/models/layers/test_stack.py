"""Stacks of layers against torch's networks of several layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from tests.models.recurrent import K, sequence


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
