"""`training.preset`: how much time is spent, as plain keys of the spec.

The choices were made on held-out horizons inside the training parts of several data sets; see
`benchmarks/NOTES.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rnnforecast.registry import LOSSES


@dataclass(frozen=True)
class Preset:
    """What a preset changes of what would be chosen."""

    steps_factor: float = 1.0
    """Factor of the number of weight updates."""
    batch_size: int | None = None
    """Windows in a batch, if other than usual."""
    learning_rate: float = 0.002
    members: int = 1
    vary: dict[str, list[Any]] = field(default_factory=dict)
    """Values that the networks of an ensemble take in turn."""
    plots: int = 12
    reason: str = ""


FAST = Preset(steps_factor=0.25, batch_size=64, learning_rate=0.005, plots=4, reason="a first look")
"""Half as many windows a step, learnt from in larger steps; pictures take time too."""

BEST_MEMBERS = 6

ALTERNATIVE_NORMALIZE = {"log_mean": "standard", "standard": "last"}
"""A second way to take the level out. Logs serve relative errors and deviations absolute ones:
together they do well by both."""


def build_preset(
    name: str,
    *,
    lookback: int,
    stride: int,
    patch_length: int,
    available_steps: int,
    normalize: str,
    loss: str,
) -> Preset:
    """The preset `name` for data whose single network would read `lookback` steps in segments of
    `segment`, at most `room`, and have these parts; those of an ensemble read `stride` steps more
    or less."""
    if name == "fast":
        return FAST
    if name == "balanced":
        return Preset()
    vary: dict[str, list[Any]] = {
        "window.lookback": _varied_lookbacks(lookback, stride, patch_length, available_steps)
    }
    if "positive" not in LOSSES.traits(loss) and normalize in ALTERNATIVE_NORMALIZE:
        vary["model.normalize"] = [normalize, ALTERNATIVE_NORMALIZE[normalize]]
    return Preset(members=BEST_MEMBERS, vary=vary, reason="networks that err differently")


def _varied_lookbacks(
    lookback: int, stride: int, patch_length: int, available_steps: int
) -> list[int]:
    """Up to three: a network of its own lookback, and ones that look further or, where it has steps
    to spare, both less far and further."""
    further = (-1, 1) if lookback > stride else (1, 2)
    longest = max(lookback, available_steps // patch_length * patch_length)
    wanted = [lookback, *(lookback + times * stride for times in further)]
    whole = [max(each // patch_length, 1) * patch_length for each in wanted]
    return list(dict.fromkeys(min(each, longest) for each in whole))
