"""What `training` asks for takes effect in a training as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.progress import NullListener
from rnnforecast.workflow.train_sampling import SamplingPlan
from rnnforecast.workflow.train_session import TrainingSession
from tests.workflow.runs import StopAt, same, trained, weights
from tests.workflow.test_train import contents, run

Given = Callable[..., None]
Train = Callable[..., Any]

OPTIONS = """training:
  optimizer: sgd
  schedule: plateau
  l1: 0.001
  gradient_accumulation: 2
  swa_fraction: 0.5
  patience: 20
  horizon_weight: decreasing
  series_weight: scale
  sample_origins: uniform
  sample_series: scale
"""


def session(*overrides: str) -> TrainingSession:
    return TrainingSession(
        prepare(Path("spec.yaml"), overrides), Path("run"), NullListener(), lambda: False
    )


def emphasis(*overrides: str) -> SamplingPlan:
    found = session(*overrides)
    return found.sampling_plan(0, found.split.train_end)


@pytest.mark.parametrize(("phase", "step"), [("fit", 50), ("final fit", 15)])
def test_a_training_with_every_option_goes_on_where_it_stopped_to_the_last_byte(
    given: Given, phase: str, step: int
) -> None:
    given(more=OPTIONS)
    run("whole")
    assert run("again", stop=StopAt(phase, step)).interrupted
    run("again", resume=True)
    assert contents("again") == contents("whole")


@pytest.mark.parametrize(
    "override",
    [
        "optimizer=adam",
        "l1=0.01",
        "schedule=step",
        "gradient_accumulation=2",
        "swa_fraction=0.5",
        "horizon_weight=decreasing",
        "horizon_weight=[1, 0, 0, 0, 0, 0, 6]",
        "series_weight=scale",
        "sample_origins=uniform",
        "sample_series=uniform",
        "sample_series=scale",
    ],
)
def test_every_option_changes_what_is_learnt(
    given: Given, table: Callable[..., pd.DataFrame], train: Train, override: str
) -> None:
    data = table(("a", "b", "c"))
    given(data.drop(index=range(15)))  # one series is shorter
    few = ("training.max_steps=8", "training.final_fit=false", "training.early_stopping=false")
    for out, more in (("plain", ()), ("other", (f"training.{override}",))):
        found = train(*few, *more, out=out)
        assert found.exit_code == 0, found.stderr
    weights = [Path(out, "model.safetensors").read_bytes() for out in ("plain", "other")]
    assert weights[0] != weights[1]


def test_windows_that_count_by_their_spread_teach_something_else(
    given: Given, table: Callable[..., pd.DataFrame]
) -> None:
    given(table(("a", "b", "c")))
    sets = ("model.normalize=standard", "training.max_steps=8")
    for weight in ("scale", "equal"):
        trained(weight, *sets, f"training.window_weight={weight}")
    assert not same(weights("scale"), weights("equal"))


def test_large_series_count_and_are_drawn_by_their_size(
    given: Given, table: Callable[..., pd.DataFrame]
) -> None:
    data = table(("a", "b", "c"))
    data["y"] = data["unique_id"].map({"a": 1.0, "b": -4.0, "c": 0.0})
    given(data)
    found = emphasis("training.series_weight=scale", "training.sample_series=scale")
    assert found.loss_weights.item_weights is not None
    np.testing.assert_allclose(found.loss_weights.item_weights[:, 0], [0.4, 1.6, 0])
    sampler = found.make_sampler(batch_size=256, seed=1)
    item = torch.cat([sampler.sample(step)[0] for step in range(200)]).numpy()
    share = np.bincount(item, minlength=3) / len(item)
    expected = np.sqrt([0.4, 1.6, 0.01])
    np.testing.assert_allclose(share, expected / expected.sum(), atol=0.01)


@pytest.mark.parametrize(("kind", "mean"), [("recent", 1 / 3), ("uniform", 1 / 2)])
def test_origins_are_drawn_as_the_spec_says(
    given: Given, table: Callable[..., pd.DataFrame], kind: str, mean: float
) -> None:
    given(table(("a",), steps=400))
    found = emphasis(f"training.sample_origins={kind}")
    origins, drawn = found.origins, found.make_sampler(batch_size=256, seed=1)
    origin = torch.cat([drawn.sample(step)[1] for step in range(64)]).numpy()
    age = (origins.last[0] - origin) / (origins.last[0] - origins.first[0])
    assert age.mean() == pytest.approx(mean, abs=0.01)


def test_targets_of_one_item_are_measured_each_by_its_own_mean(
    given: Given, table: Callable[..., pd.DataFrame]
) -> None:
    data = table(("a", "b"))
    data["y"] = data["unique_id"].map({"a": 1.0, "b": 3.0})
    data["z"] = data["unique_id"].map({"a": 500.0, "b": 500.0})
    given(data, more="model: {channels: joint}")
    found = emphasis(
        "training.series_weight=scale", "data.targets=[y, z]"
    ).loss_weights.item_weights
    assert found is not None
    np.testing.assert_allclose(found, [[0.5, 1], [1.5, 1]])


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("[1, 2, 3]", "expected 7 numbers, one a step of the horizon, found 3"),
        ("[0, 0, 0, 0, 0, 0, 0]", "expected at least one number above 0"),
        ("[1, 1, 1, 1, 1, 1, -1]", "a list of numbers of at least 0"),
        ("falling", "equal, decreasing or a list of numbers"),
    ],
)
def test_weights_that_do_not_fit_the_horizon_are_refused_by_name(
    given: Given, train: Train, weights: str, words: str
) -> None:
    given()
    found = train(f"training.horizon_weight={weights}")
    assert found.exit_code == 3
    assert "training.horizon_weight" in found.stderr
    assert words in found.stderr


@pytest.mark.parametrize("key", ["horizon_weight=decreasing", "series_weight=scale"])
def test_weights_and_the_decoder_that_forecasts_on_the_way_do_not_go_together(
    given: Given, train: Train, key: str
) -> None:
    given()
    found = train(f"training.{key}", "model.decoder=forking")
    assert found.exit_code == 3
    assert f"training.{key.partition('=')[0]}" in found.stderr


def test_without_a_compiler_a_training_goes_on_and_says_so(
    given: Given, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(method: Any) -> Any:
        raise RuntimeError("there is no compiler here")

    monkeypatch.setattr(torch, "compile", compiled)
    given()
    found = train("training.compile=true", out="asked")
    assert found.exit_code == 0
    assert "training.compile: the network is not compiled" in found.stderr
    assert "there is no compiler here" in found.stderr
    train(out="plain")
    weights = [Path(out, "model.safetensors").read_bytes() for out in ("asked", "plain")]
    assert weights[0] == weights[1]
