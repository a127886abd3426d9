"""Comparison with other forecasting libraries on the same data and machine.

usage: run.py DATA [--only NAME] [--peers NAME ...] [--limit S] [--venvs DIR] [--out FILE.md]

Peers run one after the other, each in its own environment with its defaults; rnnforecast runs as
`init`, `train` and `predict`. Whole processes are timed, with start and imports. DATA and the
measures are those of `quality.py`. The table and the plot are written after each row. `--smoke`
only tests that all run: 20 series, 3 steps.
"""

from __future__ import annotations

import argparse
import json
import os
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
sys.path.insert(0, str(HERE.parent))

from competition import BENCHMARKS, Benchmark, read  # noqa: E402
from environments import OURS, VENVS, Failed, environment, run_checked  # noqa: E402
from machine import describe  # noqa: E402
from measures import LEVELS, headings, score  # noqa: E402


@dataclass(frozen=True)
class Peer:
    """A model of a library, or a preset of ours; `package` names its script and requirements."""

    label: str
    package: str
    model: str
    module: str
    """The module whose import is timed."""


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
    "statsforecast_dot": Peer("statsforecast DOT", "statsforecast", "DOT", "statsforecast"),
    "statsforecast_mean": Peer(
        "statsforecast, mean of DOT, CES, ETS", "statsforecast", "mean", "statsforecast"
    ),
}

LOOKBACKS = {"m4_hourly": 168, "m3_monthly": 24}
"""The data sets, with the lookback for libraries without a default."""

COLUMNS = headings(
    "owa", "smape", "mase", "wql",
    "total_s", "train_s", "predict_s", "import_s", "peak_gb", "packages",
)  # fmt: skip

INSPECT = """
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
"""Bytes in the unit of `ru_maxrss`."""


@dataclass
class Row:
    """Results of a peer; `failure` is the reason if some are missing."""

    label: str
    version: str = ""
    failure: str = ""
    measures: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line of the table."""
        cells = [self.label]
        for measure, (_, digits) in COLUMNS.items():
            value = self.measures.get(measure)
            cells.append("–" if value is None else f"{value:.{digits}f}")
        if self.failure:
            cells[1 + list(COLUMNS).index("total_s")] = self.failure
        return "| " + " | ".join([*cells, self.version]) + " |"


class Stopped(Exception):
    """The time limit was exceeded; the process and its children were killed."""


class Stopwatch:
    """Runs processes in `folder` until their total time exceeds `limit` seconds."""

    def __init__(self, folder: Path, limit: float) -> None:
        self.folder, self.limit = folder, limit
        self.seconds = 0.0
        self.peak = 0.0  # GB, of the largest process

    def run(self, *command: str) -> float:
        """Runs a process and returns its seconds; its whole process group is ended with it."""
        log = self.folder / "log"
        started = time.perf_counter()
        before = self.seconds
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, start_new_session=True
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
            text = log.read_text(encoding="utf-8", errors="replace").strip()
            print(text[-3000:], file=sys.stderr)
            raise Failed(text.rpartition("\n")[2] or f"ended with {process.returncode}")
        return self.seconds - before


def _end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def measure(
    peer: Peer, python: Path, benchmark: Benchmark, source: Path, watch: Stopwatch, row: Row
) -> pd.DataFrame:
    """Runs a peer, adds its times to `row`, and returns its forecasts."""
    smoke = source.parent == watch.folder
    phases = watch.folder / "phases.json"
    try:
        if peer.package == OURS:
            horizon = f"window.horizon={benchmark.horizon}"
            sets = ["--set", "training.seed=1", "--set", f"training.preset={peer.model}"]
            sets += ["--set", f"training.max_steps={SMOKE_STEPS}"] if smoke else []
            ours = (str(python), "-m", "rnnforecast")
            watch.run(*ours, "init", str(source), "--set", horizon, "--quiet")
            row.measures["train_s"] = watch.run(
                *ours, "train", "spec.yaml", "-o", "run", *sets, "--quiet"
            )
            row.measures["predict_s"] = watch.run(
                *ours, "predict", "run", "--no-plots", "-o", "forecast.csv", "--quiet"
            )
        else:
            options = {
                "--train": source,
                "--horizon": benchmark.horizon,
                "--season": benchmark.season,
                "--freq": benchmark.frequency,
                "--lookback": LOOKBACKS[benchmark.name],
                "--out": "forecast.csv",
                "--phases": phases.name,
                **({"--steps": SMOKE_STEPS} if smoke else {}),
            }
            arguments = [str(part) for pair in options.items() for part in pair]
            script = HERE / f"use_{peer.package}.py"
            levels = [f"{level:g}" for level in LEVELS]
            watch.run(str(python), str(script), peer.model, *arguments, "--levels", *levels)
    finally:
        row.measures["peak_gb"] = watch.peak
        if phases.is_file():
            seconds = json.loads(phases.read_text(encoding="utf-8"))
            for name in {"import", "train", "predict"} & set(seconds):
                row.measures[f"{name}_s"] = seconds[name]
    row.measures["total_s"] = watch.seconds
    return read(watch.folder / "forecast.csv")


