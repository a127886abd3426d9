"""The run folder: round trips, and messages on damaged or missing files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnforecast.errors import RunFolderError, UsageError
from rnnforecast.output.ownership import MARK_FILE
from rnnforecast.pipeline.run_folder import (
    CHECKSUMS_FILE,
    FORMAT_VERSION,
    REQUIRED_FILES,
    create_run_folder,
    load_run,
    write_model,
)
from tests.workflow.runs import all_files, shared

pytestmark = pytest.mark.usefixtures("without_pictures")

Given = Callable[..., None]


@pytest.fixture
def run_folder(given: Given) -> Path:
    given(more="ensemble: {members: 2, vary: {training.loss: [quantile, mae]}}\n")
    shared("run")
    return Path("run")


def test_a_loaded_run_is_written_with_the_same_bytes(run_folder: Path) -> None:
    run = load_run(run_folder)
    with create_run_folder(Path("copy")) as folder:
        write_model(folder, run)
    before, after = all_files("run"), all_files("copy")
    for name in ("model.safetensors", "cleaning.safetensors", "state.json"):
        assert after[name] == before[name], name
    lines = after[CHECKSUMS_FILE].decode().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)  # type: ignore[arg-type, misc]
    listed = {n: data for n, data in after.items() if n not in (CHECKSUMS_FILE, MARK_FILE)}
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in listed.items()}
    assert sums == expected


def test_a_run_has_all_that_a_forecast_needs(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert [member.residuals is None for member in run.members] == [True, False]
    assert run.error_correlation.shape == (7, 7)
    np.testing.assert_allclose(np.diag(run.error_correlation), 1.0)
    assert run.quantiles == (0.025, 0.1, 0.5, 0.9, 0.975)
    assert run.source == (str(Path("data.csv").resolve()),)
    assert not any(member.net.training for member in run.members)
    assert all(
        torch.isfinite(weight).all() for member in run.members for weight in member.net.parameters()
    )
    state = json.loads((run_folder / "state.json").read_text())
    assert state["format"] == FORMAT_VERSION == 10
    n_parameters = sum(p.numel() for member in run.members for p in member.net.parameters())
    assert run.metadata["parameters"] == n_parameters


@pytest.mark.parametrize(("number", "index"), [(1, 0), (2, 1)])
def test_networks_are_numbered_from_one(run_folder: Path, number: int, index: int) -> None:
    assert load_run(run_folder).member_index(number) == index


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_network_that_does_not_exist_is_refused(run_folder: Path, number: int) -> None:
    with pytest.raises(UsageError, match="2 networks"):
        load_run(run_folder).member_index(number)


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_damaged_or_missing_file_is_named(run_folder: Path, name: str) -> None:
    path = run_folder / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(RunFolderError, match=name):
        load_run(run_folder)
    path.unlink()
    with pytest.raises(RunFolderError, match=name):
        load_run(run_folder)


@pytest.mark.parametrize(
    ("stored", "forged", "told"),
    [
        (b'"format": 10', b'"format": 9', "another version"),
        (b'"trained_until": "', b'"trained_until": "inf', "cannot be used"),
    ],
)
def test_another_format_and_a_forged_time_are_refused(
    run_folder: Path, stored: bytes, forged: bytes, told: str
) -> None:
    path = run_folder / "state.json"
    old = path.read_bytes()
    new = old.replace(stored, forged)
    assert new != old
    path.write_bytes(new)
    sums = run_folder / CHECKSUMS_FILE
    hashes = [hashlib.sha256(data).hexdigest() for data in (old, new)]
    sums.write_text(sums.read_text().replace(*hashes))
    with pytest.raises(RunFolderError, match=told):
        load_run(run_folder)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no such folder"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match="not a run folder"):
        load_run(tmp_path)
