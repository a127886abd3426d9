"""A folder with data, a spec, a job and a trained run, and commands in it that are forked.

A command starts in a few milliseconds, since its process is forked from this one, which has
imported everything. This process runs none of them itself, so that it has one thread only.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEMORY = "/dev/shm"  # a file system of Linux
SERIES, STEPS, HORIZON = 2, 60, 7
SPEC = """\
data: {path: data.csv}
window: {horizon: 7}
model: {hidden_size: 4}
training: {max_steps: 8, batch_size: 8, final_fit: false}
forecast: {plots: 1}
"""
JOB = "spec: spec.yaml\nrun: store\nout: [night, night.csv]\nscore: false\n"
MODULES = (
    "rnnforecast.cli.app",
    "rnnforecast.batch.issue",
    "rnnforecast.batch.job.run_job",
    "rnnforecast.output.plot_style",
    "rnnforecast.pipeline.series_plots",
    "rnnforecast.workflow.predict",
    "rnnforecast.workflow.report",
    "rnnforecast.workflow.train_versions",
    "matplotlib.backends.backend_agg",
    "pyarrow.csv",
    "pyarrow.parquet",
)
COMMANDS = {
    "train": ("train", "spec.yaml", "-o", "run"),
    "predict": ("predict", "run", "-o", "forecast", "--ledger", "ledger"),
    "predict to a file": ("predict", "run", "-o", "f.csv", "--ledger", "none"),
    "run": ("run", "job.yaml"),
    "backtest": ("backtest", "spec.yaml", "-o", "tested", "--windows", "2", "--step", "7"),
    "tune": ("tune", "spec.yaml", "-o", "tuned", "--trials", "2"),
}
NIGHTLY = ("train", "predict", "predict to a file", "run")
EXPECTED_HIDDEN = {".rnnforecast.json"}


class Damaged(Exception):
    """An output that is neither the old one nor the new one."""


@contextmanager
def workplace() -> Iterator[None]:
    """A temporary working folder with data, a spec, a job and a run.

    It is in memory where that is possible, since most of the time would be spent in waiting for the
    disk; the environment variable ``TMPDIR`` names another place.
    """
    is_in_memory = "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK)
    parent = MEMORY if is_in_memory else None
    with tempfile.TemporaryDirectory(prefix="faults-", dir=parent) as place:
        (Path(place) / "work").mkdir()
        _prepare(Path(place, "work").resolve())
        run_well(*COMMANDS["train"])
        try:
            yield
        finally:
            os.chdir("/")


def _prepare(folder: Path) -> None:
    """Imports everything, and fills the folder; it becomes the working folder."""
    for module in MODULES:
        importlib.import_module(module)
    os.chdir(folder)
    rows = ["unique_id,ds,y"]
    rows += [
        f"{name},{2024 + day // 336}-{1 + day // 28 % 12:02d}-{1 + day % 28:02d},{10 + day % 7}"
        for name in "ab"
        for day in range(STEPS)
    ]
    Path("data.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    Path("spec.yaml").write_text(SPEC.replace("data.csv", str(folder / "data.csv")), "utf-8")
    Path("job.yaml").write_text(JOB, encoding="utf-8")


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    """The exit code, or the negative number of the signal."""
    output: str
    """What it printed, last words last."""


@dataclass(frozen=True)
class Child:
    """A forked process."""

    pid: int
    log: Path

    @property
    def has_ended(self) -> bool:
        """Whether it has, without forgetting its exit code."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is not None

    def kill(self) -> bool:
        """Kills it; returns whether it was still running."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait().code == -signal.SIGKILL

    def wait(self) -> Ended:
        """Waits for its end."""
        _, status = os.waitpid(self.pid, 0)
        text = ""
        if self.log.exists():  # it may have been killed before its first line
            text = self.log.read_text(encoding="utf-8", errors="replace")
            self.log.unlink()
        return Ended(os.waitstatus_to_exitcode(status), text)


def fork(work: Callable[[], object], *, stdin: int | None = None) -> Child:
    """Calls a function in a process of its own; SystemExit is its exit code."""
    log = Path.cwd().parent / f"log-{os.urandom(4).hex()}"
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Child(pid, log)
    code = 99
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        target = os.open(log, os.O_CREAT | os.O_WRONLY, 0o600)
        os.dup2(target, 1)
        os.dup2(target, 2)
        if stdin is not None:
            os.dup2(stdin, 0)
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - whatever it is, it is printed
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def command(*arguments: str, before: Callable[[], object] = lambda: None) -> Callable[[], None]:
    """The command line with these arguments, as a function for `fork`."""

    def work() -> None:
        from rnnforecast.cli.app import main

        sys.argv = ["rnnforecast", *arguments]
        before()
        main()

    return work


def run(*arguments: str) -> Ended:
    """Runs a command to its end."""
    return fork(command(*arguments)).wait()


def run_well(*arguments: str) -> None:
    """Runs a command that has to succeed."""
    ended = run(*arguments)
    if ended.code != 0:
        raise Damaged(f"{' '.join(arguments)}: exit code {ended.code}: {ended.output[-2000:]}")


def check_outputs() -> None:
    """Raises Damaged unless all outputs under their names are complete."""
    from rnnforecast.errors import RnnForecastError
    from rnnforecast.pipeline.run_folder import load_run

    try:
        for name in ("run", "store"):
            if os.path.lexists(name):
                load_run(Path(name))
        for name in ("forecast", "night"):
            if os.path.lexists(name):
                _check_table(Path(name, "forecast.csv"))
                json.loads(Path(name, "run.json").read_text(encoding="utf-8"))
        for name in ("f.csv", "night.csv"):
            if os.path.lexists(name):
                _check_table(Path(name))
    except (OSError, ValueError, RnnForecastError) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error


def check_names(names: set[str], continued: Sequence[str] = ()) -> None:
    """Raises Damaged if one of these outputs is missing, or if there are leftovers besides what a
    command goes on from."""
    if missing := {name for name in names if not os.path.lexists(name)}:
        raise Damaged(f"{missing} are missing")
    found = [path for path in Path().rglob("*") if path.parts[0] not in continued]
    left = {str(path) for path in found if path.name.startswith(".")}
    left = {path for path in left if Path(path).name not in EXPECTED_HIDDEN}
    left |= {str(path) for path in found if path.suffix == ".checkpoint"}
    if left:
        raise Damaged(f"leftovers: {left}")


def fork_check(names: set[str]) -> None:
    """Raises Damaged unless these outputs are there and complete; looks in another process."""

    def look() -> None:
        if missing := names - outputs():
            raise Damaged(f"{missing} are missing")
        check_outputs()

    ended = fork(look).wait()
    if ended.code:
        raise Damaged(ended.output[-2000:])


def outputs() -> set[str]:
    """The names of the outputs that there are."""
    names = ("run", "store", "forecast", "night", "f.csv", "night.csv")
    return {name for name in names if os.path.lexists(name)}


def _check_table(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count("\n") != 1 + SERIES * HORIZON or not text.startswith("unique_id,ds,cutoff,yhat"):
        raise Damaged(f"{path} has {text.count(chr(10))} lines: {text[:60]!r}")
