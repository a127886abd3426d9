"""One contract for every file in `backbones/`; the equations are written out again in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor, nn

from rnnforecast.models import registry

Array = NDArray[np.float64]

K = 5
STEPS = [1, 7]

every_backbone = pytest.mark.parametrize("name", registry.names())
every_length = pytest.mark.parametrize("steps", STEPS)
every_depth = pytest.mark.parametrize("layers", [1, 2])


def build(name: str, *, layers: int = 2, dropout: float = 0.0, seed: int = 3, **given: Any) -> Any:
    torch.manual_seed(seed)
    net = registry.load(name).build(K, layers, dropout, registry.options(name, given))
    return net.double()


def sequence(steps: int, *, batch: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((batch, steps, K), generator=generator, dtype=torch.float64)


@every_backbone
@every_depth
@every_length
def test_it_answers_every_step_and_its_state_is_of_layers_batch_and_width(
    name: str, layers: int, steps: int
) -> None:
    out, state = build(name, layers=layers)(sequence(steps))
    assert out.shape == (3, steps, K)
    assert isinstance(state, tuple)
    assert {tuple(part.shape) for part in state} == {(layers, 3, K)}


@every_backbone
@every_depth
def test_every_parameter_gets_a_finite_gradient_that_is_not_all_zero(
    name: str, layers: int
) -> None:
    net = build(name, layers=layers, dropout=0.2)
    out, state = net(sequence(7))
    (out.square().sum() + sum(part.sum() for part in state)).backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@every_backbone
@every_depth
@pytest.mark.parametrize("changed", [1, 4, 6])
def test_what_comes_at_a_step_changes_nothing_before_it(
    name: str, layers: int, changed: int
) -> None:
    net, x = build(name, layers=layers).eval(), sequence(7)
    other = x.clone()
    other[:, changed] += 1.0
    before, after = net(x)[0], net(other)[0]
    torch.testing.assert_close(after[:, :changed], before[:, :changed], rtol=0, atol=0)
    assert not torch.equal(after[:, changed], before[:, changed])


@every_backbone
@every_depth
@pytest.mark.parametrize("cut", [1, 4])
def test_the_carried_state_equals_the_whole_sequence_at_once(
    name: str, layers: int, cut: int
) -> None:
    net, x = build(name, layers=layers).eval(), sequence(7)
    whole, last = net(x)
    first, carried = net(x[:, :cut])
    second, resumed = net(x[:, cut:], carried)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(resumed, last)


@every_backbone
def test_windows_of_a_batch_do_not_know_each_other(name: str) -> None:
    net, x = build(name).eval(), sequence(7)
    torch.testing.assert_close(net(x)[0][1:2], net(x[1:2])[0])


@every_backbone
def test_saved_and_loaded_it_answers_the_same_to_the_last_bit(name: str) -> None:
    net, other, x = build(name).eval(), build(name, seed=4).eval(), sequence(7)
    assert not torch.equal(net(x)[0], other(x)[0])
    other.load_state_dict(load_bytes(save_bytes(net.state_dict())))
    assert torch.equal(net(x)[0], other(x)[0])


@every_backbone
def test_the_same_seed_gives_the_same_net_and_the_same_dropout(name: str) -> None:
    def answer() -> Tensor:
        found = build(name, dropout=0.5)(sequence(7))[0]
        assert isinstance(found, Tensor)
        return found

    assert torch.equal(answer(), answer())


@every_backbone
def test_dropout_is_off_in_one_layer_and_in_use(name: str) -> None:
    x = sequence(7)
    shallow, deep = build(name, layers=1, dropout=0.5), build(name, layers=2, dropout=0.5)
    assert torch.equal(shallow(x)[0], shallow(x)[0])
    assert not torch.equal(deep(x)[0], deep(x)[0])
    deep.eval()
    assert torch.equal(deep(x)[0], deep(x)[0])


@every_backbone
def test_an_unknown_option_is_refused_and_the_known_ones_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"colour: unknown option.*{name} has"):
        registry.options(name, {"colour": 1})


@every_backbone
def test_its_options_are_frozen(name: str) -> None:
    assert registry.load(name).Options.__dataclass_params__.frozen


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("rnn", {"nonlinearity": 1}, "nonlinearity: expected str, found 1"),
        ("rnn", {"nonlinearity": "sin"}, "nonlinearity: expected tanh or relu, found 'sin'"),
        ("lstm", {"forget_bias": "high"}, "forget_bias: expected float, found 'high'"),
        ("lstm", {"forget_bias": True}, "forget_bias: expected float, found True"),
    ],
)
def test_an_option_of_the_wrong_type_or_value_is_refused(
    name: str, given: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        registry.options(name, given)


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


Cell = Callable[[Array, list[Array], list[Array]], list[Array]]
"""One step's input `[B, K]`, state and weights (W, U, b, c) → state; the output comes first."""


