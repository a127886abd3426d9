"""Speed of the training loop, of the start of a command and with many series.

usage: speed.py [--only PART] [--rounds N] [--data DATA] [--out FILE.md]

loop    the training loop against bare steps of the same network on one fixed batch, and against
        the rate of plain matrix products
start   `--help`, an error in a spec, and `predict` against the start of an interpreter with its
        imports
partitions
        `predict --partitions` of 0.5 and 2 million series: time and memory
many    `predict` for 2,000 and 20,000 series: time and memory
growth  `train` of few steps with more and with longer series: time and memory
train   `init`, `check` and `train` for 100,000 series, and the reading of a million
busy    `train` and `predict` beside spinning programs: time and processor time
floor   `predict` for 100,000 series against pyarrow and the bare network alone
members a whole `train` on M4 hourly by one process and by two, with `--data` only

Both sides of a comparison run in turns (A B A B …), and medians are compared, so that other work
on the machine slows both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
from machine import describe
from speed_busy import busy
from speed_floor import floor
from speed_folds import folds
from speed_members import members
from speed_partitions import partitions
from speed_train import train

SERIES, LENGTH, LOOKBACK, PATCH_LENGTH, HORIZON, HIDDEN, BATCH = 400, 900, 168, 24, 48, 128, 128
STEPS = 100
"""Steps per turn, as many as between two validations of a fit of 2,000 steps."""

LOOP_RATIO = 1.10
HELP_SECONDS, ERROR_SECONDS, START_RATIO = 0.2, 0.5, 1.3
MANY_SECONDS, MANY_GB = 60, 3
MANY, POINTS = (2_000, 20_000), 200

GROWTH = ((1_000, 200), (1_000, 2_000), (10_000, 200), (10_000, 1_000))
FEW = ("training.max_steps=100", "forecast.plots=0")

COMMAND = (sys.executable, "-m", "rnnforecast")


def loop(rounds: int) -> list[str]:
    """Times the training loop with sampling, without validation, against bare steps."""
    import torch

    from rnnforecast.data.cleaning.imputation import impute
    from rnnforecast.data.windows.origins import training_origins
    from rnnforecast.models.config import ForecasterConfig
    from rnnforecast.models.forecaster import Forecaster
    from rnnforecast.models.layers.stack import BackboneConfig
    from rnnforecast.spec.training import TrainingSpec
    from rnnforecast.training.dataset import PanelArrays, WindowDataset
    from rnnforecast.training.sampler import WindowSampler
    from rnnforecast.training.trainer import Trainer, TrainerConfig

    values = hourly(np.random.default_rng(1)).reshape(-1, 1)
    observed_mask = np.ones_like(values, dtype=bool)
    offsets = np.arange(SERIES + 1, dtype=np.int64) * LENGTH
    cpu = torch.device("cpu")
    arrays = PanelArrays(impute(values, observed_mask, offsets, "mask"), observed_mask, offsets)
    windows = WindowDataset(arrays, lookback=LOOKBACK, horizon=HORIZON, device=cpu)
    ends = np.full(SERIES, LENGTH, dtype=np.int64)
    origins = training_origins(
        observed_mask, offsets, ends=ends, horizon=HORIZON, season=PATCH_LENGTH
    )
    sampler = WindowSampler(
        first_origin=origins.first,
        last_origin=origins.last,
        target_end=origins.target_end,
        item_weight=origins.sampling_weight,
        batch_size=BATCH,
        seed=1,
        device=cpu,
    )
    torch.manual_seed(1)
    net = Forecaster(
        ForecasterConfig(
            lookback=LOOKBACK,
            horizon=HORIZON,
            patch_length=PATCH_LENGTH,
            season=PATCH_LENGTH,
            backbone=BackboneConfig("gru", dropout=0.1),
            hidden_size=HIDDEN,
            dropout=0.1,
            decoder="direct",
            normalize="log_mean",
            base_forecast="linear",
            loss="quantile",
            levels=(0.025, 0.1, 0.5, 0.9, 0.975),
        )
    )
    spec = TrainingSpec(max_steps=20 * STEPS, learning_rate=0.002, early_stopping=False)
    bare_net = deepcopy(net).train()
    parameters = list(bare_net.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=0.001, weight_decay=0.01, fused=True)
    batch = windows.gather(*sampler.sample(0))
    target = 0
    trainer = Trainer(
        net,
        TrainerConfig.first_fit(spec),
        get_batch=lambda step: windows.gather(*sampler.sample(step)),
        should_stop=lambda: trainer.state.step >= target,
    )

    def ours() -> None:
        nonlocal target
        target += STEPS
        trainer.fit()

    def bare() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            loss = bare_net.loss(batch.history, batch.targets, batch.weight)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_value_(parameters, 1.0)
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    turns = min(rounds, 19)  # the spec's steps, less a round to warm up
    ours()
    bare()
    a, b, ratio = paired(turns, lambda: clock(ours), lambda: clock(bare))
    # a weight of the backbone is multiplied once per patch, any other once per window; gradients
    # take twice as many products again
    once = sum(part.numel() for part in net.parameters())
    again = sum(part.numel() for part in net.backbone.parameters())
    n_patches = LOOKBACK // PATCH_LENGTH
    products = 3 * 2 * BATCH * (once + (n_patches - 1) * again)
    left, right = torch.randn(BATCH, HIDDEN), torch.randn(HIDDEN, 3 * HIDDEN)

    def multiply() -> None:
        for _ in range(1000):
            torch.mm(left, right)

    fastest = min(clock(multiply) for _ in range(5)) / 1000
    rate = 2 * BATCH * HIDDEN * 3 * HIDDEN / fastest
    step = a / STEPS
    return [
        f"{turns} rounds of {STEPS} steps; threads: {torch.get_num_threads()}.",
        (
            f"{SERIES} series × {LENGTH}, lookback {LOOKBACK}, patch {PATCH_LENGTH},"
            f" horizon {HORIZON},"
        ),
        f"hidden {HIDDEN}, batch {BATCH}.",
        "",
        "| | figure | target |",
        "| --- | ---: | ---: |",
        f"| our loop, ms per step | {1000 * a / STEPS:.2f} | |",
        f"| bare steps, ms per step | {1000 * b / STEPS:.2f} | |",
        f"| ratio, median of rounds | {ratio:.3f} | ≤ {LOOP_RATIO} |",
        f"| windows per second | {BATCH / step:,.0f} | |",
        f"| matrix products in a step, GFLOP/s | {products / step / 1e9:.1f} | |",
        f"| a product {BATCH} x {HIDDEN} x {3 * HIDDEN} alone, GFLOP/s | {rate / 1e9:.1f} | |",
    ]


def hourly(random: np.random.Generator) -> np.ndarray:
    """Hourly series with daily and weekly seasons, `[SERIES, LENGTH]`."""
    hour = np.arange(LENGTH)
    phase = random.uniform(0, 2 * np.pi, (SERIES, 1))
    day = np.sin(2 * np.pi * hour / 24 + phase)
    week = 0.3 * np.sin(2 * np.pi * hour / 168 + phase)
    level = random.uniform(50, 5000, (SERIES, 1))
    return np.asarray(level * (2 + day + week + 0.1 * random.standard_normal((SERIES, LENGTH))))


def start(rounds: int) -> list[str]:
    """Times whole processes: what a user or cron waits for before any work is done."""
    with tempfile.TemporaryDirectory(prefix="rnnforecast-speed-") as temporary:
        folder = Path(temporary)
        (folder / "bad.yaml").write_text("data:\n  path: x.csv\nwindow:\n  horizont: 3\n")
        process(folder, *COMMAND, "demo", "-o", "demo", "--quiet")
        shown = [process(folder, *COMMAND, "--help")[0] for _ in range(rounds)]
        refused = [process(folder, *COMMAND, "train", "bad.yaml", code=3)[0] for _ in range(rounds)]
        predict = (*COMMAND, "predict", "demo/run", "--no-plots", "-o", "out.csv", "--quiet")
        imports = (sys.executable, "-c", "import torch, pandas")
        process(folder, *predict)
        process(folder, *imports)
        a, b, ratio = paired(
            rounds, lambda: process(folder, *predict)[0], lambda: process(folder, *imports)[0]
        )
    return [
        f"Start of a command, whole processes, {rounds} rounds.",
        "",
        "| | figure | target |",
        "| --- | ---: | ---: |",
        f"| `--help`, s | {statistics.median(shown):.3f} | ≤ {HELP_SECONDS} |",
        f"| an error in the spec, s | {statistics.median(refused):.3f} | ≤ {ERROR_SECONDS} |",
        f"| `predict --no-plots` of the demo, s | {a:.3f} | |",
        f"| `python -c 'import torch, pandas'`, s | {b:.3f} | |",
        f"| ratio, median of rounds | {ratio:.2f} | ≤ {START_RATIO} |",
    ]


def many() -> list[str]:
    """Measures how time and memory of `predict` grow with the number of series."""
    found: dict[int, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="rnnforecast-speed-") as temporary:
        folder = Path(temporary)
        for count in MANY:
            write_series(folder / f"{count}.csv", count, np.random.default_rng(count))
        tiny = ("training.max_steps=20", "model.hidden_size=16", "forecast.plots=0")
        sets = [part for change in tiny for part in ("--set", change)]
        process(folder, *COMMAND, "init", f"{MANY[0]}.csv", "--set", "window.horizon=14", "-q")
        process(folder, *COMMAND, "train", "spec.yaml", "-o", "run", "-q", *sets)
        for count in MANY:
            given = ("--data", f"{count}.csv", "--no-plots", "-o", f"out{count}.csv", "-q")
            found[count] = process(folder, *COMMAND, "predict", "run", *given)
            with (folder / f"out{count}.csv").open(encoding="utf-8") as lines:
                assert sum(1 for _ in lines) == 1 + 14 * count
    (few_s, few_gb), (many_s, many_gb) = (found[count] for count in MANY)
    return [
        f"`predict --no-plots -o out.csv`, series of {POINTS} daily points, horizon 14.",
        "",
        "| series | wall, s | peak memory, GB |",
        "| ---: | ---: | ---: |",
        f"| {MANY[0]:,} | {few_s:.1f} | {few_gb:.2f} |",
        f"| {MANY[1]:,} | {many_s:.1f} | {many_gb:.2f} |",
        f"| target at {MANY[1]:,} | ≤ {MANY_SECONDS} | ≤ {MANY_GB} |",
        f"| growth | {many_s / few_s:.1f} × | {many_gb / few_gb:.1f} × |",
    ]


def growth() -> list[str]:
    """Measures `train` of the same few steps with more, and with longer, series."""
    lines = [
        "| series | points each | wall, s | peak memory, GB |",
        "| ---: | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-speed-") as temporary:
        folder = Path(temporary)
        for count, points in GROWTH:
            name = f"{count}x{points}"
            write_series(folder / f"{name}.csv", count, np.random.default_rng(count), points)
            horizon = ("--set", "window.horizon=14", "-o", f"{name}.yaml", "-q")
            process(folder, *COMMAND, "init", f"{name}.csv", *horizon)
            few = [part for change in FEW for part in ("--set", change)]
            wall, peak = process(folder, *COMMAND, "train", f"{name}.yaml", "-o", name, "-q", *few)
            lines.append(f"| {count:,} | {points:,} | {wall:.1f} | {peak:.2f} |")
    return [f"`train` with {', '.join(FEW)}; daily series.", "", *lines]


def write_series(file: Path, count: int, random: np.random.Generator, points: int = POINTS) -> None:
    """Writes a long CSV of daily series with a weekly season."""
    days = np.datetime64("2010-01-01") + np.arange(points)
    week = np.sin(2 * np.pi * np.arange(points) / 7)
    with file.open("w", encoding="utf-8") as out:
        out.write("series,day,sales\n")
        for number in range(count):
            level = random.uniform(10, 1000)
            sales = level * (1 + 0.3 * week + 0.1 * random.standard_normal(points))
            out.writelines(
                f"s{number:05},{day},{value:.2f}\n" for day, value in zip(days, sales, strict=True)
            )


def paired(
    rounds: int, first: Callable[[], float], second: Callable[[], float]
) -> tuple[float, float, float]:
    """Median results of both, run in turns, and the median of the rounds' ratios."""
    pairs = [(first(), second()) for _ in range(rounds)]
    a, b = zip(*pairs, strict=True)
    return statistics.median(a), statistics.median(b), statistics.median(x / y for x, y in pairs)


