"""The equations of every backbone again, in numpy; twins in torch are in `test_twins`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnforecast.models.base import NO_NOISE
from rnnforecast.registry import BACKBONES

Array = NDArray[np.float64]
Weights = dict[str, Array]
Cell = Callable[[Weights, Array, list[Array]], list[Array]]
"""Weights, one step's input `[B, K]` and state → state; the output comes first."""

B, G, K = 3, 7, 6


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def of_torch(w: Weights, n: int) -> list[list[Array]]:
    """W, U, b and c of a torch net, each as its n gates."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [np.split(w[f"net.{name}"], n) for name in names]


def rnn(w: Weights, x: Array, state: list[Array], *, f: Any = np.tanh) -> list[Array]:
    (W,), (U,), (b,), (c,) = of_torch(w, 1)
    return [f(x @ W.T + state[0] @ U.T + b + c)]


def gru(w: Weights, x: Array, state: list[Array], *, before: bool = False) -> list[Array]:
    (W_r, W_z, W_n), (U_r, U_z, U_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = of_torch(w, 3)
    (h,) = state
    r = sigmoid(x @ W_r.T + h @ U_r.T + b_r + c_r)
    z = sigmoid(x @ W_z.T + h @ U_z.T + b_z + c_z)
    past = (r * h) @ U_n.T + c_n if before else r * (h @ U_n.T + c_n)
    n = np.tanh(x @ W_n.T + b_n + past)
    return [(1 - z) * n + z * h]


def lstm(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    gates = zip(*of_torch(w, 4), strict=True)
    h, c = state
    i, f, g, o = (x @ W.T + h @ U.T + b + b2 for W, U, b, b2 in gates)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def peephole(w: Weights, x: Array, state: list[Array], *, a: Any = np.tanh) -> list[Array]:
    h, c = state
    raw = x @ w["read.weight"].T + w["read.bias"] + h @ w["U"].T
    f, *own, g, o = np.split(raw, raw.shape[1] // K, -1)
    f = sigmoid(f + w["peep"][0] * c)
    i = sigmoid(own[0] + w["peep"][1] * c) if own else 1 - f
    c = f * c + i * a(g)
    return [sigmoid(o + w["peep_out"] * c) * np.tanh(c), c]


def rrnn(
    w: Weights, x: Array, state: list[Array], *, f: Any = np.tanh, g: Any = sigmoid
) -> list[Array]:
    (W_xh,), (W_hh,), (b,), (c,) = of_torch(w, 1)
    (W_xr, W_x2), (b_r, b_2) = np.split(w["read.weight"], 2), np.split(w["read.bias"], 2)
    W_rr, W_h2 = np.split(w["recall.weight"], 2)
    W_o2, W_oh = np.split(w["say.weight"], 2, -1)
    h = state[1]
    now = f(h @ W_hh.T + x @ W_xh.T + b + c)
    r = g(h @ W_rr.T + x @ W_xr.T + b_r)
    second = f(h @ W_h2.T + x @ W_x2.T + (r @ w["weigh.weight"].T) * h + b_2)
    return [g(second @ W_o2.T + now @ W_oh.T + w["say.bias"]), now]


def positive(a: Array) -> Array:
    return np.where(a >= 0, a + 0.5, sigmoid(a))


def min_gru(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    z, n = np.split(x @ w["read.weight"].T + w["read.bias"], 2, -1)
    return [(1 - sigmoid(z)) * state[0] + sigmoid(z) * positive(n)]


def min_lstm(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    f, i, n = np.split(x @ w["read.weight"].T + w["read.bias"], 3, -1)
    f, i = sigmoid(f), sigmoid(i)
    return [f / (f + i) * state[0] + i / (f + i) * positive(n)]


def slstm(w: Weights, x: Array, state: list[Array], *, forget: Any = sigmoid) -> list[Array]:
    """The plain exponential form: nothing is divided by exp(m), and m stays where it is."""
    h, c, n, m = state
    _, _, size = w["U"].shape
    U = np.zeros((4, K, K))
    for head, block in enumerate(w["U"]):
        own = slice(head * size, (head + 1) * size)
        U[:, own, own] = block.reshape(4, size, size)
    raw = np.split(x @ w["read.weight"].T + w["read.bias"], 4, -1)
    i, f, z, o = (part + h @ R.T for part, R in zip(raw, U, strict=True))
    c = forget(f) * c + np.exp(i) * np.tanh(z)
    n = forget(f) * n + np.exp(i)
    return [sigmoid(o) * c / n, c, n, m]


EQUATIONS: dict[str, list[tuple[dict[str, Any], int, Cell]]] = {
    "rnn": [
        ({}, 0, rnn),
        ({"nonlinearity": "relu"}, 0, partial(rnn, f=relu)),
        ({"nonlinearity": "sigmoid"}, 1, partial(rnn, f=sigmoid)),
    ],
    "gru": [({}, 0, gru), ({"reset": "before"}, 0, partial(gru, before=True))],
    "lstm": [({}, 0, lstm)],
    "peephole_lstm": [
        ({}, 0, peephole),
        ({"coupled": True}, 0, peephole),
        ({"candidate": "sigmoid"}, 0, partial(peephole, a=sigmoid)),
    ],
    "rrnn": [
        ({}, 0, rrnn),
        ({"nonlinearity": "relu", "gate": "tanh"}, 0, partial(rrnn, f=relu, g=np.tanh)),
        ({"nonlinearity": "sigmoid"}, 0, partial(rrnn, f=sigmoid)),
    ],
    "min_gru": [({}, 0, min_gru)],
    "min_lstm": [({}, 0, min_lstm)],
    "slstm": [
        ({}, 0, slstm),
        ({"forget": "exp", "heads": 2}, 0, partial(slstm, forget=np.exp)),
        ({"heads": 1}, 0, slstm),
    ],
    "dilated": [
        ({}, 0, gru),
        ({}, 1, gru),
        ({"cell": "lstm", "base": 3}, 1, lstm),
        ({"cell": "rnn"}, 2, rnn),
        ({"cell": "rnn"}, 4, rnn),  # 16 steps back, more than there are
    ],
}
"""Options, the layer's depth and the cell, for each backbone."""

