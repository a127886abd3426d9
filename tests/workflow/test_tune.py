"""The search as a whole: its scores, its files, continuation, and what it never sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import DataError, SpecError, UsageError
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.parallel.local import LocalEngine
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.progress import FitProgress
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.search_space import Choices, Range
from rnnforecast.workflow import tune as tune_module
from rnnforecast.workflow.train import fit_prepared
from rnnforecast.workflow.tune import TuneResult, tune
from rnnforecast.workflow.tune_comparison import conclusion
from rnnforecast.workflow.tune_criteria import information_criterion
from rnnforecast.workflow.tune_space import build_space
from rnnforecast.workflow.tune_trial import TrialPruned, TrialStopped, TrialWatch
from tests.workflow.runs import KillWorker, StopAt, all_files

SPEC = """# days of two shops
data:
  path: data.csv  # every night
window: {horizon: 3, season: 7, lookback: 14, patch_length: 7}
clean: {deseasonalize: none}
training:
  max_steps: 4  # few
  batch_size: 8
model: {hidden_size: 4, base_forecast: linear}
ensemble: {network_weight: 1.0}
search:
  keys:
    model.hidden_size: [2, 4]
    training.learning_rate: {low: 0.001, high: 0.1, log: true}
  trials: 3
  folds: 2
"""
FOLDS = "search.folds=1"


def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=60)
    return pd.concat(
        [
            pd.DataFrame(
                {"unique_id": name, "ds": days, "y": 9 + np.arange(60) % 7 + random.random(60)}
            )
            for name in "ab"
        ]
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec and its data."""
    folder = tmp_path_factory.mktemp("tune")
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    rows().to_csv(folder / "data.csv", index=False)
    return folder


