"""Part of `speed.py`: `predict` as a process against the least that its files and network need.

The floor is a fresh process with the same imports, in which pyarrow reads the file and writes a
table of the shape of the forecast, and the bare network reads the same windows, in batches of a
size that suits it. For a mixture it makes the statistical forecasts too. Nothing is checked,
cleaned, rounded or recorded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

COUNT, POINTS, HORIZON, TRAINED = 100_000, 200, 14, 2_000
LIMIT = {"csv": 1.2, "parquet": 1.3}
FLOOR_BATCH = 1024
"""Windows the bare network reads at once."""

TINY = ("training.max_steps=20", "model.hidden_size=16", "forecast.plots=0")
RUNS = {"network alone": "ensemble.network_weight=1", "with statistical methods": ""}
COMMAND = (sys.executable, "-m", "rnnforecast")

Process = tuple[float, float, float]
"""Seconds, processor seconds and peak memory [GB]."""


@dataclass(frozen=True)
class Case:
    """A run and a file that it forecasts."""

    folder: Path
    run: str
    suffix: str

    def ours(self) -> Process:
        """The command."""
        data = ("--data", f"many.{self.suffix}", "--no-plots", "-o", f"ours.{self.suffix}")
        return _measure(self.folder, *COMMAND, "predict", self.run, *data, "-q")

    def floor(self) -> Process:
        """This module, as a process."""
        return _measure(self.folder, sys.executable, __file__, self.run, f"many.{self.suffix}")


def floor(rounds: int, write_series: Callable[..., None], count: int = COUNT) -> Iterator[str]:
    """Tables of both runs and both formats.

    Args:
        rounds: turns of each pair.
        write_series: writes a CSV of so many series, see `speed.py`.
        count: series.
    """
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="rnnforecast-speed-") as temporary:
        folder = Path(temporary)
        for name, size in (("few", TRAINED), ("many", count)):
            write_series(folder / f"{name}.csv", size, np.random.default_rng(size), POINTS)
        _as_parquet(folder / "many.csv")
        horizon = ("--set", f"window.horizon={HORIZON}", "-q")
        _measure(folder, *COMMAND, "init", "few.csv", *horizon)
        yield f"{count:,} series × {POINTS}, horizon {HORIZON}; {rounds} rounds, in turns."
        for number, (title, change) in enumerate(RUNS.items()):
            sets = [part for each in (*TINY, change) if each for part in ("--set", each)]
            _measure(folder, *COMMAND, "train", "spec.yaml", "-o", f"run{number}", "-q", *sets)
            yield from ("", f"{title}:", "")
            sides = "`predict`, s | CPU s | GB | floor, s | CPU s | GB"
            yield f"| file | {sides} | ratio | ratio of CPU | target |"
            yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
            for suffix in LIMIT:
                yield _row(Case(folder, f"run{number}", suffix), rounds)


def _row(case: Case, rounds: int) -> str:
    from statistics import median

    pairs = [(case.ours(), case.floor()) for _ in range(rounds)]
    cells = [median(pair[side][kind] for pair in pairs) for side in (0, 1) for kind in range(3)]
    ratios = [median(a[kind] / b[kind] for a, b in pairs) for kind in (0, 1)]
    numbers = [*(f"{each:.2f}" for each in (*cells, *ratios)), f"≤ {LIMIT[case.suffix]}"]
    return f"| {case.suffix} | {' | '.join(numbers)} |"


def _measure(folder: Path, *words: str) -> Process:
    """A whole process, its own children included; exits if it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        child = subprocess.Popen(words, cwd=folder, stdout=output, stderr=output)
        _, status, used = os.wait4(child.pid, 0)
        took = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            output.seek(0)
            raise SystemExit(f"{' '.join(words)}:\n{output.read().decode(errors='replace')}")
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e9


def _as_parquet(file: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    table = pyarrow.csv.read_csv(file)
    pyarrow.parquet.write_table(table, file.with_suffix(".parquet"))


def run_floor(folder: Path, data: Path) -> None:
    """Reads, forecasts and writes without anything around it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet
    import torch

    from rnnforecast.models.inputs import ModelInputs
    from rnnforecast.pipeline.run_folder import load_run
    from rnnforecast.statistical import combination
    from rnnforecast.statistical.histories import Histories

    torch.set_num_threads(1)
    is_csv = data.suffix == ".csv"
    table = (pyarrow.csv.read_csv if is_csv else pyarrow.parquet.read_table)(data)
    run = load_run(folder)
    net, count = run.members[0].net, len(table) // POINTS
    values = table["sales"].to_numpy().reshape(count, POINTS)
    levels, length = run.levels.computed, net.config.input_length
    found = np.empty((count, HORIZON, len(levels)))
    history = torch.from_numpy(values[:, -length:].astype(np.float32)).unsqueeze(-1)
    for begin in range(0, count, FLOOR_BATCH):
        part = history[begin : begin + FLOOR_BATCH]
        mask = torch.ones_like(part, dtype=torch.bool)
        z, stats = net.forecast(ModelInputs(part, mask, mask), levels)
        found[begin : begin + FLOOR_BATCH] = stats.denormalize(z)[:, :, 0].numpy()
    if not run.network_weight.is_networks_only:
        for begin in range(0, count, FLOOR_BATCH):
            part = slice(begin, begin + FLOOR_BATCH)
            combination.forecast(
                Histories.from_values(values[part].T),
                seasons=run.statistical_seasons,
                horizon=HORIZON,
                levels=levels,
            )
    rows = np.arange(count) * POINTS
    repeated = np.repeat(rows, HORIZON)
    flat = found.reshape(-1, len(levels)).round(3)
    quantiles = {f"q{level}": flat[:, at] for at, level in enumerate(levels)}
    columns = {
        "series": table["series"].combine_chunks().take(pa.array(repeated)),
        "day": table["day"].combine_chunks().take(pa.array(repeated)),
        "cutoff": table["day"].combine_chunks().take(pa.array(repeated)),
        "yhat": flat[:, len(levels) // 2],
        **quantiles,
        "status": pa.array(["model"] * len(repeated)),
    }
    write = pyarrow.csv.write_csv if is_csv else pyarrow.parquet.write_table
    write(pa.table(columns), f"floor{data.suffix}")


if __name__ == "__main__":
    run_floor(Path(sys.argv[1]), Path(sys.argv[2]))
