"""Accuracy of automatic specs on public benchmark data, compared with the aims.

usage: quality.py DATA [--only NAME ...] [--presets NAME ...] [--seeds N] [--cache FILE.jsonl]
                  [--out FILE.md] [--set section.key=value ...]

DATA is a folder with `NAME_train.csv.gz` and `NAME_test.csv.gz`, long tables unique_id, ds, y, and
ETTh1.csv; missing data sets are skipped. Test values are read only for the scores. With `--cache`
every run is stored in that file, and stored runs are not repeated.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import competition
import numpy as np
import rolling
from arguments import benchmark_parser
from machine import describe
from measures import headings
from score_tables import ResultCache, Scores, format_row, run_key, table_head

PRESETS = ("fast", "balanced", "best")

COMPETITION = headings(
    "train_s", "predict_s", "smape", "mase", "owa", "wql", "cover_80", "cover_95"
)
LONG = headings("train_s", "mse", "mae", "cover_80", "cover_95")

AIMS = """Aims: m4_hourly OWA 0.52 in 15 s, 0.445 in 90 s, 0.405 (winner of M4 0.440, best entry
0.410) and WQL 0.026, 0.022; m3_monthly sMAPE 14.6, 13.9 in 45 s, 13.3 (Theta 13.85, N-BEATS
ensemble 13.11); ETTh1 mean MSE 0.420, 0.400 (SegRNN 0.417, DUET 0.398). Coverage within 5 and 3
points of the nominal one."""


@dataclass(frozen=True)
class Task:
    """A data set, with one of its horizons."""

    name: str
    table: str
    """The table of its results."""
    run: Callable[[int, Sequence[str]], Scores]
    """Maps a seed and overrides of the spec to scores."""


def tasks(data: Path) -> Iterator[Task]:
    """All tasks whose files exist."""
    for benchmark in competition.BENCHMARKS:
        if all(file.is_file() for file in benchmark.files(data)):

            def compete(
                seed: int, changes: Sequence[str], one: competition.Benchmark = benchmark
            ) -> Scores:
                return competition.run(one, data, seed, changes)

            yield Task(benchmark.name, "competition", compete)
    if (data / rolling.FILE).is_file():
        for horizon in rolling.HORIZONS:

            def roll(seed: int, changes: Sequence[str], steps: int = horizon) -> Scores:
                return rolling.run(data, steps, seed, changes)

            yield Task(f"ETTh1 {horizon}", "long", roll)


Results = dict[tuple[str, str, str], list[Scores]]
"""By table, task and preset; one entry per seed."""


def format_results(results: Results) -> str:
    """Markdown tables of medians over seeds, with the range if there are several."""
    parts = []
    for table, columns in (("competition", COMPETITION), ("long", LONG)):
        rows = {key[1:]: runs for key, runs in results.items() if key[0] == table}
        if not rows:
            continue
        lines = [table_head(["data", "preset", "seeds"], columns)]
        lines += [format_row(*key, runs, columns) for key, runs in rows.items()]
        if table == "long":
            for preset in dict.fromkeys(preset for _, preset in rows):
                horizons = [runs for (_, one), runs in rows.items() if one == preset]
                mean = [mean_scores(each) for each in zip(*horizons, strict=False)]
                lines.append(format_row("ETTh1 mean", preset, mean, columns))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def mean_scores(runs: Sequence[Scores]) -> Scores:
    """The mean of each measure."""
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def main() -> None:
    """Runs the benchmark; progress goes to stderr, the tables to stdout."""
    parser = benchmark_parser(__doc__, presets=PRESETS, default_presets=PRESETS)
    arguments = parser.parse_args()
    available = list(tasks(arguments.data))
    chosen = [task for task in available if arguments.only is None or task.name in arguments.only]
    if not chosen or arguments.seeds < 1:
        names = ", ".join(task.name for task in available) or "none"
        parser.error(f"nothing to run; available data sets: {names}")
    cache, results = ResultCache(arguments.cache), Results()
    for seed in range(1, arguments.seeds + 1):
        for preset in arguments.presets:
            for task in chosen:
                changes = (f"training.preset={preset}", *arguments.set)
                key = run_key(task.name, seed, changes)
                scores = cache.get(key, lambda t=task, s=seed, c=changes: t.run(s, c))  # type: ignore[misc]
                results.setdefault((task.table, task.name, preset), []).append(scores)
                if arguments.out:
                    arguments.out.write_text(page(arguments, results), encoding="utf-8")
    print(format_results(results))


def page(arguments: argparse.Namespace, results: Results) -> str:
    """The content of the result file: machine, command, tables and aims."""
    words = ["python benchmarks/quality.py DATA", f"--seeds {arguments.seeds}"]
    words += ["--only", *(f"'{name}'" for name in arguments.only)] if arguments.only else []
    words += ["--presets", *arguments.presets] if arguments.presets != PRESETS else []
    words += [f"--set {change}" for change in arguments.set]
    # DATA stands for the folder, whose name may be private
    return (
        f"# Quality\n\n{describe()}\n\n`{' '.join(words)}`\n\n{format_results(results)}\n\n{AIMS}\n"
    )


if __name__ == "__main__":
    main()
