"""How gradients become updates: the optimizer by its name, and the pull of weights to zero."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

MOMENTUM = 0.9
"""Of `sgd`, in Nesterov's form (Sutskever et al. 2013)."""

OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop")


def optimizer_of(
    kind: str, parameters: Sequence[Tensor], *, learning_rate: float, weight_decay: float
) -> Optimizer:
    """The optimizer `kind` of `parameters`.

    `adamw` takes the share `learning_rate * weight_decay` off each weight at each step (decoupled,
    Loshchilov & Hutter 2019, arXiv:1711.05101); for the others half of `weight_decay` times the sum
    of squares is part of the loss (L2), and its gradient is scaled by the optimizer as all others
    are. It is not clipped.
    """
    if kind == "adamw":
        return AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
    if kind == "adam":
        return Adam(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
    if kind == "sgd":
        return SGD(
            parameters,
            lr=learning_rate,
            momentum=MOMENTUM,
            nesterov=True,
            weight_decay=weight_decay,
        )
    if kind == "rmsprop":
        return RMSprop(parameters, lr=learning_rate, weight_decay=weight_decay)
    raise ValueError(f"unknown optimizer {kind!r}")


@torch.no_grad()
def add_l1(parameters: Sequence[Tensor], strength: float) -> None:
    """Adds the gradient of `strength` times the sum of all weights' sizes, biases left out.

    It is added by hand, so that the loss that is reported stays that of the forecasts.
    """
    if not strength:
        return
    for parameter in parameters:
        if parameter.dim() < 2:  # biases, gains, decays
            continue
        pull = strength * parameter.sign()
        parameter.grad = pull if parameter.grad is None else parameter.grad + pull
