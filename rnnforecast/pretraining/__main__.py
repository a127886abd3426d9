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
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from rnnforecast.models.pretrained.network import NetworkConfig
from rnnforecast.models.pretrained.weights import save_weights
from rnnforecast.pretraining.pretrainer import Pretrainer, PretrainingConfig
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


def main() -> None:
    """Runs the command."""
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    config = PretrainingConfig(
        NetworkConfig(arguments.hidden_size, arguments.layers, arguments.backbone),
        arguments.seed,
        arguments.patches,
        arguments.learning_rate,
    )
    pretrainer = Pretrainer(config, arguments.folder, arguments.device)
    run(pretrainer, arguments)
    if arguments.weights:
        save_weights(pretrainer.average, config.network, arguments.weights)


def run(pretrainer: Pretrainer, arguments: argparse.Namespace) -> None:
    """Steps until the minutes, the steps or the decay are over."""
    progress, decay = pretrainer.progress, arguments.decay
    last_step = min(
        progress.step + arguments.steps if arguments.steps else math.inf,
        (progress.step if progress.decay_from < 0 else progress.decay_from) + decay
        if decay
        else math.inf,
    )
    batches = SyntheticBatches(pretrainer.config, progress.step, arguments.device)
    count = range(10**9 if last_step == math.inf else max(int(last_step) - progress.step, 0))
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=count,
        num_workers=arguments.workers,
        worker_init_fn=_use_one_thread,
    )
    started = saved = time.monotonic()
    losses: list[float] = []
    for batch in loader:
        losses.append(pretrainer.fit_batch(batch, decay))
        now = time.monotonic()
        is_over = now - started > 60 * arguments.minutes or progress.step >= last_step
        if is_over or now - saved > SECONDS_BETWEEN_SAVES:
            pretrainer.save()
            _write_history(pretrainer, sum(losses) / len(losses), now - started)
            losses, saved = [], time.monotonic()
        if is_over:
            break


def _write_history(pretrainer: Pretrainer, loss: float, seconds: float) -> None:
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


def _use_one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def _parse_arguments() -> argparse.Namespace:
    default = PretrainingConfig()
    parser = argparse.ArgumentParser(
        prog="python -m rnnforecast.pretraining", description="Pretrains the network."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of state and history")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so many")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many more")
    parser.add_argument("--decay", type=int, default=0, help="steps to a learning rate of 0")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="where to write the weights")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--patches", type=int, default=default.patches, help="in a batch")
    parser.add_argument("--hidden-size", type=int, default=default.network.hidden_size)
    parser.add_argument("--layers", type=int, default=default.network.n_layers)
    parser.add_argument("--backbone", default=default.network.backbone)
    parser.add_argument("--learning-rate", type=float, default=default.learning_rate)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that make series")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
