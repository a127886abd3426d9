"""Speed of a graphics card, for `gpu.py`: one part in a process of its own, a line a result.

usage: gpu_speed.py PART [--device cuda|mps|cpu] [--seconds S] [--series N] [--panel-series N]

speed        windows per second of the training loop for several widths, against the same network
             with a plain DataLoader, and against the CPU; the share of time the card is busy
modes        whether torch.compile and CUDA graphs pay, by width, and what compiling takes
forecast     the command `predict` on the card and on the CPU
panel        training windows from a panel of very many series in the memory of the card
determinism  whether two trainings and two forecasts on the card have the same bytes

Each line is a name, a tab and a result. `--device cpu` with small numbers tests the script.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import gpu_networks as networks  # noqa: E402

from rnnforecast.data.cleaning.imputation import FilledValues  # noqa: E402
from rnnforecast.models.inputs import ModelInputs  # noqa: E402
from rnnforecast.spec.training import TrainingSpec  # noqa: E402
from rnnforecast.training.compile import compile_forward  # noqa: E402
from rnnforecast.training.dataset import Batch, PanelArrays, WindowDataset  # noqa: E402
from rnnforecast.training.device import limit_threads  # noqa: E402
from rnnforecast.training.sampler import WindowSampler  # noqa: E402
from rnnforecast.training.trainer import Trainer, TrainerConfig  # noqa: E402

WIDTHS = (64, 128, 256, 512, 1024)
MODE_WIDTHS = (128, 512)
LOOKBACK, HORIZON, PATCH, BATCH = 168, 48, 24, 128
"""Of the training loops."""
FEW_SERIES, POINTS = 200, 500
LOADER_WORKERS = 2
TRAINED_SERIES, FORECAST_POINTS = 200, 200
Lines = Iterator[tuple[str, str]]
GetBatch = Callable[[int], Batch]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the lines of one part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--series", type=int, default=100_000, help="that are forecast")
    parser.add_argument("--panel-series", type=int, default=1_000_000)
    parser.add_argument("--widths", type=int, nargs="+", help="hidden sizes")
    given = parser.parse_args(arguments)
    for name, result in PARTS[given.part](torch.device(given.device), given):
        print(f"{name}\t{result}", flush=True)
    return 0


def case(width: int) -> networks.Case:
    """The network of a width."""
    return networks.Case(
        hidden_size=width, lookback=LOOKBACK, horizon=HORIZON, patch_length=PATCH, batch_size=BATCH
    )


def panel_arrays(n_series: int, n_points: int) -> PanelArrays:
    """A panel without gaps."""
    values = np.random.default_rng(1).random(n_series * n_points)[:, None] + 10
    mask = np.ones(values.shape, dtype=np.bool_)
    elapsed = np.ones(values.shape, dtype=np.float32)
    filled = FilledValues(values, mask, mask, elapsed, values, None)
    offsets = np.arange(n_series + 1, dtype=np.int64) * n_points
    return PanelArrays(filled, mask, offsets, include_elapsed=True)


def batches(arrays: PanelArrays, device: torch.device, lookback: int = LOOKBACK) -> GetBatch:
    """Windows gathered on the device, as in a training."""
    windows = WindowDataset(arrays, lookback=lookback, horizon=HORIZON, device=device)
    lengths = np.diff(arrays.offsets)
    sampler = WindowSampler(
        first_origin=np.minimum(lookback, lengths - HORIZON),
        last_origin=lengths - HORIZON,
        target_end=lengths,
        item_weight=np.ones(len(lengths)),
        batch_size=BATCH,
        seed=1,
        device=device,
    )
    return lambda step: windows.gather(*sampler.sample(step))


def loader_batches(arrays: PanelArrays, device: torch.device, workers: int) -> Iterator[Batch]:
    """The same windows by a plain DataLoader, one slice at a time."""
    values = arrays.filled.inputs[:, 0].astype(np.float32)
    length = int(arrays.offsets[1])

    class Windows(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 1 << 30

        def __getitem__(self, index: int) -> Any:
            draw = np.random.default_rng(index)
            series = draw.integers(len(arrays.offsets) - 1)
            first = series * length + draw.integers(length - LOOKBACK - HORIZON + 1)
            return values[first : first + LOOKBACK + HORIZON]

    loader = torch.utils.data.DataLoader(
        Windows(), batch_size=BATCH, num_workers=workers, pin_memory=device.type == "cuda"
    )
    for rows in loader:
        on_device = rows.to(device, non_blocking=True).unsqueeze(-1)
        past, future = on_device[:, :LOOKBACK], on_device[:, LOOKBACK:]
        known = torch.ones_like(past, dtype=torch.bool)
        elapsed = torch.ones_like(past)
        inputs = ModelInputs(past, known, known, elapsed=elapsed)
        yield Batch(inputs, future, torch.ones_like(future))


def loop_rate(net: Any, get_batch: GetBatch, device: torch.device, seconds: float) -> float:
    """Windows per second of the training loop of this package."""
    spec = TrainingSpec(max_steps=1_000_000, learning_rate=1e-4, early_stopping=False)
    begin, first = 0.0, 0

    def should_stop() -> bool:
        nonlocal begin, first
        synchronize(device)
        if not begin:  # the first steps are not counted
            begin, first = time.perf_counter(), trainer.state.step
        return time.perf_counter() - begin > seconds and trainer.state.step > first

    config = TrainerConfig.first_fit(spec)
    trainer = Trainer(net, config, get_batch=get_batch, should_stop=should_stop)
    with limit_threads(BATCH, net.config.hidden_size):
        state = trainer.fit()
    return BATCH * (state.step - first) / (time.perf_counter() - begin)


def plain_rate(net: Any, source: Iterator[Batch], device: torch.device, seconds: float) -> float:
    """Windows per second of a plain loop with AdamW."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    net.train()
    steps, begin = -5, 0.0
    while steps < 1 or time.perf_counter() - begin < seconds:
        batch = next(source)
        optimizer.zero_grad()
        net.loss(batch.history, batch.targets, batch.weight).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        steps += 1
        if steps == 0:
            synchronize(device)
            begin = time.perf_counter()
    synchronize(device)
    return BATCH * steps / (time.perf_counter() - begin)


