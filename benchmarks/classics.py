"""Statistical methods on the public sets as panels, beside this project's networks.

usage: classics.py DATA [--only NAME ...] [--presets NAME ...] [--cache FILE.jsonl]
                   [--reference DIR] [--venvs DIR] [--out FILE.md]

DOT, CES and ETS and their mean are statsforecast's, in an environment of its own; their forecasts
are stored and not repeated. `combination` is that of `rnnforecast.statistical` without a network;
presets are the runs in the cache of `quality.py`, the median over the seeds that are there. A last
table compares the vectorized methods of `rnnforecast.statistical` with statsforecast's, in accuracy
and time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import count

import numpy as np
import pandas as pd
from arguments import benchmark_parser
from competition import BENCHMARKS, Benchmark, read
from machine import describe
from measures import LEVELS, score
from reference_forecasts import (
    METHODS,
    ReferenceForecasts,
    add_reference_arguments,
    mean_forecast,
    seasonal_naive_forecast,
)
from score_tables import ResultCache, Scores, run_key, table_head

from rnnforecast.statistical import combination
from rnnforecast.statistical.histories import Histories

PRESETS = ("fast", "balanced", "best")
NAIVE = "seasonal naive"
MEAN = "mean of the three"

VECTORIZED = {"DOT": "theta", "ETS": "exponential_smoothing"}
"""Modules of `rnnforecast.statistical` by method."""
MAX_STEPS = 5000
COMBINATION = "combination"

COMPARED = (
    "m1_monthly", "m1_quarterly", "m1_yearly", "m3_monthly", "m3_quarterly", "m3_yearly",
    "tourism_monthly", "tourism_quarterly",
)  # fmt: skip
PUBLISHED = {"TiRex": 0.821, "Chronos-Bolt-base": 0.887}
"""Published MASE on `COMPARED` relative to seasonal naive, geometric mean."""
CAVEAT = """Published figures are of models trained on large collections of other series, which are
said not to hold these; ours are trained on each set, and some rules of automatic specs were decided
on training parts of these sets. MASE counts the errors of the point forecast only."""

Panel = dict[str, Scores]
"""Scores on one data set, by method."""


def statistical_scores(
    benchmark: Benchmark, train: pd.DataFrame, test: pd.DataFrame, reference: ReferenceForecasts
) -> Panel:
    """Scores of statsforecast's methods, their mean, and seasonal naive."""
    forecasts, seconds = {}, {}
    for method in METHODS:
        forecasts[method], seconds[method] = reference.get(benchmark, train, method)
    forecasts[MEAN] = mean_forecast([forecasts[method] for method in METHODS])
    forecasts[NAIVE] = seasonal_naive_forecast(train, test, benchmark.season, drift=False)
    found = {}
    for method, table in forecasts.items():
        found[method] = score(train, test, table, benchmark.season)
        if method in seconds:
            found[method]["total_s"] = seconds[method]
    found[MEAN]["total_s"] = sum(seconds.values())
    return found


def our_scores(benchmark: Benchmark, preset: str, cache: ResultCache) -> Scores | None:
    """Median over the stored seeds, None if there is none."""
    runs = []
    for seed in count(1):
        key = run_key(benchmark.name, seed, (f"training.preset={preset}",))
        if key not in cache.runs:
            break
        runs.append(cache.runs[key])
    if not runs:
        return None
    scores: Scores = pd.DataFrame(runs).median().to_dict()
    scores["total_s"] = scores["train_s"] + scores["predict_s"]
    return scores


def vectorized(
    benchmark: Benchmark, train: pd.DataFrame, test: pd.DataFrame
) -> Iterator[tuple[str, Scores]]:
    """Scores and seconds of each vectorized method."""
    steps = test.sort_values(["unique_id", "ds"])[["unique_id", "ds"]]
    for method, module in VECTORIZED.items():
        forecast = import_module(f"rnnforecast.statistical.{module}").forecast
        started = time.perf_counter()
        found = forecast(
            histories_of(train, MAX_STEPS), season=benchmark.season, horizon=benchmark.horizon
        )
        seconds = time.perf_counter() - started
        table = steps.assign(yhat=found.mean.ravel())
        yield method, {**score(train, test, table, benchmark.season), "total_s": seconds}


def combination_scores(benchmark: Benchmark, train: pd.DataFrame, test: pd.DataFrame) -> Scores:
    """Scores and seconds of the combination of statistical methods, without any network."""
    table = test.sort_values(["unique_id", "ds"])[["unique_id", "ds"]]
    season, horizon = benchmark.season, benchmark.horizon
    started = time.perf_counter()
    histories = histories_of(train, combination.max_history(season, horizon))
    quantiles = combination.forecast(histories, seasons=(season,), horizon=horizon, levels=LEVELS)
    seconds = time.perf_counter() - started
    table[[f"q{level:g}" for level in LEVELS]] = quantiles.reshape(-1, len(LEVELS))
    table["yhat"] = table["q0.5"]
    return {**score(train, test, table, season), "total_s": seconds}


def histories_of(train: pd.DataFrame, max_steps: int) -> Histories:
    """The history of each series, in the order of their names."""
    ordered = train.sort_values(["unique_id", "ds"])
    offsets = np.concatenate([[0], np.cumsum(ordered.groupby("unique_id").size())])
    series = np.arange(len(offsets) - 1)
    values = ordered["y"].to_numpy(float)
    return Histories.from_flat(values, offsets, series, np.diff(offsets), max_steps=max_steps)


