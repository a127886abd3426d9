"""The parallel scan against a loop, at extreme gates and from an initial state of zero."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rnnforecast.models.layers.parallel_scan import parallel_scan

B, K = 3, 4

every_length = pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 9, 64])


def loop(log_a: Tensor, log_b: Tensor, start: Tensor) -> Tensor:
    """h_t = a_t * h_{t-1} + b_t, one step after the other."""
    outs = []
    for a, b in zip(log_a.exp().unbind(1), log_b.exp().unbind(1), strict=True):
        start = a * start + b
        outs.append(start)
    return torch.stack(outs, 1)


def terms(steps: int, *, size: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """log a below 0, log b of either sign, and an initial state with zeros."""
    torch.manual_seed(steps)
    log_a = logsigmoid(size * torch.randn(B, steps, K, dtype=torch.float64))
    log_b = size * torch.randn(B, steps, K, dtype=torch.float64)
    start = torch.rand(B, K, dtype=torch.float64) * (torch.arange(K) > 0)
    return log_a, log_b, start


@every_length
def test_it_equals_the_loop(steps: int) -> None:
    torch.testing.assert_close(parallel_scan(*terms(steps)), loop(*terms(steps)))


@every_length
def test_its_gradients_equal_those_of_the_loop_also_from_zero(steps: int) -> None:
    def gradients(solve: object) -> tuple[Tensor, ...]:
        parts = [part.requires_grad_() for part in terms(steps)]
        out = parallel_scan(*parts) if solve is parallel_scan else loop(*parts)
        return torch.autograd.grad((out * torch.arange(1, steps + 1).view(1, -1, 1)).sum(), parts)

    for found, expected in zip(gradients(parallel_scan), gradients(loop), strict=True):
        torch.testing.assert_close(found, expected)


def test_the_initial_state_may_be_negative() -> None:
    log_a, log_b, start = terms(7)
    torch.testing.assert_close(parallel_scan(log_a, log_b, -start), loop(log_a, log_b, -start))


@pytest.mark.parametrize("size", [1.0, 10.0])
def test_in_float32_the_relative_error_of_4000_steps_is_small(size: float) -> None:
    exact = loop(*terms(4000, size=size))
    found = parallel_scan(*(part.float() for part in terms(4000, size=size)))
    assert ((found - exact) / exact).abs().max() < 2e-5


@pytest.mark.parametrize("log_a", [-1e4, -100.0, -1e-9, 0.0])
@pytest.mark.parametrize("log_b", [-1e4, -100.0, 0.0, 20.0])
def test_closed_and_open_gates_leave_values_and_gradients_finite(
    log_a: float, log_b: float
) -> None:
    a = torch.full((B, 20, K), log_a).requires_grad_()
    b = torch.full((B, 20, K), log_b).requires_grad_()
    start = torch.zeros(B, K).requires_grad_()
    out = parallel_scan(a, b, start)
    torch.testing.assert_close(out, loop(a, b, start), rtol=1e-4, atol=1e-40)
    for gradient in torch.autograd.grad(out.sum(), [a, b, start]):
        assert gradient.isfinite().all()


def test_half_precision_is_computed_in_float32_and_returned() -> None:
    log_a, log_b, start = (part.bfloat16() for part in terms(64))
    out = parallel_scan(log_a, log_b, start)
    assert out.dtype == torch.bfloat16
    exact = loop(log_a.double(), log_b.double(), start.double())
    torch.testing.assert_close(out.double(), exact, rtol=0.01, atol=0)
