"""The application: version, lists, and what each command imports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from rnnforecast.parallel.cores import count_cores
from rnnforecast.registry import BACKBONES

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

SMALL = ["--set", "training.max_steps=4", "--set", "model.hidden_size=8"]


def test_models_and_schema_list_the_accepted_values(rnnforecast: Run) -> None:
    lines = rnnforecast("models").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(BACKBONES.names())
    assert (
        "horizon" in json.loads(rnnforecast("schema").stdout)["$defs"]["WindowSpec"]["properties"]
    )


def test_version_names_torch_the_device_and_the_cores(rnnforecast: Run) -> None:
    import torch

    result = rnnforecast("--version")
    assert result.exit_code == 0
    assert f"torch {torch.__version__} on " in result.stdout
    assert result.stdout.rstrip().endswith(str(count_cores()))


HEAVY = ("torch", "pandas", "matplotlib", "numpy", "pyarrow", "sklearn", "scipy")


def imported_by(*arguments: str) -> tuple[int, list[str]]:
    """Exit code of the command in a fresh process, and the heavy packages that it imported."""
    code = (
        "import sys\n"
        "from rnnforecast.cli.app import app\n"
        f"try: app({list(arguments)!r})\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return result.returncode, yaml.safe_load(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", [(), ("train",), ("check",), ("init",), ("predict",)])
def test_help_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    assert imported_by(*command, "--help") == (0, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "wrong.yaml"),
        ("check", "wrong.yaml"),
        ("train", "apart.yaml"),
        ("check", "apart.yaml"),
        ("predict", "wrong.yaml"),
        ("init", "data.csv", "--set", "model.layers=none"),
        ("init", "data.csv", "--set", "clean.outliers=sigma"),
    ],
)
def test_a_wrong_spec_is_reported_before_anything_heavy_is_imported(
    given: Run, arguments: tuple[str, ...]
) -> None:
    given()
    Path("wrong.yaml").write_text("window: {horizon: none}\nmodel: {backbone: gruu}\n")
    Path("apart.yaml").write_text(
        "data: {path: data.csv}\nwindow: {horizon: 7}\n"
        "model: {backbone: dilated, backbone_options: {base: 1}}\ntraining: {freeze: a}\n"
    )
    assert imported_by(*arguments) == (3, [])


def test_check_and_init_do_without_torch(given: Run) -> None:
    given()
    code, imported = imported_by("check", "spec.yaml", "--no-report")
    assert code == 0
    assert not {"torch", "matplotlib", "sklearn"} & set(imported)
    code, imported = imported_by("init", "data.csv", "--force")
    assert code == 0
    assert not {"torch", "matplotlib", "sklearn"} & set(imported)
