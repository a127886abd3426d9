"""Which backbones remember: the adding problem and a copy task, each learnt from nothing.

usage: memory.py [--only NAME ...] [--steps N] [--seed N] [--out FILE.md]

adding  200 steps of two channels: values drawn evenly from 0 to 1, and marks at two of the steps,
        one in each half. At the end the sum of the two marked values is asked for; who always says
        1 has a squared error of 1/6. Hochreiter & Schmidhuber 1997, with values from 0 as in Le et
        al. 2015 (arXiv:1504.00941)
copy    8 symbols of 8, 44 blanks, then 8 times the sign to say the symbols in their order; a guess
        is right once in 8. After Hochreiter & Schmidhuber 1997 and Arjovsky et al. 2016
        (arXiv:1511.06464)

A linear layer reads a step in, and another reads the answer from what the stack says. Sequences to
train on are as long as each other within a batch, and of a random length up to the full one: half a
sequence of the first task has 1 to 100 steps, and the second has 0 to 44 blanks. What is measured
is always of the full length.
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
"""Tried one after the other until one learns the task."""
LOOK = 50
"""Steps between two looks at whether the task is learnt."""
HELD_OUT = 512
"""Sequences that decide when to stop, and as many others for the figures of the table."""

LENGTH = 200
SYMBOLS, HELD, GAP = 8, 8, 44


def adding(count: int, random: torch.Generator, *, full: bool) -> tuple[Tensor, Tensor]:
    """Values and marks `[B, L, 2]`, and the sum of the two marked values `[B, 1]`."""
    half = LENGTH // 2 if full else int(torch.randint(1, LENGTH // 2 + 1, (), generator=random))
    values = torch.rand(count, 2 * half, generator=random)
    places = torch.randint(half, (count, 2), generator=random) + torch.tensor([0, half])
    marks = torch.zeros_like(values).scatter_(1, places, 1.0)
    return torch.stack([values, marks], -1), values.gather(1, places).sum(1, keepdim=True)


def copy(count: int, random: torch.Generator, *, full: bool) -> tuple[Tensor, Tensor]:
    """Signs as units `[B, 8 + blanks + 8, 8 + 2]`, and the symbols for the last steps `[B, 8]`."""
    symbols = torch.randint(SYMBOLS, (count, HELD), generator=random)
    gap = GAP if full else int(torch.randint(GAP + 1, (), generator=random))
    blanks, asks = torch.full((count, gap), SYMBOLS), torch.full((count, HELD), SYMBOLS + 1)
    signs = torch.cat([symbols, blanks, asks], 1)
    return one_hot(signs, SYMBOLS + 2).float(), symbols


class Draw(Protocol):
    """A source of sequences."""

    def __call__(self, count: int, random: torch.Generator, *, full: bool) -> tuple[Tensor, Tensor]:
        """`count` sequences `[B, L, channels]`, and what is asked for at the end, `[B, A]`."""
        ...


@dataclass(frozen=True)
class Task:
    """What is to be learnt, and when it is."""

    draw: Draw
    channels: int
    answers: int
    """A, the steps at the end that are answered."""
    outputs: int
    """Numbers an answer has."""
    steps: int
    """Of training at most, each batch a step."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Of answers `[B, A, outputs]` to what is asked for `[B, A]`."""
    measure: Callable[[Tensor, Tensor], float]
    learnt: float
    """The measure from which on the task is learnt."""
    sign: int
    """1 where more is better, -1 where less is."""

    def better(self, figure: float, other: float) -> bool:
        """Whether `figure` is at least as good as `other`."""
        return self.sign * figure >= self.sign * other


def error(out: Tensor, asked: Tensor) -> Tensor:
    """Mean squared error."""
    return mse_loss(out.squeeze(-1), asked)


def entropy(out: Tensor, asked: Tensor) -> Tensor:
    """Cross entropy."""
    return cross_entropy(out.flatten(0, 1), asked.flatten())


def right(out: Tensor, asked: Tensor) -> float:
    """Share of the symbols that are right."""
    return (out.argmax(-1) == asked).float().mean().item()


TASKS = {
    "adding": Task(adding, 2, 1, 1, 500, error, lambda o, y: error(o, y).item(), 0.01, -1),
    "copy": Task(copy, SYMBOLS + 2, HELD, SYMBOLS, 1000, entropy, right, 0.95, 1),
}


@dataclass(frozen=True)
class Cell:
    """How a backbone takes part."""

    layers: int = 1
    orthogonal: bool = False
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        said = [f"{self.layers} layers"] if self.layers > 1 else []
        said += [f"{name} {value}" for name, value in self.options.items()]
        return ", ".join([*said, "orthogonal"] if self.orthogonal else said)


CELLS = {
    "rnn": Cell(orthogonal=True),
    "gru": Cell(orthogonal=True),
    "lstm": Cell(orthogonal=True, options={"forget_bias": 3.0}),
    "slstm": Cell(),
    "peephole_lstm": Cell(orthogonal=True, options={"forget_bias": 3.0}),
    "rrnn": Cell(orthogonal=True),
    "gru_d": Cell(orthogonal=True),
    "dilated": Cell(layers=4, orthogonal=True),
    "transformer": Cell(layers=2),
    "min_gru": Cell(layers=2),
    "min_lstm": Cell(layers=2),
}
"""A backbone that is not named here takes part as it is, with one layer."""