def rnn_cell(x: Array, state: list[Array], weights: list[Array]) -> list[Array]:
    W, U, b, c = weights
    return [np.tanh(x @ W.T + state[0] @ U.T + b + c)]


def relu_cell(x: Array, state: list[Array], weights: list[Array]) -> list[Array]:
    W, U, b, c = weights
    return [np.maximum(x @ W.T + state[0] @ U.T + b + c, 0)]


def gru_cell(x: Array, state: list[Array], weights: list[Array]) -> list[Array]:
    (W_r, W_z, W_n), (U_r, U_z, U_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = (
        np.split(weight, 3) for weight in weights
    )
    (h,) = state
    r = sigmoid(x @ W_r.T + h @ U_r.T + b_r + c_r)
    z = sigmoid(x @ W_z.T + h @ U_z.T + b_z + c_z)
    n = np.tanh(x @ W_n.T + b_n + r * (h @ U_n.T + c_n))
    return [(1 - z) * n + z * h]


def lstm_cell(x: Array, state: list[Array], weights: list[Array]) -> list[Array]:
    gates = zip(*(np.split(weight, 4) for weight in weights), strict=True)
    h, c = state
    i, f, g, o = (x @ W.T + h @ U.T + b + b2 for W, U, b, b2 in gates)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


EQUATIONS: dict[str, list[tuple[dict[str, Any], Cell, int]]] = {
    "rnn": [({}, rnn_cell, 1), ({"nonlinearity": "relu"}, relu_cell, 1)],
    "gru": [({}, gru_cell, 1)],
    "lstm": [({}, lstm_cell, 2)],
}
"""Options, the cell and the number of its states, for each backbone."""


def run_cell(cell: Cell, parts: int, x: Array, layers: list[list[Array]]) -> tuple[Array, Array]:
    """Outputs `[B, G, K]` and states `[parts, layers, B, K]`, step by step."""
    states = []
    for weights in layers:
        state = [np.zeros((len(x), K))] * parts
        outs = []
        for step in range(x.shape[1]):
            state = cell(x[:, step], state, weights)
            outs.append(state[0])
        x = np.stack(outs, 1)
        states.append(state)
    return x, np.stack([np.stack(part) for part in zip(*states, strict=True)])


def test_the_equations_of_every_backbone_are_written_out_here() -> None:
    assert sorted(EQUATIONS) == registry.names()


@every_backbone
def test_it_computes_the_equations_of_its_docstring(name: str) -> None:
    for given, cell, parts in EQUATIONS[name]:
        net = build(name, **given)
        x = sequence(6)
        weights = [
            [parameter.detach().numpy() for key, parameter in parameters_of_layer(net, layer)]
            for layer in range(2)
        ]
        expected, last = run_cell(cell, parts, x.numpy(), weights)
        out, state = net(x)
        np.testing.assert_allclose(out.detach().numpy(), expected, atol=1e-12)
        np.testing.assert_allclose(torch.stack(state).detach().numpy(), last, atol=1e-12)


def parameters_of_layer(net: nn.Module, layer: int) -> list[tuple[str, Tensor]]:
    """`weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` in this order."""
    named = dict(net.named_parameters())
    names = [f"net.{kind}_l{layer}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return [(key, named[key]) for key in names]


def test_the_lstm_starts_with_its_forget_gate_open_by_the_option() -> None:
    net = build("lstm", forget_bias=2)
    for layer in range(2):
        _, _, (_, b), (_, c) = parameters_of_layer(net, layer)
        assert (b + c)[K : 2 * K].tolist() == [2.0] * K
