"""Compiled networks: equal results, and networks without a compiler."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from rnnforecast.training.compile import compile_forward
from rnnforecast.training.trainer import Trainer
from tests.training.fits import (
    complete_batch,
    net,
    same,
    short_config,
    trainer,
    weights_of,
)


def test_a_compiled_net_forecasts_the_same_and_its_weights_keep_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def compiled(method: Any) -> Any:
        made.append(method)
        return lambda *given: method(*given)

    monkeypatch.setattr(torch, "compile", compiled)
    found, plain, batch = net(), net(), complete_batch(0)
    before, random = weights_of(found), torch.get_rng_state()
    assert compile_forward(found, batch, torch.float32) is None
    assert compile_forward(found, batch, torch.float32) is None
    assert len(made) == 1
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in found.parameters())
    assert same(before, weights_of(found))
    torch.manual_seed(3)
    trainer(found, short_config()).fit()
    torch.manual_seed(3)
    trainer(plain, short_config()).fit()
    assert same(weights_of(found), weights_of(plain))


def test_where_the_compiler_is_missing_the_net_is_as_it_was_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compiled(method: Any) -> Any:
        def fail(*given: Any) -> Any:
            raise RuntimeError("Failed to find C++ compiler.\nA long story follows.")

        return fail

    monkeypatch.setattr(torch, "compile", compiled)
    found = net()
    reason = compile_forward(found, complete_batch(0), torch.float32)
    assert reason == "RuntimeError: Failed to find C++ compiler."
    assert "forward" not in vars(found)
    assert isinstance(trainer(found, short_config()), Trainer)
    trainer(found, short_config()).fit()


def test_neither_training_nor_loading_waits_for_the_compiler() -> None:
    """It takes two seconds to load, and is of use only to who asks for it."""
    code = (
        "import sys\n"
        "from rnnforecast.training.checkpoint import forecaster_from_weights\n"
        "from rnnforecast.training.trainer import Trainer\n"
        "from tests.training.fits import config, make_get_batch, net\n"
        "trainer = Trainer(net(), config(), get_batch=make_get_batch())\n"
        "state = trainer.fit()\n"
        "trainer._restore_state()\n"
        "for name in ('linear', 'theta'):\n"
        "    stored = net(base_forecast=name)\n"
        "    forecaster_from_weights(stored.config, stored.state_dict())\n"
        "print(state.step, 'torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["60", "False"]
