"""Which parts of a forecaster do not go together, and why. Plain names: nothing heavy is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rnnforecast.registry import LOSSES

LOG_NORMALIZERS = ("log_mean", "exponential_smoothing")
"""Normalisations that read values as logs."""

SPREAD_NORMALIZERS = ("standard", "robust", "last")
"""Normalisations that divide a window by how much its values differ."""

RATIO_NORMALIZERS = ("mean", "none")
"""Normalisations that leave ratios to the level, or the values."""


@dataclass(frozen=True)
class ModelChoices:
    """The parts that were chosen; None for what is not settled yet."""

    backbone: str
    traits: tuple[str, ...]
    decoder: str | None
    normalize: str | None
    loss: str
    hidden_size: int | None = None
    bidirectional: bool = False
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    learned_initial_state: bool = False
    orthogonal: bool = False
    tbptt_steps: int | None = None
    teacher_forcing: float = 1.0
    joint_channels: bool = False
    loss_options: tuple[tuple[str, object], ...] = ()
    takes_differences: int = 0
    base_forecast: str = "auto"


def incompatibilities(choices: ModelChoices) -> Iterator[tuple[str, str, str]]:
    """The key, what is wrong, and what to set instead, for each pair that does not go together."""
    yield from _backbone_problems(choices)
    yield from _decoder_problems(choices)
    yield from _normalizer_problems(choices)
    yield from _loss_problems(choices)


def _backbone_problems(choices: ModelChoices) -> Iterator[tuple[str, str, str]]:
    name = choices.backbone
    if choices.bidirectional and "bidirectional" not in choices.traits:
        why = f"'{name}' does not read backwards"
        yield "model.bidirectional", why, "set it to false, or model.backbone to gru or lstm"
    if "noise" not in choices.traits:
        noise = {
            "recurrent_dropout": choices.recurrent_dropout,
            "zoneout": choices.zoneout,
            "initial_state": choices.learned_initial_state,
        }
        for key in (key for key, value in noise.items() if value):
            why = f"'{name}' does not step from state to state, so there is nothing to act on"
            cure = "zero" if key == "initial_state" else "0"
            yield f"model.{key}", why, f"set it to {cure}, or model.backbone to gru or lstm"
        if choices.orthogonal:
            why = f"'{name}' has no recurrent weights"
            yield "model.orthogonal_init", why, "set it to false"


def _decoder_problems(choices: ModelChoices) -> Iterator[tuple[str, str, str]]:
    decoder = choices.decoder
    if choices.bidirectional and decoder in ("parallel", "recursive"):
        why = f"'{decoder}' goes on with the network's state, and one that reads backwards has none"
        yield "model.decoder", why, "set it to direct or seq2seq, or model.bidirectional to false"
    if choices.bidirectional and decoder == "forking":
        why = "'forking' asks for forecasts inside the lookback, which the network would know of"
        yield "model.decoder", why, "set it to direct, or model.bidirectional to false"
    if choices.bidirectional and choices.tbptt_steps:
        why = "a lookback that is read both ways cannot be cut"
        yield "training.tbptt_steps", why, "set it to null, or model.bidirectional to false"
    if (
        decoder is not None
        and decoder not in ("recursive", "seq2seq")
        and choices.teacher_forcing < 1
    ):
        why = f"'{decoder}' is never fed values of the horizon"
        yield "model.teacher_forcing", why, "set it to 1, or model.decoder to recursive or seq2seq"


def _normalizer_problems(choices: ModelChoices) -> Iterator[tuple[str, str, str]]:
    normalize, loss = choices.normalize, choices.loss
    traits = LOSSES.traits(loss)
    if choices.takes_differences and normalize in ("log_mean", "mean", "exponential_smoothing"):
        why = f"'{normalize}' needs values of one sign, and clean.transform makes differences"
        yield "model.normalize", why, "set it to standard, robust or auto"
    if choices.takes_differences and "positive" in traits:
        why = f"'{loss}' needs values of at least 0, and clean.transform makes differences"
        yield "training.loss", why, "set it to quantile, normal or student_t"
    if "amounts" in traits and normalize not in (*RATIO_NORMALIZERS, None):
        why = f"'{normalize}' does not go with '{loss}', whose values are not below zero nor logs"
        yield "model.normalize", why, "set it to mean, none or auto"
    elif "positive" in traits and normalize not in (*RATIO_NORMALIZERS, "log_mean", None):
        why = f"'{loss}' needs ratios to the level, which '{normalize}' does not leave"
        yield "model.normalize", why, "set it to mean, log_mean, none or auto"
    if choices.base_forecast == "theta" and (
        choices.takes_differences or normalize == "exponential_smoothing"
    ):
        what = (
            "differences"
            if choices.takes_differences
            else "values whose level and season are taken out"
        )
        why = f"'theta' forecasts values, and the network reads {what}"
        yield "model.base_forecast", why, "set it to linear or auto"
    if normalize == "exponential_smoothing" and choices.joint_channels:
        why = "the smoothing is of each target on its own"
        yield "model.channels", why, "set it to independent, or model.normalize to auto"
    if normalize == "exponential_smoothing" and choices.decoder == "forking":
        why = "the smoothing ends at the origin and knows no earlier ones"
        yield "model.decoder", why, "set it to direct, or model.normalize to auto"


def _loss_problems(choices: ModelChoices) -> Iterator[tuple[str, str, str]]:
    options = LOSSES.literal(choices.loss, "OPTIONS", {})
    for key, value in choices.loss_options:
        place = f"training.loss_options.{key}"
        if key not in options:
            has = f"the loss {choices.loss} has " + (", ".join(options) or "no options")
            yield place, "unknown option", has
            continue
        default, low, high = (options[key][name] for name in ("default", "min", "max"))
        if type(value) is not type(default) or not low <= value <= high:
            kind = "a whole number" if isinstance(default, int) else "a number"
            found = f"expected {kind} from {low} to {high}, found {value}"
            yield place, found, f"{default} is usual"
