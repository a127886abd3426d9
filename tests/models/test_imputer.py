"""The recurrent imputer: its untrained estimates, and what it must not read."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.models.imputer import DOWNSCALE, MAX_NORMALIZED_VALUE, Estimate, RnnImputer

WIDTH = 4


def trained_at_random(width: int = WIDTH) -> RnnImputer:
    """A network with random weights."""
    torch.manual_seed(0)
    net = RnnImputer(width, 5)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return net.eval()


def windows(count: int) -> tuple[Tensor, Tensor]:
    """Values and observed mask, `[B, 2W + 1]`; the value in the middle is missing."""
    random = torch.Generator().manual_seed(1)
    values = torch.randn(count, 2 * WIDTH + 1, generator=random, dtype=torch.float64)
    mask = torch.rand(values.shape, generator=random) < 0.7
    mask[:, WIDTH] = False
    return values, mask


def estimates(
    net: RnnImputer, values: Tensor, mask: Tensor, last_observed: float = 5.0
) -> list[Tensor]:
    """Forward, backward and combined; the last observation before the window was six rows ago."""
    count = len(values)
    outside = torch.full((count,), last_observed, dtype=torch.float64)
    with torch.no_grad():
        found = net(values, mask, outside, torch.full((count,), 6))
    return [estimate.values() for estimate in found]


def test_an_untrained_network_fills_forward_and_interpolates() -> None:
    values = torch.tensor([[1.0, 2, 9, 9, 9, 9, 8, 7, 7]], dtype=torch.float64)
    mask = torch.tensor([[True, True, False, False, False, False, True, False, True]])
    forward, backward, both = estimates(RnnImputer(WIDTH, 3), values, mask)
    assert forward.item() == 2  # three rows before the cell
    assert backward.item() == 8  # two rows behind it
    torch.testing.assert_close(both, torch.tensor([2 + 6 * 3 / 5], dtype=torch.float64))


def test_with_one_side_empty_the_other_is_carried() -> None:
    values = torch.tensor([[1.0, 2, 3, 4, 9, 5, 6, 7, 8]], dtype=torch.float64)
    before, behind = torch.arange(9)[None] < WIDTH, torch.arange(9)[None] > WIDTH
    untrained = RnnImputer(WIDTH, 3)
    assert [x.item() for x in estimates(untrained, values, before)] == [4, 4, 4]
    forward, backward, both = (x.item() for x in estimates(untrained, values, behind, 12.0))
    assert (forward, backward, both) == (12, 5, 6)  # six rows to the 12, one to the 5


def test_the_forward_estimate_is_causal() -> None:
    values, mask = windows(50)
    other, other_mask = values.clone(), mask.clone()
    other[:, WIDTH:] += 3
    other_mask[:, WIDTH + 1 :] ^= True
    net = trained_at_random()
    one, two = estimates(net, values, mask), estimates(net, other, other_mask)
    assert torch.equal(one[0], two[0])
    assert not torch.isclose(one[2], two[2]).any()


def test_masked_values_are_not_read() -> None:
    values, mask = windows(50)
    net = trained_at_random()
    anything = torch.where(mask, values, 1e9)
    for one, two in zip(estimates(net, values, mask), estimates(net, anything, mask), strict=True):
        assert torch.equal(one, two)


def test_estimates_are_equivariant_to_shift_and_scale() -> None:
    values, mask = windows(50)
    net = trained_at_random()
    plain = estimates(net, values, mask)
    moved = estimates(net, values * 1e3 + 1e5, mask, 5.0 * 1e3 + 1e5)
    for one, two in zip(plain, moved, strict=True):
        torch.testing.assert_close(one * 1e3 + 1e5, two)


def test_a_constant_is_imputed_exactly() -> None:
    _, mask = windows(50)
    values = torch.full(mask.shape, 0.1, dtype=torch.float64)
    for found in estimates(trained_at_random(), values, mask, 0.1):
        torch.testing.assert_close(found, torch.full_like(found, 0.1), rtol=1e-12, atol=0)


def test_extreme_and_masked_values_give_finite_estimates() -> None:
    values, mask = windows(50)
    limit = torch.finfo(torch.float64).max
    net = trained_at_random()
    for factor in (limit, 1e-300, 0.0):
        extreme = (values.clamp(-1, 1) * factor).nan_to_num()
        for other_mask in (mask, torch.zeros_like(mask)):
            assert all(x.isfinite().all() for x in estimates(net, extreme, other_mask, factor))


def test_every_weight_has_a_gradient() -> None:
    values, mask = windows(50)
    net = trained_at_random()
    found = net(values, mask, torch.zeros(50, dtype=torch.float64), torch.full((50,), 6))
    loss = torch.stack([estimate.error(values[:, WIDTH]) for estimate in found]).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


def test_errors_are_relative_to_the_scale_and_zero_without_one() -> None:
    base, scale = (
        torch.tensor([1.0, 1.0, 1.0]) * DOWNSCALE,
        torch.tensor([2.0, 0.0, 1e-9]) * DOWNSCALE,
    )
    error = Estimate(base, scale, torch.zeros(3)).error(torch.tensor([4.0, 4.0, 4.0]))
    assert error.tolist() == [1.5, 0.0, MAX_NORMALIZED_VALUE]
