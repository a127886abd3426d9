"""Settings of all tests, and a command line that runs in this process on small data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

# a busy machine is no failure: what is slow is measured in benchmarks/, never here; and a run fails
# by what was changed, never by the examples that chance picks: benchmarks/fuzz.py looks for those
settings.register_profile("any machine", deadline=None, derandomize=True)
settings.load_profile("any machine")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips tests marked ``cuda`` on a machine without a card."""
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a graphics card")


TINY = ("training.max_steps=4", "model.hidden_size=8", "training.batch_size=8", "forecast.plots=1")


@pytest.fixture
def rnnforecast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a command in an empty folder; the result has exit_code, stdout and stderr."""
    from typer.testing import CliRunner

    from rnnforecast.cli.app import app

    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, stdin: str | None = None) -> Any:
        return CliRunner().invoke(app, [str(part) for part in arguments], input=stdin)

    return run


@pytest.fixture
def train(rnnforecast: Callable[..., Any]) -> Callable[..., Any]:
    """Trains a tiny net from ``spec.yaml`` into ``run``, with more overrides as arguments."""

    def run(*overrides: str, spec: str = "spec.yaml", out: str = "run") -> Any:
        given = [part for override in (*TINY, *overrides) for part in ("--set", override)]
        result = rnnforecast("train", spec, "-o", out, *given)
        if result.exit_code == 0:
            stored = json.loads(Path(out, "metrics.json").read_text(encoding="utf-8"))
            for scores in stored["targets"].values():
                found = scores["model_metrics"]
                assert all(found[name] is not None for name in ("mae", "rmse", "wql"))
        return result

    return run


@pytest.fixture
def table() -> Callable[..., pd.DataFrame]:
    """Makes rows of several series with a weekly pattern, sorted."""

    def make(series: Sequence[str] = ("a", "b"), steps: int = 60, freq: str = "D") -> pd.DataFrame:
        stamps = pd.date_range("2024-01-01", periods=steps, freq=freq)
        random = np.random.default_rng(0)
        frames = [
            pd.DataFrame(
                {
                    "unique_id": name,
                    "ds": stamps,
                    "y": 10.0 * (place + 1) + np.arange(steps) % 7 + random.random(steps).round(3),
                }
            )
            for place, name in enumerate(series)
        ]
        return pd.concat(frames, ignore_index=True)

    return make


@pytest.fixture
def given(
    rnnforecast: Callable[..., Any], table: Callable[..., pd.DataFrame]
) -> Callable[..., None]:
    """Writes ``data.csv`` (a frame, text, or the usual table) and a ``spec.yaml``."""

    def write(data: pd.DataFrame | str | None = None, *, more: str = "", horizon: int = 7) -> None:
        if data is None:
            data = table()
        text = data if isinstance(data, str) else data.to_csv(index=False)
        Path("data.csv").write_text(text, encoding="utf-8")
        spec = f"data: {{path: data.csv}}\nwindow: {{horizon: {horizon}}}\n{more}"
        Path("spec.yaml").write_text(spec, encoding="utf-8")

    return write


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings draw nothing, which takes half of the time of a small one."""
    module = "rnnforecast.workflow.train_output"
    monkeypatch.setattr(f"{module}.data_report.write_data_report", lambda *_: None)
    monkeypatch.setattr(f"{module}.plot_loss", lambda *_: None)
