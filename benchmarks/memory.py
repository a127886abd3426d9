"""Memory of the backbones: the adding problem and a copy task, each trained from scratch.

usage: memory.py [--only NAME ...] [--steps N] [--seed N] [--out FILE.md]

adding  200 steps of two channels: uniform values from 0 to 1, and marks at two of the steps, one in
        each half. The target is the sum of the two marked values; a constant forecast of 1 has a
        squared error of 1/6. Hochreiter & Schmidhuber 1997, with values from 0 as in Le et al. 2015
        (arXiv:1504.00941)
copy    8 symbols of 8, 44 blanks, then 8 delimiters, at which the symbols have to be output in
        order; chance accuracy is 1/8. After Hochreiter & Schmidhuber 1997 and Arjovsky et al. 2016
        (arXiv:1511.06464)

One linear layer reads the inputs of a step, another the outputs of the stack. Training sequences
have one random length in each batch, up to the full one: half a sequence of the first task has 1 to
100 steps, and the second task has 0 to 44 blanks. Evaluation is on sequences of full length.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from machine import describe
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from rnnforecast.registry import BACKBONES

WIDTH, BATCH, CLIP = 128, 64, 1.0
RATES = (0.003, 0.01)
"""Learning rates, tried in turn until one solves the task."""
VALIDATE_EVERY = 50
"""Training steps between two validations."""
HELD_OUT = 512
"""Validation sequences, and as many test sequences."""

LENGTH = 200
SYMBOLS, HELD, GAP = 8, 8, 44


def adding(count: int, random: torch.Generator, *, full: bool) -> tuple[Tensor, Tensor]:
    """Values and marks `[B, L, 2]`, and the sum of the two marked values `[B, 1]`."""
    half = LENGTH // 2 if full else int(torch.randint(1, LENGTH // 2 + 1, (), generator=random))
    values = torch.rand(count, 2 * half, generator=random)
    positions = torch.randint(half, (count, 2), generator=random) + torch.tensor([0, half])
    marks = torch.zeros_like(values).scatter_(1, positions, 1.0)
    return torch.stack([values, marks], -1), values.gather(1, positions).sum(1, keepdim=True)


def copy(count: int, random: torch.Generator, *, full: bool) -> tuple[Tensor, Tensor]:
    """One-hot inputs `[B, 8 + blanks + 8, 8 + 2]`, and the symbols of the last steps `[B, 8]`."""
    symbols = torch.randint(SYMBOLS, (count, HELD), generator=random)
    gap = GAP if full else int(torch.randint(GAP + 1, (), generator=random))
    blanks, delimiters = torch.full((count, gap), SYMBOLS), torch.full((count, HELD), SYMBOLS + 1)
    tokens = torch.cat([symbols, blanks, delimiters], 1)
    return one_hot(tokens, SYMBOLS + 2).float(), symbols


class SequenceSampler(Protocol):
    """A function that generates sequences."""

    def __call__(self, count: int, random: torch.Generator, *, full: bool) -> tuple[Tensor, Tensor]:
        """`count` sequences `[B, L, channels]`, and the targets of the last steps, `[B, A]`."""
        ...


@dataclass(frozen=True)
class Task:
    """A task with its loss, and the threshold of the metric at which it is solved."""

    sample: SequenceSampler
    channels: int
    n_targets: int
    """A, the number of steps at the end that have targets."""
    outputs: int
    """Number of outputs per step."""
    steps: int
    """Most training steps."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Loss of outputs `[B, A, outputs]` and targets `[B, A]`."""
    metric: Callable[[Tensor, Tensor], float]
    threshold: float
    sign: int
    """1 if larger is better, -1 if smaller is."""

    def is_as_good(self, value: float, other: float) -> bool:
        """Whether `value` is at least as good as `other`."""
        return self.sign * value >= self.sign * other


