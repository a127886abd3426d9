"""Pretrains the network: `python -m rnnforecast.pretraining FOLDER --minutes 60`.

FOLDER keeps the state of every minute; the same command continues it, for any number of minutes.
The learning rate stays until `--decay STEPS` lets it fall to 0, which ends the pretraining;
`--weights FILE` then writes the weights that the package holds.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from rnnforecast.errors import Problem, RnnForecastError, UsageError
from rnnforecast.models.pretrained.network import NetworkConfig
from rnnforecast.models.pretrained.weights import save_weights
from rnnforecast.pretraining.pretrainer import Pretrainer, PretrainingConfig, Progress
from rnnforecast.pretraining.synthetic.batches import Batch, synthetic_batch

HISTORY_FILE = "history.csv"
HISTORY = ("step", "windows", "loss", "validation_loss", "seconds", "learning_rate")
SECONDS_BETWEEN_SAVES = 60


class SyntheticBatches(Dataset[Batch]):
    """The batches from a step on."""

    def __init__(self, config: PretrainingConfig, first: int, device: str) -> None:
        self.config, self.first, self.device = config, first, device

    def __getitem__(self, index: int) -> Batch:
        config = self.config
        return synthetic_batch(
            config.seed, self.first + index, patches=config.patches, device=self.device
        )


def main() -> int:
    """Runs the command; returns its exit code."""
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    config = PretrainingConfig(
        NetworkConfig(arguments.hidden_size, arguments.layers, arguments.backbone),
        arguments.seed,
        arguments.patches,
        arguments.learning_rate,
    )
    try:
        pretrainer = Pretrainer(config, arguments.folder, arguments.device)
        _check_decay(pretrainer, arguments)
    except RnnForecastError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    run(pretrainer, arguments)
    if arguments.weights:
        facts = {**asdict(config), **asdict(pretrainer.progress)}
        del facts["network"]
        save_weights(pretrainer.average, config.network, arguments.weights, pretraining=facts)
    return 0


def _check_decay(pretrainer: Pretrainer, arguments: argparse.Namespace) -> None:
    """UsageError for steps at the full learning rate after those at which it fell."""
    first = pretrainer.progress.decay_from
    if first < 0 or arguments.decay or arguments.steps == 0:
        return
    found = f"the learning rate falls from step {first:,} on, and would jump back without --decay"
    cure = "give --decay as before, or take a copy of the folder from before"
    raise UsageError(Problem(str(pretrainer.folder), found, cure))


def run(pretrainer: Pretrainer, arguments: argparse.Namespace) -> None:
    """Steps until the minutes, the steps or the decay are over."""
    progress = pretrainer.progress
    last_step = _last_step(progress, arguments)
    before = _seconds_before(pretrainer.folder / HISTORY_FILE)
    started = saved = time.monotonic()
    losses: list[float] = []
    for batch in _batches(pretrainer, arguments, last_step):
        losses.append(pretrainer.fit_batch(batch, arguments.decay))
        now = time.monotonic()
        is_over = now - started > 60 * arguments.minutes or progress.step >= last_step
        if is_over or now - saved > SECONDS_BETWEEN_SAVES:
            pretrainer.save()
            _write_history(pretrainer, sum(losses) / len(losses), before + now - started)
            losses, saved = [], time.monotonic()
        if is_over:
            break


def _last_step(progress: Progress, arguments: argparse.Namespace) -> float:
    """The number of steps after which this call ends, infinite for none."""
    limits = [math.inf]
    if arguments.steps is not None:
        limits.append(progress.step + arguments.steps)
    if arguments.decay:
        first = progress.step if progress.decay_from < 0 else progress.decay_from
        limits.append(first + arguments.decay)
    return min(limits)


def _batches(
    pretrainer: Pretrainer, arguments: argparse.Namespace, last_step: float
) -> DataLoader[Batch]:
    """The batches that come next, made by other processes if there are to be some."""
    step = pretrainer.progress.step
    count = sys.maxsize if last_step == math.inf else max(int(last_step) - step, 0)
    return DataLoader(
        SyntheticBatches(pretrainer.config, step, arguments.device),
        batch_size=None,
        sampler=range(count),
        num_workers=arguments.workers,
        worker_init_fn=_use_one_thread,
    )


def _use_one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def _seconds_before(file: Path) -> float:
    """Seconds of earlier calls, from the last row of the history; 0 without one."""
    if not file.exists():
        return 0.0
    with file.open(newline="", encoding="utf-8") as rows:
        return max((float(row["seconds"]) for row in csv.DictReader(rows)), default=0.0)


def _write_history(pretrainer: Pretrainer, loss: float, seconds: float) -> None:
    """Adds a row to the history: losses are means since the last row, and of the validation;
    `seconds` are those of all calls."""
    progress, file = pretrainer.progress, pretrainer.folder / HISTORY_FILE
    is_new = not file.exists()
    validation = pretrainer.validation_loss()
    rate = pretrainer.optimizer.param_groups[0]["lr"]
    with file.open("a", newline="", encoding="utf-8") as output:
        writer = csv.writer(output)
        if is_new:
            writer.writerow(HISTORY)
        row = (f"{loss:.5f}", f"{validation:.5f}", f"{seconds:.0f}", f"{rate:.2e}")
        writer.writerow((progress.step, progress.windows, *row))
    sys.stderr.write(
        f"step {progress.step:,}, {progress.windows:,} windows, loss {loss:.4f}, "
        f"validation {validation:.4f}\n"
    )


def _parse_arguments() -> argparse.Namespace:
    default = PretrainingConfig()
    parser = argparse.ArgumentParser(
        prog="python -m rnnforecast.pretraining", description="Pretrains the network."
    )
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="of state and history")
    add("--minutes", type=float, default=math.inf, help="stop after so many")
    add("--steps", type=int, help="stop after so many more; 0 to write the weights only")
    add("--decay", type=int, default=0, help="steps to a learning rate of 0")
    add("--weights", type=Path, metavar="FILE", help="where to write the weights")
    add("--seed", type=int, default=default.seed)
    add("--patches", type=int, default=default.patches, help="in a batch")
    add("--hidden-size", type=int, default=default.network.hidden_size)
    add("--layers", type=int, default=default.network.n_layers)
    add("--backbone", default=default.network.backbone)
    add("--learning-rate", type=float, default=default.learning_rate)
    add("--threads", type=int, default=1)
    add("--workers", type=int, default=0, help="processes that make series")
    add("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
