"""The tool beside the libraries people would otherwise script around, on the same data and machine.

usage: run.py DATA [--only NAME] [--peers NAME ...] [--limit S] [--venvs DIR] [--out FILE.md]

Each peer has an environment of its own and is a process of its own; ours is `init`, `train` and
`predict`. They run one after the other with their own defaults, and whole processes are timed, with
start and imports. DATA is the folder that `quality.py` takes; so are the measures. The table and
the picture are written after each row. `--smoke` only shows that all run: 20 series, 3 steps.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from competition import BENCHMARKS, Benchmark, read  # noqa: E402
from machine import describe  # noqa: E402
from measures import LEVELS, headings, score  # noqa: E402


@dataclass(frozen=True)
class Peer:
    """A model of a library, or a preset of ours; `package` also names its script and its
    requirements."""

    label: str
    package: str
    model: str
    module: str
    """What is imported to use it."""


OURS = "rnnforecast"
PEERS = {
    "ours": Peer("rnnforecast", OURS, "balanced", "rnnforecast.workflow.train"),
    "ours_fast": Peer("rnnforecast, fast", OURS, "fast", "rnnforecast.workflow.train"),
    "neuralforecast_lstm": Peer(
        "neuralforecast LSTM", "neuralforecast", "LSTM", "neuralforecast.models"
    ),
    "neuralforecast_gru": Peer(
        "neuralforecast GRU", "neuralforecast", "GRU", "neuralforecast.models"
    ),
    "neuralforecast_nhits": Peer(
        "neuralforecast NHITS", "neuralforecast", "NHITS", "neuralforecast.models"
    ),
    "gluonts_deepar": Peer("GluonTS DeepAR", "gluonts", "DeepAR", "gluonts.torch"),
    "darts_blockrnn": Peer("Darts BlockRNN", "darts", "BlockRNN", "darts.models"),
    "darts_blockrnn_10": Peer(
        "Darts BlockRNN, 10 windows a series", "darts", "BlockRNN-10", "darts.models"
    ),
}

ASKED = {"m4_hourly": ("h", 168), "m3_monthly": ("MS", 24)}
"""The frequency, and the steps to look back for a library that has no default."""

COLUMNS = headings(
    "owa", "smape", "mase", "wql",
    "whole_s", "train_s", "predict_s", "import_s", "peak_gb", "packages",
)  # fmt: skip

FACTS = """
import importlib, importlib.metadata, json, sys, time
started = time.perf_counter()
importlib.import_module(sys.argv[2])
seconds = time.perf_counter() - started
names = {part.name.lower() for part in importlib.metadata.distributions()} - {"pip", "setuptools"}
version = importlib.metadata.version(sys.argv[1])
print(json.dumps({"import_s": seconds, "packages": len(names), "version": version}))
"""

SMOKE_SERIES, SMOKE_STEPS = 20, 3

KIB = 1 if sys.platform == "darwin" else 1024
"""Bytes of a unit in which the system tells the peak memory."""


@dataclass
class Row:
    """What is known of a peer; `trouble` says why the rest is not."""

    label: str
    version: str = ""
    trouble: str = ""
    found: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line of the table."""
        cells = [self.label]
        for measure, (_, digits) in COLUMNS.items():
            value = self.found.get(measure)
            cells.append("–" if value is None else f"{value:.{digits}f}")
        if self.trouble:
            cells[1 + list(COLUMNS).index("whole_s")] = self.trouble
        return "| " + " | ".join([*cells, self.version]) + " |"


class Stopped(Exception):
    """The limit passed; the process and its children were killed."""


class Failed(Exception):
    """A process ended with an error, whose last line this is."""


