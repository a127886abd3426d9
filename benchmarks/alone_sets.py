"""Samples of series that `alone.py` forecasts one by one.

Of a competition the series are evenly spaced over its file. Of few long series pieces are cut:
they end at evenly spaced steps, take the columns in turn, and have 500, 1,000, 2,000 and 3,000
values in turn before their last horizon, which is the test part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from competition import BENCHMARKS, Benchmark, read

LENGTHS = (500, 1000, 2000, 3000)


@dataclass(frozen=True)
class Sample:
    """Some series of a data set, as long tables unique_id, ds, y."""

    benchmark: Benchmark
    train: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True)
class LongSource:
    """A file of few long series."""

    file: str
    benchmark: Benchmark
    time: str
    columns: tuple[str, ...]


LONG_SOURCES = (
    LongSource(
        "ETTh1.csv",
        Benchmark("ETTh1", 48, 24, "h"),
        "date",
        ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"),
    ),
    LongSource("us_births.csv.gz", Benchmark("us_births", 30, 7, "D"), "ds", ("y",)),
    LongSource("vic_elec.csv.gz", Benchmark("vic_elec", 48, 48, "30min"), "time", ("demand",)),
)


def samples(data: Path) -> dict[str, Callable[[int], Sample]]:
    """By name of the set, what draws so many series of it; only of sets whose files exist."""
    found: dict[str, Callable[[int], Sample]] = {}
    for benchmark in BENCHMARKS:
        if all(file.is_file() for file in benchmark.files(data)):
            found[benchmark.name] = lambda count, one=benchmark: evenly_spaced(one, data, count)
    for source in LONG_SOURCES:
        if (data / source.file).is_file():
            found[source.benchmark.name] = lambda count, one=source: pieces(one, data, count)
    return found


def evenly_spaced(benchmark: Benchmark, data: Path, count: int) -> Sample:
    """`count` series of a competition, evenly spaced over the training file."""
    train, test = (read(file) for file in benchmark.files(data))
    names = train["unique_id"].drop_duplicates().to_numpy()
    count = min(count, len(names))
    chosen = names[np.linspace(0, len(names) - 1, count).round().astype(int)]
    return Sample(
        benchmark, train[train["unique_id"].isin(chosen)], test[test["unique_id"].isin(chosen)]
    )


def pieces(source: LongSource, data: Path, count: int) -> Sample:
    """`count` pieces of the columns of a long file."""
    table = pd.read_csv(data / source.file)
    ds = pd.to_datetime(table[source.time], utc=True).dt.tz_localize(None)
    horizon = source.benchmark.horizon
    ends = np.linspace(max(LENGTHS) + horizon, len(table), count).round().astype(int)
    train, test = [], []
    for column, length, end in zip(cycle(source.columns), cycle(LENGTHS), ends, strict=False):
        rows = slice(end - horizon - length, end)
        name = f"{column}-{end}-{length}"
        part = pd.DataFrame({"unique_id": name, "ds": ds[rows], "y": table[column][rows]})
        train.append(part[:-horizon])
        test.append(part[-horizon:])
    return Sample(
        source.benchmark,
        pd.concat(train, ignore_index=True),
        pd.concat(test, ignore_index=True),
    )
