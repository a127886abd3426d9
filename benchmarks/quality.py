"""How well automatic specs forecast public benchmark data, beside what is to be reached.

usage: quality.py DATA [--only NAME ...] [--presets NAME ...] [--seeds N] [--kept FILE.jsonl]
                  [--out FILE.md] [--set section.key=value ...]

DATA is a folder with `NAME_train.csv.gz` and `NAME_test.csv.gz`, long tables unique_id, ds, y, and
ETTh1.csv; what is not there is left out. Test values are read only to score. With `--kept` every
run is noted in that file, and those that are noted there are not made again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import competition
import numpy as np
import rolling
from machine import describe
from measures import headings

PRESETS = ("fast", "balanced", "best")

COMPETITION = headings(
    "train_s", "predict_s", "smape", "mase", "owa", "wql", "cover_80", "cover_95"
)
LONG = headings("train_s", "mse", "mae", "cover_80", "cover_95")

AIMS = """Aims: m4_hourly OWA 0.52 in 15 s, 0.445 in 90 s, 0.405 (winner of M4 0.440, best entry
0.410) and WQL 0.026, 0.022; m3_monthly sMAPE 14.6, 13.9 in 45 s, 13.3 (Theta 13.85, N-BEATS
ensemble 13.11); ETTh1 mean MSE 0.420, 0.400 (SegRNN 0.417, DUET 0.398). Bands within 5 and 3 points
of their names."""

Run = dict[str, float]


@dataclass(frozen=True)
class Task:
    """Something to forecast: a data set, or one horizon of it."""

    name: str
    rows: str
    """The table that it stands in."""
    run: Callable[[int, Sequence[str]], Run]
    """Scores by seed and changes of the spec."""


def tasks(data: Path) -> Iterator[Task]:
    """All for which there are files."""
    for benchmark in competition.BENCHMARKS:
        if all(file.is_file() for file in benchmark.files(data)):

            def compete(
                seed: int, changes: Sequence[str], one: competition.Benchmark = benchmark
            ) -> Run:
                return competition.run(one, data, seed, changes)

            yield Task(benchmark.name, "competition", compete)
    if (data / rolling.FILE).is_file():
        for horizon in rolling.HORIZONS:

            def roll(seed: int, changes: Sequence[str], steps: int = horizon) -> Run:
                return rolling.run(data, steps, seed, changes)

            yield Task(f"ETTh1 {horizon}", "long", roll)


class Kept:
    """The runs that were made, in a file if one is named."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.runs: dict[str, Run] = {}
        if file is not None and file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                self.runs.update(json.loads(line))

    def made(self, key: str, run: Callable[[], Run]) -> Run:
        """The run of this name, which is made if it is not there."""
        if key not in self.runs:
            self.runs[key] = run()
            told = " ".join(f"{name}={value:.4g}" for name, value in self.runs[key].items())
            print(f"{key}: {told}", file=sys.stderr, flush=True)
            if self.file is not None:
                with self.file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps({key: self.runs[key]}) + "\n")
        return self.runs[key]


Found = dict[tuple[str, str, str], list[Run]]
"""By table, task and preset; a run a seed."""


def shown(found: Found) -> str:
    """Markdown: medians over seeds and, of several seeds, lowest to highest."""
    parts = []
    for rows, columns in (("competition", COMPETITION), ("long", LONG)):
        some = {key[1:]: runs for key, runs in found.items() if key[0] == rows}
        if not some:
            continue
        heads = ["data", "preset", "seeds", *(title for title, _ in columns.values())]
        lines = ["| " + " | ".join(heads) + " |", "| --- | --- |" + " ---: |" * (len(heads) - 2)]
        lines += [line(*key, runs, columns) for key, runs in some.items()]
        if rows == "long":
            for preset in dict.fromkeys(preset for _, preset in some):
                horizons = [runs for (_, one), runs in some.items() if one == preset]
                mean = [mean_of(each) for each in zip(*horizons, strict=False)]
                lines.append(line("ETTh1 mean", preset, mean, columns))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def line(name: str, preset: str, runs: list[Run], columns: dict[str, tuple[str, int]]) -> str:
    """A row of a table."""
    cells = [name, preset, str(len(runs))]
    for measure, (_, digits) in columns.items():
        values = np.array([scores[measure] for scores in runs])
        cell = f"{np.median(values):.{digits}f}"
        if len(values) > 1:
            cell += f" ({values.min():.{digits}f}–{values.max():.{digits}f})"
        cells.append(cell)
    return "| " + " | ".join(cells) + " |"


def mean_of(runs: Sequence[Run]) -> Run:
    """The mean of every measure."""
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def main() -> None:
    """Runs what the command line asks for; prints progress on stderr, the tables on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the data sets")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="m4_hourly, 'ETTh1 96', …")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each")
    parser.add_argument("--kept", type=Path, metavar="FILE.jsonl", help="runs made before")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the tables there")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="passed on to train"
    )
    asked = parser.parse_args()
    there = list(tasks(asked.data))
    chosen = [task for task in there if asked.only is None or task.name in asked.only]
    if not chosen or asked.seeds < 1:
        names = ", ".join(task.name for task in there) or "none"
        parser.error(f"nothing to run; there are these data sets: {names}")
    kept, found = Kept(asked.kept), Found()
    for seed in range(1, asked.seeds + 1):
        for preset in asked.presets:
            for task in chosen:
                changes = (f"training.preset={preset}", *asked.set)
                key = " ".join([task.name, f"training.seed={seed}", *changes])
                scores = kept.made(key, lambda t=task, s=seed, c=changes: t.run(s, c))  # type: ignore[misc]
                found.setdefault((task.rows, task.name, preset), []).append(scores)
                if asked.out:
                    asked.out.write_text(page(asked, found), encoding="utf-8")
    print(shown(found))


def page(asked: argparse.Namespace, found: Found) -> str:
    """The tables with what they were measured on."""
    words = ["python benchmarks/quality.py DATA", f"--seeds {asked.seeds}"]
    words += ["--only", *(f"'{name}'" for name in asked.only)] if asked.only else []
    words += ["--presets", *asked.presets] if asked.presets != PRESETS else []
    words += [f"--set {change}" for change in asked.set]
    # the folder's name says nothing to a reader, and may be private
    return f"# Quality\n\n{describe()}\n\n`{' '.join(words)}`\n\n{shown(found)}\n\n{AIMS}\n"


if __name__ == "__main__":
    main()
