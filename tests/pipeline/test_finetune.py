"""A training that starts from an earlier run: inherited keys and weights, and refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.pipeline.finetune import PretrainedRun
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.progress import NullListener
from rnnforecast.workflow.train_session import TrainingSession
from tests.workflow.runs import SETS, StopAt, contents, same, shared, trained, weights

pytestmark = pytest.mark.usefixtures("without_pictures")

Given = Callable[..., None]
Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

PARTS = "model: {backbone: lstm, decoder: seq2seq, normalize: mean}\n"
FROM = "training: {start_from: base}\n"


@pytest.fixture
def base(given: Given, table: Table) -> Callable[..., None]:
    """Trains ``base`` on three series, and leaves a spec that starts from it, of two others."""

    def make(*sets: str, more: str = FROM, parts: str = PARTS) -> None:
        given(table(("a", "b", "c")), more=parts)
        shared("base", *sets)
        given(table(("x", "y"), steps=80), more=more)

    return make


def small(*sets: str) -> list[str]:
    """Overrides of a training that leaves the net's parts to the run it starts from."""
    return [*(each for each in SETS if not each.startswith("model.")), *sets]


def session(*sets: str) -> TrainingSession:
    return TrainingSession(
        prepare(Path("spec.yaml"), small(*sets)), Path("new"), NullListener(), lambda: False
    )


def net_of(found: TrainingSession) -> Forecaster:
    """A net as the training has it, with weights of its own."""
    torch.manual_seed(99)
    return Forecaster(found.configs[0])


def test_keys_that_are_not_set_are_as_in_the_run(base: Run) -> None:
    sets = ("window.lookback=21", "training.loss=mixture", "forecast.quantiles=[0.2, 0.5]")
    base(*sets, "training.loss_options={components: 4}", "model.hidden_size=6")
    spec = prepare(Path("spec.yaml")).spec
    assert spec.window.lookback == 21
    assert (spec.model.backbone, spec.model.decoder) == ("lstm", "seq2seq")
    assert (spec.model.normalize, spec.model.hidden_size) == ("mean", 6)
    assert (spec.training.loss, spec.training.loss_options) == ("mixture", {"components": 4})
    assert spec.forecast.quantiles == (0.2, 0.5)
    stored = yaml.safe_load(Path("base/resolved.yaml").read_text())
    found = {key: getattr(spec.window, key) for key in stored["window"]}
    assert found == stored["window"]


def test_keys_that_are_set_stay(base: Run) -> None:
    base()
    sets = ("model.dropout=0.4", "training.learning_rate=0.1", "training.loss=mae")
    spec = prepare(Path("spec.yaml"), sets).spec
    assert spec.model.dropout == 0.4
    assert spec.training.loss == "mae"
    assert spec.training.learning_rate == 0.1
    assert spec.training.start_from == "base"


def test_another_loss_has_no_options_of_the_run_s(base: Run) -> None:
    base("training.loss=tweedie", "training.loss_options={power: 1.3}")
    for loss, expected in (("mse", {}), ("tweedie", {"power": 1.3})):
        spec = prepare(Path("spec.yaml"), [f"training.loss={loss}"]).spec
        assert spec.training.loss_options == expected


def test_another_network_has_no_options_of_the_run_s(base: Run, rnnforecast: Run) -> None:
    base("model.backbone_options={forget_bias: 0.5}")
    assert prepare(Path("spec.yaml")).spec.model.backbone_options == {"forget_bias": 0.5}
    assert "other weights: backbone." in refusal(rnnforecast, "model.backbone=gru")


def test_a_finished_training_from_a_run_that_is_another_now_is_done_again(base: Run) -> None:
    base()
    trained("new")
    first = weights("new")
    trained("new", resume=True)
    assert same(weights("new"), first)
    base("training.seed=9")
    trained("new", resume=True)
    assert not same(weights("new"), first)


def test_a_training_begins_with_the_weights_of_the_run(base: Run) -> None:
    base()
    found = session()
    assert found.pretrained is not None
    net = net_of(found)
    found.pretrained.initialize(net, 0)
    assert same(net.state_dict(), weights("base"))


def test_a_training_at_a_tiny_learning_rate_leaves_the_run_s_weights(base: Run) -> None:
    base()
    sets = ("training.learning_rate=1e-12", "training.final_fit=false", "training.weight_decay=0")
    trained("new", *sets)
    for name, value in weights("base").items():
        torch.testing.assert_close(weights("new")[name], value, rtol=0, atol=1e-9)


def test_a_fine_tuned_run_forecasts_alone(base: Run, rnnforecast: Run) -> None:
    base()
    trained("new")
    assert not same(weights("new"), weights("base"))
    shutil.rmtree("base")
    assert rnnforecast("predict", "new", "-o", "f.csv").exit_code == 0
    assert sorted(set(pd.read_csv("f.csv")["unique_id"])) == ["x", "y"]


def test_frozen_weights_stay_to_the_last_bit_and_others_do_not(base: Run) -> None:
    base(more='training: {start_from: base, freeze: ["backbone.*", "*bias*"], l1: 0.01}\n')
    trained("new", "training.swa_fraction=0.3")
    before, after = weights("base"), weights("new")
    names = [name for name, _ in net_of(session()).named_parameters()]
    frozen = {name for name in names if name.startswith("backbone.") or "bias" in name}
    assert frozen
    for name in names:
        assert torch.equal(before[name], after[name]) == (name in frozen), name


def test_a_fine_tuning_that_was_stopped_ends_like_an_uninterrupted_one(base: Run) -> None:
    base(more='training: {start_from: base, freeze: "backbone.*"}\n')
    trained("whole")
    assert trained("again", stop=StopAt("fit", 7)).interrupted
    assert trained("again", resume=True, stop=StopAt("final fit", 2)).interrupted
    trained("again", resume=True)
    assert contents("again") == contents("whole")


