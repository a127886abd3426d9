"""Every backbone against the NumPy equations that its file states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.models.base import NO_NOISE
from rnnforecast.registry import BACKBONES

B, G, K, D = 3, 7, 6, 2
DEPTHS = (0, 1, 4)
STATED = [name for name in BACKBONES.names() if hasattr(BACKBONES.load(name), "reference_step")]


def option_sets(name: str) -> Iterator[dict[str, Any]]:
    """The default options, and each other word and smallest whole number on its own."""
    yield {}
    for option, (default, *others) in BACKBONES.literal(name, "OPTIONS", {}).items():
        if isinstance(default, str | bool):
            yield from ({option: value} for value in others)
        elif isinstance(default, int) and others[0] != default:
            yield {option: others[0]}


def layer(name: str, given: dict[str, Any], depth: int) -> Any:
    torch.manual_seed(3)
    options = BACKBONES.options(name, given)
    net = BACKBONES.load(name).build(K, options, depth=depth, noise=NO_NOISE, gap_size=D).double()
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0, 0.5)  # none at its initial value, such as zero
    return net


def sequence(width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((B, G, width), generator=generator, dtype=torch.float64)


def reference(
    net: Any, name: str, given: dict[str, Any], x: Tensor, gaps: Tensor, state: Any
) -> Any:
    """The outputs `[B, G, K]` of the equations, step by step."""
    step, options = BACKBONES.load(name).reference_step, BACKBONES.options(name, given)
    weights = {key.split("cell.")[-1]: value.numpy() for key, value in net.state_dict().items()}
    ring = [list(old) for old in zip(*(part.detach().numpy() for part in state), strict=True)]
    outs = []
    for t in range(G):
        ring.append(step(weights, x[:, t].numpy(), gaps[:, t].numpy(), ring.pop(0), options))
        outs.append(ring[-1][0])
    return np.stack(outs, 1)


def test_a_backbone_states_its_equations_or_has_a_test_of_its_own() -> None:
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert set(BACKBONES.names()) <= {*STATED, *tests}


@pytest.mark.parametrize(
    ("name", "given", "depth"),
    [
        (name, given, depth)
        for name in STATED
        for given in option_sets(name)
        for depth in (DEPTHS if not given else DEPTHS[:2])
    ],
    ids=str,
)
def test_a_layer_computes_the_equations_of_its_file(
    name: str, given: dict[str, Any], depth: int
) -> None:
    net, x, gaps = layer(name, given, depth), sequence(K, 0), sequence(D, 2).abs()
    _, carried = net(sequence(K, 1), None, gaps)
    zeros = tuple(torch.zeros_like(part) for part in carried)
    expected = [reference(net, name, given, x, gaps, state) for state in (zeros, carried)]
    for fused in (True, False):
        for module in net.modules():
            if not fused and getattr(module, "has_fused_kernel", False):
                module.has_fused_kernel = False
        for state, out in zip((None, carried), expected, strict=True):
            found = net(x, state, gaps)[0].detach().numpy()
            np.testing.assert_allclose(found, out, rtol=1e-9, atol=1e-12)
