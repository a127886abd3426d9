"""Options of `training`: which windows are drawn, their weights, and that each has an effect."""

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
from rnnforecast.training.ridge import FOLD_COUNT
from rnnforecast.workflow.train_sampling import SamplingPlan
from rnnforecast.workflow.train_session import TrainingSession
from tests.workflow.runs import StopAt, contents, same, shared, trained, weights

Given = Callable[..., None]
Table = Callable[..., pd.DataFrame]
Train = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("without_pictures")

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


def sampling_plan(*overrides: str) -> SamplingPlan:
    """That of the first fit of the training of ``spec.yaml``."""
    prepared = prepare(Path("spec.yaml"), overrides)
    session = TrainingSession(prepared, Path("run"), NullListener(), lambda: False)
    return session.sampling_plan(0, session.split.train_end)


@pytest.mark.parametrize(("phase", "step"), [("fit", 12), ("final fit", 3)])
def test_a_training_with_every_option_goes_on_where_it_stopped_to_the_last_byte(
    given: Given, phase: str, step: int
) -> None:
    given(more=OPTIONS)
    shared("whole")
    assert trained("again", stop=StopAt(phase, step)).interrupted
    trained("again", resume=True)
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
def test_every_option_changes_what_is_learned(given: Given, table: Table, override: str) -> None:
    data = table(("a", "b", "c"))
    given(data.drop(index=range(15)))  # one series is shorter
    few = ("training.max_steps=8", "training.final_fit=false", "training.early_stopping=false")
    shared("plain", *few)
    trained("other", *few, f"training.{override}")
    assert not same(weights("plain"), weights("other"))


def test_weights_of_windows_change_what_is_learned(given: Given, table: Table) -> None:
    given(table(("a", "b", "c")))
    sets = ("model.normalize=standard", "training.max_steps=8")
    for weight in ("scale", "equal"):
        trained(weight, *sets, f"training.window_weight={weight}")
    assert not same(weights("scale"), weights("equal"))


def test_large_series_have_weight_and_are_drawn_by_their_scale(given: Given, table: Table) -> None:
    data = table(("a", "b", "c"))
    data["y"] = data["unique_id"].map({"a": 1.0, "b": -4.0, "c": 0.0})
    given(data)
    found = sampling_plan("training.series_weight=scale", "training.sample_series=scale")
    assert found.loss_weights.item_weights is not None
    np.testing.assert_allclose(found.loss_weights.item_weights[:, 0], [0.4, 1.6, 0])
    sampler = found.make_sampler(batch_size=256, seed=1)
    item = torch.cat([sampler.sample(step)[0] for step in range(200)]).numpy()
    share = np.bincount(item, minlength=3) / len(item)
    expected = np.sqrt([0.4, 1.6, 0.01])
    np.testing.assert_allclose(share, expected / expected.sum(), atol=0.01)


@pytest.mark.parametrize(("kind", "mean"), [("recent", 1 / 3), ("uniform", 1 / 2)])
def test_origins_are_drawn_as_the_spec_says(
    given: Given, table: Table, kind: str, mean: float
) -> None:
    given(table(("a",), steps=400))
    found = sampling_plan(f"training.sample_origins={kind}")
    origins, drawn = found.origins, found.make_sampler(batch_size=256, seed=1)
    origin = torch.cat([drawn.sample(step)[1] for step in range(64)]).numpy()
    age = (origins.last[0] - origin) / (origins.last[0] - origins.first[0])
    assert age.mean() == pytest.approx(mean, abs=0.01)


def test_targets_of_one_item_are_scaled_each_by_its_own_mean(given: Given, table: Table) -> None:
    data = table(("a", "b"))
    data["y"] = data["unique_id"].map({"a": 1.0, "b": 3.0})
    data["z"] = data["unique_id"].map({"a": 500.0, "b": 500.0})
    given(data, more="model: {channels: joint}")
    found = sampling_plan(
        "training.series_weight=scale", "data.targets=[y, z]"
    ).loss_weights.item_weights
    assert found is not None
    np.testing.assert_allclose(found, [[0.5, 1], [1.5, 1]])


def test_windows_spaced_evenly_end_before_what_is_held_out(given: Given, table: Table) -> None:
    rows = table(tuple("abcdef"), steps=120)
    given(rows.drop(index=range(70)), horizon=6)  # the first series is shorter and drawn less
    plan = sampling_plan("window.season=1")
    for max_windows in (60, 100_000):
        found = [(batch, fold) for batch, fold in plan.evenly_spaced_batches(max_windows)]
        folds = np.concatenate([fold for _, fold in found])
        count = sum(len(batch.targets) for batch, _ in found)
        assert (
            abs(count - 60) <= 6 if max_windows == 60 else count == int(plan._window_counts().sum())
        )
        assert set(folds.tolist()) == set(range(FOLD_COUNT))
        # every future lies before the end: none is cut
        assert all(bool((batch.weight > 0).all()) for batch, _ in found)
    first, limit = plan.origins.first, plan.origins.target_end
    assert (plan._window_counts() == np.maximum(limit - 6 - first + 1, 0)).all()


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
    assert found.stderr.count("1.2 times slower") == 1  # on a CPU
    train(out="plain")
    weights = [Path(out, "model.safetensors").read_bytes() for out in ("asked", "plain")]
    assert weights[0] == weights[1]
