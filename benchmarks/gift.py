"""Accuracy on eight configurations of GIFT-Eval, relative to seasonal naive.

usage: gift.py DATA [--only NAME ...] [--presets NAME ...] [--seeds N] [--cache FILE.jsonl]
               [--out FILE.md] [--set section.key=value ...]

DATA is the folder of `quality.py` with hospital, us_births.csv.gz, m4_hourly and ETTh1.csv;
`gift_sets.py` defines the windows. Each configuration is trained once, on what lies before the
first window, and `predict` forecasts each window from all that lies before it. MASE is of the
median, scaled by the seasonal naive error of the same history; WQL is the weighted quantile loss at
0.1 to 0.9. Seasonal naive has to come out as published, or the script fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arguments import benchmark_parser
from competition import command
from gift_sets import CONFIGURATIONS, PUBLISHED, Configuration
from machine import describe
from measures import mase, quantile_loss
from score_tables import ResultCache, Scores, run_key

from rnnforecast.types import Floats
from rnnforecast.workflow.predict import predict
from rnnforecast.workflow.predict_subject import UntrainedSubject

LEVELS = tuple(round(0.1 * step, 1) for step in range(1, 10))
NAMES = [f"q{level:g}" for level in LEVELS]
QUANTILES = f"forecast.quantiles=[{', '.join(map(str, LEVELS))}]"
PRESETS = ("fast", "balanced", "best")
TOLERANCE = 5e-4
"""Of seasonal naive's MASE, relative: figures are published with four digits."""


@dataclass(frozen=True)
class Window:
    """The history of all series before an origin, and what follows it, as long tables."""

    history: pd.DataFrame
    actual: pd.DataFrame


def split_windows(configuration: Configuration, table: pd.DataFrame) -> Iterator[Window]:
    """The windows, the earliest first."""
    remaining = table.groupby("unique_id").cumcount(ascending=False)  # rows after this one
    horizon = configuration.horizon
    for ahead in range(configuration.windows(table), 0, -1):
        before = remaining >= ahead * horizon
        inside = ~before & (remaining >= (ahead - 1) * horizon)
        yield Window(table[before], table[inside])


class WindowScores:
    """MASE and WQL over series and windows."""

    def __init__(self, season: int) -> None:
        self.season = season
        self.mase: list[float] = []
        self.actual: list[Floats] = []
        self.quantiles: list[Floats] = []

    def add(self, history: Floats, actual: Floats, median: Floats, quantiles: Floats) -> None:
        """Adds a series in a window: `actual [H]`, `median [H]`, `quantiles [H, 9]`."""
        self.mase.append(mase(actual, median, history, self.season))
        self.actual.append(actual)
        self.quantiles.append(quantiles)

    def result(self) -> Scores:
        """The mean of MASE, and the quantile loss of all values together."""
        actual, quantiles = np.concatenate(self.actual), np.concatenate(self.quantiles)
        wql = quantile_loss(actual, quantiles, LEVELS)
        inside = (quantiles[:, 0] <= actual) & (actual <= quantiles[:, -1])
        coverage = 100 * float(inside.mean())
        return {"mase": float(np.mean(self.mase)), "wql": wql, "cover_80": coverage}


