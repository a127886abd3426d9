"""Recurrent dropout, zoneout and learned initial states of every backbone with the trait noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rnnforecast.models.base import NO_NOISE, Noise, State
from rnnforecast.registry import BACKBONES

B, G, K, D = 3, 7, 8, 2

every_recurrent_backbone = pytest.mark.parametrize(
    "name",
    [name for name in BACKBONES.names() if "noise" in BACKBONES.traits(name)],
)


def layer(name: str, *, noise: Noise = NO_NOISE) -> Any:
    torch.manual_seed(3)
    options = BACKBONES.options(name, {})
    return BACKBONES.load(name).build(K, options, depth=0, noise=noise, gap_size=D).double()


def sequence(*, steps: int = G) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((B, steps, K), generator=generator, dtype=torch.float64)


def elapsed() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand((B, G, D), generator=generator, dtype=torch.float64)


def run(net: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    out, after = net(x, state, elapsed()[:, : x.shape[1]])
    return out, after


@pytest.mark.parametrize("name", BACKBONES.names())
def test_noise_acts_with_the_trait_noise_alone(name: str) -> None:
    noise = Noise(dropout=0.5, zoneout=0.5, learned_initial_state=True)
    plain, noisy = layer(name), layer(name, noise=noise)
    same = torch.equal(run(plain, sequence())[0], run(noisy, sequence())[0])
    assert same == ("noise" not in BACKBONES.traits(name))


@every_recurrent_backbone
def test_recurrent_dropout_acts_in_training_alone_and_not_on_the_first_step(name: str) -> None:
    plain, noisy = layer(name), layer(name, noise=Noise(dropout=0.5))
    out = run(noisy, sequence())[0]
    expected = run(plain, sequence())[0]
    torch.testing.assert_close(out[:, :1], expected[:, :1])
    assert not torch.allclose(out[:, 1:], expected[:, 1:])
    torch.testing.assert_close(run(noisy.eval(), sequence())[0], expected)


@every_recurrent_backbone
def test_with_zoneout_each_unit_keeps_its_old_value_or_takes_the_new_one(name: str) -> None:
    plain, noisy = layer(name), layer(name, noise=Noise(zoneout=0.5))
    _, old = run(plain, sequence(steps=3))
    step = sequence(steps=1)
    _, new = run(plain, step, old)
    _, found = run(noisy, step, old)
    parts = zip(found, old, new, strict=True)
    assert all((torch.isclose(f, o) | torch.isclose(f, n)).all() for f, o, n in parts)
    assert not all(torch.equal(f, n) for f, n in zip(found, new, strict=True))


@every_recurrent_backbone
def test_in_evaluation_zoneout_is_its_mean_in_training(name: str) -> None:
    net = layer(name, noise=Noise(zoneout=0.3))
    many = 4000
    _, old = layer(name)(sequence(), None, elapsed())
    old = tuple(part[:, :1].expand(-1, many, -1).contiguous() for part in old)
    step, gaps = (part[:1, :1].expand(many, -1, -1) for part in (sequence(), elapsed()))
    trained, after = net(step, old, gaps)
    used, mean = net.eval()(step, old, gaps)
    torch.testing.assert_close(trained.mean(0), used[0], rtol=0, atol=0.05)
    for part, expected in zip(after, mean, strict=True):
        torch.testing.assert_close(part.mean(1), expected[:, 0], rtol=0, atol=0.05)


@every_recurrent_backbone
def test_a_learned_initial_state_starts_at_zero_and_is_used_without_a_state(name: str) -> None:
    plain, net = layer(name), layer(name, noise=Noise(learned_initial_state=True))
    starts = dict(net.named_parameters())
    for known, _ in plain.named_parameters():
        del starts[known]
    assert starts
    torch.testing.assert_close(run(net, sequence())[0], run(plain, sequence())[0])
    with torch.no_grad():
        for start in starts.values():
            start.copy_(torch.linspace(-1, 1, len(start)))
    out = run(net, sequence())[0]
    assert not torch.allclose(out, run(plain, sequence())[0])
    out.square().sum().backward()
    for start_name, start in starts.items():
        assert start.grad is not None, start_name
        assert start.grad.isfinite().all(), start_name
        assert start.grad.abs().min() > 0, start_name
    empty = tuple(torch.zeros_like(part) for part in run(plain, sequence(steps=1))[1])
    torch.testing.assert_close(run(net, sequence(), empty)[0], run(plain, sequence(), empty)[0])


def test_recurrent_dropout_masks_the_same_units_at_all_steps_of_a_window() -> None:
    net = layer("rnn", noise=Noise(dropout=0.5))
    seen = []
    step = net.cell.step

    def spy(projected: Tensor, state: State, hidden: Tensor) -> State:
        seen.append(hidden / state[0])
        after: State = step(projected, state, hidden)
        return after

    net.cell.step = spy
    net(sequence(), (torch.ones(1, B, K).double(),))
    masks = torch.stack(seen)
    torch.testing.assert_close(masks, masks[:1].expand_as(masks))
    assert set(masks[0].round(decimals=6).unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(masks[0, 0], masks[0, 1])


def test_dropout_of_rrnn_acts_on_the_state_and_not_on_the_output() -> None:
    net = layer("rrnn", noise=Noise(dropout=0.5))
    output = torch.randn(1, B, K).double()
    state = torch.randn(1, B, K).double()
    torch.manual_seed(7)
    one = net(sequence(), (output, state))[0]
    torch.manual_seed(7)
    other = net(sequence(), (output + 1, state))[0]
    assert torch.equal(one, other)


def test_zoneout_of_slstm_acts_on_h_alone() -> None:
    plain, noisy = layer("slstm"), layer("slstm", noise=Noise(zoneout=0.5))
    _, old = run(plain, sequence())
    (_, new), (_, found) = (run(net, sequence(steps=1), old) for net in (plain, noisy))
    assert not torch.equal(found[0], new[0])
    for part, expected in zip(found[1:], new[1:], strict=True):
        assert torch.equal(part, expected)