class Net(nn.Module):
    """A linear layer, the stack, a linear layer."""

    def __init__(self, name: str, cell: Cell, task: Task) -> None:
        super().__init__()
        plan = BackboneConfig(name, cell.layers, orthogonal=cell.orthogonal, options=cell.options)
        self.answers = task.answers
        self.read = nn.Linear(task.channels, WIDTH)
        self.stack = RecurrentStack(plan, WIDTH)
        self.say = nn.Linear(WIDTH, task.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, channels]` → `[B, A, outputs]`."""
        out, _ = self.stack(self.read(x))
        said: Tensor = self.say(out[:, -self.answers :])
        return said


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    figure: float
    learnt: bool
    steps: int
    rate: float
    parameters: int
    seconds: float


def train(name: str, cell: Cell, task: Task, *, rate: float, steps: int, seed: int) -> Outcome:
    """Trains from nothing until the task is learnt, or for `steps`."""
    torch.manual_seed(seed)
    net = Net(name, cell, task)
    adam = torch.optim.Adam(net.parameters(), rate)
    random, other = (torch.Generator().manual_seed(seed + 10_000 * n) for n in range(2))
    look, last = (task.draw(HELD_OUT, other, full=True) for _ in range(2))
    begun = time.perf_counter()
    learnt, step = False, 0
    while step < steps and not learnt:
        step += 1
        x, asked = task.draw(BATCH, random, full=False)
        loss = task.loss(net(x), asked)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        adam.step()
        if step % LOOK == 0:
            learnt = task.better(measured(net, task, look), task.learnt)
    seconds = time.perf_counter() - begun
    parameters = sum(weight.numel() for weight in net.parameters())
    return Outcome(measured(net, task, last), learnt, step, rate, parameters, seconds)


def measured(net: Net, task: Task, sequences: tuple[Tensor, Tensor]) -> float:
    """The task's measure on given sequences."""
    with torch.no_grad():
        return task.measure(net(sequences[0]), sequences[1])


def tried(name: str, task: Task, *, steps: int, seed: int) -> list[Outcome]:
    """A training at each rate, up to the first that learns the task."""
    outcomes: list[Outcome] = []
    for rate in RATES:
        cell = CELLS.get(name, Cell())
        outcomes.append(train(name, cell, task, rate=rate, steps=steps, seed=seed))
        if outcomes[-1].learnt:
            break
    return outcomes


def row(name: str, found: Mapping[str, Sequence[Outcome]]) -> str:
    """A row of the table; tasks that are still to come are left blank."""
    count = next(iter(found.values()))[0].parameters
    seconds = sum(outcome.seconds for outcomes in found.values() for outcome in outcomes)
    parts = [name, str(CELLS.get(name, Cell())), f"{count:,}", f"{seconds:.0f}"]
    for key, task in TASKS.items():
        if key not in found:
            parts += ["", ""]
            continue
        best = found[key][0]
        for outcome in found[key][1:]:
            if outcome.learnt or not task.better(best.figure, outcome.figure):
                best = outcome
        figure = f"{best.figure:.4f}" if key == "adding" else f"{best.figure:.3f}"
        parts += [figure, f"yes, {best.steps} steps at {best.rate}" if best.learnt else "no"]
    return f"| {' | '.join(parts)} |"


def says(steps: Mapping[str, int], seed: int) -> str:
    """What the table shows."""
    rates = " and, where that does not learn, ".join(str(rate) for rate in RATES)
    return (
        f"Width {WIDTH}, batches of {BATCH}, Adam with a rate of {rates}, gradients clipped at"
        f" {CLIP:g}, seed {seed}, one thread; at most {steps['adding']} steps of adding and"
        f" {steps['copy']} of copying at each rate. A training stops when, on {HELD_OUT} sequences"
        f" looked at every {LOOK} steps, the squared error is at most {TASKS['adding'].learnt:g}"
        f" (chance 0.167) or the share of right symbols at least {TASKS['copy'].learnt:g} (chance"
        f" 0.125): the task is learnt. The figures are of {HELD_OUT} others, so that they may lie a"
        " little beyond these bounds; of a task that was not learnt, the best of the rates. Seconds"
        " are of all trainings of a row, on a machine that also did other work; parameters are"
        " those of the net for adding.\n\n"
        "The width, rates, forget biases and random lengths were chosen by short trials of gru,"
        " lstm and slstm with seed 1; no other backbone was tuned."
    )


def main() -> None:
    """Prints the table as Markdown, and writes it anew after each task."""
    names = [*CELLS, *(name for name in BACKBONES.names() if name not in CELLS)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--steps", type=int, metavar="N", help="of each training, at most")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    steps = {key: asked.steps or task.steps for key, task in TASKS.items()}
    lines = [
        "| backbone | as | parameters | seconds | adding: error | learnt | copy: right | learnt |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    print("\n".join(lines), flush=True)
    for name in asked.only:
        found: dict[str, list[Outcome]] = {}
        for key, task in TASKS.items():
            found[key] = tried(name, task, steps=steps[key], seed=asked.seed)
            if asked.out:
                head = f"# Memory\n\n{describe()}\n\n`python benchmarks/memory.py`\n\n"
                text = "\n".join([*lines, row(name, found)])
                whole = f"{head}{says(steps, asked.seed)}\n\n{text}\n"
                asked.out.write_text(whole, encoding="utf-8")
        lines.append(row(name, found))
        print(lines[-1], flush=True)


if __name__ == "__main__":
    main()
