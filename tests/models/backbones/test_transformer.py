"""The transformer layer against torch's encoder, and its carried state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnforecast.models.backbones.transformer import sinusoidal_positions
from rnnforecast.models.base import NO_NOISE
from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from rnnforecast.registry import BACKBONES

Array = NDArray[np.float64]

K, G = 6, 7

every_norm = pytest.mark.parametrize("norm_first", [False, True])


def layer(*, depth: int = 0, **given: Any) -> Any:
    torch.manual_seed(3)
    options = BACKBONES.options("transformer", given)
    build = BACKBONES.load("transformer").build
    return build(K, options, depth=depth, noise=NO_NOISE, gap_size=0).double()


def sequence(*, width: int = K) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((2, G, width), generator=generator, dtype=torch.float64)


def torch_encoder(net: Any, **given: Any) -> nn.TransformerEncoder:
    """torch's own encoder with the weights of the layer."""
    block = nn.TransformerEncoderLayer(K, batch_first=True, dropout=0.0, **given)
    encoder = nn.TransformerEncoder(block, 1, enable_nested_tensor=False).double()
    encoder.layers[0].load_state_dict(net.block.state_dict())
    return encoder


def positions_by_hand(first: int, steps: int, width: int) -> Array:
    """PE(pos, 2i) = sin(pos / 10000^(2i / K)), PE(pos, 2i + 1) = cos(the same)."""
    table = np.zeros((steps, width))
    for step in range(steps):
        for i in range((width + 1) // 2):
            angle = (first + step) / 10000 ** (2 * i / width)
            table[step, 2 * i] = math.sin(angle)
            if 2 * i + 1 < width:
                table[step, 2 * i + 1] = math.cos(angle)
    return table


@every_norm
@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize(("heads", "used"), [(4, 3), (2, 2), (1, 1), (100, 6)])
def test_it_is_torchs_encoder_with_a_causal_mask_and_positions_in_the_lowest_layer(
    norm_first: bool, depth: int, heads: int, used: int
) -> None:
    net, x = layer(depth=depth, norm_first=norm_first, heads=heads), sequence()
    encoder = torch_encoder(net, nhead=used, dim_feedforward=4 * K, norm_first=norm_first)
    with_positions = x if depth else x + torch.from_numpy(positions_by_hand(0, G, K))
    mask = nn.Transformer.generate_square_subsequent_mask(G, dtype=torch.float64)
    expected = encoder(with_positions, mask, is_causal=True)
    torch.testing.assert_close(net(x)[0], expected, rtol=0, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(x)[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("width", [1, 2, 5, 8])
@pytest.mark.parametrize("first", [0, 1, 500])
def test_positions_are_those_of_the_paper(width: int, first: int) -> None:
    found = sinusoidal_positions(first, sequence(width=width)).numpy()
    np.testing.assert_allclose(found, positions_by_hand(first, G, width), atol=1e-12)
    single = sinusoidal_positions(first, sequence(width=width).float()).numpy()
    np.testing.assert_allclose(single, positions_by_hand(first, G, width), atol=1e-4)


@every_norm
@pytest.mark.parametrize("cuts", [[1], [4], [2, 3, 6], list(range(1, G))])
def test_read_part_by_part_it_has_the_same_output(norm_first: bool, cuts: list[int]) -> None:
    torch.manual_seed(3)
    config = BackboneConfig("transformer", n_layers=2, options={"norm_first": norm_first})
    stack, x = RecurrentStack(config, K).double(), sequence()
    whole, last = stack(x)
    state, outs = None, []
    for part in x.tensor_split(cuts, 1):
        out, state = stack(part, state)
        outs.append(out)
    assert state is not None
    torch.testing.assert_close(torch.cat(outs, 1), whole)
    torch.testing.assert_close(state, last)


def test_its_state_holds_all_inputs() -> None:
    x = sequence()
    _, (state,) = layer(depth=1)(x)
    assert torch.equal(state, x.transpose(0, 1))
    _, (state,) = layer(depth=0)(x)
    np.testing.assert_allclose(
        state[:, 0].numpy(), x[0].numpy() + positions_by_hand(0, G, K), atol=1e-12
    )


@every_norm
@pytest.mark.parametrize("changed", [1, 3, G - 1])
def test_attention_is_causal(norm_first: bool, changed: int) -> None:
    net, x = layer(norm_first=norm_first).eval(), sequence()
    other = x.clone()
    other[:, changed, 0] += 1  # the norm removes what is added to all units
    before, after = net(x)[0], net(other)[0]
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert (before != after)[:, changed:].any(-1).all()


def test_without_positions_the_output_is_invariant_to_the_order_of_earlier_inputs() -> None:
    x = sequence()
    swapped = x[:, [2, 0, 1, 3, 4, 5, 6]]
    for depth, same in [(0, False), (1, True)]:
        net = layer(depth=depth)
        assert torch.allclose(net(x)[0][:, 3:], net(swapped)[0][:, 3:]) is same


def test_dropout_acts_in_training_alone() -> None:
    net, x = layer(dropout=0.5), sequence()
    assert not torch.equal(net(x)[0], net(x)[0])
    assert torch.equal(net.eval()(x)[0], net(x)[0])


def test_the_hidden_layer_has_feedforward_times_the_width() -> None:
    assert layer(feedforward=3).block.linear1.weight.shape == (3 * K, K)
