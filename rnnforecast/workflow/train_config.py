"""How the two fits of a network go, as the spec says."""

from __future__ import annotations

from dataclasses import replace

from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training import device
from rnnforecast.training.trainer import TrainerConfig

FINAL_FIT_STEPS_SHARE = 0.25
"""Steps of the last fit, as a share of the first one's."""

FINAL_FIT_RATE_SHARE = 0.5
"""Peak learning rate of the last fit, as a share of the first one's."""


def build_trainer_config(
    spec: TrainingSpec, torch_device: device.Device, *, is_first_fit: bool
) -> TrainerConfig:
    """The first fit's recipe, or the last one's: shorter, slower and to its end."""
    recipe = TrainerConfig(
        max_steps=int(spec.max_steps),
        learning_rate=float(spec.learning_rate),
        schedule=spec.schedule,
        weight_decay=spec.weight_decay,
        clip_norm=spec.clip_norm,
        clip_value=spec.clip_value,
        patience=spec.patience if spec.early_stopping else None,
        precision=device.select_dtype(spec.precision, torch_device),
        optimizer=spec.optimizer,
        l1=spec.l1,
        gradient_accumulation=spec.gradient_accumulation,
        swa_fraction=spec.swa_fraction,
    )
    if is_first_fit:
        return recipe
    return replace(
        recipe,
        max_steps=max(1, round(FINAL_FIT_STEPS_SHARE * recipe.max_steps)),
        learning_rate=FINAL_FIT_RATE_SHARE * recipe.learning_rate,
        patience=None,
    )
