"""Accuracy on one series alone: each series in a file of its own, beside statistical methods.

usage: alone.py DATA [--only NAME ...] [--presets NAME ...] [--series N] [--seeds N] [--jobs N]
                [--timed N] [--cache FILE.jsonl] [--reference DIR] [--venvs DIR] [--out FILE.md]
                [--set section.key=value ...]

DATA is the folder of `quality.py`, with us_births.csv.gz and vic_elec.csv.gz if they are there;
`alone_sets.py` says which series are drawn. A series is a CSV of ds and y for which `init` writes
the spec with the horizon, and `train` and `predict` follow with a preset and a seed. The workflows
of these commands are called in this process, without plots of `train`, which changes no forecast;
`--timed` series a set run as the commands themselves, whose seconds are shown. With `--cache` and
`--reference` forecasts are stored and not repeated.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import competition
import numpy as np
import pandas as pd
from alone_sets import Sample, samples
from arguments import benchmark_parser
from machine import describe
from measures import LEVELS, headings, score
from reference_forecasts import (
    METHODS,
    ReferenceForecasts,
    add_reference_arguments,
    mean_forecast,
    seasonal_naive_forecast,
)
from score_tables import ResultCache, Scores, format_row, run_key, table_head

from rnnforecast.workflow.init import init
from rnnforecast.workflow.predict import predict
from rnnforecast.workflow.train import train

PRESETS = ("fast", "balanced", "best")
COLUMNS = headings("owa", "smape", "mase", "cover_80", "cover_95", "series_s")
MEAN = "mean of DOT, CES, ETS"
FORECAST = ("yhat", *(f"q{level:g}" for level in LEVELS))


@dataclass(frozen=True)
class Job:
    """One series to forecast with one preset and one seed."""

    key: str
    table: pd.DataFrame
    """ds and y."""
    horizon: int
    changes: tuple[str, ...]
    """Overrides of the spec for `train`."""


@dataclass
class SetResults:
    """Scores of the methods on a sample, one entry per seed."""

    name: str
    size: int
    scores: dict[str, list[Scores]] = field(default_factory=dict)


def forecast_in_process(job: Job) -> dict[str, Any]:
    """The forecast by the workflows of `init`, `train` and `predict`."""
    with tempfile.TemporaryDirectory(prefix="rnnforecast-alone-") as temporary:
        folder = Path(temporary)
        job.table.to_csv(folder / "data.csv", index=False)
        spec, run, out = folder / "spec.yaml", folder / "run", folder / "forecast.csv"
        init(str(folder / "data.csv"), spec, overrides=[f"window.horizon={job.horizon}"])
        train(spec, run, overrides=[*job.changes, "forecast.plots=0"])
        predict(run, str(out), plots=False)
        return _columns(out)


def forecast_by_commands(job: Job) -> dict[str, Any]:
    """The same by the command line, with the seconds of the three processes."""
    sets = [part for change in job.changes for part in ("--set", change)]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-alone-") as temporary:
        folder = Path(temporary)
        job.table.to_csv(folder / "data.csv", index=False)
        steps = (
            ("init", "data.csv", "--set", f"window.horizon={job.horizon}"),
            ("train", "spec.yaml", "-o", "run", *sets),
            ("predict", "run", "--no-plots", "-o", "forecast.csv"),
        )
        seconds = sum(competition.command(folder, *step) for step in steps)
        return {"series_s": seconds, **_columns(folder / "forecast.csv")}


def _columns(file: Path) -> dict[str, list[float]]:
    table = pd.read_csv(file)
    return {name: table[name].tolist() for name in FORECAST}


def jobs_of(sample: Sample, preset: str, seed: int, changes: Sequence[str]) -> dict[str, Job]:
    """The jobs of a sample, by series."""
    overrides = (f"training.preset={preset}", *changes)
    return {
        str(name): Job(
            run_key(f"{sample.benchmark.name} {name}", seed, overrides),
            part[["ds", "y"]],
            sample.benchmark.horizon,
            (f"training.seed={seed}", *overrides),
        )
        for name, part in sample.train.groupby("unique_id")
    }


def run_jobs(jobs: Sequence[Job], cache: ResultCache, processes: int) -> None:
    """Runs the jobs that are not stored, some at a time."""
    missing = [job for job in jobs if job.key not in cache.runs]
    if not missing:
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(forecast_in_process, job): job for job in missing}
        for done in as_completed(running):
            key = running[done].key
            if error := done.exception():
                pool.shutdown(cancel_futures=True)
                raise SystemExit(f"{key}: {error}") from error
            cache.store(key, done.result())


def time_commands(jobs: dict[str, Job], cache: ResultCache, count: int) -> float | None:
    """Median seconds of `count` evenly spaced jobs as processes; says if a forecast differs."""
    chosen = list(jobs.values())
    seconds = []
    for position in np.linspace(0, len(chosen) - 1, min(count, len(chosen))).round().astype(int):
        job = chosen[position]
        found = cache.get(f"commands {job.key}", lambda job=job: forecast_by_commands(job))  # type: ignore[misc]
        seconds.append(found["series_s"])
        ours, theirs = (np.array(one["yhat"]) for one in (cache.runs[job.key], found))
        difference = float(np.abs(ours / theirs - 1).max())
        if not difference < 1e-6:
            print(f"{job.key}: the command's forecast differs by {difference:.1e}", file=sys.stderr)
    return float(np.median(seconds)) if seconds else None


def our_forecast(sample: Sample, jobs: dict[str, Job], cache: ResultCache) -> pd.DataFrame:
    """The stored forecasts of all series as one table."""
    parts = []
    for name, part in sample.test.groupby("unique_id"):
        stored = cache.runs[jobs[str(name)].key]
        parts.append(part[["unique_id", "ds"]].assign(**{key: stored[key] for key in FORECAST}))
    return pd.concat(parts)


def statistical_forecasts(
    sample: Sample, reference: ReferenceForecasts
) -> Iterator[tuple[str, pd.DataFrame, float | None]]:
    """Method, forecast and seconds of all series together."""
    tables, total = [], 0.0
    for method in METHODS:
        table, seconds = reference.get(sample.benchmark, sample.train, method)
        tables.append(table)
        total += seconds
        yield method, table, seconds
    yield MEAN, mean_forecast(tables), total
    naive = seasonal_naive_forecast(sample.train, sample.test, sample.benchmark.season, drift=True)
    yield "seasonal naive with drift", naive, None


def run_set(
    name: str, sample: Sample, arguments: argparse.Namespace, cache: ResultCache
) -> SetResults:
    """Scores of all methods on a sample."""
    size = sample.train["unique_id"].nunique()
    results = SetResults(name, size)
    season = sample.benchmark.season
    reference = ReferenceForecasts(arguments.reference, arguments.venvs)
    for method, table, seconds in statistical_forecasts(sample, reference):
        scores = score(sample.train, sample.test, table, season)
        if seconds is not None:
            scores["series_s"] = seconds / size
        results.scores[method] = [scores]
    for preset in arguments.presets:
        rows = results.scores.setdefault(preset, [])
        for seed in range(1, arguments.seeds + 1):
            jobs = jobs_of(sample, preset, seed, arguments.set)
            run_jobs(list(jobs.values()), cache, arguments.jobs)
            forecast = our_forecast(sample, jobs, cache)
            rows.append(score(sample.train, sample.test, forecast, season))
            if seed == 1:
                seconds = time_commands(jobs, cache, arguments.timed)
                if seconds is not None:
                    rows[0]["series_s"] = seconds
    return results


def format_results(results: Sequence[SetResults], presets: Sequence[str]) -> str:
    """A table of all scores, and one of the ratios to the better of DOT and the mean."""
    lines = [table_head(["each series alone", "method", "seeds"], COLUMNS)]
    for one in results:
        for method, runs in one.scores.items():
            lines.append(format_row(f"{one.size} of {one.name}", method, runs, COLUMNS))
    heads = ["each series alone", "better of DOT and mean", "best of all", *presets]
    ratios = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for one in results:
        owa = {
            method: np.median([run["owa"] for run in runs]) for method, runs in one.scores.items()
        }
        better = min(owa["DOT"], owa[MEAN])
        best = min(value for method, value in owa.items() if method not in presets)
        cells = [
            f"{owa[name]:.3f} ({owa[name] / better:.2f} ×, {owa[name] / best:.2f} ×)"
            for name in presets
        ]
        cells = [f"{one.size} of {one.name}", f"{better:.3f}", f"{best:.3f}", *cells]
        ratios.append("| " + " | ".join(cells) + " |")
    return (
        "\n".join(lines)
        + "\n\nOWA; in brackets, over the two columns before:\n\n"
        + "\n".join(ratios)
    )


def parse_arguments() -> tuple[argparse.Namespace, dict[str, Any]]:
    """The arguments, and the samples that they choose."""
    parser = benchmark_parser(__doc__, presets=PRESETS, default_presets=["balanced"])
    parser.add_argument("--series", type=int, default=30, metavar="N", help="series per set")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="at once")
    parser.add_argument("--timed", type=int, default=3, metavar="N", help="series run as commands")
    add_reference_arguments(parser)
    arguments = parser.parse_args()
    available = samples(arguments.data)
    chosen = {
        name: draw for name, draw in available.items() if name in (arguments.only or available)
    }
    if not chosen or min(arguments.seeds, arguments.series, arguments.jobs) < 1:
        parser.error(f"nothing to run; available data sets: {', '.join(available) or 'none'}")
    return arguments, chosen


def main() -> None:
    """Runs the benchmark; progress goes to stderr, the tables to stdout."""
    arguments, chosen = parse_arguments()
    cache, results = ResultCache(arguments.cache), []
    for name, draw in chosen.items():
        results.append(run_set(name, draw(arguments.series), arguments, cache))
        if arguments.out:
            arguments.out.write_text(page(arguments, results), encoding="utf-8")
    print(format_results(results, arguments.presets))


def page(arguments: argparse.Namespace, results: Sequence[SetResults]) -> str:
    """The content of the result file: machine, command and tables."""
    words = [f"python benchmarks/alone.py DATA --series {arguments.series}"]
    words += [f"--seeds {arguments.seeds}", "--presets", *arguments.presets]
    words += ["--only", *arguments.only] if arguments.only else []
    words += [f"--set {change}" for change in arguments.set]
    tables = format_results(results, arguments.presets)
    return f"# One series alone\n\n{describe()}\n\n`{' '.join(words)}`\n\n{tables}\n"


if __name__ == "__main__":
    main()
