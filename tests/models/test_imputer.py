"""One cell and its window: the simple guesses it starts from, and what it never reads."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.models.imputer import DOWNSCALE, MAX_NORMALIZED_VALUE, Estimate, RnnImputer

WIDTH = 4


def trained_at_random(width: int = WIDTH) -> RnnImputer:
    """A net of which no part is silent."""
    torch.manual_seed(0)
    net = RnnImputer(width, 5)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return net.eval()


def windows(count: int) -> tuple[Tensor, Tensor]:
    """Values and what is seen of them, `[B, 2W + 1]`; the cell in the middle is not."""
    random = torch.Generator().manual_seed(1)
    values = torch.randn(count, 2 * WIDTH + 1, generator=random, dtype=torch.float64)
    seen = torch.rand(values.shape, generator=random) < 0.7
    seen[:, WIDTH] = False
    return values, seen


def estimates(net: RnnImputer, values: Tensor, seen: Tensor, earlier: float = 5.0) -> list[Tensor]:
    """Forward, backward and both; the last observation before the window was six rows ago."""
    count = len(values)
    outside = torch.full((count,), earlier, dtype=torch.float64)
    with torch.no_grad():
        found = net(values, seen, outside, torch.full((count,), 6))
    return [estimate.value() for estimate in found]


def test_an_untrained_net_carries_forward_and_draws_lines() -> None:
    values = torch.tensor([[1.0, 2, 9, 9, 9, 9, 8, 7, 7]], dtype=torch.float64)
    seen = torch.tensor([[True, True, False, False, False, False, True, False, True]])
    forward, backward, both = estimates(RnnImputer(WIDTH, 3), values, seen)
    assert forward.item() == 2  # three rows before the cell
    assert backward.item() == 8  # two rows behind it
    torch.testing.assert_close(both, torch.tensor([2 + 6 * 3 / 5], dtype=torch.float64))


def test_where_one_side_is_empty_the_other_stands_in() -> None:
    values = torch.tensor([[1.0, 2, 3, 4, 9, 5, 6, 7, 8]], dtype=torch.float64)
    before, behind = torch.arange(9)[None] < WIDTH, torch.arange(9)[None] > WIDTH
    untrained = RnnImputer(WIDTH, 3)
    assert [x.item() for x in estimates(untrained, values, before)] == [4, 4, 4]
    forward, backward, both = (x.item() for x in estimates(untrained, values, behind, 12.0))
    assert (forward, backward, both) == (12, 5, 6)  # six rows to the 12, one to the 5


def test_forward_only_reads_nothing_at_or_behind_the_cell() -> None:
    values, seen = windows(50)
    other, shown = values.clone(), seen.clone()
    other[:, WIDTH:] += 3
    shown[:, WIDTH + 1 :] ^= True
    net = trained_at_random()
    one, two = estimates(net, values, seen), estimates(net, other, shown)
    assert torch.equal(one[0], two[0])
    assert not torch.isclose(one[2], two[2]).any()


def test_the_cell_and_what_is_not_seen_are_not_read() -> None:
    values, seen = windows(50)
    net = trained_at_random()
    junk = torch.where(seen, values, 1e9)
    for one, two in zip(estimates(net, values, seen), estimates(net, junk, seen), strict=True):
        assert torch.equal(one, two)


def test_estimates_move_with_level_and_unit() -> None:
    values, seen = windows(50)
    net = trained_at_random()
    plain = estimates(net, values, seen)
    moved = estimates(net, values * 1e3 + 1e5, seen, 5.0 * 1e3 + 1e5)
    for one, two in zip(plain, moved, strict=True):
        torch.testing.assert_close(one * 1e3 + 1e5, two)


def test_what_does_not_vary_is_carried_on_exactly() -> None:
    _, seen = windows(50)
    values = torch.full(seen.shape, 0.1, dtype=torch.float64)
    for found in estimates(trained_at_random(), values, seen, 0.1):
        torch.testing.assert_close(found, torch.full_like(found, 0.1), rtol=1e-12, atol=0)


def test_huge_tiny_and_unseen_values_give_finite_estimates() -> None:
    values, seen = windows(50)
    most = torch.finfo(torch.float64).max
    net = trained_at_random()
    for factor in (most, 1e-300, 0.0):
        wild = (values.clamp(-1, 1) * factor).nan_to_num()
        for shown in (seen, torch.zeros_like(seen)):
            assert all(x.isfinite().all() for x in estimates(net, wild, shown, factor))


def test_every_weight_learns() -> None:
    values, seen = windows(50)
    net = trained_at_random()
    found = net(values, seen, torch.zeros(50, dtype=torch.float64), torch.full((50,), 6))
    loss = torch.stack([estimate.error(values[:, WIDTH]) for estimate in found]).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


def test_errors_are_counted_in_the_spread_and_not_at_all_without_one() -> None:
    base, scale = (
        torch.tensor([1.0, 1.0, 1.0]) * DOWNSCALE,
        torch.tensor([2.0, 0.0, 1e-9]) * DOWNSCALE,
    )
    error = Estimate(base, scale, torch.zeros(3)).error(torch.tensor([4.0, 4.0, 4.0]))
    assert error.tolist() == [1.5, 0.0, MAX_NORMALIZED_VALUE]