def busy_share(net: Any, get_batch: GetBatch, device: torch.device, seconds: float) -> float:
    """The share of the time of a training loop in which the card computes; on a CPU the time of
    operations."""
    is_card = device.type == "cuda"
    activity = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[activity.CUDA if is_card else activity.CPU]) as found:
        begin = time.perf_counter()
        loop_rate(net, get_batch, device, seconds)
        wall = time.perf_counter() - begin
    name = "self_device_time_total" if is_card else "self_cpu_time_total"
    return sum(getattr(event, name) for event in found.key_averages()) / 1e6 / wall


def synchronize(device: torch.device) -> None:
    """Waits for the card."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


def speed(device: torch.device, given: argparse.Namespace) -> Lines:
    """Windows per second by width."""
    arrays = panel_arrays(FEW_SERIES, POINTS)
    workers = LOADER_WORKERS if device.type != "cpu" else 0
    for width in given.widths or WIDTHS:
        get_batch = batches(arrays, device)
        card = loop_rate(network(width, device), get_batch, device, given.seconds)
        source = loader_batches(arrays, device, workers)
        plain = plain_rate(network(width, device), source, device, given.seconds)
        source.close()  # type: ignore[attr-defined]
        busy = busy_share(network(width, device), get_batch, device, min(given.seconds, 0.5))
        on_cpu = networks.CPU
        cpu = loop_rate(network(width, on_cpu), batches(arrays, on_cpu), on_cpu, given.seconds)
        yield (
            f"windows per second, hidden_size {width}",
            (
                f"{card:,.0f}; plain DataLoader {plain:,.0f} ({card / plain:.1f} ×); "
                f"CPU {cpu:,.0f} ({card / cpu:.1f} ×); busy {busy:.0%}"
            ),
        )


def network(width: int, device: torch.device) -> Any:
    """A new network of a width."""
    return networks.build_network(case(width)).to(device)


def modes(device: torch.device, given: argparse.Namespace) -> Lines:
    """Windows per second as they are, compiled, and with CUDA graphs."""
    arrays = panel_arrays(FEW_SERIES, POINTS)
    for width in given.widths or MODE_WIDTHS:
        get_batch = batches(arrays, device)
        eager = loop_rate(network(width, device), get_batch, device, given.seconds)
        for name, mode in (("torch.compile", None), ("CUDA graphs", "reduce-overhead")):
            title = f"{name}, hidden_size {width}"
            if device.type == "cpu":
                yield title, "not measured on a CPU"
                continue
            net, begin = network(width, device), time.perf_counter()
            if mode is None:
                if reason := compile_forward(net, get_batch(0), torch.float32):
                    yield title, reason
                    continue
            else:
                net.forward = torch.compile(net.forward, mode=mode)
            try:
                loop_rate(net, get_batch, device, 0.0)
                took = time.perf_counter() - begin
                rate = loop_rate(net, get_batch, device, given.seconds)
            except RuntimeError as error:
                yield title, f"fails: {str(error).splitlines()[0][:120]}"
                continue
            yield title, f"{rate:,.0f} windows/s, {rate / eager:.2f} × eager; ready in {took:.0f} s"


def panel(device: torch.device, given: argparse.Namespace) -> Lines:
    """Training from a panel of very many series on the device."""
    n_series, lookback = given.panel_series, min(LOOKBACK, FORECAST_POINTS - HORIZON)
    arrays = panel_arrays(n_series, FORECAST_POINTS)
    begin = time.perf_counter()
    get_batch = batches(arrays, device, lookback - lookback % PATCH)
    synchronize(device)
    took = time.perf_counter() - begin
    net = networks.build_network(
        networks.Case(
            hidden_size=128,
            lookback=lookback - lookback % PATCH,
            horizon=HORIZON,
            patch_length=PATCH,
            batch_size=BATCH,
        )
    ).to(device)
    rate = loop_rate(net, get_batch, device, given.seconds)
    held = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else float("nan")
    yield (
        f"panel of {n_series:,} series × {FORECAST_POINTS}, hidden_size 128",
        f"{rate:,.0f} windows/s; copied in {took:.1f} s; {held:.1f} GB of the card at most",
    )


def write_table(path: Path, n_series: int) -> None:
    """A Parquet file of daily series with a weekly season."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    days = np.datetime64("2024-01-01") + np.arange(FORECAST_POINTS)
    season = 10 * np.sin(2 * np.pi * np.arange(FORECAST_POINTS) / 7)
    noise = np.random.default_rng(1).normal(0, 2, (n_series, FORECAST_POINTS))
    codes = np.repeat(np.arange(n_series, dtype=np.int32), FORECAST_POINTS)
    names = pa.array([f"s{number:07d}" for number in range(n_series)])
    columns = {
        "unique_id": pa.DictionaryArray.from_arrays(pa.array(codes), names),
        "ds": np.tile(days, n_series),
        "y": (50 + season + noise).round(2).ravel(),
    }
    pq.write_table(pa.table(columns), path, row_group_size=1 << 20)


