"""The two layers that know how long ago something was: by fading of the state, and by looking."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnnforecast.models.backbones.transformer import sinusoidal_positions
from rnnforecast.models.base import NO_NOISE, Noise
from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from rnnforecast.registry import BACKBONES

Array = NDArray[np.float64]

K, D, G = 6, 3, 7

every_norm = pytest.mark.parametrize("norm_first", [False, True])


def layer(
    name: str,
    *,
    depth: int = 0,
    gaps: int = D,
    noise: Noise = NO_NOISE,
    width: int = K,
    **given: Any,
) -> Any:
    torch.manual_seed(3)
    options = BACKBONES.options(name, given)
    return (
        BACKBONES.load(name).build(width, options, depth=depth, noise=noise, gap_size=gaps).double()
    )


def sequence(*, width: int = K, batch: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((batch, G, width), generator=generator, dtype=torch.float64)


def waits(*, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 3 * torch.rand((batch, G, D), generator=generator, dtype=torch.float64)


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


# GRU-D


def test_gru_d_computes_the_equations_of_its_docstring() -> None:
    net, x, gaps = layer("gru_d"), sequence(), waits()
    with torch.no_grad():  # some of what is behind max(0, .) is to be negative
        net.cell.weight.uniform_(-0.5, 0.5)
        net.cell.bias.uniform_(-0.5, 0.5)
    weights = {key: value.detach().numpy() for key, value in net.cell.named_parameters()}
    W, U, b, c = (
        np.split(weights[f"net.{key}_l0"], 3)
        for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h, expected, clipped = np.zeros((2, K)), [], 0
    for step in range(G):
        now, d = x[:, step].numpy(), gaps[:, step].numpy()
        fading = d @ weights["weight"].T + weights["bias"]
        clipped += int((fading < 0).sum())
        s = np.exp(-np.maximum(0, fading)) * h
        r = sigmoid(now @ W[0].T + b[0] + s @ U[0].T + c[0])
        z = sigmoid(now @ W[1].T + b[1] + s @ U[1].T + c[1])
        n = np.tanh(now @ W[2].T + b[2] + r * (s @ U[2].T + c[2]))
        h = (1 - z) * n + z * s
        expected.append(h)
    out, (last,) = net(x, None, gaps)
    np.testing.assert_allclose(out.detach().numpy(), np.stack(expected, 1), atol=1e-12)
    np.testing.assert_allclose(last[0].detach().numpy(), h, atol=1e-12)
    assert 0 < clipped < 2 * G * K


@pytest.mark.parametrize("told", [False, True])
def test_without_gaps_and_with_its_first_bias_gru_d_is_torchs_gru(told: bool) -> None:
    net, x = layer("gru_d"), sequence()
    expected, last = net.cell.net(x)
    out, (state,) = net(x, None, torch.zeros(2, G, D, dtype=torch.float64) if told else None)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(state, last)


def test_gru_d_where_a_segment_has_no_gaps_is_torchs_gru_and_has_no_other_weights() -> None:
    net, x = layer("gru_d", gaps=0), sequence()
    torch.testing.assert_close(net(x)[0], net.cell.net(x)[0])
    assert {key.split(".")[1] for key, _ in net.named_parameters()} == {"net"}


def test_after_a_long_gap_gru_d_has_forgotten_what_it_read() -> None:
    net, x, other, gaps = layer("gru_d"), sequence(), sequence(seed=9), waits()
    other[:, 4:] = x[:, 4:]
    gaps[:, 4] = 1e4
    before, after = (net(read, None, gaps)[0] for read in (x, other))
    torch.testing.assert_close(before[:, 4:], after[:, 4:], rtol=0, atol=1e-12)
    assert (before[:, 3] - after[:, 3]).abs().max() > 0.01


def test_the_longer_the_gap_the_less_gru_d_remembers() -> None:
    net = layer("gru_d")
    gaps = torch.tensor([0.0, 0.5, 1, 2, 4, 8], dtype=torch.float64)[None, :, None].expand(1, 6, D)
    kept = net.cell.decay(torch.zeros(1, 6, K, dtype=torch.float64), gaps)[0]
    assert torch.equal(kept[0], torch.ones_like(kept[0]))
    assert (kept.diff(dim=0) < 0).all()
    assert (kept[2] > 0.8).all()  # most is left after a gap of one segment


def test_dropout_on_the_recurrence_of_gru_d_leaves_the_state_itself() -> None:
    net, x, gaps = layer("gru_d"), sequence(), waits()
    carried = torch.randn(2, K, dtype=torch.float64)
    projected = net.cell.project(x, gaps)[:, 0]
    (found,) = net.cell.step(projected, (carried,), torch.zeros_like(carried))
    # of the products only their biases are left, and behind z the state
    x_r, x_z, x_n, g = projected.chunk(4, -1)
    c_r, c_z, c_n = net.cell.net.bias_hh_l0.chunk(3)
    r, z = torch.sigmoid(x_r + c_r), torch.sigmoid(x_z + c_z)
    torch.testing.assert_close(found, (1 - z) * torch.tanh(x_n + r * c_n) + z * g * carried)


def test_gru_d_reads_a_state_of_full_precision_with_products_of_less() -> None:
    net = layer("gru_d").float()
    with torch.autocast("cpu", torch.bfloat16):
        out, (state,) = net(sequence().float(), None, waits().float())
        again, _ = net(sequence().float(), (state,), waits().float())
    assert out.isfinite().all()
    assert again.isfinite().all()


def test_a_stack_hands_the_gaps_to_each_layer_of_gru_d() -> None:
    torch.manual_seed(3)
    stack, x = (
        RecurrentStack(BackboneConfig("gru_d", n_layers=2), K, gap_size=D).double(),
        sequence(),
    )
    out, state = stack(x, None, waits())
    out.square().sum().backward()
    for key, parameter in stack.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key
    assert len(state) == 2


# transformer


def twin(net: Any, **given: Any) -> nn.TransformerEncoder:
    """torch's own encoder with the weights of the layer."""
    block = nn.TransformerEncoderLayer(K, batch_first=True, dropout=0.0, **given)
    encoder = nn.TransformerEncoder(block, 1, enable_nested_tensor=False).double()
    encoder.layers[0].load_state_dict(net.block.state_dict())
    return encoder


