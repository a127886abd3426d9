"""GRU-D: special cases of the decay of its state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rnnforecast.models.base import NO_NOISE
from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from rnnforecast.registry import BACKBONES

K, D, G = 6, 3, 7


def layer(*, gap_size: int = D) -> Any:
    torch.manual_seed(3)
    build = BACKBONES.load("gru_d").build
    return build(K, {}, depth=0, noise=NO_NOISE, gap_size=gap_size).double()


def sequence(*, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, G, K), generator=generator, dtype=torch.float64)


def elapsed() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 3 * torch.rand((2, G, D), generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("given", [False, True])
def test_without_gaps_it_is_torchs_gru(given: bool) -> None:
    net, x = layer(), sequence()
    expected, last = net.cell.net(x)
    out, (state,) = net(x, None, torch.zeros(2, G, D, dtype=torch.float64) if given else None)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(state, last)


def test_without_gap_inputs_it_is_torchs_gru_and_has_no_other_weights() -> None:
    net, x = layer(gap_size=0), sequence()
    torch.testing.assert_close(net(x)[0], net.cell.net(x)[0])
    assert {key.split(".")[1] for key, _ in net.named_parameters()} == {"net"}


def test_after_a_long_gap_the_output_does_not_depend_on_earlier_inputs() -> None:
    net, x, other, gaps = layer(), sequence(), sequence(seed=9), elapsed()
    other[:, 4:] = x[:, 4:]
    gaps[:, 4] = 1e4
    before, after = (net(read, None, gaps)[0] for read in (x, other))
    torch.testing.assert_close(before[:, 4:], after[:, 4:], rtol=0, atol=1e-12)
    assert (before[:, 3] - after[:, 3]).abs().max() > 0.01


def test_the_decay_falls_with_the_gap() -> None:
    net = layer()
    gaps = torch.tensor([0.0, 0.5, 1, 2, 4, 8], dtype=torch.float64)[None, :, None].expand(1, 6, D)
    kept = net.cell.decay(torch.zeros(1, 6, K, dtype=torch.float64), gaps)[0]
    assert torch.equal(kept[0], torch.ones_like(kept[0]))
    assert (kept.diff(dim=0) < 0).all()
    assert (kept[2] > 0.8).all()


def test_recurrent_dropout_acts_on_the_products_and_not_on_the_state() -> None:
    net, x, gaps = layer(), sequence(), elapsed()
    state = torch.randn(2, K, dtype=torch.float64)
    projected = net.cell.project(x, gaps)[:, 0]
    (found,) = net.cell.step(projected, (state,), torch.zeros_like(state))
    x_r, x_z, x_n, g = projected.chunk(4, -1)
    c_r, c_z, c_n = net.cell.net.bias_hh_l0.chunk(3)
    r, z = torch.sigmoid(x_r + c_r), torch.sigmoid(x_z + c_z)
    torch.testing.assert_close(found, (1 - z) * torch.tanh(x_n + r * c_n) + z * g * state)


def test_in_mixed_precision_it_reads_a_float32_state() -> None:
    net = layer().float()
    with torch.autocast("cpu", torch.bfloat16):
        out, (state,) = net(sequence().float(), None, elapsed().float())
        again, _ = net(sequence().float(), (state,), elapsed().float())
    assert out.isfinite().all()
    assert again.isfinite().all()


def test_every_layer_of_a_stack_reads_the_gaps() -> None:
    torch.manual_seed(3)
    stack, x = (
        RecurrentStack(BackboneConfig("gru_d", n_layers=2), K, gap_size=D).double(),
        sequence(),
    )
    out, state = stack(x, None, elapsed())
    out.square().sum().backward()
    for key, parameter in stack.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key
    assert len(state) == 2


def test_every_weight_of_the_decay_has_a_gradient_at_its_initial_value() -> None:
    net = layer()
    net(sequence(), None, elapsed())[0].square().sum().backward()
    assert (net.cell.decay_weight.grad != 0).all()
    assert (net.cell.decay_bias.grad != 0).all()