ELSEWHERE = {"gru_d", "transformer"}
"""Those whose equations are written out in `test_attention_and_decay`, with what else they do."""

CASES = [(name, *case) for name, cases in EQUATIONS.items() for case in cases]
every_case = pytest.mark.parametrize(
    ("name", "given", "depth", "cell"),
    CASES,
    ids=["-".join(map(str, [name, *given.values(), depth])) for name, given, depth, _ in CASES],
)


def layer(name: str, *, depth: int = 0, width: int = K, **given: Any) -> Any:
    torch.manual_seed(3)
    options = BACKBONES.options(name, given)
    return (
        BACKBONES.load(name).build(width, options, depth=depth, noise=NO_NOISE, gap_size=0).double()
    )


def stirred(net: Any) -> Any:
    """Other weights, so that none is at its start, such as zero."""
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0, 0.5)
    return net


def sequence(*, steps: int = G, width: int = K, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((B, steps, width), generator=generator, dtype=torch.float64)


def plain(name: str, state: tuple[Tensor, ...]) -> list[list[Array]]:
    """The states, oldest first, with nothing divided by exp(m)."""
    parts = [part.detach().numpy() for part in state]
    if name == "slstm":
        h, c, n, m = parts
        parts = [h, c * np.exp(m), n * np.exp(m), 0 * m]
    return [list(step) for step in zip(*parts, strict=True)]


def test_the_equations_of_every_backbone_are_written_out() -> None:
    assert set(EQUATIONS) | ELSEWHERE == set(BACKBONES.names())


@every_case
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "stepwise"])
@pytest.mark.parametrize("carried", [False, True], ids=["zero", "carried"])
def test_a_layer_computes_the_equations_of_its_docstring(
    name: str, given: dict[str, Any], depth: int, cell: Cell, fused: bool, carried: bool
) -> None:
    net, x = stirred(layer(name, depth=depth, **given)), sequence()
    for module in net.modules():
        if getattr(module, "fused", False):
            module.fused = fused
    start = net(sequence(seed=1))[1] if carried else None
    out, state = net(x, start)
    weights = {key.split("cell.")[-1]: value.numpy() for key, value in net.state_dict().items()}
    zeros = tuple(torch.zeros_like(part) for part in state)
    ring = plain(name, zeros if start is None else start)
    outs = []
    for step in range(G):
        ring.append(cell(weights, x[:, step].numpy(), ring.pop(0)))
        outs.append(ring[-1][0])
    np.testing.assert_allclose(out.detach().numpy(), np.stack(outs, 1), atol=1e-12)
    np.testing.assert_allclose(np.array(plain(name, state)), np.array(ring), rtol=1e-9, atol=1e-12)
