"""The base forecast where the spec leaves it open, and what the choice may depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.spec.load import read_spec
from tests.workflow.runs import StopAt, trained

FEW = ("training.max_steps=2", "model.hidden_size=4", "forecast.plots=0")


def write_monthly(folder: Path, values: np.ndarray, horizon: int = 6, season: int = 12) -> None:
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
    """Series of one autoregressive equation of order two."""
    rng = np.random.default_rng(1)
    values = np.zeros((count, steps))
    for step in range(2, steps):
        mean = 1.6 * values[:, step - 1] - 0.9 * values[:, step - 2]
        values[:, step] = mean + rng.normal(0, 0.1, count)
    return 20 + values


def chosen_kind(run: str = "run") -> str:
    stored = read_spec(Path(run) / "resolved.yaml", ()).model.base_forecast
    assert stored == load_run(Path(run)).config.base_forecast
    return stored


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_theta_is_taken_of_series_with_nothing_in_common(here: Path) -> None:
    write_monthly(here, walks())
    listener = StopAt()
    trained("run", *FEW, "window.season=1", stop=listener)
    assert chosen_kind() == "theta"
    reported = [line for line in listener.infos if "model.base_forecast" in line]
    why = "better than a linear map on the validation windows"
    assert reported == [f"auto  model.base_forecast: theta  ({why})"]


def test_a_linear_map_is_taken_of_series_that_follow_one_equation(here: Path) -> None:
    write_monthly(here, alike(), season=1)
    trained("run", *FEW)
    assert chosen_kind() == "linear"


def test_a_base_forecast_that_is_set_is_used(here: Path) -> None:
    write_monthly(here, alike(), season=1)
    for kind in ("theta", "none"):
        trained(kind, *FEW, f"model.base_forecast={kind}")
        assert chosen_kind(kind) == kind


def test_without_validation_windows_the_held_out_horizon_does_not_decide(here: Path) -> None:
    write_monthly(here, walks(30, 18))
    listener = StopAt()
    trained("run", *FEW, stop=listener)
    assert chosen_kind() == "linear"
    assert any("no validation windows" in line for line in listener.infos)


def test_the_held_out_horizon_does_not_matter(here: Path) -> None:
    """Neither for the choice nor for the linear map, nor for the weights of windows."""
    found = []
    for change in (1.0, 50.0):
        values = alike()
        values[:, -6:] *= change
        write_monthly(here, values, season=1)
        run = f"run{change:g}"
        trained(run, *FEW, "training.final_fit=false", "model.normalize=standard")
        net = load_run(Path(run)).members[0].net
        assert net.base_forecast is not None
        found.append((chosen_kind(run), net.base_forecast.linear.weight.detach().clone()))
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])


def test_one_choice_holds_for_all_networks_that_leave_it_open(here: Path) -> None:
    write_monthly(here, walks(), season=1)
    vary = "ensemble.vary={model.normalize: [log_mean, exponential_smoothing, standard]}"
    trained("run", *FEW, "ensemble.members=3", vary)
    kinds = [member.net.config.base_forecast for member in load_run(Path("run")).members]
    assert kinds == ["theta", "linear", "theta"]


def test_a_resumed_training_does_not_choose_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_monthly(here, walks(), season=1)
    trained("run", *FEW, "training.max_steps=40", stop=StopAt("fit", 10))

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("rnnforecast.workflow.train_session.choose_base_forecast", never)
    trained("run", *FEW, "training.max_steps=40", resume=True)
    assert chosen_kind() == "theta"


def test_a_frozen_linear_map_stays(here: Path) -> None:
    write_monthly(here, alike(), season=1)
    trained("first", *FEW)
    frozen = "training.freeze=['base_forecast.*']"
    trained("second", *FEW, "training.start_from=first", frozen)
    maps = [load_run(Path(run)).members[0].net.base_forecast for run in ("first", "second")]
    assert maps[0] is not None
    assert maps[1] is not None
    assert torch.equal(maps[0].linear.weight, maps[1].linear.weight)