class Stopwatch:
    """Runs processes in `folder` until together they exceed `limit` seconds."""

    def __init__(self, folder: Path, limit: float) -> None:
        self.folder, self.limit = folder, limit
        self.seconds = 0.0
        self.peak = 0.0  # GB, of the largest process so far

    def run(self, *command: str) -> float:
        """Seconds of the whole process; its group does not outlive it."""
        log = self.folder / "log"
        started = time.perf_counter()
        before = self.seconds
        with log.open("w", encoding="utf-8") as words:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=words, stderr=words, start_new_session=True
            )
            try:
                ended = 0
                while not ended:
                    ended, status, usage = os.wait4(process.pid, os.WNOHANG)
                    self.seconds = before + time.perf_counter() - started
                    if not ended and self.seconds > self.limit:
                        os.killpg(process.pid, signal.SIGKILL)
                        ended, status, usage = os.wait4(process.pid, 0)
                    if not ended:
                        time.sleep(0.02)
                process.returncode = os.waitstatus_to_exitcode(status)
            finally:
                _end_group(process.pid)
        self.peak = max(self.peak, usage.ru_maxrss * KIB / 1e9)
        if self.seconds > self.limit:
            raise Stopped
        if process.returncode:
            said = log.read_text(encoding="utf-8", errors="replace").strip()
            print(said[-3000:], file=sys.stderr)
            raise Failed(said.rpartition("\n")[2] or f"ended with {process.returncode}")
        return self.seconds - before


