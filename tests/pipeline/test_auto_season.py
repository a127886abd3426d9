from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.pipeline.auto_season import statistical_seasons
from tests.data.panels import panel


@pytest.mark.parametrize(
    ("frequency", "steps", "season", "seasons"),
    [
        ("h", 3 * 168, 24, (24, 168)),
        ("h", 3 * 168 - 1, 24, (24,)),
        ("30min", 1500, 48, (48, 336)),
        ("h", 1000, 168, (168,)),
        ("D", 2000, 7, (7,)),
        ("MS", 100, 12, (12,)),
        ("h", 1000, 1, ()),
    ],
)
def test_statistical_methods_know_the_week_beside_the_day(
    frequency: str, steps: int, season: int, seasons: tuple[int, ...]
) -> None:
    found = statistical_seasons(panel(np.ones(steps), [1.0], frequency=frequency), season)
    assert found == seasons
