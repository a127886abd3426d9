from __future__ import annotations

import pytest

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.pipeline.auto_season import statistical_seasons


@pytest.mark.parametrize(
    ("frequency", "season", "seasons"),
    [
        ("h", 24, (24, 168)),
        ("30min", 48, (48, 336)),
        ("h", 168, (168,)),
        ("D", 7, (7,)),
        ("MS", 12, (12,)),
        ("h", 1, ()),
    ],
)
def test_statistical_methods_know_the_week_beside_the_day(
    frequency: str, season: int, seasons: tuple[int, ...]
) -> None:
    assert statistical_seasons(parse_frequency(frequency), season) == seasons
