"""Candidates: new models that replace the current one, or are kept aside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.batch.issue import issue_forecast
from rnnforecast.batch.promotion.candidate import PROMOTION_FILE, PromotionResult, train_candidate
from rnnforecast.batch.promotion.decision import PromotionRule
from rnnforecast.errors import Stopped
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.run_versions import list_versions, resolve_run
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.train_versions import TrainRequest
from tests.workflow.runs import StopAt

NOW = datetime(2026, 5, 1, 2, 15, tzinfo=UTC)
GOOD, BAD = 40, 1
"""Steps of a training that is better than the baselines, and of one that learns nothing."""
SPEC = """data: {path: sales.csv}
features: {future: [plan]}
window: {horizon: 4, lookback: 8, season: 7}
model: {hidden_size: 8, normalize: mean}
training: {batch_size: 32, learning_rate: 0.02, seed: 3}
ensemble: {network_weight: 1}
forecast: {plots: 0, quantiles: [0.5]}
"""


def write_data(days: int, unit: float = 1.0) -> None:
    """Eight daily series that only their plan explains, with the plan of the next four days; the
    last forty days of values in another unit."""
    random = np.random.default_rng(7)
    parts = []
    for number in range(8):
        plan = random.integers(0, 2, 200)
        y = 50 + 10 * number + 30 * plan + random.normal(0, 2, 200)
        y = np.where(np.arange(200) < days - 40, y, unit * y)
        ds = pd.date_range("2026-01-01", periods=200)
        table = pd.DataFrame({"unique_id": f"s{number}", "ds": ds, "y": y, "plan": plan})
        table["y"] = table["y"].round(2).where(np.arange(200) < days)
        parts.append(table.iloc[: days + 4])
    pd.concat(parts).to_csv("sales.csv", index=False)


def candidate(
    steps: int,
    day: int,
    rule: PromotionRule | None = None,
    *,
    alarms: Sequence[str] = (),
    stop: StopAt | None = None,
) -> PromotionResult:
    """A candidate that is trained for some steps on a day after `NOW`."""
    stop = stop or StopAt()
    return train_candidate(
        TrainRequest(Path("spec.yaml"), [f"training.max_steps={steps}"]),
        Path("run"),
        rule or PromotionRule(),
        now=NOW + timedelta(days=day),
        alarms=alarms,
        listener=stop,
        should_stop=stop.should_stop,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a store ``run``: the current model is a good one, which replaced a bad one
    that was trained on ten days less."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("spec.yaml").write_text(SPEC, encoding="utf-8")
        write_data(80)
        assert candidate(BAD, 0).decision.reason == "first"
        write_data(90)
        candidate(GOOD, 10)
        yield folder


@pytest.fixture
def run(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the store in the working folder."""
    shutil.copytree(store, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("run")


pytestmark = pytest.mark.usefixtures("without_pictures")


def record(version: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((version / PROMOTION_FILE).read_text(encoding="utf-8"))
    return found


def test_a_better_model_replaces_the_current_one(run: Path) -> None:
    versions = list_versions(run)
    assert [each.name for each in versions] == ["2026-05-01T02-15-00Z", "2026-05-11T02-15-00Z"]
    assert resolve_run(run).name == "2026-05-11T02-15-00Z"
    found = record(resolve_run(run))
    assert (found["promoted"], found["reason"], found["margin"]) == (True, "better", 0.01)
    current = found["current"]
    assert current["version"] == "2026-05-01T02-15-00Z"
    assert current["age_days"] == 10.0
    assert current["trained_until"] == "2026-03-21"
    compared = current["comparison"]
    assert not compared["in_sample"]
    assert compared["values"] == 8 * 4
    verdict = compared["verdict"]
    assert verdict["high"] < -0.01 * verdict["other_score"]
    # the errors are those of the table of the new model
    held_out = pd.read_parquet(resolve_run(run) / "holdout.parquet")
    errors = (held_out["y"] - held_out["yhat"]).abs() / held_out["mase_scale"]
    assert verdict["score"] == pytest.approx(errors.mean())


def test_a_worse_model_is_kept_aside(run: Path) -> None:
    before = (run / "latest" / "SHA256SUMS").read_bytes()
    write_data(100)
    found = candidate(BAD, 20)
    assert (found.decision.promoted, found.decision.reason) == (False, "worse")
    assert found.version.name == "2026-05-21T02-15-00Z.candidate"
    assert "is kept aside, 2026-05-11T02-15-00Z stays current" in found.summary()
    assert resolve_run(run).name == "2026-05-11T02-15-00Z"
    assert (run / "latest" / "SHA256SUMS").read_bytes() == before
    assert record(found.version)["promoted"] is False


def test_on_the_data_of_its_training_the_current_model_is_favored(run: Path) -> None:
    write_data(91)
    found = candidate(GOOD, 11)
    compared = record(found.version)["current"]["comparison"]
    assert compared["in_sample"]
    assert (compared["values"], compared["in_sample_values"]) == (8 * 4, 8 * 3)
    assert "was trained on these values" in found.decision.message


def test_what_the_current_model_issued_is_compared_in_place_of_a_new_forecast(run: Path) -> None:
    issue_forecast(run, "f.csv", ForecastRequest())
    write_data(94)
    found = candidate(BAD, 14, alarms=["bias"])
    stored = record(found.version)["current"]
    assert stored["comparison"]["issued"] == 8 * 4
    published = pd.read_csv("f.csv")
    held_out = pd.read_parquet(found.version / "holdout.parquet").assign(
        ds=lambda table: table["ds"].astype(str).str[:10]
    )
    both = held_out.merge(published, on=["unique_id", "ds"], suffixes=("", "_issued"))
    errors = (both["y"] - both["yhat_issued"]).abs() / both["mase_scale"]
    assert len(both) == 8 * 4
    assert stored["live"]["mase"] == pytest.approx(errors.mean(), rel=1e-5)
    assert stored["comparison"]["verdict"]["other_score"] == pytest.approx(errors.mean(), rel=1e-5)
    assert found.decision.margin == 0.0


def test_a_model_of_data_in_another_unit_is_kept_aside(run: Path) -> None:
    write_data(100, unit=1000.0)
    found = candidate(GOOD, 20)
    assert (found.decision.promoted, found.decision.reason) == (False, "data")
    assert "level_shift" in found.decision.message


def test_a_damaged_model_is_replaced(run: Path) -> None:
    (resolve_run(run) / "state.json").write_text("{}", encoding="utf-8")
    found = candidate(GOOD, 10)
    assert (found.decision.promoted, found.decision.reason) == (True, "unreadable")
    assert "damaged" in found.decision.message
    load_run(run)


def test_a_training_that_was_stopped_promotes_nothing(run: Path) -> None:
    with pytest.raises(Stopped):
        candidate(GOOD, 20, stop=StopAt("fit", 3))
    assert resolve_run(run).name == "2026-05-11T02-15-00Z"


def test_the_command_tells_that_a_model_is_kept_aside(
    run: Path, rnnforecast: Callable[..., Any]
) -> None:
    write_data(100)
    tried = ("train", "spec.yaml", "-o", str(run), "--promote-if", "better")
    steps = ("--set", "training.max_steps=1", "--now", "2026-05-21T02:15Z")
    found = rnnforecast(*tried, *steps, "--fail-if-not-promoted", "--json")
    assert found.exit_code == 8, found.stderr
    assert "is kept aside, 2026-05-11T02-15-00Z stays current: worse than" in found.stderr
    shown = json.loads(found.stdout)["promotion"]
    assert shown["version"] == "2026-05-21T02-15-00Z.candidate"
    assert (shown["promoted"], shown["previous"]) == (False, "2026-05-11T02-15-00Z")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--margin", "0.1"), "--promote-if"),
        (("--promote-if", "newer"), "expected better"),
        (("--promote-if", "better", "--max-age", "old"), "expected a time"),
        (("--promote-if", "better", "--now", "today"), "no time"),
    ],
)
def test_wrong_options_of_a_promotion_are_refused(
    given: Callable[..., None], rnnforecast: Callable[..., Any], options: tuple[str, ...], word: str
) -> None:
    given()
    found = rnnforecast("train", "spec.yaml", *options)
    assert found.exit_code == 2
    assert word in found.stderr
