"""Which parts do not go together: each rule once, and what lies beside it is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnnforecast.inference import quantiles as inference
from rnnforecast.models.compatibility import (
    ModelChoices,
    incompatibilities,
)
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.registry import BACKBONES, LOSSES
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.training.trainer import Trainer
from tests.training.fits import CPU, config, net, panel_arrays, same, weights_of

GIVEN: dict[str, Any] = {
    "backbone": "gru",
    "decoder": "direct",
    "normalize": "standard",
    "loss": "quantile",
}
DECODERS = ("direct", "forking", "parallel", "recursive", "seq2seq")


def refused(**changes: Any) -> list[str]:
    """The keys that are refused."""
    given = {**GIVEN, **changes}
    given.setdefault("traits", BACKBONES.traits(given["backbone"]))
    return [key for key, why, cure in incompatibilities(ModelChoices(**given)) if why and cure]


BIDIRECTIONAL = {"bidirectional": True}
DIFFERENCE = {"difference": 1}
SMOOTH = {"normalize": "exponential_smoothing"}
MIXTURE = {"loss": "mixture"}
TWEEDIE = {"loss": "tweedie", "normalize": "mean"}
LOG_NORMAL = {"loss": "log_normal"}
FREE = {"normalize": "none"}


def option(key: str, value: object) -> dict[str, object]:
    return {"loss_options": ((key, value),)}


RULES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # the key that is refused, the parts that do not go together, what makes them do so
    ("model.bidirectional", {**BIDIRECTIONAL, "backbone": "rnn"}, {"backbone": "lstm"}),
    (
        "model.recurrent_dropout",
        {"recurrent_dropout": 0.1, "backbone": "min_gru"},
        {"backbone": "gru"},
    ),
    ("model.zoneout", {"zoneout": 0.1, "backbone": "transformer"}, {"backbone": "slstm"}),
    (
        "model.initial_state",
        {"learnt_start": True, "backbone": "min_lstm"},
        {"backbone": "dilated"},
    ),
    (
        "model.orthogonal_init",
        {"orthogonal": True, "backbone": "transformer"},
        {"backbone": "rrnn"},
    ),
    ("model.decoder", {**BIDIRECTIONAL, "decoder": "parallel"}, {"decoder": "direct"}),
    ("model.decoder", {**BIDIRECTIONAL, "decoder": "recursive"}, {"decoder": "seq2seq"}),
    ("model.decoder", {**BIDIRECTIONAL, "decoder": "forking"}, {"bidirectional": False}),
    ("training.tbptt_steps", {**BIDIRECTIONAL, "truncate": 2}, {"truncate": None}),
    ("model.teacher_forcing", {"teacher_forcing": 0.5}, {"decoder": "recursive"}),
    (
        "model.teacher_forcing",
        {"teacher_forcing": 0.5, "decoder": "parallel"},
        {"decoder": "seq2seq"},
    ),
    ("model.normalize", {**DIFFERENCE, "normalize": "log_mean"}, {"normalize": "standard"}),
    ("model.normalize", {**DIFFERENCE, "normalize": "mean"}, {"normalize": "robust"}),
    ("model.normalize", {**DIFFERENCE, **SMOOTH}, {"normalize": "last"}),
    ("training.loss", {**DIFFERENCE, **FREE, "loss": "poisson"}, {"loss": "normal"}),
    ("training.loss", {**DIFFERENCE, **FREE, **LOG_NORMAL}, {"loss": "mixture"}),
    ("model.normalize", LOG_NORMAL, {"normalize": "log_mean"}),
    ("model.normalize", {**LOG_NORMAL, **SMOOTH}, {"normalize": "none"}),
    ("model.channels", {**SMOOTH, "joint": True}, {"joint": False}),
    ("model.decoder", {**SMOOTH, "decoder": "forking"}, {"decoder": "seq2seq"}),
    ("training.loss_options.power", option("power", 1.5), TWEEDIE),
    ("training.loss_options.powr", {**TWEEDIE, **option("powr", 1.5)}, option("power", 1.5)),
    ("training.loss_options.power", {**TWEEDIE, **option("power", 2.0)}, option("power", 1.99)),
    ("training.loss_options.power", {**TWEEDIE, **option("power", "1.5")}, option("power", 1.01)),
    (
        "training.loss_options.components",
        {**MIXTURE, **option("components", 1)},
        option("components", 2),
    ),
    (
        "training.loss_options.components",
        {**MIXTURE, **option("components", True)},
        option("components", 20),
    ),
]
RULES += [
    ("model.normalize", {"loss": loss, "normalize": normalize}, {"normalize": "mean"})
    for loss in LOSSES.having("amounts")
    for normalize in ("standard", "log_mean", "robust", "last", "exponential_smoothing")
]


@pytest.mark.parametrize(("key", "together", "instead"), RULES)
def test_a_pair_is_refused_by_its_key_and_its_neighbour_is_allowed(
    key: str, together: dict[str, Any], instead: dict[str, Any]
) -> None:
    assert refused(**together) == [key]
    assert refused(**{**together, **instead}) == []


def test_what_is_still_open_goes_with_everything() -> None:
    for loss in (*LOSSES.having("positive"), "quantile", "mse"):
        assert refused(loss=loss, normalize=None, decoder=None) == []
    assert refused(**BIDIRECTIONAL, decoder=None) == []
    assert refused(**SMOOTH, decoder=None) == []
    assert refused(teacher_forcing=0.5, decoder=None) == []


def test_all_that_is_wrong_is_found_at_once() -> None:
    everything = refused(
        backbone="transformer",
        bidirectional=True,
        zoneout=0.1,
        recurrent_dropout=0.1,
        decoder="forking",
        loss="poisson",
        truncate=1,
    )
    assert everything == [
        "model.bidirectional",
        "model.recurrent_dropout",
        "model.zoneout",
        "model.decoder",
        "training.tbptt_steps",
        "model.normalize",
    ]


WRONG = """model: {backbone: transformer, zoneout: 0.1, decoder: direct, teacher_forcing: 0.5}
training: {loss: mixture, loss_options: {components: 1}, freeze: "head.*"}
forecast: {totals: [3, 40]}
"""


@pytest.mark.parametrize("command", [("check",), ("train", "-o", "run")])
def test_parts_that_do_not_go_together_are_told_all_at_once_before_any_data_is_read(
    given: Callable[..., None], rnnforecast: Callable[..., Any], command: tuple[str, ...]
) -> None:
    given(more=WRONG)
    Path("data.csv").unlink()
    result = rnnforecast(command[0], "spec.yaml", *command[1:])
    assert result.exit_code == 3
    keys = ("model.zoneout", "model.teacher_forcing", "training.loss_options.components",
            "training.freeze", "forecast.totals")  # fmt: skip
    for key in keys:
        assert f"spec.yaml, {key}: " in " ".join(result.stderr.split())
    assert not Path("run").exists()


def test_what_is_chosen_automatically_goes_with_the_loss(
    given: Callable[..., None], rnnforecast: Callable[..., Any], table: Callable[..., Any]
) -> None:
    rows = table()
    rows.loc[::7, "y"] = 1e-6  # too near zero for logs
    given(rows)
    for loss in LOSSES.having("positive"):
        result = rnnforecast("check", "spec.yaml", "--no-report", "--set", f"training.loss={loss}")
        assert result.exit_code == 0, result.stderr
        assert "model.normalize: mean" in " ".join((result.stdout + result.stderr).split())


@pytest.mark.parametrize("loss", [*LOSSES.having("positive"), "mse", "student_t", "quantile"])
def test_what_the_preset_best_varies_goes_together(
    given: Callable[..., None], rnnforecast: Callable[..., Any], loss: str
) -> None:
    given()
    sets = ("--set", "training.preset=best", "--set", f"training.loss={loss}")
    result = rnnforecast("check", "spec.yaml", "--no-report", *sets)
    assert result.exit_code == 0, result.stderr


def counts(*, elapsed: bool) -> WindowDataset:
    """Two short series of counts."""
    values = np.random.default_rng(0).poisson(6.0, (80, 1)).astype(np.float64)
    seen = np.ones((80, 1), dtype=np.bool_)
    offsets = np.array([0, 40, 80])
    arrays = panel_arrays(
        values, seen, offsets, include_elapsed=elapsed, include_past_target_mask=True
    )
    return WindowDataset(arrays, lookback=8, horizon=4, device=CPU)


ITEM, ORIGIN = np.array([0, 1, 1]), np.array([20, 25, 36])
LEVELS = (0.1, 0.5, 0.9)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("backbone", BACKBONES.names())
def test_every_pair_that_is_allowed_trains_and_forecasts(backbone: str, decoder: str) -> None:
    elapsed = "gaps" in BACKBONES.traits(backbone)
    data = counts(elapsed=elapsed)
    batch = data.gather(*map(torch.from_numpy, (ITEM, ORIGIN, ORIGIN + 4)))
    for loss in ("quantile", "mae", "normal", "poisson"):
        assert refused(backbone=backbone, decoder=decoder, loss=loss, normalize="mean") == []
        changes: dict[str, Any] = {
            "backbone": BackboneConfig(backbone),
            "covariates": CovariateSizes(elapsed=elapsed),
        }
        trained = net(decoder=decoder, normalize="mean", loss=loss, **changes)
        trained.initialize_scales(batch.history, batch.targets, batch.weight)
        before = weights_of(trained)
        recipe = config(max_steps=2, weight_decay=0.0)
        Trainer(trained, recipe, get_batch=lambda number: batch).fit()
        assert not same(before, weights_of(trained))
        residuals = None if trained.head.can_sample else np.array([[-1.0, 0.0, 1.0]] * 4)
        found = inference.predict_quantiles(
            trained, data, ITEM, ORIGIN, steps=4, levels=LEVELS, residuals=residuals
        )
        assert found.shape == (3, 4, 1, 3)
        assert np.isfinite(found).all()
        assert (np.diff(found, axis=-1) >= 0).all()
