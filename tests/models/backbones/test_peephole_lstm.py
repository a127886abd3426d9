"""LSTM with peephole connections against torch's LSTM."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnnforecast.models.base import NO_NOISE, Noise
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


def test_without_peepholes_it_is_torchs_lstm() -> None:
    net, other = layer("peephole_lstm"), nn.LSTM(K, K, batch_first=True).double()
    cell = net.cell
    rows = torch.tensor([1, 0, 2, 3])  # f, i, g, o here and i, f, g, o there
    with torch.no_grad():
        cell.peephole.zero_()
        cell.output_peephole.zero_()
        for theirs, ours in (
            (other.weight_ih_l0, cell.input_projection.weight),
            (other.weight_hh_l0, cell.U),
            (other.bias_ih_l0, cell.input_projection.bias),
        ):
            theirs.copy_(ours.view(4, K, -1)[rows].reshape(theirs.shape))
        other.bias_hh_l0.zero_()
    torch.testing.assert_close(net(sequence())[0], other(sequence())[0])


@pytest.mark.parametrize(("coupled", "gates"), [(False, 4), (True, 3)])
def test_coupled_gates_have_one_set_of_weights_fewer(coupled: bool, gates: int) -> None:
    cell = layer("peephole_lstm", coupled=coupled).cell
    assert (cell.U.shape, cell.peephole.shape) == ((gates * K, K), (gates - 2, K))


@pytest.mark.parametrize("coupled", [False, True])
def test_the_initial_bias_of_the_forget_gate_is_the_option(coupled: bool) -> None:
    bias = layer("peephole_lstm", coupled=coupled, forget_bias=2).cell.input_projection.bias
    assert torch.equal(bias[:K], torch.full((K,), 2.0).double())
    assert bias[K:].abs().max() <= K**-0.5
