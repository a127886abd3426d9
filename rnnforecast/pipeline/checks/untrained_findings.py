"""Findings about forecasts without a training that the pretrained network was not trained for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.models.pretrained.context import MAX_HORIZON, SHORT_HORIZON
from rnnforecast.pipeline.checks.finding import Finding, first_labels


def untrained_findings(panel: Panel, steps: int) -> Iterator[Finding]:
    """What is doubtful about forecasts of `steps` without a training."""
    if steps > MAX_HORIZON:
        yield Finding(
            "beyond_horizon",
            f"horizon {steps:,} is beyond the {MAX_HORIZON} steps that the pretrained network was "
            "trained for: nothing says how good the later steps are",
            count=steps,
            threshold=MAX_HORIZON,
        )
        return
    short = np.flatnonzero(np.maximum(panel.lengths, SHORT_HORIZON) < steps)
    if not len(short):
        return
    shortest = int(panel.lengths[short].min())
    history = f"{shortest:,} steps"
    if panel.n_series > 1:
        history = f"{len(short):,} of {panel.n_series:,} series, the shortest with {history}"
    yield Finding(
        "beyond_horizon",
        f"horizon {steps:,} is longer than the history of {history}: the pretrained network was "
        "not trained for that, and nothing says how good the later steps are",
        count=steps,
        threshold=max(shortest, SHORT_HORIZON),
        series=first_labels(panel.labels()[short]),
    )