def by_hand(first: int, steps: int, width: int) -> Array:
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
def test_it_is_torchs_encoder_with_a_causal_mask_and_the_papers_positions_below(
    norm_first: bool, depth: int, heads: int, used: int
) -> None:
    net, x = layer("transformer", depth=depth, norm_first=norm_first, heads=heads), sequence()
    encoder = twin(net, nhead=used, dim_feedforward=4 * K, norm_first=norm_first)
    placed = x if depth else x + torch.from_numpy(by_hand(0, G, K))
    mask = nn.Transformer.generate_square_subsequent_mask(G, dtype=torch.float64)
    expected = encoder(placed, mask, is_causal=True)
    torch.testing.assert_close(net(x)[0], expected, rtol=0, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(x)[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("width", [1, 2, 5, 8])
@pytest.mark.parametrize("first", [0, 1, 500])
def test_positions_are_those_of_the_paper(width: int, first: int) -> None:
    found = sinusoidal_positions(first, sequence(width=width)).numpy()
    np.testing.assert_allclose(found, by_hand(first, G, width), atol=1e-12)
    single = sinusoidal_positions(first, sequence(width=width).float()).numpy()
    np.testing.assert_allclose(single, by_hand(first, G, width), atol=1e-4)


@every_norm
@pytest.mark.parametrize("cuts", [[1], [4], [2, 3, 6], list(range(1, G))])
def test_read_piece_by_piece_it_answers_as_at_once(norm_first: bool, cuts: list[int]) -> None:
    torch.manual_seed(3)
    plan = BackboneConfig("transformer", n_layers=2, options={"norm_first": norm_first})
    stack, x = RecurrentStack(plan, K).double(), sequence()
    whole, last = stack(x)
    state, outs = None, []
    for piece in x.tensor_split(cuts, 1):
        out, state = stack(piece, state)
        outs.append(out)
    assert state is not None
    torch.testing.assert_close(torch.cat(outs, 1), whole)
    torch.testing.assert_close(state, last)


def test_its_state_is_all_it_has_read() -> None:
    x = sequence()
    _, (state,) = layer("transformer", depth=1)(x)
    assert torch.equal(state, x.transpose(0, 1))
    _, (state,) = layer("transformer", depth=0)(x)
    np.testing.assert_allclose(state[:, 0].numpy(), x[0].numpy() + by_hand(0, G, K), atol=1e-12)


@every_norm
@pytest.mark.parametrize("changed", [1, 3, G - 1])
def test_it_does_not_look_ahead(norm_first: bool, changed: int) -> None:
    net, x = layer("transformer", norm_first=norm_first).eval(), sequence()
    other = x.clone()
    other[:, changed, 0] += 1  # a norm would take away what is added to all
    before, after = net(x)[0], net(other)[0]
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert (before != after)[:, changed:].any(-1).all()


def test_without_positions_it_knows_what_it_read_and_not_in_which_order() -> None:
    x = sequence()
    swapped = x[:, [2, 0, 1, 3, 4, 5, 6]]
    for depth, same in [(0, False), (1, True)]:
        net = layer("transformer", depth=depth)
        assert torch.allclose(net(x)[0][:, 3:], net(swapped)[0][:, 3:]) is same


def test_no_state_of_it_is_multiplied_with_weights() -> None:
    assert layer("transformer").recurrent() == []
    assert layer("transformer").parts == 1


def test_its_dropout_acts_only_in_training() -> None:
    net, x = layer("transformer", dropout=0.5), sequence()
    assert not torch.equal(net(x)[0], net(x)[0])
    assert torch.equal(net.eval()(x)[0], net(x)[0])


def test_the_feedforward_net_is_so_many_widths_wide() -> None:
    assert layer("transformer", feedforward=3).block.linear1.weight.shape == (3 * K, K)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"heads": 0}, "heads: expected 1 or more, found 0"),
        ({"feedforward": -1}, "feedforward: expected 1 or more, found -1"),
        ({"dropout": 1.0}, "dropout: expected a share from 0 to below 1, found 1.0"),
        ({"dropout": -0.1}, "dropout: expected a share from 0 to below 1, found -0.1"),
        ({"norm_first": 1}, "norm_first: expected bool, found 1"),
    ],
)
def test_an_option_out_of_range_is_refused(given: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        BACKBONES.options("transformer", given)


# both


@pytest.mark.parametrize("name", ["gru_d", "transformer"])
def test_every_parameter_gets_a_finite_gradient_that_is_not_all_zero(name: str) -> None:
    net, x = layer(name), sequence()
    out, _ = net(x, None, waits())
    (out * sequence(seed=5)).sum().backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key


def test_every_weight_of_the_decay_learns_from_the_start() -> None:
    net = layer("gru_d")
    net(sequence(), None, waits())[0].square().sum().backward()
    assert (net.cell.weight.grad != 0).all()
    assert (net.cell.bias.grad != 0).all()
