"""The lookback becomes segments: in order, ending at the origin, deaf to hidden and wild values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.models.embed import LARGEST_INPUT, SegmentEmbedding
from rnnforecast.models.history import History

K = 4


def embedding(channels: int, segment: int, *, dropout: float = 0.0) -> SegmentEmbedding:
    torch.manual_seed(1)
    return SegmentEmbedding(channels, segment, K, dropout=dropout)


def window(lookback: int, channels: int = 1, *, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(lookback)
    z = torch.randn((batch, lookback, channels), generator=generator)
    return z, torch.rand(z.shape, generator=generator) < 0.7


def told(z: Tensor, visible: Tensor) -> tuple[Tensor, History]:
    """What the net is given where a hidden value has no stand-in."""
    return z, History(values=z, visible=visible, present=visible)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("lookback", "segment", "segments"), [(6, 1, 6), (6, 3, 2), (7, 3, 3), (2, 5, 1), (5, 5, 1)]
)
def test_there_are_as_many_segments_as_it_takes_to_cover_the_lookback(
    lookback: int, segment: int, segments: int, channels: int
) -> None:
    out = embedding(channels, segment)(*told(*window(lookback, channels)))
    assert out.shape == (2, segments, K)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("segment", [1, 3, 4])
def test_it_agrees_with_a_loop_over_segments(segment: int, channels: int) -> None:
    net, (z, visible) = embedding(channels, segment), window(7, channels)
    weight, bias = (p.detach().numpy() for p in (net.project.weight, net.project.bias))
    for b in range(2):
        rows = []  # each step: values, then what is seen of them
        for step in range(7):
            seen = visible[b, step].numpy().astype(float)
            rows.append(np.concatenate([z[b, step].numpy() * seen, seen]))
        while len(rows) % segment:
            rows.insert(0, np.zeros(2 * channels))
        for number in range(len(rows) // segment):
            read = np.concatenate(rows[number * segment : (number + 1) * segment])
            expected = np.maximum(weight @ read + bias, 0)
            found = net(*told(z, visible))[b, number].detach().numpy()
            np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("segment", "step"), [(1, 3), (3, 4), (3, 0)])
def test_a_step_changes_its_own_segment_alone(segment: int, step: int) -> None:
    torch.manual_seed(1)
    net, (z, _) = SegmentEmbedding(1, segment, 32), window(7)
    visible = torch.ones_like(z, dtype=torch.bool)
    other = z.clone()
    other[:, step] += 1
    changed = (net(*told(z, visible)) != net(*told(other, visible))).any(-1).any(0)
    own = (step + -7 % segment) // segment
    assert changed.nonzero().flatten().tolist() == [own]


def test_a_hidden_value_is_not_read() -> None:
    net, (z, visible) = embedding(1, 3), window(7)
    other = torch.where(visible, z, 9.0)
    assert torch.equal(net(*told(z, visible)), net(*told(other, visible)))


def test_a_stand_in_for_a_hidden_value_is_read_and_told_from_a_value() -> None:
    net, (z, visible) = embedding(1, 3), window(6)
    everywhere = torch.ones_like(visible)
    stand_in = net(z, History(values=z, visible=visible, present=everywhere))
    assert not torch.equal(stand_in, net(*told(z, visible)))
    assert not torch.equal(stand_in, net(*told(z, everywhere)))


def test_hidden_and_zero_are_told_apart() -> None:
    net, z = embedding(1, 3), torch.zeros(1, 3, 1)
    seen = torch.ones_like(z, dtype=torch.bool)
    assert not torch.equal(net(*told(z, seen)), net(*told(z, ~seen)))


def test_a_wild_value_is_clipped() -> None:
    net, seen = embedding(1, 1), torch.ones(1, 2, 1, dtype=torch.bool)
    wild = torch.tensor([1e9, -1e9])[None, :, None]
    edge = torch.tensor([LARGEST_INPUT, -LARGEST_INPUT])[None, :, None]
    assert torch.equal(net(*told(wild, seen)), net(*told(edge, seen)))


def test_dropout_hides_only_while_training() -> None:
    net, (z, visible) = embedding(1, 3, dropout=0.5), window(60)
    assert not torch.equal(net(*told(z, visible)), net(*told(z, visible)))
    net.eval()
    assert torch.equal(net(*told(z, visible)), net(*told(z, visible)))
