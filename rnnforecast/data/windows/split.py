"""Cuts each series by time into training, validation and test part.

                    train_end           test_origin
    |---- training ----|---- validation ----|---- test: H ----|

The test part is the last horizon. The validation part lies before it and holds at least one
horizon; with few, long series it is wider and holds several origins, so that early stopping does
not hang on one window. A series too short for a test part waits for the last fit, which learns
from everything: what happened at the same time must not be learnt from a neighbour either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Ints

TARGET_VALIDATION_WINDOWS = 512
"""Validation origins are added, where series are long enough, up to about so many windows."""

MAX_VALIDATION_SHARE = 0.15
"""Unless one horizon needs more, at most this share of a series is set aside for validation."""


@dataclass(frozen=True)
class Split:
    """Where the parts of each series begin, in steps from its start; all `[S]`."""

    train_end: Ints
    """Targets before this step are trained on; 0 where the series is too short to take part."""
    has_validation: NDArray[np.bool_]
    """Whether the series has a validation part: `train_end .. test_origin`."""
    test_origin: Ints
    """First step of the test part; -1 where the series is too short to have one."""
    origins_per_series: int
    """Validation origins in each validated series."""
    stride: int
    """Steps between two validation origins."""


def min_history(horizon: int, season: int) -> int:
    """Steps of history a window needs at least: a season if that is no longer than the horizon."""
    return max(2, min(season, horizon))


def min_series_length(horizon: int, season: int) -> int:
    """Steps a series needs at least to be tested: some history and a horizon."""
    return horizon + min_history(horizon, season)


def shorter_horizon_hint(horizon: int, longest_series: int, season: int) -> str:
    """How to mend that `horizon` is too long for the longest series: in words."""
    # long enough to be validated
    fitting = (h for h in range(1, horizon) if longest_series - 2 * h > min_history(h, season))
    possible = max(fitting, default=0)
    less = f"set window.horizon to {possible} or less, or " if possible else ""
    return f"{less}bring more history"


def split_series(lengths: Ints, *, horizon: int, season: int, channels: int) -> Split:
    """Cuts series of `lengths [S]`. DataError if none is long enough to be tested."""
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
    wanted = -(-TARGET_VALIDATION_WINDOWS // (len(lengths) * channels))
    room = MAX_VALIDATION_SHARE * float(np.median(lengths)) - horizon
    origins_each = int(np.clip(min(wanted, room // stride + 1), 1, None))
    span = horizon + (origins_each - 1) * stride
    # more than the history a window needs: something must be left to train on
    validated = test_origin - span > history
    train_end = np.where(validated, test_origin - span, np.maximum(test_origin, 0))
    return Split(
        train_end.astype(np.int64), validated, test_origin.astype(np.int64), origins_each, stride
    )
