"""Parts of `pretrained.py` about costs: seconds of many forecasts, and the size of the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from competition import command
from pretrained_gate import SPEED_SECONDS, WHEEL_MB, GateRow, Part, at_most, not_measured

SERIES, POINTS, HORIZON, ROUNDS = 10_000, 200, 12, 3
WEIGHTS = "rnnforecast/models/pretrained/weights.safetensors"
ROOT = Path(__file__).resolve().parents[1]


def speed(write_series: Callable[..., None]) -> Part:
    """`predict` of a file without a run, as a process.

    Args:
        write_series: writes a CSV of so many series, see `speed.py`.
    """
    part = Part("Speed")
    cores = os.cpu_count()
    name = f"`predict` of {SERIES:,} series × {POINTS} values, best of {ROUNDS}, {cores} cores, s"
    with tempfile.TemporaryDirectory(prefix="rnnforecast-pretrained-") as temporary:
        folder = Path(temporary)
        write_series(folder / "many.csv", SERIES, np.random.default_rng(1), POINTS)
        words = ("predict", "many.csv", "--horizon", str(HORIZON), "--no-plots", "--force")
        seconds = [command(folder, *words, "-o", "out.csv") for _ in range(ROUNDS)]
        with (folder / "out.csv").open(encoding="utf-8") as out:
            rows = sum(1 for _ in out) - 1
    if rows != SERIES * HORIZON:
        part.rows = [not_measured(name, f"{rows:,} rows of {SERIES * HORIZON:,} were forecast")]
        return part
    part.rows = [at_most(name, min(seconds), SPEED_SECONDS, "{:.1f}")]
    part.text = f"Seconds of the rounds: {', '.join(f'{each:.1f}' for each in seconds)}."
    return part


def wheel() -> Part:
    """The size of the wheel of this checkout."""
    with tempfile.TemporaryDirectory(prefix="rnnforecast-wheel-") as temporary:
        done = subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--outdir", temporary, str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stdout + done.stderr).strip().splitlines()[-1]
            return Part("Wheel", [not_measured("wheel, MB", last)])
        return Part("Wheel", [wheel_row(next(Path(temporary).glob("*.whl")))])


def wheel_row(file: Path) -> GateRow:
    """The size of a wheel, which counts only with the weights in it."""
    if WEIGHTS not in zipfile.ZipFile(file).namelist():
        return not_measured("wheel, MB", "the weights are not in it")
    return at_most("wheel, MB", file.stat().st_size / 1e6, WHEEL_MB, "{:.1f}")
