"""The presets `fast`, `balanced` and `best`: automatic values that trade time for accuracy.

Their values were chosen on held-out horizons inside the training parts of several data sets; see
`benchmarks/NOTES.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rnnforecast.registry import LOSSES


@dataclass(frozen=True)
class Preset:
    """The automatic values that depend on the preset."""

    steps_factor: float = 1.0
    """Factor on the automatic `max_steps`."""
    batch_size: int | None = None
    """None: chosen by the number of values."""
    learning_rate: float = 0.002
    members: int = 1
    vary: dict[str, list[Any]] = field(default_factory=dict)
    """See `ensemble.vary`."""
    plots: int = 12
    reason: str = ""


FAST = Preset(steps_factor=0.25, batch_size=64, learning_rate=0.005, plots=4, reason="a first look")
"""Few steps with small batches and a high learning rate, and few plots, which take time."""

BEST_MEMBERS = 6

ALTERNATIVE_NORMALIZE = {"log_mean": "standard", "standard": "last"}
"""The second normalization of an ensemble, by the first. Logs favor relative errors, the others
absolute ones; together they do well in both."""


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
    """The preset, given the values of a single network for the same data.

    Args:
        name: ``fast``, ``balanced`` or ``best``.
        lookback: steps that the single network reads.
        stride: difference between the lookbacks of an ensemble, in steps.
        patch_length: the lookbacks of an ensemble are multiples of it.
        available_steps: upper bound of a longer lookback.
        normalize: the normalization of the single network.
    """
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
    """Up to three: the lookback itself, and a shorter and a longer one or two longer ones."""
    multiples = (0, -1, 1) if lookback > stride else (0, 1, 2)
    longest = max(lookback, available_steps // patch_length * patch_length)
    patches = [max((lookback + times * stride) // patch_length, 1) for times in multiples]
    return list(dict.fromkeys(min(count * patch_length, longest) for count in patches))
