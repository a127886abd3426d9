"""Decoders: the number of patches, and each of them against a calculation by hand."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from rnnforecast.models.decoders.encoder_output import (
    AutoregressiveDecoder,
    EncoderOutput,
    NonAutoregressiveDecoder,
)
from rnnforecast.models.decoders.parallel import ParallelDecoder
from rnnforecast.models.decoders.recursive import RecursiveDecoder
from rnnforecast.models.decoders.seq2seq import Seq2SeqDecoder
from rnnforecast.models.layers.attention import (
    ATTENTIONS,
    AdditiveAttention,
    MultiplicativeAttention,
)
from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from rnnforecast.registry import BACKBONES, DECODERS

K = 8
AUTOREGRESSIVE = DECODERS.having("autoregressive")
AT_ONCE = tuple(sorted({*DECODERS.names()} - {*AUTOREGRESSIVE}))

every_backbone = pytest.mark.parametrize("backbone", BACKBONES.names())


def parts(
    name: str, backbone: str, horizon: int, patch_length: int, **given: Any
) -> tuple[Any, RecurrentStack]:
    torch.manual_seed(2)
    net = RecurrentStack(BackboneConfig(backbone, n_layers=2), K)
    attention = given.get("attention", "additive")
    decoder = DECODERS.load(name).build(
        K, horizon=horizon, patch_length=patch_length, dropout=0.0, attention=attention
    )
    return decoder.eval(), net.eval()


def read(net: RecurrentStack, batch: int = 3) -> EncoderOutput:
    x = torch.randn(batch, 5, K, generator=torch.Generator().manual_seed(0))
    out, state = net(x)
    return EncoderOutput(out, state, out[:, -1], x[:, -1])


def one(encoded: EncoderOutput, b: int) -> EncoderOutput:
    state = tuple(part[:, b : b + 1].contiguous() for part in encoded.state)
    return EncoderOutput(
        encoded.output[b : b + 1],
        state,
        encoded.last_output[b : b + 1],
        encoded.last_input[b : b + 1],
    )


@pytest.mark.parametrize("name", AT_ONCE)
@pytest.mark.parametrize(("horizon", "patch_length"), [(1, 1), (6, 3), (7, 3), (2, 5)])
def test_the_patches_cover_the_horizon_with_less_than_one_in_excess(
    name: str, horizon: int, patch_length: int
) -> None:
    decoder, net = parts(name, "gru", horizon, patch_length)
    patches = cast("NonAutoregressiveDecoder", decoder)(read(net), net)
    assert patches.shape[0] == 3
    assert patches.shape[2] == K
    assert 0 <= patches.shape[1] * decoder.steps_per_patch - horizon < decoder.steps_per_patch


def all_patches(
    decoder: AutoregressiveDecoder, encoded: EncoderOutput, net: RecurrentStack, fed: Tensor
) -> Tensor:
    """The first patch and those that follow `fed [B, T, K]`."""
    patch, carry = decoder.first_patch(encoded)
    rest, _ = decoder.next_patches(fed, carry, encoded, net)
    return torch.cat([patch.unsqueeze(1), rest], 1)


@pytest.mark.parametrize("name", [*AT_ONCE, *AUTOREGRESSIVE])
@every_backbone
def test_windows_of_a_batch_are_independent(name: str, backbone: str) -> None:
    decoder, net = parts(name, backbone, 7, 3)
    encoded = read(net)
    fed = torch.randn(3, 2, K, generator=torch.Generator().manual_seed(1))

    def answer(encoded: EncoderOutput, fed: Tensor) -> Tensor:
        if name in AUTOREGRESSIVE:
            return all_patches(decoder, encoded, net, fed)
        found: Tensor = decoder(encoded, net)
        return found

    together = answer(encoded, fed)
    for b in range(3):
        torch.testing.assert_close(answer(one(encoded, b), fed[b : b + 1]), together[b : b + 1])


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
@every_backbone
def test_patches_fed_at_once_or_one_by_one_give_the_same_output(name: str, backbone: str) -> None:
    decoder, net = parts(name, backbone, 7, 3)
    encoded = read(net)
    fed = torch.randn(3, 3, K, generator=torch.Generator().manual_seed(1))
    patch, carry = decoder.first_patch(encoded)
    patches = [patch]
    for step in range(3):
        rest, carry = decoder.next_patches(fed[:, step : step + 1], carry, encoded, net)
        patches.append(rest[:, 0])
    torch.testing.assert_close(torch.stack(patches, 1), all_patches(decoder, encoded, net, fed))


@pytest.mark.parametrize("name", [*AT_ONCE, "seq2seq"])
@pytest.mark.parametrize("attention", sorted(ATTENTIONS))
def test_every_parameter_has_a_gradient(name: str, attention: str) -> None:
    decoder, net = parts(name, "gru", 7, 3, attention=attention)
    encoded = read(net)
    if name in AUTOREGRESSIVE:
        all_patches(decoder, encoded, net, torch.randn(3, 2, K)).square().sum().backward()
    else:
        decoder(encoded, net).square().sum().backward()
    for key, parameter in decoder.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


@every_backbone
def test_direct_reads_the_last_output_alone(backbone: str) -> None:
    decoder, net = parts("direct", backbone, 7, 3)
    encoded = read(net)
    other = EncoderOutput(
        encoded.output + 1, encoded.state, encoded.last_output, encoded.last_input
    )
    assert torch.equal(decoder(encoded, net), decoder(other, net))


@every_backbone
def test_parallel_takes_one_step_from_the_last_state_for_each_patch(backbone: str) -> None:
    decoder, net = parts("parallel", backbone, 7, 3)
    assert isinstance(decoder, ParallelDecoder)
    encoded = read(net)
    patches = decoder(encoded, net)
    for number in range(3):  # the same, one patch at a time
        query = decoder.query[number].expand(3, 1, K)
        alone, _ = net(query, encoded.state)
        torch.testing.assert_close(patches[:, number : number + 1], alone)


@every_backbone
def test_recursive_continues_the_backbone(backbone: str) -> None:
    decoder, net = parts("recursive", backbone, 7, 3)
    assert isinstance(decoder, RecursiveDecoder)
    x = torch.randn(3, 7, K, generator=torch.Generator().manual_seed(0))
    full, _ = net(x)
    out, state = net(x[:, :5])
    encoded = EncoderOutput(out, state, out[:, -1], x[:, 4])
    torch.testing.assert_close(all_patches(decoder, encoded, net, x[:, 5:]), full[:, 4:])


def test_attention_equals_a_calculation_by_hand() -> None:
    torch.manual_seed(0)
    x, state, encoded = torch.randn(2, K), torch.randn(2, K), torch.randn(2, 3, K)
    additive, multiplicative = AdditiveAttention(K), MultiplicativeAttention(K)
    for b in range(2):
        W, U, v = additive.query_projection, additive.key_projection, additive.score
        scores = torch.stack([v(torch.tanh(W(state[b]) + U(e))) for e in encoded[b]])
        weights = scores.exp() / scores.exp().sum()
        context = (weights * encoded[b]).sum(0)
        expected = additive.cell(torch.cat([x[b], context])[None], state[b : b + 1])
        torch.testing.assert_close(additive(x, state, encoded)[0][b : b + 1], expected)
        after = multiplicative.cell(x[b : b + 1], state[b : b + 1])[0]
        scores = torch.stack([after @ multiplicative.key_projection(e) for e in encoded[b]])
        weights = scores.exp() / scores.exp().sum()
        context = (weights[:, None] * encoded[b]).sum(0)
        expected = torch.tanh(multiplicative.output_projection(torch.cat([context, after])))
        torch.testing.assert_close(multiplicative(x, state, encoded)[0][b], expected)


def test_seq2seq_attends_to_all_encoder_states() -> None:
    decoder, net = parts("seq2seq", "gru", 7, 3)
    assert isinstance(decoder, Seq2SeqDecoder)
    assert isinstance(decoder.attention, nn.Module)
    encoded = read(net)
    out = encoded.output.detach().clone().requires_grad_()
    patch, _ = decoder.first_patch(
        EncoderOutput(out, encoded.state, encoded.last_output, encoded.last_input)
    )
    patch.sum().backward()
    assert out.grad is not None
    assert (out.grad.abs().sum(-1) > 0).all()
