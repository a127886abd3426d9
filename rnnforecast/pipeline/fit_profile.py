"""The training profile of cleaned data.

S series, C targets, F covariates known ahead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import last_ordinals
from rnnforecast.pipeline.panel_statistics import (
    PeriodCounts,
    active_series,
    constant_share,
    covariate_windows,
    extremes,
    filled_share,
    last_hashes,
    last_period,
    median_change,
    median_level,
    median_plan_steps,
    row_lead,
    text_covariates,
    window_values,
)
from rnnforecast.pipeline.training_profile import (
    FEW_SERIES,
    MAX_ORDINAL,
    MAX_PERIODS,
    MAX_WIDTH,
    MIN_WIDTH,
    TrainingProfile,
)
from rnnforecast.spec.spec import Spec
from rnnforecast.types import Floats

MAX_BLOCKS = 64
"""Levels are taken at so many places of each series, evenly spaced."""
MAX_SEASONS = 20
"""Seasons in which empty periods are counted, and at most `MAX_PERIODS`."""
MIN_COVARIATE_BLOCKS, MAX_COVARIATE_BLOCKS = 4, 20
"""Horizons before the end in which covariates are looked at; of fewer nothing is known."""
USUAL = 0.9
"""The usual share is that of all but one in ten periods."""
NEVER_NEAR_ZERO = 0.1
"""A series is never near zero if its smallest value is more than this share of its level."""


def fit_profile(cleaned: CleanedData, spec: Spec, covariates: tuple[str, ...]) -> TrainingProfile:
    """The profile of the data of a training; `covariates` are the columns known ahead."""
    panel, season = cleaned.panel, int(spec.window.season)
    width = int(np.clip(season, MIN_WIDTH, MAX_WIDTH))
    labels = panel.labels()
    others = cleaned.changes.series["label"].to_numpy()
    left_out = others[~pd.Index(others).isin(labels)]  # np.isin compares objects one by one
    n_out = len(left_out)
    active = active_series(panel, width)
    periods = min(MAX_SEASONS * season, MAX_PERIODS)
    counts = PeriodCounts.of_panel(panel, active, max(periods, MAX_SEASONS * MIN_WIDTH))
    shares = _covariate_shares(cleaned, covariates, spec.window.horizon)
    level, low, high, spread_low, spread_high, total_range = _levels(panel, width)
    smallest, largest = extremes(panel)

    def padded(array: npt.NDArray[Any], fill: Any) -> npt.NDArray[Any]:
        rest = np.full((n_out, *array.shape[1:]), fill, dtype=array.dtype)
        return np.concatenate([array, rest])

    with np.errstate(invalid="ignore"):
        above_zero = smallest > NEVER_NEAR_ZERO * level
    return TrainingProfile(
        labels=np.concatenate([labels, left_out]).astype(object),
        end=padded(last_ordinals(panel), -MAX_ORDINAL),
        lead=row_lead(panel, cleaned.changes.series["end"].to_numpy()),
        plan_steps=median_plan_steps(panel),
        width=width,
        level=padded(level, np.nan),
        low=padded(low, np.nan),
        high=padded(high, np.nan),
        spread_low=padded(spread_low, np.nan),
        spread_high=padded(spread_high, np.nan),
        total_range=total_range,
        constant=padded(smallest == largest, False),
        above_zero=padded(above_zero, False),
        last_hash=padded(last_hashes(panel, panel.lengths), 0),
        empty_share=np.maximum(_usual_empty_share(counts, season), _late_share(cleaned, width)),
        observed_share=float(counts.observed_share(width).min()),
        covariate_share=shares[0],
        covariate_constant=shares[1],
    )


def _levels(panel: Panel, width: int) -> tuple[Floats, ...]:
    """Level at the end, lowest and highest level, smallest and largest spread [S, C] each, and the
    range of totals [2, C]."""
    stride = np.maximum(width, (panel.lengths - width) / (MAX_BLOCKS - 1))
    n_blocks = int(np.clip(np.ceil(panel.lengths.max() / width), 1, MAX_BLOCKS))
    found: list[list[Floats]] = [[] for _ in range(6)]
    for column in panel.targets.T:
        low = high = spread_low = spread_high = level = np.full(panel.n_series, np.nan)
        totals = []
        for block in range(n_blocks):
            ends = panel.lengths - np.round(block * stride).astype(np.int64)
            window = window_values(column, panel.offsets, ends, width)
            own, spread = median_level(window), median_change(window)
            level = own if block == 0 else level
            low, high = np.fmin(low, own), np.fmax(high, own)
            spread_low, spread_high = np.fmin(spread_low, spread), np.fmax(spread_high, spread)
            both = np.isfinite(own) & np.isfinite(level)
            before = level[both].sum()
            totals.append(own[both].sum() / before if before > 0 else np.nan)
        extremes = np.array([np.nanmin([1.0, *totals]), np.nanmax([1.0, *totals])])
        for part, array in zip(
            found, (level, low, high, spread_low, spread_high, extremes), strict=True
        ):
            part.append(array)
    return tuple(np.stack(part, axis=1) for part in found)


def _usual_empty_share(counts: PeriodCounts, season: int) -> Floats:
    """[P, C] the usual share of series that are zero or blank at each place of the season, or at
    all places where the data are too few."""
    shares = counts.empty_share()
    place = (counts.last - np.arange(len(shares))[::-1]) % season
    is_seasonal = 1 < season <= MAX_PERIODS and len(shares) >= 3 * season
    groups = [shares[place == each] for each in range(season)] if is_seasonal else [shares]
    level = 1.0 if counts.alive.max() < FEW_SERIES else USUAL
    usual = [np.quantile(group, level, axis=0, method="lower") for group in groups]
    # the last period of the training data is usual by definition
    if is_seasonal:
        usual[counts.last % season] = np.maximum(usual[counts.last % season], shares[-1])
    else:
        usual[0] = np.maximum(usual[0], shares[-1])
    return np.stack(usual)


def _late_share(cleaned: CleanedData, width: int) -> float:
    """The share of series without a value in the last period."""
    panel, everything = cleaned.panel, np.ones(cleaned.panel.n_series, dtype=np.bool_)
    last = last_period(panel, cleaned.changes.series, everything, width)
    return float(last.is_late[last.active].mean())


def _covariate_shares(
    cleaned: CleanedData, columns: tuple[str, ...], horizon: int
) -> tuple[Floats, Floats]:
    """[F] the share of values other than zero and blank over a horizon that is usually reached,
    and the share of series with a constant one that is usually not exceeded."""
    if not columns:
        return np.empty(0), np.empty(0)
    n_blocks = min(MAX_COVARIATE_BLOCKS, int(cleaned.panel.lengths.max()) // horizon)
    if n_blocks < MIN_COVARIATE_BLOCKS:
        return np.full(len(columns), np.nan), np.full(len(columns), np.nan)
    texts = text_covariates(cleaned)
    blocks = [
        covariate_windows(cleaned.panel, columns, texts, -block * horizon, horizon)
        for block in range(n_blocks)
    ]
    filled = np.stack([filled_share(block) for block in blocks])  # [blocks, F]
    constant = np.stack([constant_share(block) for block in blocks])
    return (
        np.quantile(filled, 1 - USUAL, axis=0, method="lower"),
        np.quantile(constant, USUAL, axis=0, method="higher"),
    )
