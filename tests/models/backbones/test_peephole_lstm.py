"""LSTM with peephole connections against torch's LSTM."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.models.recurrent import K, layer, sequence


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
