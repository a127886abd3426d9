"""Standard streams that are full, closed or narrow, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of shell in which ``rnnforecast`` is the command."""
    line = command.replace("rnnforecast", f"'{sys.executable}' -m rnnforecast")
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-", "2> >(true)"])
def test_a_stderr_that_is_full_or_closed_changes_nothing_else(
    given: Run, train: Run, stderr: str
) -> None:
    given()
    assert train().exit_code == 0
    assert shell(f"rnnforecast predict run -o f.csv {stderr}").returncode == 0
    assert len(Path("f.csv").read_text().splitlines()) == 1 + 2 * 7
    assert shell(f"rnnforecast check nowhere.yaml {stderr}").returncode == 3
    assert shell(f"rnnforecast predict {stderr}").returncode == 2


def test_a_stdout_that_is_full_or_closed_is_an_error_for_data(given: Run, train: Run) -> None:
    given()
    assert train().exit_code == 0
    for command in ("predict run -o -", "predict run -o f.csv --json", "schema", "--version"):
        full = shell(f"rnnforecast {command} > /dev/full")
        assert full.returncode == 1, command
        assert "standard output: could not be written" in full.stderr
        assert "Traceback" not in full.stderr
    closed = shell("rnnforecast predict run -o - >&-")
    assert closed.returncode == 1
    assert "standard output: is closed" in closed.stderr
    assert "unexpected" not in closed.stderr


def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    program = (
        "import os\n"
        "from rnnforecast.cli.streams import prepare_standard_streams\n"
        "prepare_standard_streams()\n"
        "with open('result', 'w') as file:\n"
        "    os.write(2, b'a message of a library')\n"
        "    file.write('numbers')\n"
    )
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -c \"$PROGRAM\" <&- >&- 2>&-"],
        cwd=tmp_path,
        env=os.environ | {"PROGRAM": program, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 0
    assert (tmp_path / "result").read_text() == "numbers"


def test_a_deleted_working_folder_is_told(tmp_path: Path) -> None:
    done = shell(
        f"mkdir '{tmp_path}/gone'; cd '{tmp_path}/gone'; rmdir ../gone; rnnforecast models"
    )
    assert done.returncode == 2
    assert "the working folder" in done.stderr
