"""Part of `speed.py`: trainings of a backtest and trials of a search, in one process and in two.

The results are compared byte by byte. A backtest trains before each of 6 windows, from new weights;
a search has 8 trials of two folds.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).parents[1] / "sample_data"
SETS = ("ensemble.network_weight=1", "training.patience=1000")
BACKTEST = (
    "training.max_steps=300", "backtest.windows=6", "backtest.refit=always",
    "backtest.warm_start=false",
)  # fmt: skip
SEARCH = ("training.max_steps=200", "search.trials=8", "search.folds=2", "search.prune=false")
FILES = {
    "backtest": ("backtest.json", "scores.csv", "backtest.parquet", "resolved.yaml"),
    "tune": ("tuning.json", "trials.csv", "best.yaml"),
}


def folds(rounds: int) -> Iterator[str]:
    """Times `backtest` and `tune` with one and with two workers, in turns."""
    from speed import COMMAND, process

    yield f"{rounds} rounds, {', '.join(SETS)}, on `sample_data/temperatures.yaml`."
    yield ""
    yield "| | one worker, s | two workers, s | times as fast | same bytes |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for command, sets in (("backtest", BACKTEST), ("tune", SEARCH)):
        options = [part for change in (*SETS, *sets) for part in ("--set", change)]
        turns = []
        with tempfile.TemporaryDirectory(prefix="rnnforecast-speed-") as temporary:
            folder = Path(temporary)
            for name in ("temperatures.yaml", "temperatures.csv"):
                (folder / name).write_bytes((DATA / name).read_bytes())
            for turn in range(rounds):
                seconds = []
                for workers in (1, 2):
                    out = ("-o", f"{turn}/{workers}", "--workers", str(workers), "-q")
                    words = (*COMMAND, command, "temperatures.yaml", *out, *options)
                    seconds.append(process(folder, *words)[0])
                turns.append(seconds)
            one, two = (
                [(folder / "0" / workers / name).read_bytes() for name in FILES[command]]
                for workers in ("1", "2")
            )
        alone, both = (statistics.median(column) for column in zip(*turns, strict=True))
        ratio = statistics.median(first / second for first, second in turns)
        same = "yes" if one == two else "no"
        name = f"`{command}`, {', '.join(sets)}"
        yield f"| {name} | {alone:.1f} | {both:.1f} | {ratio:.2f} | {same} |"