def by_series(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each series."""
    return {str(name): part for name, part in table.groupby("unique_id")}


def seasonal_naive_mase(configuration: Configuration, table: pd.DataFrame) -> float:
    """MASE of repeating the last season."""
    scores = WindowScores(configuration.season)
    for window in split_windows(configuration, table):
        actual = by_series(window.actual)
        for name, part in by_series(window.history).items():
            history, found = part["y"].to_numpy(float), actual[name]["y"].to_numpy(float)
            point = np.resize(history[-configuration.season :], len(found))
            scores.add(history, found, point, np.repeat(point[:, None], len(LEVELS), 1))
    return scores.result()["mase"]


def write_history(configuration: Configuration, history: pd.DataFrame, file: Path) -> None:
    """Writes the file as a user would have it."""
    if configuration.wide:
        order = history["unique_id"].drop_duplicates()
        history = history.pivot(index="ds", columns="unique_id", values="y")[order].reset_index()
    history.to_csv(file, index=False)


def run(
    configuration: Configuration, table: pd.DataFrame, seed: int, changes: Sequence[str]
) -> Scores:
    """Trains in a temporary folder and forecasts all windows; returns times and scores."""
    horizon = f"window.horizon={configuration.horizon}"
    changes = (f"training.seed={seed}", QUANTILES, "forecast.plots=0", *changes)
    sets = [part for change in changes for part in ("--set", change)]
    scores, trained, started = WindowScores(configuration.season), 0.0, 0.0
    with tempfile.TemporaryDirectory(prefix="rnnforecast-gift-") as temporary:
        folder = Path(temporary)
        for number, window in enumerate(split_windows(configuration, table)):
            source = folder / f"{number}.csv"
            write_history(configuration, window.history, source)
            if number == 0:
                command(folder, "init", source.name, "--set", horizon)
                trained = command(folder, "train", "spec.yaml", "-o", "run", *sets)
                started = time.perf_counter()
            predict_window(scores, window, folder / "run", folder, data=[str(source)])
    times = {"train_s": trained, "predict_s": time.perf_counter() - started}
    return {**times, **scores.result()}


def predict_window(
    scores: WindowScores,
    window: Window,
    subject: Path | UntrainedSubject,
    folder: Path,
    **data: Any,
) -> None:
    """Adds what `predict` forecasts for a window, by way of a file in the folder."""
    out = folder / "forecast.csv"
    predict(subject, str(out), plots=False, **data)
    add_window(scores, window, pd.read_csv(out, dtype={"unique_id": str}))


def add_window(scores: WindowScores, window: Window, forecast: pd.DataFrame) -> None:
    """Adds the forecasts of all series in a window; raises ValueError if some are missing."""
    histories, actual = by_series(window.history), by_series(window.actual)
    if "unique_id" not in forecast:  # a wide file
        name = next(iter(histories))
        forecast = forecast.assign(unique_id=forecast.get("target", name))
    found = by_series(forecast)
    if missing := set(histories) - set(found):
        raise ValueError(f"{len(missing)} of {len(histories)} series have no forecast")
    for name, part in histories.items():
        quantiles = found[name][NAMES].to_numpy(float)
        values = actual[name]["y"].to_numpy(float)
        scores.add(part["y"].to_numpy(float), values, quantiles[:, 4], quantiles)


@dataclass
class Row:
    """The figures of a configuration; the scores of each preset are means over seeds."""

    configuration: Configuration
    own_mase: float
    """Of seasonal naive."""
    scores: dict[str, Scores]

    def relative(self, preset: str) -> tuple[float, float]:
        """MASE and WQL of a preset over those of seasonal naive."""
        scores, configuration = self.scores[preset], self.configuration
        naive = configuration.naive_mase if configuration.rebuilt else self.own_mase
        return scores["mase"] / naive, scores["wql"] / configuration.naive_wql


def geometric_means(rows: Sequence[Row], method: str) -> tuple[float, float]:
    """Relative MASE and WQL over the configurations."""
    mase_ratio, wql_ratio = np.exp(np.mean(np.log([row.relative(method) for row in rows]), axis=0))
    return float(mase_ratio), float(wql_ratio)


def format_results(rows: Sequence[Row], methods: Mapping[str, str]) -> str:
    """Markdown tables of the configurations and of the geometric means.

    Args:
        methods: the heading of each method in `Row.scores`.
    """
    heads = ["configuration", "seasonal naive: MASE", "as published"]
    for method, title in methods.items():
        heads += [f"{title}: MASE", "relative", "WQL", "relative", "in 80 % band"]
        heads += ["train, s"] if "train_s" in rows[0].scores[method] else []
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for row in rows:
        configuration = row.configuration
        cells = [configuration.name, f"{row.own_mase:.4f}", f"{configuration.naive_mase:.4f}"]
        for method in methods:
            scores, (mase_ratio, wql_ratio) = row.scores[method], row.relative(method)
            cells += [f"{scores['mase']:.3f}", f"{mase_ratio:.3f}", f"{scores['wql']:.4f}"]
            cells += [f"{wql_ratio:.3f}", f"{scores['cover_80']:.1f}"]
            cells += [f"{scores['train_s']:.0f}"] if "train_s" in scores else []
        lines.append("| " + " | ".join(cells) + " |")
    means = {
        f"**rnnforecast, {title}**": geometric_means(rows, method)
        for method, title in methods.items()
    }
    published = PUBLISHED if len(rows) == len(CONFIGURATIONS) else {}
    ranked = sorted({**published, **means}.items(), key=lambda entry: entry[1][0])
    table = [f"| {name} | {one:.3f} | {two:.3f} |" for name, (one, two) in ranked]
    title = f"| geometric mean of {len(rows)} | MASE, relative | WQL, relative |"
    return "\n".join([*lines, "", title, "| --- | ---: | ---: |", *table])


def check_seasonal_naive(configuration: Configuration, found: float) -> None:
    """Exits if seasonal naive is not as published where the windows are the published ones."""
    print(
        f"{configuration.name}: MASE of seasonal naive {found:.4f}, "
        f"published {configuration.naive_mase:.4f}",
        file=sys.stderr,
        flush=True,
    )
    if configuration.rebuilt and abs(found / configuration.naive_mase - 1) > TOLERANCE:
        raise SystemExit(f"{configuration.name}: the windows are not those of the benchmark")


def main() -> None:
    """Runs the benchmark; progress goes to stderr, the tables to stdout."""
    parser = benchmark_parser(
        __doc__,
        presets=PRESETS,
        default_presets=["balanced"],
        names=[one.name for one in CONFIGURATIONS],
    )
    arguments = parser.parse_args()
    cache, rows = ResultCache(arguments.cache), []
    for configuration in CONFIGURATIONS:
        if configuration.name not in arguments.only:
            continue
        table = configuration.load(arguments.data)
        row = Row(configuration, seasonal_naive_mase(configuration, table), {})
        check_seasonal_naive(configuration, row.own_mase)
        for preset in arguments.presets:
            changes = (f"training.preset={preset}", *arguments.set)
            runs = [
                cache.get(
                    run_key(configuration.name, seed, changes),
                    lambda s=seed, c=changes: run(configuration, table, s, c),  # type: ignore[misc] # noqa: B023
                )
                for seed in range(1, arguments.seeds + 1)
            ]
            row.scores[preset] = pd.DataFrame(runs).mean().to_dict()
        rows.append(row)
        if arguments.out:
            arguments.out.write_text(page(arguments, rows), encoding="utf-8")
    print(format_results(rows, preset_titles(arguments.presets)))


def preset_titles(presets: Sequence[str]) -> dict[str, str]:
    """The heading of each preset."""
    return {preset: f"`{preset}`" for preset in presets}


def page(arguments: argparse.Namespace, rows: Sequence[Row]) -> str:
    """The content of the result file: machine, command and tables."""
    words = [f"python benchmarks/gift.py DATA --seeds {arguments.seeds}"]
    words += ["--presets", *arguments.presets, *(f"--set {change}" for change in arguments.set)]
    tables = format_results(rows, preset_titles(arguments.presets))
    return f"# GIFT-Eval, eight configurations\n\n{describe()}\n\n`{' '.join(words)}`\n\n{tables}\n"


if __name__ == "__main__":
    main()
