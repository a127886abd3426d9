"""A quarter of nightly runs of a job, on deliveries that drift, come late, or are broken.

usage: nightly.py [--days 90] [--out FOLDER] [--keep FOLDER]

Each night a delivery is written and the job of `rnnforecast run` is run with the time of that
night, in this process; two nights are killed by SIGKILL. What must happen in each night is in
`nightly_world.py`, written down before anything runs. It prints a line a night and what was not as
it must be; FOLDER gets `quarter.html`, one page with the nights, the live error by day, alarms and
promotions. Exits with 1 if anything was not as it must be.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are loaded
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset
from nightly_page import write_page
from nightly_world import HORIZON, SPEC, Quarter

from rnnforecast.batch.job.files import find_job_files
from rnnforecast.batch.job.run_job import JobOptions, run_job
from rnnforecast.pipeline.run_versions import resolve_run
from rnnforecast.spec.load_job import read_job

JOB = """spec: spec.yaml
run: model
out: forecasts
retrain: {every: 14d, margin: 0.01}
keep: 4
"""
KILL_AFTER = (0.05, 0.9)
"""Seconds after the start of the job, in which it is killed."""


@dataclass(frozen=True)
class Night:
    """What the job did in a night."""

    number: int
    event: str
    exit_code: int
    message: str
    codes: tuple[str, ...] = ()
    """Of the findings."""
    alarms: tuple[str, ...] = ()
    retrain: str = ""
    retrain_message: str = ""
    model: str = ""
    """The version that made the forecast."""
    fallback: int = 0
    """Series with a simple forecast in place of the model's."""
    seconds: float = 0.0


