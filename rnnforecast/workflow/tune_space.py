"""The search space of `tune`: the keys of the spec, or a default by the size of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnforecast.pipeline.prepare import PreparedData
from rnnforecast.spec.search_space import Choices, Parameter, Range, search_parameters
from rnnforecast.spec.spec import Spec

MANY_VALUES = 20_000
"""From so many observed values on, the default space has more keys."""
LEARNING_RATE_FACTOR = 5.0
"""How far the default space goes below and above the automatic learning rate."""
DROPOUTS = (0.0, 0.1, 0.2, 0.4)
WEIGHT_DECAYS = (0.0001, 0.3)


def build_space(prepared: PreparedData) -> dict[str, Parameter]:
    """The parameters of `search.keys`, or default ones around the values of a prepared spec.

    The data are those of the earliest fold, the shortest.
    """
    spec = prepared.given_spec
    return search_parameters(spec) if spec.search.keys != "auto" else _default_space(prepared)


def untuned_values(
    space: Mapping[str, Parameter], spec: Spec, resolved: Spec
) -> dict[str, Any] | None:
    """The values of the spec as given, where the space has all of them: as given, or else as they
    are resolved."""
    found = {}
    for key, parameter in space.items():
        section, _, name = key.partition(".")
        for source in (spec, resolved):
            value = getattr(source, section).model_dump(mode="json")[name]
            if parameter.contains(value):
                found[key] = value
                break
        else:
            return None
    return found


def _default_space(prepared: PreparedData) -> dict[str, Parameter]:
    resolved, panel = prepared.spec, prepared.cleaned.panel
    model, training, window = resolved.model, resolved.training, resolved.window
    rate, size = float(training.learning_rate), int(model.hidden_size)
    dropouts = sorted({*DROPOUTS, model.dropout})
    lookback, patch = int(window.lookback), int(window.patch_length)
    longest = max(int(panel.lengths.max()) - window.horizon, lookback)
    lookbacks = sorted(
        {
            lookback,
            max(lookback // 2 // patch, 1) * patch,
            min(2 * lookback, longest // patch * patch),
        }
    )
    space: dict[str, Parameter] = {
        "training.learning_rate": Range(
            float(f"{rate / LEARNING_RATE_FACTOR:.3g}"),
            float(f"{rate * LEARNING_RATE_FACTOR:.3g}"),
            None,
            log=True,
            is_whole=False,
        ),
        "model.hidden_size": Choices(
            tuple(sorted({max(size // 4, 4), max(size // 2, 4), size, 2 * size}))
        ),
        "model.dropout": Choices(tuple(dropouts)),
        "window.lookback": Choices(tuple(lookbacks)),
    }
    if int(panel.observed_mask.sum()) >= MANY_VALUES:
        space["model.layers"] = Choices(tuple(sorted({1, 2, int(model.layers)})))
        decay = training.weight_decay
        space["training.weight_decay"] = Range(
            min(WEIGHT_DECAYS[0], decay or 1.0), max(WEIGHT_DECAYS[1], decay), None, log=True,
            is_whole=False,
        )  # fmt: skip
    return space
