"""Dilated layers against runs of their cell."""

from __future__ import annotations

import pytest
import torch

from rnnforecast.models.base import Noise
from tests.models.recurrent import B, K, layer, sequence


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_the_lowest_layer_is_the_plain_cell(cell: str) -> None:
    found, expected = layer("dilated", cell=cell)(sequence()), layer(cell)(sequence())
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8])
def test_the_second_layer_is_two_interleaved_runs_of_the_cell(cell: str, steps: int) -> None:
    net, x = layer("dilated", cell=cell, depth=1), sequence(steps=steps)
    out, state = net(x)
    runs = [net.cell_layer(x[:, begin::2]) for begin in (0, 1) if begin < steps]
    for begin, (expected, _) in enumerate(runs):
        torch.testing.assert_close(out[:, begin::2], expected)
    latest = runs[(steps - 1) % 2][1]
    for part, expected in zip(state, latest, strict=True):
        assert part.shape == (2, B, K)
        torch.testing.assert_close(part[1], expected[0])
        if steps == 1:
            assert not part[0].any()  # the initial state, which the next step reads


@pytest.mark.parametrize("steps", [3, 9])
def test_a_learned_initial_state_serves_every_interleaved_sequence(steps: int) -> None:
    net = layer("dilated", depth=2, noise=Noise(learned_initial_state=True))
    with torch.no_grad():
        net.cell_layer.learned_initial_state[0].fill_(0.5)
    x = sequence(steps=steps)
    expected = net.cell_layer(x[:, 2:3])[0]
    torch.testing.assert_close(net(x)[0][:, 2:3], expected)