@pytest.fixture
def folder(inputs: Path, without_pictures: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as the working folder, with a finished search in ``whole``."""
    monkeypatch.chdir(inputs)
    if not Path("whole").exists():
        search("whole")
    return inputs


def search(
    out: str, *overrides: str, stop: StopAt | None = None, engine: Engine = IN_PROCESS
) -> TuneResult:
    stop = stop or StopAt()
    return tune(
        Path("spec.yaml"),
        Path(out),
        overrides=overrides,
        engine=engine,
        listener=stop,
        should_stop=stop.should_stop,
    )


def written(out: str) -> dict[str, bytes]:
    """All files but those of the study and the mark."""
    files = all_files(out)
    return {name: files[name] for name in files if not name.startswith(("study/", ".rnn"))}


def test_the_files_hold_the_trials_the_scores_and_the_best_spec(folder: Path) -> None:
    stored = json.loads(Path("whole/tuning.json").read_text(encoding="utf-8"))
    table = pd.read_csv("whole/trials.csv")
    assert list(table["trial"]) == [1, 2, 3]
    assert list(table["untuned"]) == [True, False, False]
    complete = table[table["state"] == "complete"]
    assert np.allclose(complete["score"], complete[["fold_1", "fold_2"]].mean(axis=1))
    best = table.loc[complete["score"].idxmin()]
    assert stored["best_trial"] == best["trial"]
    assert stored["search_score"] == pytest.approx(best["score"], rel=1e-5)
    assert stored["values"]["training.learning_rate"] == best["training.learning_rate"]
    assert stored["test"]["windows"] == 1
    assert stored["test"]["series"] == 2
    assert "seasonal naive" in stored["test"]["baselines"]
    plots = sorted(path.name for path in Path("whole/plots").glob("*.svg"))
    assert plots == ["history.svg", "slices.svg"]


def test_the_best_spec_has_the_best_values_and_keeps_the_comments(folder: Path) -> None:
    stored = json.loads(Path("whole/tuning.json").read_text(encoding="utf-8"))
    text = Path("whole/best.yaml").read_text(encoding="utf-8")
    best, given = read_spec(Path("whole/best.yaml")), read_spec(Path("spec.yaml"))
    (source,) = best.data.source_paths(Path("whole/best.yaml"))
    assert [str(Path(source).resolve())] == [*given.data.source_paths(Path("spec.yaml"))]
    assert "# days of two shops" in text
    assert "max_steps: 4  # few" in text
    if stored["test"]["tuned"] is not None:
        assert best.model.hidden_size == stored["values"]["model.hidden_size"]
        assert best.training.learning_rate == stored["values"]["training.learning_rate"]
    added = [line for line in Path("whole/best.diff").read_text().splitlines() if line[0] == "+"]
    assert "+  path: ../data.csv  # every night" in added


def test_a_search_that_was_stopped_ends_like_one_that_was_not(folder: Path) -> None:
    stopped = search("parts", stop=StopAt("trial 2, fit", 2))
    assert stopped.interrupted
    assert written("parts") == {}
    finished = search("parts")
    assert not finished.interrupted
    assert written("parts") == written("whole")
    search("parts")  # nothing is left to do
    assert written("parts") == written("whole")
    with pytest.raises(UsageError, match="another spec"):
        search("parts", "model.dropout=0.3")


def test_the_score_of_a_fold_is_that_of_a_training_on_the_data_before(folder: Path) -> None:
    table = pd.read_csv("whole/trials.csv")
    for fold in (1, 2):
        cut = rows().groupby("unique_id").apply(lambda each, n=3 * fold: each.iloc[:-n])
        cut.reset_index(0).to_csv("cut.csv", index=False)
        prepared = prepare(Path("spec.yaml"), ["data.path=cut.csv", "training.final_fit=false"])
        expected = fit_prepared(prepared).result.model_metrics["mase"]
        assert table.loc[0, f"fold_{fold}"] == pytest.approx(expected, rel=1e-5)


def test_the_search_never_sees_the_windows_of_the_comparison(folder: Path) -> None:
    noise = rows()
    last = noise.groupby("unique_id").cumcount(ascending=False) < 3
    noise["y"] = noise["y"].where(~last, 1000.0)
    noise.to_csv("noise.csv", index=False)
    search("noise", "data.path=noise.csv")
    assert written("noise")["trials.csv"] == written("whole")["trials.csv"]
    assert written("noise")["tuning.json"] != written("whole")["tuning.json"]


def test_a_search_in_a_worker_that_is_killed_ends_like_one_in_this_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune_module, "engine_that_pays", lambda engine, *_: engine)
    heard = KillWorker("trial 2", "trial 3, fit", 4)
    search("killed", stop=heard, engine=LocalEngine(1))
    assert heard.killed
    search("killed")
    assert written("killed") == written("whole")


def test_values_that_do_not_fit_the_data_fail_their_trial_only(folder: Path) -> None:
    keys = "search.keys={window.lookback: [14, 5000]}"
    result = search("long", keys, FOLDS, "search.sampler=grid")
    assert result.trials == {"complete": 1, "pruned": 0, "failed": 1}
    assert "longest series" in pd.read_csv("long/trials.csv").loc[1, "note"]


def test_too_few_data_for_the_folds_are_refused_with_the_number_that_fits(folder: Path) -> None:
    with pytest.raises(DataError, match="set it to 18 or less"):
        search("many", "search.folds=19")
    with pytest.raises(DataError, match="too few"):
        search("long horizon", "window.horizon=25")


def test_wrong_candidates_are_refused_before_the_data_are_read(folder: Path) -> None:
    with pytest.raises(SpecError, match="hidden_size"):
        search("bad", "search.keys={model.hidden_siz: [1, 2]}", "data.path=none.csv")


def test_without_optuna_the_command_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnforecast.workflow.tune.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'rnnforecast\[tune\]'"):
        search("none")


def test_aic_and_bic_differ_in_the_penalty_of_a_parameter(folder: Path) -> None:
    trained = fit_prepared(prepare(Path("spec.yaml"), ["training.final_fit=false"]))
    session, (member,) = trained.session, trained.fit_result.ensemble.members
    n_parameters = sum(each.numel() for each in member.net.parameters())
    n_values = int(session.split.train_end.sum())  # all are observed
    aic, bic = (information_criterion(name, trained) for name in ("aic", "bic"))
    assert bic - aic == pytest.approx((np.log(n_values) - 2) * n_parameters)


def test_a_space_by_the_size_of_the_data_holds_the_automatic_values(folder: Path) -> None:
    overrides = ["search.keys=auto", "model.hidden_size=auto", "window.lookback=auto"]
    prepared = prepare(Path("spec.yaml"), overrides)
    space = build_space(prepared)
    size, rate = space["model.hidden_size"], space["training.learning_rate"]
    assert isinstance(size, Choices)
    assert isinstance(rate, Range)
    assert size.contains(prepared.spec.model.hidden_size)
    assert rate.contains(prepared.spec.training.learning_rate)
    assert space["window.lookback"].contains(prepared.spec.window.lookback)
    assert "model.layers" not in space  # with 120 values


@pytest.mark.parametrize(
    ("tuned", "outcome", "words"),
    [
        (None, "", "did not help: no trial"),
        (0.9, "better", "tuning helped"),
        (0.9, "not shown", "not shown"),
        (1.1, "worse", "did not help on windows"),
    ],
)
def test_it_is_said_plainly_whether_tuning_has_helped(
    tuned: float | None, outcome: str, words: str
) -> None:
    verdict = None if tuned is None else {"outcome": outcome, "words": ""}
    comparison = {"tuned": {"mase": tuned}, "untuned": {"mase": 1.0}, "verdict": verdict}
    assert words in conclusion("mase", comparison)


def test_the_command_prints_both_scores_and_what_it_concludes(
    rnnforecast: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    result = rnnforecast("tune", "spec.yaml", "-o", "whole", "--trials", "3")
    assert result.exit_code == 0, result.stderr
    assert "search, the lowest of 3: MASE" in result.stdout
    assert "windows it never saw: MASE" in result.stdout
    assert "tuning" in result.stderr
    shown = json.loads(rnnforecast("tune", "spec.yaml", "-o", "whole", "--json").stdout)
    assert shown["trials"]["complete"] == 3


def watch(**given: Any) -> TrialWatch:
    defaults = {"seconds_left": 60, "should_stop": lambda: False, "on_progress": lambda step: None}
    return TrialWatch(**{**defaults, **given})


def step(number: int, loss: float) -> FitProgress:
    return FitProgress("fit", number, 100, 1.0, loss, validated=True)


def test_a_trial_above_the_median_of_the_best_losses_so_far_is_pruned() -> None:
    # best losses until step 50: 1, 2, 3, 4, 5
    others = [{10: 9.0, 50: float(best), 90: 0.1} for best in range(1, 6)]
    middle = watch(others=others)
    middle.progress(step(10, 99.0))  # too early to tell
    middle.progress(step(50, 3.0))
    with pytest.raises(TrialPruned, match="step 50"):
        watch(others=others).progress(step(50, 3.1))
    watch(others=others[:4]).progress(step(50, 99.0))  # too few to compare with


def test_a_trial_stops_when_the_time_is_up_or_a_stop_is_requested() -> None:
    for given in ({"seconds_left": 0}, {"should_stop": lambda: True}):
        with pytest.raises(TrialStopped):
            watch(**given).progress(step(1, 1.0))