def compare(
    peer: Peer, benchmark: Benchmark, data: Path, venvs: Path, limit: float, *, smoke: bool
) -> Row:
    """The row of one peer, even if it fails."""
    row = Row(peer.label)
    with tempfile.TemporaryDirectory(prefix="rnnforecast-peers-") as temporary:
        folder = Path(temporary).resolve()
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
            for _ in range(2):  # the second run has the files in the cache of the disk
                output = run_checked([str(python), "-c", INSPECT, peer.package, peer.module])
            facts = json.loads(output.strip().rpartition("\n")[2])
            row.version = facts.pop("version")
            row.measures.update(facts)
            forecast = measure(peer, python, benchmark, source, watch, row)
            row.measures.update(score(train, test, forecast, benchmark.season))
        except Stopped:
            row.failure = f"> {limit:g} s, stopped"
        except (Failed, ValueError) as error:
            row.failure = f"failed: {error}".replace("|", "/")
    return row


def plot(rows: Sequence[Row], benchmark: Benchmark, file: Path) -> None:
    """Plots accuracy against time; lower and further left is better."""
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    markers = iter("ovs^DPX<>")
    for row in rows:
        if "owa" not in row.measures:
            continue
        ours = row.label.startswith(OURS)
        axes.plot(
            [row.measures["total_s"]],
            [row.measures["owa"]],
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
    axes.set_xlabel("total time, seconds (log)")
    axes.set_ylabel("OWA (1 is Naive2)")
    axes.set_title(f"{benchmark.name}: accuracy against time, both better when lower")
    missing = "; ".join(f"{row.label} {row.failure}" for row in rows if row.failure)
    if missing:
        figure.supxlabel(f"not shown: {missing}", fontsize=8, wrap=True)
    figure.savefig(file, metadata={"Software": None})


def table(rows: Sequence[Row]) -> str:
    """A Markdown table with one row per peer."""
    heads = ["", *(title for title, _ in COLUMNS.values()), "version"]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(COLUMNS) + 1)]
    return "\n".join([*lines, *map(str, rows)])


def main() -> None:
    """Runs the comparison; progress goes to stderr, the table to stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of NAME_train.csv.gz …")
    names = list(LOOKBACKS)
    parser.add_argument("--only", choices=names, default=names[0], help="the data set")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--limit", type=float, default=1200, metavar="S", help="seconds per peer")
    parser.add_argument("--venvs", type=Path, default=VENVS, metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="not results/peers.png")
    parser.add_argument("--smoke", action="store_true", help="20 series, 3 steps: do all run?")
    arguments = parser.parse_args()
    benchmark = next(each for each in BENCHMARKS if each.name == arguments.only)
    for part in ("train", "test"):
        if not (arguments.data / f"{benchmark.name}_{part}.csv.gz").is_file():
            parser.error(f"no {benchmark.name}_{part}.csv.gz in {arguments.data}")
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # runs `finally`, which ends child processes
    image = arguments.plot
    if image is None and not arguments.smoke:
        other = "" if benchmark.name == names[0] else f"-{benchmark.name}"
        image = HERE.parent / "results" / f"peers{other}.png"
    command = f"python benchmarks/peers/run.py DATA --only {benchmark.name}"
    if set(arguments.peers) < set(PEERS):
        command += " --peers " + " ".join(arguments.peers)
    command += f" --limit {arguments.limit:g}" + " --smoke" * arguments.smoke
    head = [f"# Peers on {benchmark.name}", describe(), f"`{command}`"]
    rows: list[Row] = []
    venvs, smoke = arguments.venvs.resolve(), arguments.smoke
    for name in dict.fromkeys(arguments.peers):
        row = compare(PEERS[name], benchmark, arguments.data, venvs, arguments.limit, smoke=smoke)
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
        if image:
            plot(rows, benchmark, image)
        if arguments.out:
            shown = [f"![OWA against seconds]({image.name})"] if image else []
            text = "\n\n".join([*head, table(rows), *shown])
            arguments.out.write_text(text + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
