"""Split of each series by time into training, validation and test part.

                    train_end           test_origin
    |---- training ----|---- validation ----|---- test: H ----|

The test part is the last horizon. The validation part before it has at least one horizon; with few
long series it has several origins, so that early stopping does not depend on a few windows. A
series too short for a test part is used in the final fit only, since its values lie in the test
period of the other series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Ints

TARGET_VALIDATION_WINDOWS = 512
"""The number of validation origins is chosen for about this many windows in all, if the series are
long enough."""

MAX_VALIDATION_SHARE = 0.15
"""The largest share of a series of median length for validation, unless one horizon is more."""


@dataclass(frozen=True)
class Split:
    """The first step of each part of each series, counted from the start of the series; arrays are
    `[S]`."""

    train_end: Ints
    """Training uses targets before this step; 0 for a series too short for a test part."""
    has_validation: Bools
    """Whether the series has a validation part: steps `train_end` to `test_origin` - 1."""
    test_origin: Ints
    """First step of the test part; -1 for a series too short to have one."""
    origins_per_series: int
    """Validation origins of each series with a validation part."""
    stride: int
    """Steps between two validation origins."""

    def scored_series(self, max_series: int) -> Ints:
        """`[S']` increasing indices of the series whose test part is scored: all that have one, or
        `max_series` of them, one at a random place in each of as many equal parts.

        Every k-th of sorted ids could be the same article of each shop.
        """
        scored = np.flatnonzero(self.test_origin >= 0)
        if len(scored) <= max_series:
            return scored
        place = np.arange(max_series) + np.random.default_rng(0).random(max_series)
        return scored[(place * len(scored) / max_series).astype(np.int64)]


def min_history(horizon: int, season: int) -> int:
    """The fewest steps of history of a window: a season or the horizon, whichever is shorter, but
    at least 2."""
    return max(2, min(season, horizon))


def min_series_length(horizon: int, season: int) -> int:
    """The fewest steps of a series with a test part: some history and a horizon."""
    return horizon + min_history(horizon, season)


def shorter_horizon_hint(horizon: int, longest_series: int, season: int) -> str:
    """The cure for a `horizon` that is too long for the longest series."""
    # with a validation part
    possible = (h for h in range(1, horizon) if longest_series - 2 * h > min_history(h, season))
    longest = max(possible, default=0)
    cure = f"set window.horizon to {longest} or less, or " if longest else ""
    return f"{cure}bring more history"


def split_series(lengths: Ints, *, horizon: int, season: int, channels: int) -> Split:
    """The split of series of `lengths [S]`. DataError if none is long enough for a test part."""
    history = min_history(horizon, season)
    test_origin = np.where(lengths - horizon >= history, lengths - horizon, -1)
    if not (test_origin >= 0).any():
        longest = int(lengths.max())
        raise DataError(
            Problem(
                f"window.horizon: {horizon}",
                f"no series is long enough: a horizon of {horizon} needs at least "
                f"{min_series_length(horizon, season)} steps, the longest series has {longest}",
                shorter_horizon_hint(horizon, longest, season),
            )
        )
    stride = max(1, horizon // 4)
    n_origins = -(-TARGET_VALIDATION_WINDOWS // (len(lengths) * channels))
    room = MAX_VALIDATION_SHARE * float(np.median(lengths)) - horizon
    n_origins = int(np.clip(min(n_origins, room // stride + 1), 1, None))
    span = horizon + (n_origins - 1) * stride
    # more than the history of a window, so that training has at least one target
    has_validation = test_origin - span > history
    train_end = np.where(has_validation, test_origin - span, np.maximum(test_origin, 0))
    return Split(
        train_end.astype(np.int64), has_validation, test_origin.astype(np.int64), n_origins, stride
    )
