"""The last steps of each series of a panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.data.panel.panel import Panel


def keep_last(panel: Panel, count: int) -> Panel:
    """The panel with the last `count` steps of each series."""
    dropped = np.maximum(panel.lengths - count, 0)  # [S]
    if not dropped.any():
        return panel
    rows = ~panel.mask_before(dropped)  # [N]
    lengths = panel.lengths - dropped
    offsets = np.r_[0, np.cumsum(lengths)]
    available_after, covariates = panel.available_after, panel.covariates
    if available_after is not None:  # row numbers move
        moved = np.repeat(offsets[:-1] - panel.offsets[:-1] - dropped, lengths)
        available_after = available_after[rows] + moved[:, None]
    if covariates is not None:
        wide = np.diff(panel.wide_offsets)
        step = np.arange(len(covariates)) - np.repeat(panel.wide_offsets[:-1], wide)
        covariates = covariates[step >= np.repeat(dropped, wide)]
    return replace(
        panel,
        offsets=offsets,
        start=panel.start + dropped,
        targets=panel.targets[rows],
        observed_mask=panel.observed_mask[rows],
        irregular_timestamps=None
        if panel.irregular_timestamps is None
        else panel.irregular_timestamps[rows],
        available_after=available_after,
        covariates=covariates,
    )
