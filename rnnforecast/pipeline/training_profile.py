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

from rnnforecast.data.cleaning_plan import CleaningPlan
from rnnforecast.data.time.frequency import DAY, parse_frequency
from rnnforecast.types import Bools, Floats, Ints

PREFIX = "profile."
"""Of the names of its arrays in `cleaning.safetensors`."""
MIN_WIDTH, MAX_WIDTH, MAX_PERIODS = 7, 48, 4000
"""Most steps of the windows of a level, and most periods of a season."""
FEW_SERIES = 20
"""With fewer series a share says little, and the largest ever is the usual one."""
MAX_ORDINAL = 2**53
MAX_DISTANCE = 1900 * 366 * DAY
"""Microseconds from 1970 to the earliest and the latest end that is plausible."""


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
            MIN_WIDTH <= self.width <= MAX_WIDTH
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
