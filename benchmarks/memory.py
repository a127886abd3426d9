"""Which backbones remember: the adding problem and a copy task, learnt from nothing.

usage: memory.py [--only NAME ...] [--steps N] [--seed N] [--out FILE.md]

adding   200 steps of two channels: values drawn evenly from 0 to 1, and marks at two of the steps,
         one in each half; the sum of the two marked values is asked for at the end. Saying 1 at all
         times has a squared error of 1/6 (Hochreiter & Schmidhuber 1997, with values from 0 as in
         Le et al. 2015, arXiv:1504.00941)
copy     8 symbols of 8, then blanks, then 8 times the sign to say them again in their order; a
         guess is right once in 8 (after Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016,
         arXiv:1511.06464)

A linear layer reads a step in, and another reads the answer from what the stack says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from rnnforecast.models.stack import Plan, Stack

WIDTH, BATCH, STEPS, CLIP = 64, 64, 1000, 1.0
RATES = (0.01, 0.003)
LOOK = 50
"""Steps between two looks at whether the task is learnt."""
HELD_OUT = 512
"""Sequences that decide when to stop, and as many others for the figures of the table."""

LENGTH = 200
SYMBOLS, HELD, GAP = 8, 8, 44


def adding(count: int, random: torch.Generator, *, fixed: bool) -> tuple[Tensor, Tensor]:
    """Values and marks `[B, 200, 2]`, and the sum of the two marked values `[B, 1]`."""
    half = LENGTH // 2 if fixed else int(torch.randint(1, LENGTH // 2 + 1, (), generator=random))
    values = torch.rand(count, 2 * half, generator=random)
    places = torch.randint(half, (count, 2), generator=random) + torch.tensor([0, half])
    marks = torch.zeros_like(values).scatter_(1, places, 1.0)
    return torch.stack([values, marks], -1), values.gather(1, places).sum(1, keepdim=True)


def copy(count: int, random: torch.Generator, *, fixed: bool) -> tuple[Tensor, Tensor]:
    """Signs as units `[B, 8 + 44 + 8, 8 + 2]`, and the symbols to say at the last 8, `[B, 8]`."""
    symbols = torch.randint(SYMBOLS, (count, HELD), generator=random)
    gap = GAP if fixed else int(torch.randint(GAP + 1, (), generator=random))
    blanks, asks = torch.full((count, gap), SYMBOLS), torch.full((count, HELD), SYMBOLS + 1)
    signs = torch.cat([symbols, blanks, asks], 1)
    return one_hot(signs, SYMBOLS + 2).float(), symbols


@dataclass(frozen=True)
class Task:
    """A source of sequences, and when it counts as learnt."""

    draw: Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
    channels: int
    answers: int
    """Steps at the end that are answered."""
    outputs: int
    """Numbers an answer has."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """From answers `[B, answers, outputs]` and what is asked for `[B, answers]`."""
    measure: Callable[[Tensor, Tensor], float]
    learnt: Callable[[float], bool]


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
    "adding": Task(adding, 2, 1, 1, error, lambda o, y: error(o, y).item(), lambda m: m < 0.01),
    "copy": Task(copy, SYMBOLS + 2, HELD, SYMBOLS, entropy, right, lambda m: m > 0.95),
}


@dataclass(frozen=True)
class Cell:
    """How a backbone takes part."""

    layers: int = 1
    orthogonal: bool = False
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        said = [f"{name} {value}" for name, value in self.options.items()]
        if self.layers > 1:
            said.insert(0, f"{self.layers} layers")
        if self.orthogonal:
            said.append("orthogonal start")
        return ", ".join(said)


CELLS = {
    "rnn": Cell(orthogonal=True),
    "gru": Cell(orthogonal=True),
    "lstm": Cell(options={"forget_bias": 5.0}),
    "slstm": Cell(),
    "min_gru": Cell(layers=2),
    "min_lstm": Cell(layers=2),
    "peephole_lstm": Cell(options={"forget_bias": 5.0}),
    "rrnn": Cell(orthogonal=True),
    "dilated": Cell(layers=6),
    "gru_d": Cell(orthogonal=True),
    "transformer": Cell(layers=2),
}


class Net(nn.Module):
    """A linear layer, the stack, a linear layer."""

    def __init__(self, name: str, cell: Cell, task: Task, width: int) -> None:
        super().__init__()
        plan = Plan(name, cell.layers, orthogonal=cell.orthogonal, options=cell.options)
        self.answers = task.answers
        self.read = nn.Linear(task.channels, width)
        self.stack = Stack(plan, width)
        self.say = nn.Linear(width, task.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, L, channels]` → `[B, answers, outputs]`."""
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


def train(
    name: str, cell: Cell, task: Task, *, rate: float, steps: int, seed: int, width: int = WIDTH
) -> Outcome:
    """Trains from nothing until the task is learnt, or for `steps`."""
    torch.manual_seed(seed)
    net = Net(name, cell, task, width)
    adam = torch.optim.Adam(net.parameters(), rate)
    random = torch.Generator().manual_seed(seed)
    look = task.draw(HELD_OUT, torch.Generator().manual_seed(10_000 + seed), fixed=True)
    begun = time.perf_counter()
    learnt, step = False, 0
    while step < steps and not learnt:
        step += 1
        x, asked = task.draw(BATCH, random, fixed=False)
        loss = task.loss(net(x), asked)
        if not torch.isfinite(loss):
            break
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        adam.step()
        if step % LOOK == 0:
            learnt = task.learnt(measured(net, task, look))
    seconds = time.perf_counter() - begun
    figure = measured(
        net, task, task.draw(HELD_OUT, torch.Generator().manual_seed(20_000 + seed), fixed=True)
    )
    parameters = sum(weight.numel() for weight in net.parameters())
    return Outcome(figure, learnt, step, rate, parameters, seconds)


def measured(net: Net, task: Task, sequences: tuple[Tensor, Tensor]) -> float:
    """The task's measure on given sequences."""
    with torch.no_grad():
        return task.measure(net(sequences[0]), sequences[1])
