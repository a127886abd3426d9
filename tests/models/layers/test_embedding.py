"""Patch embedding against loops over patches, its masks, and the decay of imputed values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.embedding import MAX_NORMALIZED_INPUT, InputDecay, PatchEmbedding

K = 4


def embedding(channels: int, patch: int, *, dropout: float = 0.0) -> PatchEmbedding:
    torch.manual_seed(1)
    return PatchEmbedding(channels, patch, K, dropout=dropout)


def window(lookback: int, channels: int = 1, *, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(lookback)
    z = torch.randn((batch, lookback, channels), generator=generator)
    return z, torch.rand(z.shape, generator=generator) < 0.7


def inputs_of(z: Tensor, mask: Tensor) -> tuple[Tensor, ModelInputs]:
    """Values and inputs in which masked values are not imputed."""
    return z, ModelInputs(values=z, value_mask=mask, input_mask=mask)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("lookback", "patch", "patches"), [(6, 1, 6), (6, 3, 2), (7, 3, 3), (2, 5, 1), (5, 5, 1)]
)
def test_the_patches_cover_the_lookback(
    lookback: int, patch: int, patches: int, channels: int
) -> None:
    out = embedding(channels, patch)(*inputs_of(*window(lookback, channels)))
    assert out.shape == (2, patches, K)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("patch", [1, 3, 4])
def test_it_equals_a_loop_over_patches(patch: int, channels: int) -> None:
    net, (z, mask) = embedding(channels, patch), window(7, channels)
    weight, bias = (p.detach().numpy() for p in (net.projection.weight, net.projection.bias))
    for b in range(2):
        rows = []  # each step: values, then their mask
        for step in range(7):
            step_mask = mask[b, step].numpy().astype(float)
            rows.append(np.concatenate([z[b, step].numpy() * step_mask, step_mask]))
        while len(rows) % patch:
            rows.insert(0, np.zeros(2 * channels))
        for number in range(len(rows) // patch):
            read = np.concatenate(rows[number * patch : (number + 1) * patch])
            expected = np.maximum(weight @ read + bias, 0)
            found = net(*inputs_of(z, mask))[b, number].detach().numpy()
            np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("patch", "step"), [(1, 3), (3, 4), (3, 0)])
def test_a_step_changes_its_own_patch_alone(patch: int, step: int) -> None:
    torch.manual_seed(1)
    net, (z, _) = PatchEmbedding(1, patch, 32), window(7)
    mask = torch.ones_like(z, dtype=torch.bool)
    other = z.clone()
    other[:, step] += 1
    changed = (net(*inputs_of(z, mask)) != net(*inputs_of(other, mask))).any(-1).any(0)
    own = (step + -7 % patch) // patch
    assert changed.nonzero().flatten().tolist() == [own]


def test_a_masked_value_is_not_read() -> None:
    net, (z, mask) = embedding(1, 3), window(7)
    other = torch.where(mask, z, 9.0)
    assert torch.equal(net(*inputs_of(z, mask)), net(*inputs_of(other, mask)))


def test_an_imputed_value_is_read_and_differs_from_a_value() -> None:
    net, (z, mask) = embedding(1, 3), window(6)
    everywhere = torch.ones_like(mask)
    imputed_out = net(z, ModelInputs(values=z, value_mask=mask, input_mask=everywhere))
    assert not torch.equal(imputed_out, net(*inputs_of(z, mask)))
    assert not torch.equal(imputed_out, net(*inputs_of(z, everywhere)))


def test_masked_and_zero_differ() -> None:
    net, z = embedding(1, 3), torch.zeros(1, 3, 1)
    step_mask = torch.ones_like(z, dtype=torch.bool)
    assert not torch.equal(net(*inputs_of(z, step_mask)), net(*inputs_of(z, ~step_mask)))


def test_an_outlier_is_clipped() -> None:
    net, step_mask = embedding(1, 1), torch.ones(1, 2, 1, dtype=torch.bool)
    outlier = torch.tensor([1e9, -1e9])[None, :, None]
    edge = torch.tensor([MAX_NORMALIZED_INPUT, -MAX_NORMALIZED_INPUT])[None, :, None]
    assert torch.equal(net(*inputs_of(outlier, step_mask)), net(*inputs_of(edge, step_mask)))


def test_dropout_acts_in_training_alone() -> None:
    net, (z, mask) = embedding(1, 3, dropout=0.5), window(60)
    assert not torch.equal(net(*inputs_of(z, mask)), net(*inputs_of(z, mask)))
    net.eval()
    assert torch.equal(net(*inputs_of(z, mask)), net(*inputs_of(z, mask)))


def elapsed(mask: Tensor) -> Tensor:
    """Steps since the last value; before the first, since the window began."""
    steps = torch.zeros(mask.shape)
    for step in range(mask.shape[1]):
        before = steps[:, step - 1] if step else torch.zeros_like(steps[:, 0])
        steps[:, step] = torch.where(mask[:, step], 0.0, before + 1)
    return steps


def imputed(z: Tensor, mask: Tensor) -> ModelInputs:
    """A window with imputed values, with the time since the last observation."""
    everywhere = torch.ones_like(mask)
    return ModelInputs(values=z, value_mask=mask, input_mask=everywhere, elapsed=elapsed(mask))


@pytest.mark.parametrize("patch", [1, 3])
def test_imputed_values_decay_as_in_the_equations(patch: int) -> None:
    z, mask = window(7, 2)
    decay = InputDecay(2, patch)
    with torch.no_grad():
        decay.weight.copy_(torch.tensor([0.3, -0.4]))
        decay.bias.copy_(torch.tensor([-0.1, 0.9]))
    found = decay(z, imputed(z, mask)).detach().numpy()
    old = elapsed(mask).numpy()
    w, b = (0.3, -0.4), (-0.1, 0.9)
    for place in np.ndindex(2, 7, 2):
        exponent = w[place[2]] * float(old[place]) / patch + b[place[2]]
        share, m, x = np.exp(-max(0.0, exponent)), float(mask[place]), float(z[place])
        np.testing.assert_allclose(found[place], m * x + (1 - m) * share * x, atol=1e-6)


def test_the_embedding_reads_decayed_values() -> None:
    torch.manual_seed(1)
    net = PatchEmbedding(1, 3, K, use_input_decay=True)
    plain, (z, mask) = embedding(1, 3), window(7)
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if "decay" not in k})
    inputs = imputed(z, mask)
    less = torch.where(mask, z, z * torch.exp(-0.1 * elapsed(mask) / 3))
    torch.testing.assert_close(net(z, inputs), plain(less, inputs))
    assert not torch.equal(net(z, inputs), plain(z, inputs))


def test_without_gaps_nothing_decays() -> None:
    z, mask = window(7)
    everywhere = torch.ones_like(mask)
    assert torch.equal(InputDecay(1, 3)(z, imputed(z, everywhere)), z)


def test_the_decay_of_each_channel_has_a_gradient_at_its_initial_value() -> None:
    torch.manual_seed(1)
    net, (z, mask) = PatchEmbedding(2, 3, 32, use_input_decay=True), window(7, 2)
    net(z, imputed(z, mask)).square().sum().backward()
    assert net.input_decay is not None
    for parameter in net.input_decay.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert (parameter.grad != 0).all()


def test_input_decay_needs_the_time_since_the_last_observation() -> None:
    net = PatchEmbedding(1, 3, K, use_input_decay=True)
    with pytest.raises(ValueError, match="needs the time since the last observation"):
        net(*inputs_of(*window(7)))


def test_without_input_decay_there_are_no_decay_weights() -> None:
    assert embedding(1, 3).input_decay is None
    assert not [key for key in embedding(1, 3).state_dict() if "decay" in key]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("patch", [1, 3, 4, 9])
def test_gaps_are_ordered_in_patches_like_the_values(patch: int, channels: int) -> None:
    z, mask = window(7, channels)
    gaps = embedding(channels, patch).gaps(imputed(z, mask))
    old = elapsed(mask).numpy() / patch
    blank = np.zeros((2, -7 % patch, channels))
    rows = np.concatenate([blank, old], 1)
    assert gaps.shape == (2, rows.shape[1] // patch, patch * channels)
    for number in range(gaps.shape[1]):
        expected = rows[:, number * patch : (number + 1) * patch].reshape(2, -1)
        np.testing.assert_allclose(gaps[:, number].numpy(), expected, atol=1e-7)


def test_unknown_gaps_are_zero() -> None:
    gaps = embedding(2, 3).gaps(inputs_of(*window(7, 2))[1])
    assert torch.equal(gaps, torch.zeros(2, 3, 6))