def command(folder: Path, *words: str, on_cpu: bool = False) -> float:
    """Seconds of a command. RuntimeError with its last line if it fails."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    if on_cpu:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "rnnforecast", *words, "-q"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise RuntimeError(f"{words[0]}: exit code {done.returncode}: {' '.join(last)}")
    return time.perf_counter() - begin


def train(folder: Path, out: str, device: torch.device) -> None:
    """Trains a run on the first series."""
    write_table(folder / "few.parquet", TRAINED_SERIES)
    (folder / "spec.yaml").write_text(
        "data: {path: few.parquet, time: ds, series: [unique_id], targets: [y]}\n"
        "window: {horizon: 14}\nmodel: {hidden_size: 128}\nensemble: {network_weight: 1}\n"
        "training: {max_steps: 60}\nforecast: {plots: 0}\n",
        encoding="utf-8",
    )
    command(folder, "train", "spec.yaml", "-o", out, "--set", f"training.device={device.type}")


def forecast(device: torch.device, given: argparse.Namespace) -> Lines:
    """The time of `predict`, from one Parquet file to another."""
    with tempfile.TemporaryDirectory(prefix="rnnforecast-gpu-") as name:
        folder = Path(name)
        train(folder, "run", device)
        write_table(folder / "many.parquet", given.series)
        seconds = {
            place: command(
                folder,
                *("predict", "run", "--data", "many.parquet", "-o", f"{place}.parquet"),
                *("--ledger", "none"),
                on_cpu=place == "cpu",
            )
            for place in ("card", "cpu")
        }
    yield (
        f"predict of {given.series:,} series × {FORECAST_POINTS}, Parquet to Parquet",
        (
            f"{seconds['card']:.1f} s; CPU {seconds['cpu']:.1f} s "
            f"({seconds['cpu'] / seconds['card']:.1f} ×)"
        ),
    )


def determinism(device: torch.device, given: argparse.Namespace) -> Lines:
    """Whether two runs of the same command have the same bytes."""
    with tempfile.TemporaryDirectory(prefix="rnnforecast-gpu-") as name:
        folder = Path(name)
        for out in ("first", "second"):
            train(folder, out, device)
        files = [folder / out / "model.safetensors" for out in ("first", "second")]
        yield "two trainings on the card", compare_bytes(files)
        tables = []
        for number in range(2):
            tables.append(folder / f"{number}.csv")
            words = ("predict", "first", "-o", tables[-1].name, "--ledger", "none")
            command(folder, *words)
        yield "two forecasts on the card", compare_bytes(tables)


def compare_bytes(files: Sequence[Path]) -> str:
    """Whether files have the same bytes."""
    digests = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return "the same bytes" if len(digests) == 1 else "bytes differ"


PARTS: dict[str, Callable[[torch.device, argparse.Namespace], Lines]] = {
    "speed": speed,
    "modes": modes,
    "forecast": forecast,
    "panel": panel,
    "determinism": determinism,
}

if __name__ == "__main__":
    sys.exit(main())
