"""Run folders with right checksums and wrong contents are refused, not run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from rnnforecast.errors import RunFolderError
from rnnforecast.pipeline.run_folder import CHECKSUMS_FILE, FORMAT_VERSION, load_run
from rnnforecast.pipeline.training_profile import PROFILE_ARRAYS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small run."""
    from rnnforecast.workflow.train import train

    folder = tmp_path_factory.mktemp("forged")
    rows = "".join(f"2024-01-{day:02d},{day % 7 + 1}\n" for day in range(1, 32))
    (folder / "data.csv").write_text("ds,y\n" + rows, encoding="utf-8")
    text = "data: {path: data.csv}\nwindow: {horizon: 2}\nclean: {missing: linear}\n"
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    small = ["training.max_steps=2", "model.hidden_size=4", "forecast.plots=0"]
    train(folder / "spec.yaml", folder / "run", overrides=small)
    return {path.name: path.read_bytes() for path in (folder / "run").iterdir() if path.is_file()}


@pytest.fixture
def forge(files: dict[str, bytes], tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes the run with another content of one file, under its right checksum."""

    def write(name: str, content: bytes) -> Path:
        changed = {**files, name: content}
        sums = "".join(
            f"{hashlib.sha256(data).hexdigest()}  {file}\n"
            for file, data in changed.items()
            if file != CHECKSUMS_FILE
        )
        for file, data in {**changed, CHECKSUMS_FILE: sums.encode()}.items():
            (tmp_path / file).write_bytes(data)
        return tmp_path

    return write


def with_value(files: dict[str, bytes], keys: str, value: object) -> bytes:
    """`state.json` with another value at these dotted keys."""
    state: Any = json.loads(files["state.json"])
    *parents, last = [int(key) if key.isdigit() else key for key in keys.split(".")]
    part = state
    for key in parents:
        part = part[key]
    part[last] = value
    return json.dumps(state).encode()


def test_the_unchanged_run_is_read(
    files: dict[str, bytes], forge: Callable[[str, bytes], Path]
) -> None:
    assert load_run(forge("state.json", files["state.json"])).config.horizon == 2


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("format", FORMAT_VERSION + 1),
        ("plan", None),
        ("plan.season", 3),
        ("plan.clean.missing", "no such imputer"),
        ("plan.clean.frequency", "h"),
        ("plan.imputation.max_gap", "x"),
        ("plan.transform.powers", []),
        ("plan.bounds.non_negative", [True, True]),
        ("plan.read_options.data.targets", ["z"]),
        ("members", []),
        ("members.0.config.horizon", 10**12),
        ("members.0.config.lookback", 10**9),
        ("members.0.config.hidden_size", 10**9),
        ("members.0.config.backbone.n_layers", 10**9),
        ("members.0.config.backbone.name", "no such backbone"),
        ("members.0.config.levels", [0.9, 0.5, 0.1]),
        ("members.0.residuals", [["x"]]),
        ("combiner.method", "sum"),
        ("combiner.weights", [-1.0]),
        ("calibration.until", "yesterday"),
        ("calibration.intervals.factors", [[[-1.0] * 5]]),
        ("calibration.intervals.factors", [[[1.0] * 3]]),
        ("calibration.intervals.horizon", 7),
        ("quantiles", [0.9, 0.1]),
        ("totals", [-1]),
        ("sample_paths", 10**12),
        ("source", None),
        ("device", "tpu"),
        ("trained_at", "2024-01-31T10:00:00"),
        ("trained_at", "yesterday"),
        ("surplus", 1),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    keys: str, value: object, files: dict[str, bytes], forge: Callable[[str, bytes], Path]
) -> None:
    folder = forge("state.json", with_value(files, keys, value))
    with pytest.raises(RunFolderError) as caught:
        load_run(folder)
    assert str(folder) in str(caught.value)
    assert "train it again" in str(caught.value) or "train again" in str(caught.value)


@pytest.mark.parametrize("name", ["state.json", "model.safetensors", "cleaning.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"[" * 100_000, b'{"a": 1}'])
def test_a_file_that_holds_something_else_is_refused(
    name: str, content: bytes, forge: Callable[[str, bytes], Path]
) -> None:
    with pytest.raises(RunFolderError):
        load_run(forge(name, content))


@pytest.mark.parametrize("name", sorted(PROFILE_ARRAYS))
def test_a_profile_that_no_training_leaves_is_refused(
    name: str, files: dict[str, bytes], forge: Callable[[str, bytes], Path]
) -> None:
    stored = safetensors.numpy.load(files["cleaning.safetensors"])
    own = stored.pop(f"profile.{name}")
    others = [own[:0], np.concatenate([own, own]), own.astype(np.float32), own[None]]
    if name == "end":
        others.append(np.full_like(own, 2**50))
    if own.dtype.kind in "if":
        others.append(np.full_like(own, -(2**60)))
    for other in (None, *others):
        changed = stored if other is None else {**stored, f"profile.{name}": other}
        is_same = other is not None and other.shape == own.shape and other.dtype == own.dtype
        if is_same and not own.size:
            continue
        with pytest.raises(RunFolderError):
            load_run(forge("cleaning.safetensors", safetensors.numpy.save(changed)))