def clock(work: Callable[[], None]) -> float:
    """Seconds of `work()`."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def process(folder: Path, *words: str, code: int = 0) -> tuple[float, float]:
    """Seconds and peak memory in GB of a whole process; exits if its exit code is not `code`."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        child = subprocess.Popen(words, cwd=folder, stdout=output, stderr=output)
        _, status, used = os.wait4(child.pid, 0)
        took = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != code:
            output.seek(0)
            text = output.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(words)} ended with {child.returncode}:\n{text}")
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return took, used.ru_maxrss * unit / 1e9


PARTS: dict[str, Callable[[int], Sequence[str]]] = {
    "loop": loop,
    "partitions": lambda rounds: partitions(),
    "start": start,
    "many": lambda rounds: many(),
    "growth": lambda rounds: growth(),
    "train": lambda rounds: train(),
    "busy": lambda rounds: list(busy(rounds)),
    "floor": lambda rounds: list(floor(rounds, write_series)),
    "folds": lambda rounds: list(folds(rounds)),
}


def main() -> None:
    """Runs the selected measurements and prints them as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", choices=[*PARTS, "members"], action="append", help="this part only"
    )
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="turns of each pair")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the tables there")
    parser.add_argument("--data", type=Path, help="folder of M4 hourly, for members")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if "members" in (arguments.only or ()) and not arguments.data:
        parser.error("the part members needs --data")
    text = f"# Speed\n\n{describe()}\n\n`python benchmarks/speed.py --rounds {arguments.rounds}`\n"
    parts = PARTS | {"members": lambda rounds: members(arguments.data, rounds)}
    for name in arguments.only or (parts if arguments.data else PARTS):
        part = "\n".join(parts[name](arguments.rounds))
        text += f"\n## {name}\n\n{part}\n"
        print(f"{part}\n", flush=True)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
