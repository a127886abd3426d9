"""The interface of `models.base`, for every backbone as one layer and as a stack of two."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor

from rnnforecast.models.base import NO_NOISE, Noise, State
from rnnforecast.models.layers.stack import BackboneConfig, BidirectionalStack, RecurrentStack
from rnnforecast.registry import BACKBONES

B, G, K, D = 3, 7, 8, 2

CHOICES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in BACKBONES.names()),
    ("gru", {"reset": "before"}),
    ("rnn", {"nonlinearity": "sigmoid"}),
    ("peephole_lstm", {"coupled": True, "candidate": "sigmoid"}),
    ("rrnn", {"nonlinearity": "sigmoid", "gate": "tanh"}),
    ("slstm", {"forget": "exp", "heads": 3}),
    ("dilated", {"cell": "lstm", "base": 3}),
    ("dilated", {"cell": "rnn"}),
]
"""Every backbone with its default options, and options that change the computation."""

every_backbone = pytest.mark.parametrize("name", BACKBONES.names())
every_choice = pytest.mark.parametrize(
    ("name", "given"), CHOICES, ids=["-".join([n, *map(str, g.values())]) for n, g in CHOICES]
)
every_depth = pytest.mark.parametrize("layers", [1, 2], ids=["layer", "stack"])


def layer(name: str, given: dict[str, Any] | None = None, *, noise: Noise = NO_NOISE) -> Any:
    torch.manual_seed(3)
    options = BACKBONES.options(name, given or {})
    return BACKBONES.load(name).build(K, options, depth=0, noise=noise, gap_size=D).double()


def build(
    name: str, given: dict[str, Any] | None = None, *, layers: int = 2, seed: int = 3, **config: Any
) -> Any:
    """One layer as its file builds it, or a stack."""
    if layers == 1 and not config:
        return layer(name, given)
    torch.manual_seed(seed)
    return RecurrentStack(
        BackboneConfig(name, n_layers=layers, options=given or {}, **config), K, gap_size=D
    ).double()


def sequence(*, steps: int = G, batch: int = B) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((batch, steps, K), generator=generator, dtype=torch.float64)


def elapsed(*, steps: int = G, batch: int = B) -> Tensor:
    """Time since the last observation."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand((batch, steps, D), generator=generator, dtype=torch.float64)


def run(net: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    out, after = net(x, state, elapsed()[:, : x.shape[1]])
    return out, after


# shapes, gradients, time


@every_choice
@every_depth
@pytest.mark.parametrize("steps", [1, 7])
def test_it_has_an_output_for_every_step_and_a_state_with_the_batch_on_axis_1(
    name: str, given: dict[str, Any], layers: int, steps: int
) -> None:
    net = build(name, given, layers=layers)
    out, state = run(net, sequence(steps=steps))
    assert out.shape == (B, steps, K)
    assert isinstance(state, tuple)
    assert len(state) == (
        net.n_state_tensors if layers == 1 else sum(one.n_state_tensors for one in net.layers)
    )
    assert {part.dim() for part in state} == {3}
    assert {part.shape[1] for part in state} == {B}


@every_choice
@every_depth
def test_every_parameter_has_a_finite_gradient_that_is_not_all_zero(
    name: str, given: dict[str, Any], layers: int
) -> None:
    net = build(name, given, layers=layers)
    out, state = run(net, sequence())
    torch.manual_seed(5)
    loss = (out * torch.randn_like(out)).sum() + sum(part.sum() for part in state)
    loss.backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@every_choice
@every_depth
@pytest.mark.parametrize("changed", [1, 6])
def test_it_is_causal(name: str, given: dict[str, Any], layers: int, changed: int) -> None:
    net, x, gaps = build(name, given, layers=layers).eval(), sequence(), elapsed()
    other, later = x.clone(), gaps.clone()
    other[:, changed] += 1.0
    later[:, changed] += 1.0
    before, after = net(x, None, gaps)[0], net(other, None, later)[0]
    torch.testing.assert_close(after[:, :changed], before[:, :changed], rtol=0, atol=0)
    assert not torch.equal(after[:, changed], before[:, changed])


@every_choice
@every_depth
@pytest.mark.parametrize("cuts", [[4], [1, 2, 3, 4, 5, 6]], ids=str)
def test_from_a_carried_state_it_continues_the_sequence(
    name: str, given: dict[str, Any], layers: int, cuts: list[int]
) -> None:
    net, x, gaps = build(name, given, layers=layers).eval(), sequence(), elapsed()
    full, last = net(x, None, gaps)
    outs, state = [], None
    for begin, end in zip([0, *cuts], [*cuts, G], strict=True):
        out, state = net(x[:, begin:end], state, gaps[:, begin:end])
        outs.append(out)
    torch.testing.assert_close(torch.cat(outs, 1), full)
    torch.testing.assert_close(state, last)


@every_choice
@every_depth
def test_windows_of_a_batch_are_independent(name: str, given: dict[str, Any], layers: int) -> None:
    net, x, gaps = build(name, given, layers=layers).eval(), sequence(), elapsed()
    batch_out, state = net(x, None, gaps)
    alone, own = net(x[1:2], None, gaps[1:2])
    torch.testing.assert_close(batch_out[1:2], alone)
    for part, single in zip(state, own, strict=True):
        torch.testing.assert_close(part[:, 1:2], single)


# weights and seeds


@every_choice
@every_depth
def test_saved_and_loaded_it_has_the_same_output(
    name: str, given: dict[str, Any], layers: int
) -> None:
    net, other = (build(name, given, layers=layers).eval() for _ in range(2))
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.1)
    assert not torch.equal(run(net, sequence())[0], run(other, sequence())[0])
    other.load_state_dict(load_bytes(save_bytes(net.state_dict())))
    assert torch.equal(run(net, sequence())[0], run(other, sequence())[0])


