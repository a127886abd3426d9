"""Checks of the set of series: gone, new, renamed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnforecast.pipeline.checks.context import Check, CheckContext, Measured
from rnnforecast.pipeline.checks.finding import first_labels
from rnnforecast.pipeline.panel_statistics import last_hashes
from rnnforecast.types import Bools

MAX_ENDS = 8
"""Different ends of vanished series at which new ones are compared, the most common first."""


def _vanished(context: CheckContext) -> Bools:
    """[series of the profile] whether a series that was active in the training is gone; one that
    is in the files, but cannot be read, is not."""
    is_there = context.data.found
    if is_there is None:
        there = context.data.series["label"].to_numpy()
        is_there = pd.Index(context.profile.labels).isin(there)
    return np.logical_and(context.profile.is_active(), ~is_there)


def _vanished_series(context: CheckContext, limit: float) -> Measured | None:
    if not context.has_whole_sample:
        return None
    active, gone = context.profile.is_active(), _vanished(context)
    n_active, n_gone = int(active.sum()), int(gone.sum())
    labels = first_labels(context.profile.labels[gone])
    message = f"{n_gone:,} of {n_active:,} series of the training are gone"
    if labels:
        message += f", such as {labels[0]}"
    return Measured(n_gone / max(n_active, 1), message, n_gone, labels)


def _new_series(context: CheckContext, limit: float) -> Measured | None:
    n_expected = int(context.is_expected.sum())
    if not n_expected:
        return None
    is_new = ~context.is_known & context.is_expected
    labels = first_labels(context.labels[is_new])
    message = f"{is_new.sum():,} of {n_expected:,} series were not in the training data"
    if labels:
        message += f", such as {labels[0]}"
    return Measured(is_new.sum() / n_expected, message, int(is_new.sum()), labels)


def _renamed_series(context: CheckContext, limit: float) -> Measured | None:
    """New series whose values up to the end of a vanished one are those of that one."""
    if not context.has_whole_sample:
        return None
    profile, gone = context.profile, np.flatnonzero(_vanished(context))
    gone = gone[profile.last_hash[gone] != 0]
    new = np.flatnonzero(~context.is_known)
    if not len(gone) or not len(new):
        return None
    ends, counts = np.unique(profile.end[gone], return_counts=True)
    pairs: dict[int, int] = {}  # of a new series and a vanished one
    for end in ends[np.argsort(-counts, kind="stable")][:MAX_ENDS]:
        own = gone[profile.end[gone] == end]
        lengths = context.panel.lengths - (context.ends - end)
        found = last_hashes(context.panel, np.maximum(lengths, 0))[new]
        order = np.argsort(profile.last_hash[own], kind="stable")
        hashes = profile.last_hash[own][order]
        place = np.minimum(np.searchsorted(hashes, found), len(hashes) - 1)
        same = (found != 0) & (hashes[place] == found)
        pairs |= dict(zip(new[same].tolist(), own[order][place[same]].tolist(), strict=True))
    if not pairs:
        return Measured(0, "no series was renamed", 0)
    first, before = next(iter(pairs.items()))
    message = (
        f"{len(pairs):,} series have another name than in the training, such as "
        f"{context.labels[first]}, which was {profile.labels[before]}"
    )
    return Measured(len(pairs), message, len(pairs), first_labels(context.labels[list(pairs)]))


SERIES_CHECKS = (
    Check(
        "vanished_series",
        _vanished_series,
        "share of series",
        "see whether the delivery is complete; if these have ended, train again",
    ),
    Check(
        "new_series",
        _new_series,
        "share of series",
        "see whether series were renamed; if they are new, train again",
    ),
    Check(
        "renamed_series",
        _renamed_series,
        "series",
        "rename them back, or train again",
    ),
)