@dataclass
class Simulation:
    """A quarter that is simulated in a folder."""

    quarter: Quarter
    folder: Path
    seed: int = 0
    spec: str = SPEC
    nights: list[Night] = field(default_factory=list)

    def run(self) -> Iterator[Night]:
        """The nights, one by one."""
        values = self.values = self.quarter.values(self.seed)
        random = np.random.default_rng(self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        with chdir(self.folder):
            Path("spec.yaml").write_text(self.spec, encoding="utf-8")
            Path("job.yaml").write_text(JOB, encoding="utf-8")
            for number in range(self.quarter.days):
                self.quarter.deliver(values, number, Path("delivery.csv"))
                start = time.monotonic()
                night = self._killed if self.quarter.event(number) == "killed" else self._night
                found = night(number, start, random.uniform(*KILL_AFTER))
                self.nights.append(found)
                yield found

    def _night(self, number: int, start: float, _: float) -> Night:
        job = Path("job.yaml").resolve()
        options = JobOptions(now=self.quarter.now(number))
        summary = run_job(find_job_files(job, read_job(job)), options).summary
        return Night(
            number,
            self.quarter.event(number),
            summary.exit_code,
            summary.message,
            codes=tuple(summary.findings),
            alarms=tuple(summary.alarms),
            retrain=summary.retrain,
            retrain_message=summary.retrain_message,
            model=summary.model,
            fallback=summary.series.get("fallback", 0),
            seconds=time.monotonic() - start,
        )

    def _killed(self, number: int, start: float, delay: float) -> Night:
        """The command in a process of its own, killed while the job works."""
        log = Path("model.log")
        before = log.stat().st_size if log.exists() else 0
        command = [sys.executable, "-m", "rnnforecast", "run", "job.yaml"]
        command += ["--now", self.quarter.now(number).isoformat()]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as job:
            while job.poll() is None and (not log.exists() or log.stat().st_size == before):
                time.sleep(0.01)
            time.sleep(delay)
            job.send_signal(signal.SIGKILL)
            code = job.wait()
        event, seconds = self.quarter.event(number), time.monotonic() - start
        return Night(number, event, code, f"killed after {delay:.2f} s", seconds=seconds)

    def ledger(self) -> pd.DataFrame:
        """All rows of the ledger; its timestamps are in UTC."""
        folder = self.folder / "model.ledger"
        table = pyarrow.dataset.dataset(folder, partitioning="hive").to_table().to_pandas()
        for name in ("ds", "cutoff"):
            table[name] = table[name].dt.tz_localize(None)
        return table


def problems(simulation: Simulation) -> list[str]:
    """What was not as it must be, a line each."""
    found = list(_night_problems(simulation))
    found += _ledger_problems(simulation)
    found += _drift_problems(simulation)
    with chdir(simulation.folder):
        for path in (Path("forecasts/forecast.csv"), resolve_run(Path("model")) / "state.json"):
            if not path.is_file():
                found.append(f"{path} is missing in the end")
    return found


def _night_problems(simulation: Simulation) -> Iterator[str]:
    """Exit codes and findings that are not those of the plan."""
    for night in simulation.nights:
        expected = simulation.quarter.expected(night.number)
        name = f"night {night.number} ({night.event or 'normal'})"
        if night.exit_code not in expected.exit_codes:
            yield f"{name}: exit code {night.exit_code}: {night.message}"
        for code in expected.codes:
            if code not in night.codes:
                yield f"{name}: no finding {code}, but {', '.join(night.codes) or 'none'}"
        if night.fallback != expected.fallback:
            yield f"{name}: {night.fallback} series with a fallback, not {expected.fallback}"
        if night.retrain == "failed":
            yield f"{name}: {night.retrain_message}"


def _ledger_problems(simulation: Simulation) -> Iterator[str]:
    """Issues that lack, that are there twice, or that should not be there."""
    quarter, ledger = simulation.quarter, simulation.ledger()
    size = quarter.series * HORIZON
    if doubled := int(ledger.duplicated(["issue_id", "unique_id", "ds"]).sum()):
        yield f"ledger: {doubled} rows are there twice"
    issues = ledger.groupby(["issue_id", "cutoff"]).size().reset_index(name="rows")
    for issue in issues[issues["rows"] != size].itertuples():
        yield f"ledger: {issue.rows} rows of {issue.cutoff} in {issue.issue_id}, not {size}"
    # a night without new data issues the same cutoff again, with intervals that were calibrated
    # since; so may the night after one that was killed
    most: Counter[pd.Timestamp] = Counter()
    least: Counter[pd.Timestamp] = Counter()
    cutoff = quarter.cutoff(0)
    for number in range(quarter.days):
        expected, event = quarter.expected(number), quarter.event(number)
        cutoff = cutoff if event in ("late", "later") else quarter.cutoff(number)
        most[cutoff] += 0 in expected.exit_codes or event == "killed"
        least[cutoff] += expected.issues
    present = Counter(issues["cutoff"])
    for each in sorted({*most, *present}):
        if not min(least[each], 1) <= present[each] <= most[each]:
            yield f"ledger: {present[each]} issues of {each}, not {least[each]} to {most[each]}"


def _drift_problems(simulation: Simulation) -> Iterator[str]:
    """Alarms before the drift, none after it, or no new model."""
    quarter, nights = simulation.quarter, simulation.nights
    alarmed = [night.number for night in nights if night.alarms]
    yield from (f"night {number}: a false alarm" for number in alarmed if number < quarter.drift)
    if quarter.drift + quarter.promoted_within >= quarter.days:
        return
    promoted = [night.number for night in nights if night.retrain == "promoted"]
    for name, numbers, within in (
        ("alarm", alarmed, quarter.alarm_within),
        ("promotion", promoted, quarter.promoted_within),
    ):
        after = [number for number in numbers if number >= quarter.drift]
        if not after or after[0] > quarter.drift + within:
            yield f"no {name} within {within} nights after the drift of night {quarter.drift}"


def live_errors(simulation: Simulation) -> pd.Series:
    """The mean error of the latest forecast of each value, by local day: in units of the error of
    yesterday's values, of all series and hours."""
    ledger = simulation.ledger().sort_values("cutoff", kind="stable")
    latest = ledger.drop_duplicates(["unique_id", "ds"], keep="last")
    values = simulation.values.copy()
    values["naive"] = values.groupby("unique_id")["y"].diff(24).abs()
    values["day"] = values["ds"].dt.date
    values["ds"] = values["ds"].dt.tz_convert("UTC").dt.tz_localize(None)
    both = latest[["unique_id", "ds", "yhat"]].merge(values, on=["unique_id", "ds"])
    both["error"] = (both["y"] - both["yhat"]).abs() / values["naive"].mean()
    return both.groupby("day")["error"].mean()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the simulation; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=int, default=90, metavar="N", help="nights; 90 if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="of the page")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work there, and keep it")
    given = parser.parse_args(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        simulation = Simulation(
            Quarter(days=given.days), (given.keep or Path(temporary)).resolve(), given.seed
        )
        for night in simulation.run():
            print(_line(simulation.quarter, night), flush=True)
        wrong = problems(simulation)
        given.out.mkdir(parents=True, exist_ok=True)
        seconds = time.monotonic() - start
        write_page(given.out / "quarter.html", simulation, live_errors(simulation), wrong, seconds)
    rows = len(simulation.nights)
    print(f"{rows} nights in {seconds:.0f} s; page: {given.out / 'quarter.html'}")
    print("\n".join(f"NOT AS IT MUST BE: {line}" for line in wrong) or "all is as it must be")
    return 1 if wrong else 0


def _line(quarter: Quarter, night: Night) -> str:
    """A night as a line of the table."""
    notes = [*night.codes, *(f"alarm {name}" for name in night.alarms)]
    if night.retrain not in ("", "not_due"):
        notes.append(f"{night.retrain}: {night.retrain_message}")
    if night.exit_code not in (0, -9):
        notes.append(night.message)
    return (
        f"{night.number:3d} {quarter.day(night.number)} {night.event or '-':12s} "
        f"exit {night.exit_code:2d} {night.seconds:5.1f} s  {'; '.join(notes)}"
    )


if __name__ == "__main__":
    sys.exit(main())