@every_backbone
def test_equal_seeds_give_equal_weights_and_equal_noise(name: str) -> None:
    def output(seed: int) -> Tensor:
        noise = Noise(dropout=0.3, zoneout=0.3)
        return run(build(name, dropout=0.5, noise=noise, seed=seed), sequence())[0]

    assert torch.equal(output(3), output(3))
    assert not torch.equal(output(3), output(4))


@every_backbone
def test_dropout_acts_between_layers_and_in_training_alone(name: str) -> None:
    x = sequence()
    shallow, deep = build(name, layers=1, dropout=0.5), build(name, layers=2, dropout=0.5)
    assert torch.equal(run(shallow, x)[0], run(shallow, x)[0])
    assert not torch.equal(run(deep, x)[0], run(deep, x)[0])
    deep.eval()
    assert torch.equal(run(deep, x)[0], run(deep, x)[0])


@every_choice
def test_orthogonal_initialization_makes_every_block_of_recurrent_weights_a_rotation(
    name: str, given: dict[str, Any]
) -> None:
    net = build(name, given, orthogonal=True)
    for weight in net.recurrent_weights():
        for block in weight.split(weight.shape[1]):
            identity = torch.eye(len(block)).double()
            torch.testing.assert_close(block @ block.T, identity, rtol=0, atol=1e-5)


# traits


@every_backbone
def test_its_traits_are_known(name: str) -> None:
    assert BACKBONES.traits(name) == BACKBONES.load(name).TRAITS
    assert set(BACKBONES.traits(name)) <= {"noise", "bidirectional", "gaps"}


@every_backbone
def test_it_reads_gaps_with_the_trait_gaps_alone(name: str) -> None:
    net, x, gaps = layer(name), sequence(), elapsed()
    same = torch.equal(net(x, None, gaps)[0], net(x, None, 2 * gaps)[0])
    assert same == ("gaps" not in BACKBONES.traits(name))


@pytest.mark.parametrize(
    "name",
    [name for name in BACKBONES.names() if "bidirectional" in BACKBONES.traits(name)],
)
def test_with_the_trait_bidirectional_the_first_output_depends_on_every_step(
    name: str,
) -> None:
    torch.manual_seed(3)
    net, x = (
        BidirectionalStack(BackboneConfig(name, n_layers=2), K).double(),
        sequence().requires_grad_(),
    )
    out, last = net(x)
    assert (out.shape, last.shape) == ((B, G, K), (B, K))
    (seen,) = torch.autograd.grad(out[:, 0].sum(), x)
    assert (seen.abs().sum(-1) > 0).all()


# options


@every_backbone
def test_an_unknown_option_is_refused_and_the_known_ones_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"colour: unknown option.*{name} has"):
        BACKBONES.options(name, {"colour": 1})


@pytest.mark.parametrize(
    ("name", "edge", "beyond"),
    [
        ("dilated", {"base": 2, "cell": "rnn"}, {"base": 1, "cell": "slstm"}),
        ("slstm", {"heads": 1, "forget": "exp"}, {"heads": 0, "forget": "tanh"}),
        ("transformer", {"heads": 1, "dropout": 0.0}, {"heads": 0, "dropout": 1.0}),
        ("lstm", {"forget_bias": -3}, {"forget_bias": float("inf")}),
        ("peephole_lstm", {"coupled": True}, {"coupled": 1}),
    ],
)
def test_options_are_refused_just_beyond_their_range_all_at_once(
    name: str, edge: dict[str, object], beyond: dict[str, object]
) -> None:
    assert BACKBONES.options(name, edge).items() >= edge.items()
    with pytest.raises(ValueError, match="expected") as caught:
        BACKBONES.options(name, beyond)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == list(beyond)
