"""The training profile: what the data of a training were like, which later data are compared with.

It is stored as arrays in `cleaning.safetensors`. S series, C targets, F covariates known ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.cleaning_plan import CleanedData, CleaningPlan
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import DAY, parse_frequency
from rnnforecast.pipeline.panel_statistics import (
    PeriodCounts,
    active_series,
    covariate_windows,
    hash_values,
    last_ordinals,
    last_period,
    median_change,
    median_level,
    window_values,
)
from rnnforecast.spec.spec import Spec
from rnnforecast.types import Bools, Floats, Ints

PREFIX = "profile."
"""Of the names of its arrays in `cleaning.safetensors`."""
MIN_WIDTH, MAX_WIDTH = 7, 48
"""Bounds of the steps that a level is the median of; it is a season between them."""
MAX_BLOCKS = 64
"""Levels are taken at so many places of each series, evenly spaced."""
HASHED_VALUES = 8
"""Last values by which a renamed series is recognized."""
MAX_SEASONS, MAX_PERIODS = 20, 4000
"""Seasons, and periods, in which empty periods are counted."""
MIN_COVARIATE_BLOCKS, MAX_COVARIATE_BLOCKS = 4, 20
"""Horizons before the end in which covariates are looked at; of fewer nothing is known."""
USUAL = 0.9
"""The usual share is that of all but one in ten periods."""
FEW_SERIES = 20
"""With fewer series a share says little, and the largest ever is the usual one."""
MAX_ORDINAL = 2**53
MAX_DISTANCE = 1900 * 366 * DAY
"""Microseconds from 1970 to the earliest and the latest end that is plausible."""
NEVER_NEAR_ZERO = 0.1
"""A series is never near zero if its smallest value is more than this share of its level."""


@dataclass(frozen=True)
class TrainingProfile:
    """Statistics of the data of a training, by series and in sum; in original units."""

    labels: npt.NDArray[Any]
    """[S] names of the series, those that were left out included."""
    end: Ints
    """[S] ordinal of the last step; -`MAX_ORDINAL` for a series that was left out."""
    lead: int
    """Periods by which the last row of a series lay after that of the median series."""
    plan_steps: int
    """Steps after the end of the median series that had rows of covariates known ahead."""
    width: int
    """Steps of the windows of a level."""
    level: Floats
    """[S, C] the level at the end: the median size of the last values other than zero."""
    low: Floats
    """[S, C] the lowest level in the history; NaN where there are too few values."""
    high: Floats
    """[S, C] the highest level."""
    spread_low: Floats
    """[S, C] the smallest spread: the median change from step to step."""
    spread_high: Floats
    """[S, C] the largest spread."""
    total_range: Floats
    """[2, C] the lowest and highest sum of all levels, as a factor of that at the end."""
    constant: Bools
    """[S, C] whether all values are the same."""
    above_zero: Bools
    """[S, C] whether the smallest value is far above zero."""
    last_hash: npt.NDArray[np.uint64]
    """[S] a hash of the last values; 0 where these say little."""
    empty_share: Floats
    """[P, C] the usual share of series that are zero or blank, by the ordinal modulo P."""
    observed_share: float
    """The share of the values of a window of `width` periods that is usually there."""
    covariate_share: Floats
    """[F] the usual share of values other than zero and blank over a horizon; NaN if unknown."""
    covariate_constant: Floats
    """[F] the usual share of series in which a covariate is constant over a horizon."""

    @property
    def data_end(self) -> int:
        """The ordinal of the latest step of the training data."""
        return int(self.end.max())

    @cached_property
    def _index(self) -> tuple[pd.Index, Ints]:
        """The different labels, and the place of the first series of each."""
        index = pd.Index(self.labels)
        first = np.flatnonzero(~index.duplicated())
        return index[first], first

    def positions(self, labels: npt.NDArray[Any]) -> Ints:
        """[len(labels)] the place of each label in the profile; -1 for a new series."""
        index, first = self._index
        found = index.get_indexer(pd.Index(labels))
        return np.where(found < 0, -1, first[found])

    def is_active(self) -> Bools:
        """[S] whether a series had not ended more than a window before the end of the data."""
        return np.asarray(self.end > self.data_end - self.width)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays that `from_arrays` reads; labels as bytes of UTF-8 and their lengths."""
        encoded = [str(label).encode() for label in self.labels]
        found: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        found["labels"] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        found["label_lengths"] = np.array([len(each) for each in encoded], dtype=np.int64)
        for name in SCALARS:
            found[name] = np.array([found[name]])
        return {f"{PREFIX}{name}": np.ascontiguousarray(array) for name, array in found.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> TrainingProfile:
        """The profile whose `arrays` these are; ValueError or KeyError for any others."""
        given = {name: arrays[f"{PREFIX}{name}"] for name in (*PROFILE_ARRAYS, "label_lengths")}
        labels = _read_labels(given["labels"], given.pop("label_lengths"))
        sizes = {"S": len(labels)}
        for name, (kinds, shape) in PROFILE_ARRAYS.items():
            if name != "labels":
                _check_array(name, given[name], kinds, shape, sizes)
        single = {name: given[name][0].item() for name in SCALARS}
        profile = cls(**{**given, "labels": labels, **single})
        profile._check_values()
        return profile

    def _check_values(self) -> None:
        is_plausible = (
            1 <= self.width <= MAX_WIDTH
            and 0 <= self.lead < MAX_ORDINAL
            and 0 <= self.plan_steps < MAX_ORDINAL
            and bool((np.abs(self.end) <= MAX_ORDINAL).all())
            and 0 <= self.observed_share <= 1
            and 1 <= len(self.empty_share) <= MAX_PERIODS
        )
        floats = ("level", "low", "high", "spread_low", "spread_high", "total_range")
        shares = ("empty_share", "covariate_share", "covariate_constant")
        for name in (*floats, *shares):
            array = getattr(self, name)
            highest = 1.0 if name in shares else np.finfo(np.float64).max
            is_plausible &= bool((np.isnan(array) | ((array >= 0) & (array <= highest))).all())
        if not is_plausible:
            raise ValueError("profile: values that no training leaves")

    def fits(self, plan: CleaningPlan) -> bool:
        """Whether it can be that of a run with this plan."""
        frequency = parse_frequency(str(plan.clean.frequency))
        first, last = int(self.end[self.end > -MAX_ORDINAL].min()), self.data_end
        if frequency.kind != "integer":
            length = frequency.approximate_length()
            first, last = first * length, last * length  # microseconds since 1970
        return (
            self.level.shape[1] == len(plan.read_options.data.targets)
            and len(self.covariate_share) == len(plan.features.future_columns)
            and len(self.empty_share) in (1, plan.season)
            and (frequency.kind == "integer" or -MAX_DISTANCE < first <= last < MAX_DISTANCE)
        )


PROFILE_ARRAYS: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "labels": ("u", ("bytes",)),
    "end": ("i", ("S",)),
    "lead": ("i", (1,)),
    "plan_steps": ("i", (1,)),
    "width": ("i", (1,)),
    **dict.fromkeys(("level", "low", "high", "spread_low", "spread_high"), ("f", ("S", "C"))),
    "total_range": ("f", (2, "C")),
    "constant": ("b", ("S", "C")),
    "above_zero": ("b", ("S", "C")),
    "last_hash": ("u", ("S",)),
    "empty_share": ("f", ("P", "C")),
    "observed_share": ("f", (1,)),
    "covariate_share": ("f", ("F",)),
    "covariate_constant": ("f", ("F",)),
}
"""The kind and the shape of each stored array."""
SCALARS = tuple(name for name, (_, shape) in PROFILE_ARRAYS.items() if shape == (1,))


