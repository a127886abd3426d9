"""Faults in short; `make faults` does them in full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked, and /proc is read")
def test_no_fault_costs_the_last_good_output_or_the_next_run() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--short"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert found.returncode == 0, found.stderr[-4000:]
    assert "1 done, 9 with 75" in found.stdout
    assert "2 kills" in found.stdout
    assert "faults, ended" in found.stdout
