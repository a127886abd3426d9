"""Decoders: enough pieces for the horizon, made from what was read before the origin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rnnforecast.models import registry
from rnnforecast.models.contract import State
from rnnforecast.models.decoders import DECODERS, Direct, Parallel

K = 6

every_decoder = pytest.mark.parametrize("name", sorted(DECODERS))
every_backbone = pytest.mark.parametrize("backbone", registry.names())


def parts(
    name: str, backbone: str, horizon: int, segment: int
) -> tuple[Direct | Parallel, nn.Module]:
    torch.manual_seed(2)
    net = registry.load(backbone).build(K, 2, 0.0, registry.options(backbone, {}))
    decoder = DECODERS[name](K, horizon=horizon, segment=segment, dropout=0.0)
    return decoder.eval(), net.eval()


def read(net: nn.Module, batch: int = 3) -> tuple[Tensor, State]:
    out, state = net(torch.randn(batch, 5, K, generator=torch.Generator().manual_seed(0)))
    return out, state


@every_decoder
@every_backbone
@pytest.mark.parametrize(("horizon", "segment"), [(1, 1), (6, 3), (7, 3), (2, 5)])
def test_the_pieces_cover_the_horizon_with_less_than_one_to_spare(
    name: str, backbone: str, horizon: int, segment: int
) -> None:
    decoder, net = parts(name, backbone, horizon, segment)
    pieces = decoder(*read(net), net)
    assert pieces.shape[0] == 3
    assert pieces.shape[2] == K
    assert 0 <= pieces.shape[1] * decoder.steps - horizon < decoder.steps


@every_decoder
@every_backbone
def test_windows_of_a_batch_do_not_know_each_other(name: str, backbone: str) -> None:
    decoder, net = parts(name, backbone, 7, 3)
    out, state = read(net)
    together = decoder(out, state, net)
    for b in range(3):
        one = tuple(part[:, b : b + 1].contiguous() for part in state)
        torch.testing.assert_close(decoder(out[b : b + 1], one, net), together[b : b + 1])


@every_decoder
def test_every_parameter_of_it_learns(name: str) -> None:
    decoder, net = parts(name, "gru", 7, 3)
    decoder(*read(net), net).square().sum().backward()
    for key, parameter in decoder.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


@every_backbone
def test_direct_reads_the_last_state_alone(backbone: str) -> None:
    decoder, net = parts("direct", backbone, 7, 3)
    out, state = read(net)
    other = out.clone()
    other[:, :-1] += 1
    assert torch.equal(decoder(out, state, net), decoder(other, state, net))


@every_backbone
def test_parallel_takes_one_step_from_the_last_state_for_each_segment(backbone: str) -> None:
    decoder, net = parts("parallel", backbone, 7, 3)
    assert isinstance(decoder, Parallel)
    out, state = read(net)
    pieces = decoder(out, state, net)
    for number in range(3):  # the same, a segment at a time
        asked = decoder.query[number].expand(3, 1, K)
        alone, _ = net(asked, state)
        torch.testing.assert_close(pieces[:, number : number + 1], alone)