def _end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def environment(venvs: Path, package: str) -> Path:
    """The python of a package's environment, which is made when its requirements are new."""
    constraints = ROOT / "constraints.txt"
    pinned = re.search(r"^torch==\S+", constraints.read_text(encoding="utf-8"), re.MULTILINE)
    if pinned is None:
        raise SystemExit(f"no torch in {constraints}")
    torch = pinned[0]
    ours = package == OURS
    wanted = constraints if ours else HERE / f"{package}.txt"
    text = torch + "\n" + wanted.read_text(encoding="utf-8")
    folder = venvs / package
    stamp, python = folder / "made-of.txt", folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == text:
        return python
    print(f"setting up {package} (minutes, once)", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _checked([sys.executable, "-m", "venv", str(folder)])
    install = [str(python), "-m", "pip", "install", "--quiet"]
    _checked([*install, torch])  # first and alone, or a library chooses a build
    others = ["--constraint", str(wanted), "--editable", str(ROOT)]
    _checked([*install, torch, *(others if ours else ["--requirement", str(wanted)])])
    stamp.write_text(text, encoding="utf-8")
    return python


def _checked(command: Sequence[str]) -> str:
    """What a command prints; Failed where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        raise Failed(done.stderr.strip().rpartition("\n")[2])
    return done.stdout


def measure(
    peer: Peer, python: Path, benchmark: Benchmark, source: Path, watch: Stopwatch, row: Row
) -> pd.DataFrame:
    """Runs a peer, tells `row` its times and returns its table of forecasts."""
    smoke = source.parent == watch.folder
    phases = watch.folder / "phases.json"
    freq, lookback = ASKED[benchmark.name]
    try:
        if peer.package == OURS:
            horizon = f"window.horizon={benchmark.horizon}"
            sets = ["--set", "training.seed=1", "--set", f"training.preset={peer.model}"]
            sets += ["--set", f"training.max_steps={SMOKE_STEPS}"] if smoke else []
            ours = (str(python), "-m", "rnnforecast")
            watch.run(*ours, "init", str(source), "--set", horizon, "--quiet")
            row.found["train_s"] = watch.run(
                *ours, "train", "spec.yaml", "-o", "run", *sets, "--quiet"
            )
            row.found["predict_s"] = watch.run(
                *ours, "predict", "run", "--no-plots", "-o", "forecast.csv", "--quiet"
            )
        else:
            options = {
                "--train": source,
                "--horizon": benchmark.horizon,
                "--freq": freq,
                "--lookback": lookback,
                "--out": "forecast.csv",
                "--phases": phases.name,
                **({"--steps": SMOKE_STEPS} if smoke else {}),
            }
            words = [str(part) for pair in options.items() for part in pair]
            script = HERE / f"use_{peer.package}.py"
            levels = [f"{level:g}" for level in LEVELS]
            watch.run(str(python), str(script), peer.model, *words, "--levels", *levels)
    finally:
        row.found["peak_gb"] = watch.peak
        if phases.is_file():
            seconds = json.loads(phases.read_text(encoding="utf-8"))
            for name in {"import", "train", "predict"} & set(seconds):
                row.found[f"{name}_s"] = seconds[name]
    row.found["whole_s"] = watch.seconds
    return read(watch.folder / "forecast.csv")


def compared(
    peer: Peer, benchmark: Benchmark, data: Path, venvs: Path, limit: float, smoke: bool
) -> Row:
    """The row of one peer, whatever happens to it."""
    row = Row(peer.label)
    with tempfile.TemporaryDirectory(prefix="rnnforecast-peers-") as place:
        folder = Path(place).resolve()
        source = (data / f"{benchmark.name}_train.csv.gz").resolve()
        train, test = read(source), read(data / f"{benchmark.name}_test.csv.gz")
        if smoke:
            few = train["unique_id"].drop_duplicates()[:SMOKE_SERIES]
            train, test = (part[part["unique_id"].isin(few)] for part in (train, test))
            source = folder / "train.csv"
            train.to_csv(source, index=False)
        watch = Stopwatch(folder, limit)
        try:
            python = environment(venvs, peer.package)
            for _ in range(2):  # the first time its files come from the disk
                said = _checked([str(python), "-c", FACTS, peer.package, peer.module])
            facts = json.loads(said.strip().rpartition("\n")[2])
            row.version = facts.pop("version")
            row.found.update(facts)
            forecast = measure(peer, python, benchmark, source, watch, row)
            row.found.update(score(train, test, forecast, benchmark.season))
        except Stopped:
            row.trouble = f"> {limit:g} s, stopped"
        except (Failed, ValueError) as error:
            row.trouble = f"failed: {error}".replace("|", "/")
    return row


def picture(rows: Sequence[Row], benchmark: Benchmark, file: Path) -> None:
    """Accuracy against time: the lower and the further left, the better."""
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    markers = iter("ovs^DPX")
    for row in rows:
        if "owa" not in row.found:
            continue
        ours = row.label.startswith(OURS)
        axes.plot(
            [row.found["whole_s"]],
            [row.found["owa"]],
            "*" if ours else next(markers),
            markersize=15 if ours else 9,
            label=row.label,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.2, y=0.2)
    axes.grid(True, alpha=0.25)
    if axes.lines:
        figure.legend(loc="outside right upper", frameon=False)
    axes.set_xlabel("whole run, seconds (log)")
    axes.set_ylabel("OWA (1 is Naive2)")
    axes.set_title(f"{benchmark.name}: accuracy against time, both better when lower")
    missing = "; ".join(f"{row.label} {row.trouble}" for row in rows if row.trouble)
    if missing:
        figure.supxlabel(f"not shown: {missing}", fontsize=8, wrap=True)
    figure.savefig(file, metadata={"Software": None})


def table(rows: Sequence[Row]) -> str:
    """Markdown: a row a peer."""
    heads = ["", *(title for title, _ in COLUMNS.values()), "version"]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(COLUMNS) + 1)]
    return "\n".join([*lines, *map(str, rows)])


def main() -> None:
    """Runs what the command line asks for; progress on stderr, the table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of NAME_train.csv.gz …")
    names = list(ASKED)
    parser.add_argument("--only", choices=names, default=names[0], help="the data set")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--limit", type=float, default=1200, metavar="S", help="seconds a peer")
    parser.add_argument("--venvs", type=Path, default=HERE / ".venvs", metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="not results/peers.png")
    parser.add_argument("--smoke", action="store_true", help="20 series, 3 steps: do all run?")
    asked = parser.parse_args()
    benchmark = next(each for each in BENCHMARKS if each.name == asked.only)
    for part in ("train", "test"):
        if not (asked.data / f"{benchmark.name}_{part}.csv.gz").is_file():
            parser.error(f"no {benchmark.name}_{part}.csv.gz in {asked.data}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs ends too
    plot = asked.plot
    if plot is None and not asked.smoke:
        other = "" if benchmark.name == names[0] else f"-{benchmark.name}"
        plot = HERE.parent / "results" / f"peers{other}.png"
    command = f"python benchmarks/peers/run.py DATA --only {benchmark.name}"
    if set(asked.peers) < set(PEERS):
        command += " --peers " + " ".join(asked.peers)
    command += f" --limit {asked.limit:g}" + " --smoke" * asked.smoke
    head = [f"# Peers on {benchmark.name}", describe(), f"`{command}`"]
    rows: list[Row] = []
    for name in dict.fromkeys(asked.peers):
        row = compared(
            PEERS[name], benchmark, asked.data, asked.venvs.resolve(), asked.limit, asked.smoke
        )
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
        if plot:
            picture(rows, benchmark, plot)
        if asked.out:
            shown = [f"![OWA against seconds]({plot.name})"] if plot else []
            text = "\n\n".join([*head, table(rows), *shown])
            asked.out.write_text(text + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
