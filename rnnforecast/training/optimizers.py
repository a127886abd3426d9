"""Optimizers by name, with weight decay, and the L1 penalty.

The updates are torch's functional ones. Using an optimizer class of `torch.optim` imports
`torch._dynamo`, which takes two seconds at the start of every training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

MOMENTUM = 0.9
"""Momentum of ``sgd``, in Nesterov's form (Sutskever et al. 2013)."""

BETAS = 0.9, 0.999
"""Decay of the moments in ``adam`` and ``adamw`` (Kingma & Ba 2015, arXiv:1412.6980)."""

RMSPROP_ALPHA = 0.99
"""Decay of the mean square in ``rmsprop``."""

EPSILON = 1e-8
"""Added to denominators."""

ParameterState = dict[str, Tensor]


class Optimizer:
    """Updates parameters by their gradients; those without a gradient are left unchanged."""

    def __init__(
        self, name: str, parameters: Sequence[Tensor], *, learning_rate: float, weight_decay: float
    ) -> None:
        """Weight decay is decoupled in ``adamw`` (Loshchilov & Hutter 2019, arXiv:1711.05101).

        In ``adam``, ``sgd`` and ``rmsprop`` it is an L2 penalty of `weight_decay / 2` times the sum
        of squares, whose gradient is not clipped.
        """
        if name not in UPDATE_FUNCTIONS:
            raise ValueError(f"unknown optimizer {name!r}")
        self.name, self.parameters = name, list(parameters)
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.states: list[ParameterState] = [{} for _ in self.parameters]
        """Step and moments of each parameter, filled at the first update; `sgd` has only its
        momentum buffer."""

    def zero_grad(self) -> None:
        """Sets the gradients to None."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Updates the parameters once."""
        indices = [n for n, parameter in enumerate(self.parameters) if parameter.grad is not None]
        parameters = [self.parameters[n] for n in indices]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        states = [self.states[n] for n in indices]
        inputs = UpdateInputs(parameters, gradients, states, self.learning_rate, self.weight_decay)
        UPDATE_FUNCTIONS[self.name](inputs)


def clone_states(states: Sequence[ParameterState]) -> list[ParameterState]:
    """Copies of the states."""
    return [{name: value.clone() for name, value in state.items()} for state in states]


class UpdateInputs(NamedTuple):
    """Arguments of an update function."""

    parameters: list[Tensor]
    gradients: list[Tensor]
    states: list[ParameterState]
    learning_rate: float
    weight_decay: float


UpdateFunction = Callable[[UpdateInputs], None]


def _adam(function: Callable[..., None]) -> UpdateFunction:
    def update(inputs: UpdateInputs) -> None:
        parameters, gradients, states, rate, decay = inputs
        for parameter, state in zip(parameters, states, strict=True):
            _init_state(parameter, state, "exp_avg", "exp_avg_sq")
        function(
            parameters,
            gradients,
            *([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq")),
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=decay,
            eps=EPSILON,
            maximize=False,
        )

    return update


def _sgd(inputs: UpdateInputs) -> None:
    parameters, gradients, states, rate, decay = inputs
    buffers = [state.get("momentum_buffer") for state in states]
    sgd(
        parameters,
        gradients,
        buffers,
        weight_decay=decay,
        momentum=MOMENTUM,
        lr=rate,
        dampening=0.0,
        nesterov=True,
        maximize=False,
    )
    for state, buffer in zip(states, buffers, strict=True):
        assert buffer is not None
        state["momentum_buffer"] = buffer


def _rmsprop(inputs: UpdateInputs) -> None:
    parameters, gradients, states, rate, decay = inputs
    for parameter, state in zip(parameters, states, strict=True):
        _init_state(parameter, state, "square_avg")
    rmsprop(
        parameters,
        gradients,
        [state["square_avg"] for state in states],
        [],
        [],
        [state["step"] for state in states],
        lr=rate,
        alpha=RMSPROP_ALPHA,
        eps=EPSILON,
        weight_decay=decay,
        momentum=0.0,
        centered=False,
    )


def _init_state(parameter: Tensor, state: ParameterState, *names: str) -> None:
    """Fills the state with zeros at a parameter's first update."""
    if not state:
        state["step"] = torch.zeros((), device=parameter.device)
        for name in names:
            state[name] = torch.zeros_like(parameter, memory_format=torch.preserve_format)


UPDATE_FUNCTIONS: dict[str, UpdateFunction] = {
    "adamw": _adam(adamw),
    "adam": _adam(adam),
    "sgd": _sgd,
    "rmsprop": _rmsprop,
}


@torch.no_grad()
def add_l1_gradient(parameters: Sequence[Tensor], strength: float) -> None:
    """Adds the gradient of `strength` times the sum of absolute weights, without vectors (biases).

    The reported loss does not include it; the gradient is added before clipping.
    """
    if not strength:
        return
    for parameter in parameters:
        if parameter.dim() < 2:  # biases and other vectors
            continue
        gradient = strength * parameter.sign()
        parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
