"""sLSTM: exponential gates in a form that does not overflow."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rnnforecast.models.base import NO_NOISE
from rnnforecast.registry import BACKBONES
from tests.models.recurrent import B, G, K, layer, sequence


def exponential(cell: Any, x: Tensor, *, exp: bool) -> Tensor:
    """Its outputs by the plain form, which overflows for large gates."""
    h = c = n = x.new_zeros(len(x), K)
    blocks = cell.U.view(cell.heads, 4, -1, K // cell.heads)
    U = [torch.block_diag(*of_gate) for of_gate in blocks.unbind(1)]
    outs = []
    for raw in cell.input_projection(x).unbind(1):
        i, f, z, o = (part + h @ R.T for part, R in zip(raw.chunk(4, -1), U, strict=True))
        f = f.exp() if exp else f.sigmoid()
        c, n = f * c + i.exp() * z.tanh(), f * n + i.exp()
        h = o.sigmoid() * c / n
        outs.append(h)
    return torch.stack(outs, 1)


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_the_stabilized_form_has_the_gradients_of_the_plain_one(forget: str) -> None:
    net = layer("slstm", forget=forget, heads=2)
    x = sequence().requires_grad_()
    inputs = [x, *net.parameters()]
    found = torch.autograd.grad(net(x)[0].square().sum(), inputs)
    expected = exponential(net.cell, x, exp=forget == "exp").square().sum()
    for one, other in zip(found, torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
@pytest.mark.parametrize("size", [1e3, -1e3])
def test_gates_beyond_the_range_of_floats_leave_all_finite(forget: str, size: float) -> None:
    net = layer("slstm", forget=forget).float()
    with torch.no_grad():
        net.cell.input_projection.bias[: 2 * K] = size
    out, state = net(sequence().float())
    out.sum().backward()
    assert all(part.isfinite().all() for part in (out, *state))
    assert (state[2] >= 1).all()
    assert out.abs().max() <= 1
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ("width", "heads", "used"), [(8, 4, 4), (6, 4, 3), (7, 4, 1), (10, 4, 2), (2, 9, 2)]
)
def test_heads_are_the_largest_divisor_of_the_width_up_to_the_option(
    width: int, heads: int, used: int
) -> None:
    net = layer("slstm", width=width, heads=heads)
    assert net.cell.U.shape == (used, 4 * width // used, width // used)
    assert [tuple(weight.shape) for weight in net.recurrent_weights()] == [
        (4 * width, width // used)
    ]
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
def test_initial_forget_biases_fall_from_5_to_minus_7_within_a_head(forget: str) -> None:
    bias = layer("slstm", heads=2, forget=forget).cell.input_projection.bias.view(4, 2, K // 2)
    start = torch.tensor([5.0, 5 - 12 * 0.5**0.3, -7.0]).double()  # of three units
    start = logsigmoid(start) if forget == "exp" else start
    torch.testing.assert_close(bias[1], start.expand(2, -1), rtol=1e-6, atol=1e-6)
    assert not bias[[0, 2, 3]].any()


@pytest.mark.parametrize("size", [-1000.0, 1000.0])
def test_extreme_inputs_at_the_first_step_stay_finite(size: float) -> None:
    net = BACKBONES.load("slstm").build(
        8, BACKBONES.options("slstm", {}), depth=0, noise=NO_NOISE, gap_size=0
    )
    x = torch.full((2, 3, 8), size, requires_grad=True)
    out, state = net(x)
    (out.sum() + state[1].sum()).backward()
    assert out.isfinite().all()
    assert all(part.isfinite().all() for part in state)
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
