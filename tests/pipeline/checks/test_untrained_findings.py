"""Findings about forecasts without a training."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.pipeline.checks.untrained_findings import untrained_findings
from tests.data.panels import panel


@pytest.mark.parametrize(
    ("horizon", "words", "series", "limit"),
    [
        (61, "history of 2 of 3 series, the shortest with 22 steps", ("s0", "s2"), 32),
        (737, "beyond the 736 steps", (), 736),
    ],
)
def test_a_horizon_that_the_network_was_not_trained_for_is_found(
    horizon: int, words: str, series: tuple[str, ...], limit: int
) -> None:
    several = panel(np.ones(60), np.ones(61), np.ones(22))
    (found,) = untrained_findings(several, horizon)
    assert (found.code, found.count, found.threshold) == ("beyond_horizon", horizon, limit)
    assert words in found.message
    assert found.series == series


def test_few_steps_and_no_more_than_the_history_are_no_finding() -> None:
    assert list(untrained_findings(panel(np.ones(5)), 32)) == []
    assert list(untrained_findings(panel(np.ones(60)), 60)) == []
    (found,) = untrained_findings(panel(np.ones(60)), 61)
    assert "than the history of 60 steps" in found.message
