"""The lookback becomes segments: in order, ending at the origin, deaf to hidden and wild values,
and what stands in for missing ones may fade."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.embedding import MAX_NORMALIZED_INPUT, InputDecay, PatchEmbedding

K = 4


def embedding(channels: int, segment: int, *, dropout: float = 0.0) -> PatchEmbedding:
    torch.manual_seed(1)
    return PatchEmbedding(channels, segment, K, dropout=dropout)


def window(lookback: int, channels: int = 1, *, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(lookback)
    z = torch.randn((batch, lookback, channels), generator=generator)
    return z, torch.rand(z.shape, generator=generator) < 0.7


def told(z: Tensor, visible: Tensor) -> tuple[Tensor, ModelInputs]:
    """What the net is given where a hidden value has no stand-in."""
    return z, ModelInputs(values=z, value_mask=visible, input_mask=visible)


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
    weight, bias = (p.detach().numpy() for p in (net.projection.weight, net.projection.bias))
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
    net, (z, _) = PatchEmbedding(1, segment, 32), window(7)
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
    stand_in = net(z, ModelInputs(values=z, value_mask=visible, input_mask=everywhere))
    assert not torch.equal(stand_in, net(*told(z, visible)))
    assert not torch.equal(stand_in, net(*told(z, everywhere)))


def test_hidden_and_zero_are_told_apart() -> None:
    net, z = embedding(1, 3), torch.zeros(1, 3, 1)
    seen = torch.ones_like(z, dtype=torch.bool)
    assert not torch.equal(net(*told(z, seen)), net(*told(z, ~seen)))


def test_a_wild_value_is_clipped() -> None:
    net, seen = embedding(1, 1), torch.ones(1, 2, 1, dtype=torch.bool)
    wild = torch.tensor([1e9, -1e9])[None, :, None]
    edge = torch.tensor([MAX_NORMALIZED_INPUT, -MAX_NORMALIZED_INPUT])[None, :, None]
    assert torch.equal(net(*told(wild, seen)), net(*told(edge, seen)))


def test_dropout_hides_only_while_training() -> None:
    net, (z, visible) = embedding(1, 3, dropout=0.5), window(60)
    assert not torch.equal(net(*told(z, visible)), net(*told(z, visible)))
    net.eval()
    assert torch.equal(net(*told(z, visible)), net(*told(z, visible)))


def since(visible: Tensor) -> Tensor:
    """Steps since the last value; before the first, since the window began."""
    steps = torch.zeros(visible.shape)
    for step in range(visible.shape[1]):
        before = steps[:, step - 1] if step else torch.zeros_like(steps[:, 0])
        steps[:, step] = torch.where(visible[:, step], 0.0, before + 1)
    return steps


def faded(z: Tensor, visible: Tensor) -> ModelInputs:
    """A window with stand-ins for what is missing, told how old they are."""
    everywhere = torch.ones_like(visible)
    return ModelInputs(values=z, value_mask=visible, input_mask=everywhere, elapsed=since(visible))


@pytest.mark.parametrize("segment", [1, 3])
def test_what_stands_in_for_a_value_fades_as_the_paper_says(segment: int) -> None:
    z, visible = window(7, 2)
    decay = InputDecay(2, segment)
    with torch.no_grad():
        decay.weight.copy_(torch.tensor([0.3, -0.4]))
        decay.bias.copy_(torch.tensor([-0.1, 0.9]))
    found = decay(z, faded(z, visible)).detach().numpy()
    old = since(visible).numpy()
    w, b = (0.3, -0.4), (-0.1, 0.9)
    for place in np.ndindex(2, 7, 2):
        fading = w[place[2]] * float(old[place]) / segment + b[place[2]]
        share, m, x = np.exp(-max(0.0, fading)), float(visible[place]), float(z[place])
        np.testing.assert_allclose(found[place], m * x + (1 - m) * share * x, atol=1e-6)


def test_the_embedding_reads_what_has_faded() -> None:
    torch.manual_seed(1)
    net = PatchEmbedding(1, 3, K, use_input_decay=True)
    plain, (z, visible) = embedding(1, 3), window(7)
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if "decay" not in k})
    history = faded(z, visible)
    less = torch.where(visible, z, z * torch.exp(-0.1 * since(visible) / 3))
    torch.testing.assert_close(net(z, history), plain(less, history))
    assert not torch.equal(net(z, history), plain(z, history))


def test_a_window_without_gaps_does_not_fade() -> None:
    z, visible = window(7)
    everywhere = torch.ones_like(visible)
    assert torch.equal(InputDecay(1, 3)(z, faded(z, everywhere)), z)


def test_the_fading_of_each_channel_learns_from_the_start() -> None:
    torch.manual_seed(1)
    net, (z, visible) = PatchEmbedding(2, 3, 32, use_input_decay=True), window(7, 2)
    net(z, faded(z, visible)).square().sum().backward()
    assert net.input_decay is not None
    for parameter in net.input_decay.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert (parameter.grad != 0).all()


def test_fading_asks_for_the_time_since_the_last_value() -> None:
    net = PatchEmbedding(1, 3, K, use_input_decay=True)
    with pytest.raises(ValueError, match="needs the time since the last observation"):
        net(*told(*window(7)))


def test_nothing_fades_unless_it_is_asked_for() -> None:
    assert embedding(1, 3).input_decay is None
    assert not [key for key in embedding(1, 3).state_dict() if "decay" in key]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("segment", [1, 3, 4, 9])
def test_gaps_are_laid_out_in_segments_like_the_values(segment: int, channels: int) -> None:
    z, visible = window(7, channels)
    gaps = embedding(channels, segment).gaps(faded(z, visible))
    old = since(visible).numpy() / segment
    blank = np.zeros((2, -7 % segment, channels))
    rows = np.concatenate([blank, old], 1)
    assert gaps.shape == (2, rows.shape[1] // segment, segment * channels)
    for number in range(gaps.shape[1]):
        piece = rows[:, number * segment : (number + 1) * segment].reshape(2, -1)
        np.testing.assert_allclose(gaps[:, number].numpy(), piece, atol=1e-7)


def test_gaps_that_are_not_told_are_zero() -> None:
    gaps = embedding(2, 3).gaps(told(*window(7, 2))[1])
    assert torch.equal(gaps, torch.zeros(2, 3, 6))
