"""Settings of all tests, and a command line that runs in this process on small data."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from tests import postgres as postgres_server
from tests.shared_runs import SHARED_RUNS

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


@dataclass(frozen=True)
class CommandResult:
    """What a command left behind besides its files."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session", autouse=True)
def _shared_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder for the trainings that tests share, one for all processes of the test run."""
    base = tmp_path_factory.getbasetemp()
    SHARED_RUNS.folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    SHARED_RUNS.folder.mkdir(exist_ok=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """``HOST:PORT`` of a PostgreSQL server, started when the first test needs it."""
    binaries = postgres_server.find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with postgres_server.running_server(binaries) as address:
        yield address


@pytest.fixture
def without_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are empty but in tests marked ``pictures``, and nothing waits for the disk.

    Drawing takes two thirds of the time of a small training. What is drawn is tested in
    ``tests/output``.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)
    if request.node.get_closest_marker("pictures"):
        return
    from rnnforecast.output import plot_style
    from rnnforecast.pipeline import series_plots
    from rnnforecast.workflow import train_output, tune_output

    real = series_plots.plot_forecast

    def draw(path_stem: Path | None, *rest: Any, **options: Any) -> Any:
        if path_stem is None:  # a figure is asked for, not its files
            return real(path_stem, *rest, **options)
        for kind in ("png", "svg"):
            path_stem.parent.mkdir(exist_ok=True)
            path_stem.with_name(f"{path_stem.name}.{kind}").touch()
        return None

    monkeypatch.setattr(plot_style, "_render_png", lambda *_: b"")
    monkeypatch.setattr(series_plots, "plot_forecast", draw)
    monkeypatch.setattr(train_output, "plot_loss", draw)
    for name in ("plot_search_history", "plot_importances", "plot_slices"):
        monkeypatch.setattr(tune_output, name, draw)


@pytest.fixture
def rnnforecast(
    tmp_path: Path, without_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Runs a command in an empty folder; the result has exit_code, stdout and stderr."""
    from typer.testing import CliRunner

    from rnnforecast.cli.app import app

    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, stdin: str | None = None) -> CommandResult:
        found = CliRunner().invoke(app, [str(part) for part in arguments], input=stdin)
        return CommandResult(found.exit_code, found.stdout, found.stderr)

    return run


@pytest.fixture
def train(rnnforecast: Callable[..., Any], request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Trains a tiny net from ``spec.yaml`` into ``run``, with more overrides as arguments.

    The same training is done once in a test run, but for tests that replace something by
    ``monkeypatch`` or are marked ``pictures``.
    """
    own = "monkeypatch" in inspect.signature(request.function).parameters
    is_shared = not own and request.node.get_closest_marker("pictures") is None

    def run(*overrides: str, spec: str = "spec.yaml", out: str = "run") -> Any:
        given = [part for override in (*TINY, *overrides) for part in ("--set", override)]

        def train() -> Any:
            return rnnforecast("train", spec, "-o", out, *given)

        key = ("command line", spec, out, given)
        result = SHARED_RUNS.train(Path(out), key, train) if is_shared else train()
        if result.exit_code == 0:
            stored = json.loads(Path(out, "metrics.json").read_text(encoding="utf-8"))
            for scores in stored["targets"].values():
                found = scores["model_metrics"]
                assert all(found[name] is not None for name in ("mae", "rmse", "wql"))
        return result

    return run


@pytest.fixture
def quick_rnn_imputer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recurrent imputer is trained for 20 steps, where its error is not looked at."""
    monkeypatch.setattr("rnnforecast.pipeline.rnn_imputation.STEPS", 20)


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