def squared_error(out: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return mse_loss(out.squeeze(-1), target)


def entropy(out: Tensor, target: Tensor) -> Tensor:
    """Cross entropy."""
    return cross_entropy(out.flatten(0, 1), target.flatten())


def accuracy(out: Tensor, target: Tensor) -> float:
    """Fraction of correct symbols."""
    return (out.argmax(-1) == target).float().mean().item()


TASKS = {
    "adding": Task(
        adding, 2, 1, 1, 500, squared_error, lambda o, y: squared_error(o, y).item(), 0.01, -1
    ),
    "copy": Task(copy, SYMBOLS + 2, HELD, SYMBOLS, 1000, entropy, accuracy, 0.95, 1),
}


@dataclass(frozen=True)
class Setting:
    """Settings of a backbone."""

    layers: int = 1
    orthogonal: bool = False
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        words = [f"{self.layers} layers"] if self.layers > 1 else []
        words += [f"{name} {value}" for name, value in self.options.items()]
        return ", ".join([*words, "orthogonal"] if self.orthogonal else words)


SETTINGS = {
    "rnn": Setting(orthogonal=True),
    "gru": Setting(orthogonal=True),
    "lstm": Setting(orthogonal=True, options={"forget_bias": 3.0}),
    "slstm": Setting(),
    "peephole_lstm": Setting(orthogonal=True, options={"forget_bias": 3.0}),
    "rrnn": Setting(orthogonal=True),
    "gru_d": Setting(orthogonal=True),
    "dilated": Setting(layers=4, orthogonal=True),
    "transformer": Setting(layers=2),
    "min_gru": Setting(layers=2),
    "min_lstm": Setting(layers=2),
}
"""Other backbones have one layer and their default options."""


class Network(nn.Module):
    """A recurrent stack between two linear layers."""

    def __init__(self, name: str, setting: Setting, task: Task) -> None:
        super().__init__()
        config = BackboneConfig(
            name, setting.layers, orthogonal=setting.orthogonal, options=setting.options
        )
        self.n_targets = task.n_targets
        self.input_layer = nn.Linear(task.channels, WIDTH)
        self.stack = RecurrentStack(config, WIDTH)
        self.output_layer = nn.Linear(WIDTH, task.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, channels]` → `[B, A, outputs]`."""
        out, _ = self.stack(self.input_layer(x))
        outputs: Tensor = self.output_layer(out[:, -self.n_targets :])
        return outputs


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a training."""

    value: float
    is_solved: bool
    steps: int
    rate: float
    parameters: int
    seconds: float


def train(
    name: str, setting: Setting, task: Task, *, rate: float, steps: int, seed: int
) -> TrainingResult:
    """Trains from scratch until the task is solved, or for `steps`."""
    torch.manual_seed(seed)
    net = Network(name, setting, task)
    adam = torch.optim.Adam(net.parameters(), rate)
    random, evaluation_random = (torch.Generator().manual_seed(seed + 10_000 * n) for n in range(2))
    validation, test = (task.sample(HELD_OUT, evaluation_random, full=True) for _ in range(2))
    start = time.perf_counter()
    is_solved, step = False, 0
    while step < steps and not is_solved:
        step += 1
        x, target = task.sample(BATCH, random, full=False)
        loss = task.loss(net(x), target)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        adam.step()
        if step % VALIDATE_EVERY == 0:
            is_solved = task.is_as_good(evaluate(net, task, validation), task.threshold)
    seconds = time.perf_counter() - start
    parameters = sum(weight.numel() for weight in net.parameters())
    return TrainingResult(evaluate(net, task, test), is_solved, step, rate, parameters, seconds)


def evaluate(net: Network, task: Task, sequences: tuple[Tensor, Tensor]) -> float:
    """The metric of the task on these sequences."""
    with torch.no_grad():
        return task.metric(net(sequences[0]), sequences[1])


def train_at_each_rate(name: str, task: Task, *, steps: int, seed: int) -> list[TrainingResult]:
    """Results of trainings at each rate, up to the first that solves the task."""
    results: list[TrainingResult] = []
    for rate in RATES:
        setting = SETTINGS.get(name, Setting())
        results.append(train(name, setting, task, rate=rate, steps=steps, seed=seed))
        if results[-1].is_solved:
            break
    return results


def row(name: str, results_by_task: Mapping[str, Sequence[TrainingResult]]) -> str:
    """A row of the table; tasks without a result are left blank."""
    count = next(iter(results_by_task.values()))[0].parameters
    seconds = sum(result.seconds for results in results_by_task.values() for result in results)
    parts = [name, str(SETTINGS.get(name, Setting())), f"{count:,}", f"{seconds:.0f}"]
    for key, task in TASKS.items():
        if key not in results_by_task:
            parts += ["", ""]
            continue
        best = results_by_task[key][0]
        for result in results_by_task[key][1:]:
            if result.is_solved or not task.is_as_good(best.value, result.value):
                best = result
        value = f"{best.value:.4f}" if key == "adding" else f"{best.value:.3f}"
        parts += [value, f"yes, {best.steps} steps at {best.rate}" if best.is_solved else "no"]
    return f"| {' | '.join(parts)} |"


def description(steps: Mapping[str, int], seed: int) -> str:
    """Description of the table as text."""
    rates = " and, where that fails, ".join(str(rate) for rate in RATES)
    max_error, min_accuracy = TASKS["adding"].threshold, TASKS["copy"].threshold
    return (
        f"Width {WIDTH}, batches of {BATCH}, Adam with a rate of {rates}, gradients clipped at"
        f" {CLIP:g}, seed {seed}, one thread; at most {steps['adding']} steps of adding and"
        f" {steps['copy']} of copying at each rate. A training stops when, on {HELD_OUT} sequences"
        f" of validation every {VALIDATE_EVERY} steps, the squared error is at most {max_error:g}"
        f" (chance 0.167) or the accuracy at least {min_accuracy:g} (chance 0.125): the task is"
        f" solved. The figures are of {HELD_OUT} test sequences, so they may lie a little beyond"
        " these bounds; of an unsolved task, those of the best rate. Seconds are of all trainings"
        " of a row, on a machine that also did other work; parameters are those of the network for"
        " adding.\n\n"
        "The width, rates, forget biases and random lengths were chosen by short trials of gru,"
        " lstm and slstm with seed 1; no other backbone was tuned."
    )


def main() -> None:
    """Prints the table as Markdown, and rewrites the file after each task."""
    names = [*SETTINGS, *(name for name in BACKBONES.names() if name not in SETTINGS)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--steps", type=int, metavar="N", help="of each training, at most")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    steps = {key: args.steps or task.steps for key, task in TASKS.items()}
    lines = [
        (
            "| backbone | settings | parameters | seconds | adding: error | solved"
            " | copy: accuracy | solved |"
        ),
        "| --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    print("\n".join(lines), flush=True)
    for name in args.only:
        results_by_task: dict[str, list[TrainingResult]] = {}
        for key, task in TASKS.items():
            results_by_task[key] = train_at_each_rate(name, task, steps=steps[key], seed=args.seed)
            if args.out:
                head = f"# Memory\n\n{describe()}\n\n`python benchmarks/memory.py`\n\n"
                text = "\n".join([*lines, row(name, results_by_task)])
                page = f"{head}{description(steps, args.seed)}\n\n{text}\n"
                args.out.write_text(page, encoding="utf-8")
        lines.append(row(name, results_by_task))
        print(lines[-1], flush=True)


if __name__ == "__main__":
    main()
