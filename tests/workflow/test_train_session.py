"""Trainings of ensembles: each network as it would be alone, interruptions, the time budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rnnforecast.errors import SpecError
from rnnforecast.pipeline.auto import resolve_member_specs
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.spec import Spec, expand_ensemble
from tests.workflow.runs import StopAt, contents, same, shared, trained, weights

pytestmark = pytest.mark.usefixtures("without_pictures")

Given = Callable[..., None]
Command = Callable[..., Any]

TWO = """ensemble:
  members: 2
  vary: {window.lookback: [14, 28], training.loss: [quantile, normal]}
"""

NETWORKS = "ensemble.network_weight=1"


def specs(*overrides: str) -> list[Spec]:
    return expand_ensemble(read_spec(Path("spec.yaml"), overrides))


def test_each_network_has_its_own_seed_and_goes_through_the_values_in_turn(given: Given) -> None:
    vary = "{window.lookback: [14, 21], training.loss: [quantile, mae, normal]}"
    given(more=f"training: {{seed: 5}}\nensemble: {{members: 7, vary: {vary}}}\n")
    found = [(one.training.seed, one.window.lookback, one.training.loss) for one in specs()]
    assert found == [
        (5, 14, "quantile"),
        (6, 21, "quantile"),
        (7, 14, "mae"),
        (8, 21, "mae"),
        (9, 14, "normal"),
        (10, 21, "normal"),
        (11, 14, "quantile"),
    ]


def test_one_network_is_the_spec_itself(given: Given) -> None:
    given(more="model: {layers: 2}\n")
    found = specs()
    assert len(found) == 1
    assert found[0] == read_spec(Path("spec.yaml"))


def test_what_is_left_open_is_settled_for_each_network_on_its_own(given: Given) -> None:
    vary = "{model.backbone: [gru, dilated], training.loss: [quantile, poisson]}"
    given(more=f"ensemble: {{members: 4, vary: {vary}}}\n")
    prepared = prepare(Path("spec.yaml"))
    found = resolve_member_specs(prepared.inherited_spec, prepared.spec, prepared.cleaned)
    parts = [(one.model.layers, one.model.residual, one.model.normalize) for one in found]
    assert parts == [
        (1, False, "log_mean"),
        (3, True, "log_mean"),
        (1, False, "mean"),
        (3, True, "mean"),
    ]


def test_a_network_among_others_is_the_one_it_would_be_alone(given: Given) -> None:
    given(more=TWO)
    shared("both")
    alone = ["ensemble.members=1", "ensemble.vary={}"]
    shared("first", "window.lookback=14", *alone)
    shared("second", "window.lookback=28", "training.seed=2", *alone)
    assert same(weights("both", 0), weights("first"))
    assert same(weights("both", 1), weights("second"))


@pytest.mark.parametrize("loss", ["quantile", "mse"])
def test_a_stored_run_is_loaded_with_all_networks_and_forecasts_as_their_combination(
    loss: str, given: Given, rnnforecast: Command
) -> None:
    given(more=TWO.replace("quantile", loss) + "forecast: {calibrate: false}\n")
    shared("both", "ensemble.combine=mean", NETWORKS)
    run = load_run(Path("both"))
    assert [member.net.config.lookback for member in run.members] == [14, 28]
    assert run.combiner.method == "mean"
    stored = yaml.safe_load(Path("both/resolved.yaml").read_text())["ensemble"]
    assert stored["members"] == 2
    tables = []
    for name, sets in (("both", []), ("one", ["14", "1"]), ("two", ["28", "2"])):
        if sets:
            alone = ("ensemble.members=1", "ensemble.vary={}", f"training.seed={sets[1]}")
            shared(name, f"window.lookback={sets[0]}", f"training.loss={loss}", *alone, NETWORKS)
        assert rnnforecast("predict", name, "-o", f"{name}.csv").exit_code == 0
        table = pd.read_csv(f"{name}.csv").set_index(["unique_id", "ds"])
        tables.append(table.drop(columns=["cutoff", "status"]))
    both, one, two = tables
    pd.testing.assert_frame_equal(both, (one + two) / 2, rtol=1e-5)
    first = Path("both.csv").read_bytes()
    rnnforecast("predict", "both", "-o", "both.csv")
    assert Path("both.csv").read_bytes() == first


def test_weights_are_stored_and_add_up(given: Given, rnnforecast: Command) -> None:
    given(more=TWO)
    trained("run", "ensemble.combine=weights", "ensemble.members=3")
    stored = json.loads(Path("run/state.json").read_text())["combiner"]
    assert stored["method"] == "weights"
    assert len(stored["weights"]) == 3
    assert sum(stored["weights"]) == pytest.approx(1.0)
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    levels = pd.read_csv("f.csv").filter(regex="^q").to_numpy()
    assert (np.diff(levels, axis=1) >= 0).all()


def test_the_same_seed_gives_the_same_bytes_and_networks_that_differ(given: Given) -> None:
    given(more="ensemble: {members: 2, combine: weights}\n")
    trained("one")
    trained("two")
    assert contents("one") == contents("two")
    assert not same(weights("one", 0), weights("one", 1))


@pytest.mark.parametrize(
    ("phase", "step"),
    [("fit 2 of 2", 7), ("final fit 2 of 2", 2)],
)
def test_an_ensemble_that_was_stopped_ends_like_an_uninterrupted_one(
    given: Given, phase: str, step: int
) -> None:
    given(more=TWO)
    shared("whole", "ensemble.combine=weights")
    stop = StopAt(phase, step)
    assert trained("again", "ensemble.combine=weights", stop=stop).interrupted
    assert stop.phases[-1] == phase
    again = StopAt()
    assert not trained("again", "ensemble.combine=weights", resume=True, stop=again).interrupted
    assert again.phases[0] == phase  # what was done before is not done again
    assert contents("again") == contents("whole")
    assert not Path("again.checkpoint").exists()


def test_a_stop_in_each_fit_changes_nothing_either(given: Given) -> None:
    given(more=TWO)
    shared("whole")
    for phase in ("fit 1 of 2", "final fit 1 of 2", "fit 2 of 2", "final fit 2 of 2"):
        assert trained("again", stop=StopAt(phase, 3), resume=True).interrupted
    trained("again", resume=True)
    assert contents("again") == contents("whole")


def test_a_stop_in_a_first_fit_leaves_a_run_of_the_networks_so_far(
    given: Given, rnnforecast: Command
) -> None:
    given(more=TWO)
    for phase, count in (("fit 1 of 2", 1), ("fit 2 of 2", 2)):
        assert trained("run", stop=StopAt(phase, 5)).interrupted
        assert len(load_run(Path("run")).members) == count
        assert read_spec(Path("run/resolved.yaml")).ensemble.members == count
        assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
        assert pd.read_csv("f.csv").notna().all(axis=None)


def test_a_stop_in_a_last_fit_leaves_the_networks_that_were_scored(given: Given) -> None:
    given(more=TWO)
    shared("scored", "training.final_fit=false")
    assert trained("run", stop=StopAt("final fit 2 of 2", 2)).interrupted
    assert Path("run/model.safetensors").read_bytes() == contents("scored")["model.safetensors"]


def test_the_history_says_which_network_a_row_is_of(given: Given) -> None:
    given(more=TWO)
    shared("run")
    found = pd.read_csv("run/history.csv")
    assert found.columns[0] == "member"
    assert found["member"].tolist() == [1] * 20 + [2] * 20
    assert found["step"].tolist() == [*range(1, 21)] * 2
    shared("alone", "ensemble.members=1")
    assert "member" not in pd.read_csv("alone/history.csv").columns


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ("{window.lookbak: [7]}", "did you mean 'window.lookback'?"),
        ("{training.seed: [1, 2]}", "'training.seed'"),
        ("{window.horizon: [3]}", "'window.horizon'"),
        ("{model.backbone: [gru, lstmm]}", "model.backbone: expected one of"),
        ("{training.horizon_weight: [[0, 0]]}", "training.horizon_weight: expected at least one"),
        ("{model.layers: [1, zero]}", "model.layers: expected"),
        ("{window.lookback: []}", "a list of values"),
        ("[window.lookback]", "expected"),
    ],
)
def test_keys_that_networks_cannot_differ_in_are_refused_with_their_line(
    given: Given, vary: str, words: str
) -> None:
    given(more=f"ensemble:\n  members: 2\n  vary: {vary}\n")
    with pytest.raises(SpecError) as caught:
        read_spec(Path("spec.yaml"))
    assert "spec.yaml, line 5" in str(caught.value)
    assert words in str(caught.value)


def test_values_of_every_kind_are_taken(given: Given) -> None:
    vary = {
        "training.horizon_weight": ["decreasing", [1, 1, 1, 1, 1, 1, 0.5]],
        "model.smoothing_seasons": [[7], "auto"],
        "training.clip_norm": [None, 2],
        "model.backbone_options": [{}],
        "window.patch_length": [1, "auto", 7],
    }
    given(more=f"ensemble: {{members: 6, network_weight: 1, vary: {json.dumps(vary)}}}\n")
    trained("run", "training.max_steps=1")
    assert len(load_run(Path("run")).members) == 6
    stored = read_spec(Path("run/resolved.yaml"))
    assert stored.ensemble == read_spec(Path("spec.yaml")).ensemble


def test_rules_across_keys_hold_for_each_network(given: Given) -> None:
    vary = "{model.backbone: [gru, min_gru], training.loss: [quantile, poisson]}"
    more = f"model: {{zoneout: 0.1, normalize: standard}}\nensemble: {{members: 4, vary: {vary}}}\n"
    given(more=more)
    with pytest.raises(SpecError) as caught:
        read_spec(Path("spec.yaml"))
    places = [str(problem) for problem in caught.value.problems]
    assert [place.count("min_gru") for place in places if "model.zoneout" in place] == [1]
    assert any("model.normalize" in place and "poisson" in place for place in places)
    assert read_spec(Path("spec.yaml"), ["ensemble.members=1"]).ensemble.members == 1


def test_no_network_begins_that_would_not_end_within_the_time_budget(given: Given) -> None:
    given()
    listener = StopAt()
    trained("run", "ensemble.members=4", "training.time_budget=0.0001", stop=listener)
    assert len(load_run(Path("run")).members) == 1
    assert "time budget: 1 of 4 networks" in listener.infos
    assert read_spec(Path("run/resolved.yaml")).ensemble.members == 1


def test_automatic_members_are_as_many_as_the_combinations_that_vary(given: Given) -> None:
    given(more="ensemble: {vary: {window.lookback: [14, 28], training.loss: [quantile, mae]}}\n")
    trained("run", "training.max_steps=1")
    members = load_run(Path("run")).members
    found = {(each.net.config.lookback, each.net.config.loss) for each in members}
    assert found == {(14, "quantile"), (28, "quantile"), (14, "mae"), (28, "mae")}
    assert read_spec(Path("run/resolved.yaml")).ensemble.members == 4