def test_each_network_of_an_ensemble_starts_from_one_of_the_run_s(base: Run) -> None:
    base("ensemble.members=2")
    sets = ("training.learning_rate=1e-12", "training.final_fit=false", "training.weight_decay=0")
    trained("new", *sets, "ensemble.members=3")
    for member in range(3):
        for name, value in weights("base", member % 2).items():
            torch.testing.assert_close(weights("new", member)[name], value, rtol=0, atol=1e-9)


def refusal(rnnforecast: Run, *sets: str, code: int = 3) -> str:
    """The message of the refused training, in one line."""
    given = [part for each in small(*sets) for part in ("--set", each)]
    result = rnnforecast("train", "spec.yaml", "-o", "new", *given)
    assert result.exit_code == code, result.stderr
    assert not Path("new").exists()
    return " ".join(result.stderr.split())


def test_a_pattern_without_a_match_is_refused_with_the_parts_there_are(
    base: Run, rnnforecast: Run
) -> None:
    base()
    said = refusal(rnnforecast, "training.freeze=[bakbone.*]")
    assert "'bakbone.*' matches no weight" in said
    assert "there are " in said
    assert "backbone*" in said


def test_freezing_all_is_refused(base: Run, rnnforecast: Run) -> None:
    base()
    assert "no weights are left to train" in refusal(rnnforecast, "training.freeze=['*']")


def test_freezing_without_a_run_is_refused(given: Given, rnnforecast: Run) -> None:
    given()
    said = refusal(rnnforecast, "training.freeze=['*']")
    assert "weights that were never trained" in said


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("model.hidden_size=5", "backbone."),
        ("model.backbone=gru", "backbone."),
        ("window.lookback=14", "base_forecast."),
        ("forecast.quantiles=[0.5]", "output_layer.bias"),
    ],
)
def test_a_network_of_other_sizes_is_refused_with_the_weights_that_differ(
    base: Run, rnnforecast: Run, change: str, named: str
) -> None:
    base()
    said = refusal(rnnforecast, change)
    assert "training.start_from: the run's network has other weights: " in said
    assert named in said


def test_another_horizon_is_refused(base: Run, rnnforecast: Run) -> None:
    base()
    said = refusal(rnnforecast, "window.horizon=5")
    assert "window.horizon=5: the run was trained for 7 steps, not 5 set it to 7" in said


def test_a_run_that_reads_categories_is_refused(
    given: Given, table: Table, rnnforecast: Run
) -> None:
    rows = table()
    rows["kind"] = np.where(np.arange(len(rows)) % 3, "u", "v")
    given(rows, more="features: {past: [kind]}\n")
    trained("base")
    given(rows, more="features: {past: [kind]}\ntraining: {start_from: base}\n")
    assert "the run reads categories" in refusal(rnnforecast)


def test_a_missing_run_is_named_by_its_path(given: Given, rnnforecast: Run) -> None:
    given(more="training: {start_from: nowhere}\n")
    said = refusal(rnnforecast, code=4)
    assert "nowhere: there is no such folder" in said.replace(" :", ":")
    assert "give the folder that 'rnnforecast train' wrote" in said


def test_a_relative_path_is_relative_to_the_spec(base: Run) -> None:
    base()
    Path("deep/er").mkdir(parents=True)
    text = Path("spec.yaml").read_text()
    text = text.replace("path: data.csv", "path: ../../data.csv")
    Path("deep/er/spec.yaml").write_text(text.replace("from: base", "from: ../../base"))
    trained("new", spec="deep/er/spec.yaml")
    trained("same")
    assert same(weights("new"), weights("same"))


SMOOTH = "model: {normalize: exponential_smoothing, smoothing_seasons: [7, 2]}\n"


def test_smoothing_weights_of_a_series_are_found_by_its_name(
    base: Run, given: Given, table: Table
) -> None:
    base("training.learning_rate=0.05", parts=SMOOTH)
    given(table(("c", "new", "a"), steps=80), more=FROM)
    found = session()
    assert found.pretrained is not None
    net = net_of(found)
    found.pretrained.initialize(net, 0, found.smoothed_items)
    before, after = weights("base"), dict(net.state_dict())
    assert len(net.per_item_weights()) == 3  # rates, and factors of two seasons
    for name in net.per_item_weights():
        of_run, of_net = before[name], after[name]
        # rows of a, b and c, sorted; then those of a, c and new; the last is nobody's
        torch.testing.assert_close(of_net[[0, 1]], of_run[[0, 2]], rtol=0, atol=0)
        assert (of_net[2:] == 0).all()
        assert (of_run[:3] != 0).any(1).all()
    assert torch.equal(before["scaling.rates"], after["scaling.rates"])
    trained("new")
    assert PretrainedRun(Path("new"), ()).run.smoothed_items == found.smoothed_items


@pytest.mark.parametrize("gaps_in_base", [True, False])
def test_a_run_with_gaps_and_data_without_and_the_other_way_round_go_together(
    given: Given, table: Table, rnnforecast: Run, gaps_in_base: bool
) -> None:
    """A network reads the time since the last observation if the first data have gaps."""
    whole, gappy = table(("a", "b")), table(("a", "b"))
    gappy.loc[::9, "y"] = np.nan
    given(gappy if gaps_in_base else whole)
    shared("base")
    given(whole if gaps_in_base else gappy, more=FROM)
    trained("new", "training.max_steps=2")
    assert rnnforecast("predict", "new", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv").notna().all(axis=None)
    assert {name: each.shape for name, each in weights("base").items()} == {
        name: each.shape for name, each in weights("new").items()
    }