def accuracy_tables(panels: dict[str, Panel], presets: Sequence[str]) -> str:
    """OWA and relative MASE with their geometric means, shares in the bands, and seconds."""
    methods = [*METHODS, MEAN, COMBINATION, *presets]
    relative = {
        name: {
            method: {"relative": scores["mase"] / panel[NAIVE]["mase"]}
            for method, scores in panel.items()
        }
        for name, panel in panels.items()
    }
    means = {} if set(COMPARED) - set(panels) else _relative_means(relative, methods)
    ranked = sorted(means.items(), key=lambda entry: entry[1])
    title = "| MASE / seasonal naive, geometric mean of eight sets of M1, M3 and tourism | |"
    parts = [
        _table("OWA", panels, methods, ("owa",), "{:.3f}", with_mean=True),
        _table("MASE / seasonal naive", relative, methods, ("relative",), "{:.3f}", with_mean=True),
        _table(
            "in the 80 / 95 % band", panels, methods, ("cover_80", "cover_95"), "{:.1f} / {:.1f}"
        ),
        _table("seconds", panels, methods, ("total_s",), "{:.1f}"),
    ]
    if means:
        rows = [f"| {name} | {value:.3f} |" for name, value in ranked]
        parts += ["\n".join([title, "| --- | ---: |", *rows]), CAVEAT]
    return "\n\n".join(parts)


def _relative_means(relative: dict[str, Panel], methods: Sequence[str]) -> dict[str, float]:
    """Geometric means over `COMPARED` of the methods that all of them have, and published ones."""
    means = dict(PUBLISHED)
    for method in methods:
        if all(method in relative[name] for name in COMPARED):
            logs = [np.log(relative[name][method]["relative"]) for name in COMPARED]
            means[method] = float(np.exp(np.mean(logs)))
    return means


def _table(
    title: str,
    panels: dict[str, Panel],
    methods: Sequence[str],
    measures: tuple[str, ...],
    form: str,
    *,
    with_mean: bool = False,
) -> str:
    """One row a data set, one column a method."""
    lines = [f"| {title} | {' | '.join(methods)} |", "| --- |" + " ---: |" * len(methods)]
    for name, panel in panels.items():
        cells = [
            form.format(*(panel[method][measure] for measure in measures))
            if method in panel
            else "–"
            for method in methods
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if with_mean:
        means = []
        for method in methods:
            values = [panel[method][measures[0]] for panel in panels.values() if method in panel]
            complete = len(values) == len(panels)
            means.append(form.format(np.exp(np.mean(np.log(values)))) if complete else "–")
        lines.append(f"| geometric mean of {len(panels)} | {' | '.join(means)} |")
    return "\n".join(lines)


def vectorized_table(panels: dict[str, Panel], ours: dict[str, Panel]) -> str:
    """Accuracy and seconds of the vectorized methods beside statsforecast's."""
    heads = ["sMAPE %, statsforecast", "ours", "ours / statsforecast", "seconds", "ours"]
    lines = [table_head(["data", "method", *heads], {})]
    for name, found in ours.items():
        for method, scores in found.items():
            theirs = panels[name][method]
            cells = [
                f"{theirs['smape']:.3f}",
                f"{scores['smape']:.3f}",
                f"{scores['smape'] / theirs['smape']:.4f}",
                f"{theirs['total_s']:.1f}",
                f"{scores['total_s']:.2f}",
            ]
            lines.append(f"| {name} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Runs the benchmark and prints the tables."""
    parser = benchmark_parser(
        __doc__,
        presets=PRESETS,
        default_presets=["balanced", "best"],
        names=[one.name for one in BENCHMARKS],
        trains=False,
    )
    add_reference_arguments(parser)
    arguments = parser.parse_args()
    cache = ResultCache(arguments.cache)
    reference = ReferenceForecasts(arguments.reference, arguments.venvs)
    panels: dict[str, Panel] = {}
    ours: dict[str, Panel] = {}
    for benchmark in BENCHMARKS:
        files = benchmark.files(arguments.data)
        if benchmark.name not in arguments.only or not all(file.is_file() for file in files):
            continue
        train, test = (read(file) for file in files)
        panels[benchmark.name] = statistical_scores(benchmark, train, test, reference)
        panels[benchmark.name][COMBINATION] = combination_scores(benchmark, train, test)
        for preset in arguments.presets:
            scores = our_scores(benchmark, preset, cache)
            if scores is not None:
                panels[benchmark.name][preset] = scores
        ours[benchmark.name] = dict(vectorized(benchmark, train, test))
        if arguments.out:
            arguments.out.write_text(page(arguments, panels, ours), encoding="utf-8")
    print(accuracy_tables(panels, arguments.presets), vectorized_table(panels, ours), sep="\n\n")


def page(arguments: argparse.Namespace, panels: dict[str, Panel], ours: dict[str, Panel]) -> str:
    """The content of the result file: machine, command and tables."""
    words = ["python benchmarks/classics.py DATA --presets", *arguments.presets]
    if len(arguments.only) < len(BENCHMARKS):
        words += ["--only", *arguments.only]
    tables = accuracy_tables(panels, arguments.presets)
    return (
        f"# Statistical methods\n\n{describe()}, statsforecast 2.1.1\n\n`{' '.join(words)}`\n\n"
        f"{tables}\n\n## Vectorized methods\n\n{vectorized_table(panels, ours)}\n"
    )


if __name__ == "__main__":
    main()