def _read_labels(data: npt.NDArray[Any], lengths: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if data.dtype != np.uint8 or data.ndim != 1 or lengths.dtype != np.int64 or lengths.ndim != 1:
        raise ValueError("profile: labels of another kind")
    if not len(lengths) or (lengths < 0).any() or (lengths > len(data)).any():
        raise ValueError("profile: no labels, or lengths beyond them")
    ends = np.cumsum(lengths)
    if ends[-1] != len(data):
        raise ValueError("profile: labels of another length")
    content = data.tobytes()
    found = np.empty(len(lengths), dtype=object)
    found[:] = [content[end - size : end].decode() for end, size in zip(ends, lengths, strict=True)]
    return found


def _check_array(
    name: str,
    array: npt.NDArray[Any],
    kinds: str,
    shape: tuple[str | int, ...],
    sizes: dict[str, int],
) -> None:
    """ValueError for another shape or kind; `sizes` are those known so far, by letter."""
    if array.ndim != len(shape) or array.dtype.kind != kinds or array.dtype.itemsize not in (1, 8):
        raise ValueError(f"profile: {name} is of another kind")
    for size, letter in zip(array.shape, shape, strict=True):
        expected = letter if isinstance(letter, int) else sizes.setdefault(letter, size)
        if size != expected:
            raise ValueError(f"profile: {name} has another shape")


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
    smallest, largest = _extremes(panel)

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


def last_hashes(panel: Panel, ends: Ints) -> npt.NDArray[np.uint64]:
    """[S] hashes of the values of all targets at the last steps before `ends` [S]."""
    windows = [
        window_values(column, panel.offsets, np.minimum(ends, panel.lengths), HASHED_VALUES)
        for column in panel.targets.T
    ]
    found: npt.NDArray[np.uint64] = hash_values(np.concatenate(windows, axis=1))
    return np.where(ends <= panel.lengths, found, 0).astype(np.uint64)


def row_lead(panel: Panel, ends: npt.NDArray[Any]) -> int:
    """Periods from the last row of the median series to the latest of all; `ends` [series of the
    table] are the timestamps of the last rows."""
    return int(row_leads(panel, ends).max(initial=0))


def row_leads(panel: Panel, ends: npt.NDArray[Any]) -> Ints:
    """[series of the table] periods by which the last row of each lies after that of the median
    series, or before it."""
    ordinals = panel.frequency.ordinals(ends)
    median = np.sort(ordinals)[(len(ordinals) - 1) // 2]
    return np.asarray(ordinals - median)


def median_plan_steps(panel: Panel) -> int:
    """Steps after the end of the median series that have rows of covariates known ahead."""
    steps = panel.future_steps
    return 0 if steps is None else int(np.sort(steps)[(len(steps) - 1) // 2])


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


def _extremes(panel: Panel) -> tuple[Floats, Floats]:
    """[S, C] the smallest and the largest value; NaN without any."""
    at = panel.offsets[:-1]
    return np.fmin.reduceat(panel.targets, at), np.fmax.reduceat(panel.targets, at)


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
    last = last_period(panel, cleaned.changes, everything, width)
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
    blocks = [
        covariate_windows(cleaned, columns, -block * horizon, horizon) for block in range(n_blocks)
    ]
    filled = np.stack([filled_share(block) for block in blocks])  # [blocks, F]
    constant = np.stack([constant_share(block) for block in blocks])
    return (
        np.quantile(filled, 1 - USUAL, axis=0, method="lower"),
        np.quantile(constant, USUAL, axis=0, method="higher"),
    )


def filled_share(windows: Floats) -> Floats:
    """[F] the share of the values of [F, S, H] other than zero and blank."""
    return np.asarray((~np.isnan(windows) & (windows != 0)).mean(axis=(1, 2)))


def constant_share(windows: Floats) -> Floats:
    """[F] the share of the series of [F, S, H] with one and the same value, or none."""
    first = windows[:, :, :1]
    return np.asarray(((windows == first) | np.isnan(windows)).all(axis=2).mean(axis=1))
