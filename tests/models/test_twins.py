"""Backbones against twins: nets of torch, other backbones, and what must stay the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

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


@pytest.mark.parametrize(("name", "twin"), [("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)])
def test_a_stack_of_two_equals_torchs_net_of_two_layers(name: str, twin: Any) -> None:
    net, other = (
        RecurrentStack(BackboneConfig(name, n_layers=2), K).double(),
        twin(K, K, 2, batch_first=True).double(),
    )
    for number, one in enumerate(net.layers):
        for key, value in one.cell.net.state_dict().items():
            other.state_dict()[key.replace("l0", f"l{number}")].copy_(value)
    out, state = net(sequence())
    expected, after = other(sequence())
    torch.testing.assert_close(out, expected)
    after = after if isinstance(after, tuple) else (after,)
    torch.testing.assert_close(torch.cat(state), torch.stack(after, 1).flatten(0, 1))


# LSTM with peepholes


def test_without_its_peepholes_it_is_torchs_lstm() -> None:
    net, twin = layer("peephole_lstm"), nn.LSTM(K, K, batch_first=True).double()
    cell = net.cell
    rows = torch.tensor([1, 0, 2, 3])  # f, i, g, o here and i, f, g, o there
    with torch.no_grad():
        cell.peep.zero_()
        cell.peep_out.zero_()
        for theirs, ours in (
            (twin.weight_ih_l0, cell.read.weight),
            (twin.weight_hh_l0, cell.U),
            (twin.bias_ih_l0, cell.read.bias),
        ):
            theirs.copy_(ours.view(4, K, -1)[rows].reshape(theirs.shape))
        twin.bias_hh_l0.zero_()
    torch.testing.assert_close(net(sequence())[0], twin(sequence())[0])


@pytest.mark.parametrize(("coupled", "gates"), [(False, 4), (True, 3)])
def test_coupled_gates_have_one_set_of_weights_less(coupled: bool, gates: int) -> None:
    cell = layer("peephole_lstm", coupled=coupled).cell
    assert (cell.U.shape, cell.peep.shape) == ((gates * K, K), (gates - 2, K))


@pytest.mark.parametrize("coupled", [False, True])
def test_the_forget_gate_starts_where_it_is_told(coupled: bool) -> None:
    bias = layer("peephole_lstm", coupled=coupled, forget_bias=2).cell.read.bias
    assert torch.equal(bias[:K], torch.full((K,), 2.0).double())
    assert bias[K:].abs().max() <= K**-0.5


# LSTM with exponential gates


def exponential(cell: Any, x: Tensor, *, exp: bool) -> Tensor:
    """Its outputs by the plain form, which overflows, as gradients go through it."""
    h = c = n = x.new_zeros(len(x), K)
    blocks = cell.U.view(cell.heads, 4, -1, K // cell.heads)
    U = [torch.block_diag(*of_gate) for of_gate in blocks.unbind(1)]
    outs = []
    for raw in cell.read(x).unbind(1):
        i, f, z, o = (part + h @ R.T for part, R in zip(raw.chunk(4, -1), U, strict=True))
        f = f.exp() if exp else f.sigmoid()
        c, n = f * c + i.exp() * z.tanh(), f * n + i.exp()
        h = o.sigmoid() * c / n
        outs.append(h)
    return torch.stack(outs, 1)


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_the_stabilised_form_has_the_gradients_of_the_plain_one(forget: str) -> None:
    net = layer("slstm", forget=forget, heads=2)
    x = sequence().requires_grad_()
    asked = [x, *net.parameters()]
    found = torch.autograd.grad(net(x)[0].square().sum(), asked)
    expected = exponential(net.cell, x, exp=forget == "exp").square().sum()
    for one, other in zip(found, torch.autograd.grad(expected, asked), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
@pytest.mark.parametrize("size", [1e3, -1e3])
def test_gates_far_beyond_the_range_of_floats_leave_all_finite(forget: str, size: float) -> None:
    net = layer("slstm", forget=forget).float()
    with torch.no_grad():
        net.cell.read.bias[: 2 * K] = size
    out, state = net(sequence().float())
    out.sum().backward()
    assert all(part.isfinite().all() for part in (out, *state))
    assert (state[2] >= 1).all()  # what c is divided by
    assert out.abs().max() <= 1
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ("width", "heads", "used"), [(8, 4, 4), (6, 4, 3), (7, 4, 1), (10, 4, 2), (2, 9, 2)]
)
def test_heads_are_the_largest_divisor_of_the_width_that_is_not_above_what_is_asked(
    width: int, heads: int, used: int
) -> None:
    net = layer("slstm", width=width, heads=heads)
    assert net.cell.U.shape == (used, 4 * width // used, width // used)
    assert [tuple(weight.shape) for weight in net.recurrent()] == [(4 * width, width // used)]
    assert net(sequence(width=width))[0].shape == (B, G, width)


def test_a_head_reads_the_state_of_its_own_units_only() -> None:
    net = layer("slstm", heads=2)
    state = tuple(torch.ones(1, B, K).double() for _ in range(4))
    other = (state[0].clone(), *state[1:])
    other[0][..., : K // 2] += 1  # h of the first head
    one, two = net(sequence(steps=1), state)[0], net(sequence(steps=1), other)[0]
    assert torch.equal(one[..., K // 2 :], two[..., K // 2 :])
    assert (one[..., : K // 2] != two[..., : K // 2]).all()


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_each_heads_forget_gates_start_from_nearly_open_to_shut(forget: str) -> None:
    bias = layer("slstm", heads=2, forget=forget).cell.read.bias.view(4, 2, K // 2)
    start = torch.tensor([5.0, 5 - 12 * 0.5**0.3, -7.0]).double()  # of three units
    start = logsigmoid(start) if forget == "exp" else start
    torch.testing.assert_close(bias[1], start.expand(2, -1), rtol=1e-6, atol=1e-6)
    assert not bias[[0, 2, 3]].any()


# dilated


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_the_lowest_dilated_layer_is_the_plain_one(cell: str) -> None:
    found, expected = layer("dilated", cell=cell)(sequence()), layer(cell)(sequence())
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8])
def test_the_next_one_is_two_plain_runs_interleaved(cell: str, steps: int) -> None:
    net, x = layer("dilated", cell=cell, depth=1), sequence(steps=steps)
    out, state = net(x)
    runs = [net.inner(x[:, begin::2]) for begin in (0, 1) if begin < steps]
    for begin, (expected, _) in enumerate(runs):
        torch.testing.assert_close(out[:, begin::2], expected)
    latest = runs[(steps - 1) % 2][1]
    for part, expected in zip(state, latest, strict=True):
        assert part.shape == (2, B, K)
        torch.testing.assert_close(part[1], expected[0])
        if steps == 1:
            assert not part[0].any()  # the start, which the next step reads


@pytest.mark.parametrize("steps", [3, 9])
def test_a_learnt_start_serves_every_sequence_of_a_dilated_layer(steps: int) -> None:
    net = layer("dilated", depth=2, noise=Noise(learned_initial_state=True))
    with torch.no_grad():
        net.inner.first[0].fill_(0.5)
    x = sequence(steps=steps)
    expected = net.inner(x[:, 2:3])[0]
    torch.testing.assert_close(net(x)[0][:, 2:3], expected)


@pytest.mark.parametrize("size", [-1000.0, 1000.0])
def test_an_slstm_whose_first_input_gate_is_far_out_stays_finite(size: float) -> None:
    net = BACKBONES.load("slstm").build(
        8, BACKBONES.options("slstm", {}), depth=0, noise=NO_NOISE, gap_size=0
    )
    x = torch.full((2, 3, 8), size, requires_grad=True)
    out, state = net(x)
    (out.sum() + state[1].sum()).backward()
    assert out.isfinite().all()
    assert all(part.isfinite().all() for part in state)
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
