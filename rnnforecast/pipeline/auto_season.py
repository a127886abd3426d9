"""The automatic season: the length in steps and the reason for it."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning.seasonality import MIN_PERIODS, Seasonality, detect_seasonality
from rnnforecast.data.cleaning.weekly_means import is_year, steps_per_week
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.example_series import format_duration
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.wording import join_words


def choose_season(panel: Panel, horizon: int) -> tuple[int, str]:
    """The season in steps, 1 for none, and the reason; the last `horizon` steps are not read."""
    steps = np.arange(len(panel.observed_mask)) - np.repeat(panel.offsets[:-1], panel.lengths)
    train_end = np.maximum(panel.lengths - horizon, panel.lengths // 2)  # [S]
    train_mask = steps < np.repeat(train_end, panel.lengths)
    found = detect_seasonality(
        panel.targets,
        panel.observed_mask & train_mask[:, None],
        panel.offsets,
        panel.frequency.season_lengths(),
    )
    length, frequency = found.length, panel.frequency
    share = f"{found.strength:.0%} of the variance around the trend"
    if is_year(length, frequency) and steps_per_week(frequency) > 1:
        length = frequency.season_lengths()[0]
        year = format_duration(frequency, found.length)
        reason = f"the usual patch; {year} are too many for one, and explain {share}"
    elif length > 1:
        reason = f"found in the data, explains {share}"
    elif found.candidate_strengths:
        tried = ", ".join(str(length) for length in found.candidate_strengths)
        reason = f"no season found (tried {tried})"
    else:
        reason = "no season found"
    return length, "; ".join([reason, *_describe_other_seasons(found, panel)])


LONGEST_UNTESTED_SEASON = 12
"""Steps of the longest season that statistical methods look for where none was found."""


def statistical_seasons(
    frequency: Frequency, season: int, *, is_given: bool = False
) -> tuple[int, ...]:
    """The seasons of statistical methods: the main one, and longer ones that it divides, such as
    the week beside the day; none without a season.

    They weigh seasons for each series by its errors, and so need no test: where none was found, and
    none was ruled out by the spec (`is_given`), it is the shortest usual one.
    """
    lengths = frequency.season_lengths()
    if season <= 1:
        usual = lengths[:1] if not is_given else ()
        return tuple(length for length in usual if 1 < length <= LONGEST_UNTESTED_SEASON)
    return season, *(length for length in lengths if length > season and length % season == 0)


def _describe_other_seasons(found: Seasonality, panel: Panel) -> list[str]:
    """A line for each season beside the first one, and one for those that cannot be seen."""
    lines = [
        f"{format_duration(panel.frequency, length)} as well, which explains "
        f"{found.candidate_strengths[length]:.0%} "
        # without common lines, the share is of the variance around the trend of longer cycles
        + ("more" if length % found.length == 0 else "around a slower trend")
        for length in found.significant[1:]
    ]
    if found.unknown:
        names = [format_duration(panel.frequency, length) for length in found.unknown]
        lines.append(
            f"{join_words(names)} cannot be seen in {int(panel.lengths.max()):,} steps, less than"
            f" {MIN_PERIODS} whole cycles"
        )
    return lines
