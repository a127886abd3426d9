"""Series that are in several partitions of a dataset, found by hashes of their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rnnforecast.data.io.partitions import Partition
from rnnforecast.data.io.series_hash import Hashes
from rnnforecast.errors import DataError, Problem

MAX_PROBLEMS = 20
"""Pairs of partitions that a message names."""


class DistinctSeries:
    """The hashes of the labels of all partitions that were added: 8 bytes a series.

    They are kept in sorted arrays of growing size, so that each hash is moved a few times only.
    """

    def __init__(self) -> None:
        self._sorted: list[Hashes] = []

    def add(self, hashes: Hashes) -> Hashes:
        """Adds the hashes [S] of a partition; returns those that another one has too."""
        new = np.sort(hashes)
        found = [new[_is_in(new, own)] for own in self._sorted]
        self._sorted.append(new)
        while len(self._sorted) > 1 and len(self._sorted[-2]) <= 2 * len(self._sorted[-1]):
            merged = np.concatenate([self._sorted.pop(), self._sorted.pop()])
            merged.sort(kind="stable")  # both halves are sorted
            self._sorted.append(merged)
        return np.unique(np.concatenate(found)) if found else new[:0]


def repeated_series_error(
    repeated: Hashes,
    partitions: Sequence[Partition],
    hashes_of: Callable[[Partition], Hashes],
    labels_of: Callable[[Partition, Hashes], dict[int, str]],
) -> DataError | None:
    """The error that names the partitions of each repeated series; None where hashes are the same
    by chance, and labels differ.

    Args:
        repeated: hashes that several partitions have.
        hashes_of: the hashes of a partition.
        labels_of: the labels of the series of a partition with these hashes.
    """
    places: dict[str, list[str]] = {}
    for partition in partitions:
        own = np.intersect1d(hashes_of(partition), repeated)
        for label in labels_of(partition, own).values() if len(own) else ():
            places.setdefault(label, []).append(partition.name)
    several = {label: names for label, names in places.items() if len(names) > 1}
    if not several:
        return None
    problems = [
        Problem(" and ".join(names[:3]), f"both have rows of the series '{label}'")
        for label, names in list(several.items())[:MAX_PROBLEMS]
    ]
    cure = "write each series into one partition, or leave out --partitions"
    problems[0] = Problem(problems[0].where, problems[0].found, cure)
    if (more := len(several) - len(problems)) > 0:
        problems.append(Problem("", f"… and {more:,} more series"))
    return DataError(*problems)


def _is_in(values: Hashes, own: Hashes) -> npt.NDArray[np.bool_]:
    """[S] whether each value is in the sorted array."""
    place = np.minimum(np.searchsorted(own, values), max(len(own) - 1, 0))
    return own[place] == values if len(own) else np.zeros(len(values), dtype=np.bool_)
