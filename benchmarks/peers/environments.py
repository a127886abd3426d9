"""Virtual environments of the libraries that are compared, one each."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENVS = HERE / ".venvs"

OURS = "rnnforecast"
WITHOUT_TORCH = {"statsforecast"}


class Failed(Exception):
    """A process failed; the message is the last line of its output."""


def environment(venvs: Path, package: str) -> Path:
    """The Python of a package's environment, which is rebuilt if its requirements have changed."""
    constraints = ROOT / "constraints.txt"
    requirements = constraints if package == OURS else HERE / f"{package}.txt"
    first = [] if package in WITHOUT_TORCH else [_pinned_torch(constraints)]
    text = "\n".join([*first, requirements.read_text(encoding="utf-8")])
    folder = venvs / package
    record, python = folder / "requirements.txt", folder / "bin" / "python"
    if record.is_file() and record.read_text(encoding="utf-8") == text:
        return python
    print(f"setting up {package} (minutes, once)", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run_checked([sys.executable, "-m", "venv", str(folder)])
    install = [str(python), "-m", "pip", "install", "--quiet"]
    if first:  # so that no library chooses another build
        run_checked([*install, *first])
    rest = ["--requirement", str(requirements)]
    if package == OURS:
        rest = ["--constraint", str(requirements), "--editable", str(ROOT)]
    run_checked([*install, *first, *rest])
    record.write_text(text, encoding="utf-8")
    return python


def _pinned_torch(constraints: Path) -> str:
    """This project's version of torch, which all libraries get."""
    pinned = re.search(r"^torch==\S+", constraints.read_text(encoding="utf-8"), re.MULTILINE)
    if pinned is None:
        raise SystemExit(f"no torch in {constraints}")
    return pinned[0]


def run_checked(command: Sequence[str]) -> str:
    """The output of a command; raises Failed if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        raise Failed(done.stderr.strip().rpartition("\n")[2])
    return done.stdout
