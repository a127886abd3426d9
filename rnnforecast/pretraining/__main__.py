"""Pretrains the network: `python -m rnnforecast.pretraining FOLDER --minutes 60`.

FOLDER holds the state after each minute; the command continues it. The learning rate is constant
after its warm-up until `--decay STEPS`, which takes it to 0 and ends the pretraining.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rnnforecast.models.pretrained.context import build_context
from rnnforecast.models.pretrained.network import NetworkConfig, PretrainedNetwork, quantile_loss
from rnnforecast.pretraining.synthetic.batches import Batch, synthetic_batch

LEARNING_RATE, WARMUP = 3e-3, 300
WEIGHT_DECAY = 0.02
AVERAGE = 0.9993
"""Decay of the moving average of weights."""
VALIDATION_BATCHES = 24


def batch_loss(net: PretrainedNetwork, batch: Batch) -> Tensor:
    """Mean quantile loss of normalized values; series count alike whatever their noise."""
    context = build_context(batch.values, batch.observed, batch.seasons)
    patches = batch.future.shape[1] // 16
    truth = context.normalize(batch.future)
    size = (context.z[:, 1:] - context.z[:, :-1]).abs()
    pairs = context.observed[:, 1:] & context.observed[:, :-1]
    size = (size * pairs).sum(1) / pairs.sum(1).clamp_min(1)
    weight = 1 / (size + 0.15)
    step = torch.arange(1, truth.shape[1] + 1, device=truth.device).to(truth.dtype) ** -0.3
    weight = (weight / weight.mean())[:, None] * (step / step.mean())
    return quantile_loss(net(context, patches), truth, weight)


class Batches(Dataset[Batch]):
    def __init__(self, seed: int, patches: int, first: int) -> None:
        self.seed, self.patches, self.first = seed, patches, first

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: int) -> Batch:
        return synthetic_batch(self.seed, self.first + index, patches=self.patches)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patches", type=int, default=4096)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--backbone", default="lstm")
    parser.add_argument("--lr", type=float, default=LEARNING_RATE)
    parser.add_argument("--decay", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.folder.mkdir(parents=True, exist_ok=True)
    net = PretrainedNetwork(NetworkConfig(args.hidden, args.layers, args.backbone))
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
    )
    step = windows = decay_from = 0
    state = args.folder / "state.safetensors"
    if state.exists():
        stored = load_file(state)
        net.load_state_dict({k[4:]: v for k, v in stored.items() if k.startswith("net.")})
        average = {k[4:]: v for k, v in stored.items() if k.startswith("avg.")}
        counts = json.loads((args.folder / "state.json").read_text())
        step, windows = counts["step"], counts["windows"]
        decay_from = counts.get("decay_from", 0)
        names = [n for n, _ in net.named_parameters()]
        optimizer.load_state_dict(
            {
                "state": {
                    i: {
                        "step": stored[f"opt.{n}.step"],
                        "exp_avg": stored[f"opt.{n}.exp_avg"],
                        "exp_avg_sq": stored[f"opt.{n}.exp_avg_sq"],
                    }
                    for i, n in enumerate(names)
                },
                "param_groups": optimizer.state_dict()["param_groups"],
            }
        )
    if args.decay and not decay_from:
        decay_from = step

    def save() -> None:
        net_state = {f"net.{k}": v for k, v in net.state_dict().items()}
        avg = {f"avg.{k}": v for k, v in average.items()}
        opt = {
            f"opt.{n}.{k}": v
            for n, p in net.named_parameters()
            for k, v in optimizer.state[p].items()
        }
        save_file(
            {k: v.contiguous().clone() for k, v in (net_state | avg | opt).items()},
            str(state) + ".new",
        )
        (args.folder / "state.json.new").write_text(
            json.dumps(
                {
                    "step": step,
                    "windows": windows,
                    "decay_from": decay_from,
                    "config": vars(net.config),
                }
            )
        )
        os.replace(str(state) + ".new", state)
        os.replace(args.folder / "state.json.new", args.folder / "state.json")

    validation = [synthetic_batch(10**6, i, patches=1024) for i in range(VALIDATION_BATCHES)]
    test_net = PretrainedNetwork(net.config)
    started = saved = time.monotonic()
    smooth, seen = 0.0, 0
    loader = DataLoader(
        Batches(args.seed, args.patches, step),
        batch_size=None,
        shuffle=False,
        num_workers=args.workers,
        worker_init_fn=_one_thread,
    )
    for batch in loader:
        scale = min(1.0, (step + 1) / WARMUP)
        if args.decay:
            scale *= max(0.0, 1 - (step - decay_from) / args.decay)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * scale
        loss = batch_loss(net, batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        windows += len(batch.values)
        with torch.no_grad():
            decay = min(AVERAGE, 1 - 10 / (step + 10))
            for name, value in net.state_dict().items():
                average[name].lerp_(value, 1 - decay)
        smooth, seen = smooth + float(loss.detach()), seen + 1
        now = time.monotonic()
        over = now - started > args.minutes * 60 or (args.decay and step >= decay_from + args.decay)
        if now - saved > 60 or over:
            save()
            saved = now
            test_net.load_state_dict(average)
            test_net.eval()
            with torch.no_grad():
                value = sum(float(batch_loss(test_net, each)) for each in validation) / len(
                    validation
                )
            with (args.folder / "history.csv").open("a", newline="") as file:
                csv.writer(file).writerow(
                    [
                        step,
                        windows,
                        f"{smooth / seen:.5f}",
                        f"{value:.5f}",
                        f"{now - started:.0f}",
                        f"{args.lr * scale:.2e}",
                    ]
                )
            smooth, seen = 0.0, 0
        if over:
            break


if __name__ == "__main__":
    main()
