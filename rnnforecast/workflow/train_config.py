"""How the two fits of a network go, as the spec says."""

from __future__ import annotations

from dataclasses import replace

from rnnforecast.spec.training import Training
from rnnforecast.training import device
from rnnforecast.training.trainer import Recipe

LAST_FIT_SHARE = 0.25
"""Steps of the last fit, as a share of the first one's."""

LAST_FIT_RATE = 0.5
"""Peak learning rate of the last fit, as a share of the first one's."""


def recipe_of(spec: Training, torch_device: device.Device, *, is_first_fit: bool) -> Recipe:
    """The first fit's recipe, or the last one's: shorter, slower and to its end."""
    recipe = Recipe(
        max_steps=int(spec.max_steps),
        learning_rate=float(spec.learning_rate),
        schedule=spec.schedule,
        weight_decay=spec.weight_decay,
        clip_norm=spec.clip_norm,
        clip_value=spec.clip_value,
        patience=spec.patience if spec.early_stopping else None,
        precision=device.precision(spec.precision, torch_device),
        optimizer=spec.optimizer,
        l1=spec.l1,
        accumulate=spec.accumulate,
        average_last=spec.average_last,
    )
    if is_first_fit:
        return recipe
    return replace(
        recipe,
        max_steps=max(1, round(LAST_FIT_SHARE * recipe.max_steps)),
        learning_rate=LAST_FIT_RATE * recipe.learning_rate,
        patience=None,
    )
