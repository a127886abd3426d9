"""Which first forecast is taken where the spec leaves it open, and what that may hang on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rnnforecast.errors import SpecError
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.progress import NullListener
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.spec.load import read_spec
from rnnforecast.training.ridge import FOLD_COUNT
from rnnforecast.workflow.train_session import TrainingSession
from tests.workflow.runs import StopAt, trained

FEW = ("training.max_steps=2", "model.hidden_size=4", "forecast.plots=0")


def given(folder: Path, values: np.ndarray, horizon: int = 6, season: int = 12) -> None:
    """A spec and monthly series `values [S, N]`, NaN where there is none."""
    count, steps = values.shape
    stamps = pd.date_range("2000-01-01", periods=steps, freq="MS")
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{n:02}" for n in range(count)], steps),
            "ds": np.tile(stamps, count),
            "y": values.reshape(-1),
        }
    ).dropna()
    frame.to_csv(folder / "data.csv", index=False)
    window = f"{{horizon: {horizon}, season: {season}}}"
    (folder / "spec.yaml").write_text(f"data: {{path: data.csv}}\nwindow: {window}\n")


def walks(count: int = 60, steps: int = 150) -> np.ndarray:
    """Series that have nothing in common: levels that wander, each with noise of its own."""
    rng = np.random.default_rng(0)
    noise = rng.uniform(0.2, 5, (count, 1))
    walk = np.cumsum(rng.normal(0, 1, (count, steps)) * rng.uniform(0, 1, (count, 1)), 1)
    return np.asarray(100 + walk + noise * rng.normal(0, 1, (count, steps)))


def alike(count: int = 12, steps: int = 240) -> np.ndarray:
    """Series of one law: each step goes back half the way that was gone two steps before."""
    rng = np.random.default_rng(1)
    values = np.zeros((count, steps))
    for step in range(2, steps):
        law = 1.6 * values[:, step - 1] - 0.9 * values[:, step - 2]
        values[:, step] = law + rng.normal(0, 0.1, count)
    return 20 + values


def taken(run: str = "run") -> str:
    stored = read_spec(Path(run) / "resolved.yaml", ()).model.base_forecast
    assert stored == load_run(Path(run)).config.base_forecast
    return stored


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_theta_is_taken_of_series_with_nothing_in_common(here: Path) -> None:
    given(here, walks())
    heard = StopAt()
    trained("run", *FEW, "window.season=1", stop=heard)
    assert taken() == "theta"
    said = [line for line in heard.infos if "model.base_forecast" in line]
    why = "ahead of a map of all series on the validation windows"
    assert said == [f"auto  model.base_forecast: theta  ({why})"]


def test_a_map_is_taken_of_series_of_one_law(here: Path) -> None:
    given(here, alike(), season=1)
    trained("run", *FEW)
    assert taken() == "linear"


def test_what_is_asked_for_is_taken(here: Path) -> None:
    given(here, alike(), season=1)
    for kind in ("theta", "none"):
        trained(kind, *FEW, f"model.base_forecast={kind}")
        assert taken(kind) == kind


def test_without_validation_windows_nothing_is_judged_by_the_held_out_horizon(here: Path) -> None:
    given(here, walks(30, 18))
    heard = StopAt()
    trained("run", *FEW, stop=heard)
    assert taken() == "linear"
    assert any("no validation windows" in line for line in heard.infos)


def test_the_held_out_horizon_has_no_say(here: Path) -> None:
    """Neither in the choice nor in the map, nor in how much windows count."""
    found = []
    for change in (1.0, 50.0):
        values = alike()
        values[:, -6:] *= change
        given(here, values, season=1)
        run = f"run{change:g}"
        trained(run, *FEW, "training.final_fit=false", "model.normalize=standard")
        net = load_run(Path(run)).members[0].net
        assert net.base_forecast is not None
        found.append((taken(run), net.base_forecast.linear.weight.detach().clone()))
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])


def test_one_choice_holds_for_all_networks_that_leave_it_open(here: Path) -> None:
    given(here, walks(), season=1)
    vary = "ensemble.vary={model.normalize: [log_mean, exponential_smoothing, standard]}"
    trained("run", *FEW, "ensemble.members=3", vary)
    kinds = [member.net.config.base_forecast for member in load_run(Path("run")).members]
    assert kinds == ["theta", "linear", "theta"]


def test_a_training_that_goes_on_does_not_choose_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(here, walks(), season=1)
    trained("run", *FEW, "training.max_steps=40", stop=StopAt("fit", 10))

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("rnnforecast.workflow.train_session.choose_base_forecast", never)
    trained("run", *FEW, "training.max_steps=40", resume=True)
    assert taken() == "theta"


def test_a_run_that_is_gone_on_from_keeps_its_map(here: Path) -> None:
    given(here, alike(), season=1)
    trained("first", *FEW)
    frozen = "training.freeze=['base_forecast.*']"
    trained("second", *FEW, "training.start_from=first", frozen)
    maps = [load_run(Path(run)).members[0].net.base_forecast for run in ("first", "second")]
    assert maps[0] is not None
    assert maps[1] is not None
    assert torch.equal(maps[0].linear.weight, maps[1].linear.weight)


@pytest.mark.parametrize(
    ("sets", "key"),
    [
        (("clean.transform=difference", "model.base_forecast=theta"), "model.base_forecast"),
        (("model.normalize=log_mean", "training.window_weight=scale"), "training.window_weight"),
        (
            ("model.decoder=forking", "model.normalize=standard", "training.window_weight=scale"),
            "training.window_weight",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(here: Path, sets: tuple[str, ...], key: str) -> None:
    given(here, alike(), season=1)
    with pytest.raises(SpecError, match=key.replace(".", r"\.")):
        prepare(Path("spec.yaml"), sets)


@pytest.mark.parametrize(
    ("sets", "weight"),
    [
        ((), "equal"),  # logs
        (("model.normalize=standard",), "scale"),
        (("model.normalize=standard", "training.loss=student_t"), "equal"),
        (("model.normalize=last", "model.decoder=forking"), "equal"),
        (("clean.transform=difference",), "scale"),
    ],
)
def test_windows_count_by_their_spread_where_they_are_divided_by_it(
    here: Path, sets: tuple[str, ...], weight: str
) -> None:
    given(here, alike(), season=1)
    assert prepare(Path("spec.yaml"), sets).spec.training.window_weight == weight


def test_windows_spaced_evenly_end_before_what_is_held_out(here: Path) -> None:
    values = alike(6, 120)
    values[0, :70] = np.nan  # a shorter one, which is drawn less
    given(here, values, season=1)
    session = TrainingSession(
        prepare(Path("spec.yaml"), FEW), Path("run"), NullListener(), lambda: False
    )
    emphasis = session.sampling_plan(0, session.split.train_end)
    for most in (60, 100_000):
        found = [(batch, stretch) for batch, stretch in emphasis.evenly_spaced_batches(most)]
        stretches = np.concatenate([stretch for _, stretch in found])
        count = sum(len(batch.targets) for batch, _ in found)
        assert abs(count - 60) <= 6 if most == 60 else count == int(emphasis._window_counts().sum())
        assert set(stretches.tolist()) == set(range(FOLD_COUNT))
        # every future lies before the end: none is cut
        assert all(bool((batch.weight > 0).all()) for batch, _ in found)
    first, limit = emphasis.origins.first, emphasis.origins.target_end
    assert (emphasis._window_counts() == np.maximum(limit - 6 - first + 1, 0)).all()
