"""Requested quantile levels, and the levels that are computed for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rnnforecast.registry import LOSSES
from rnnforecast.types import Floats

MEDIAN = 0.5

MEAN_LEVELS = tuple((k + 0.5) / 21 for k in range(21))
"""Midpoints of 21 equally likely intervals; the mean of their quantiles is the mean forecast."""

INTERMITTENT_LEVELS = (0.05, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.95, 0.99)
"""Further levels for counts with many zeros: a few quantiles, most of them zero, say too little of
their mean, and so of totals."""


@dataclass(frozen=True)
class QuantileLevels:
    """Requested levels, and the computed ones: ascending, and including the requested and 0.5."""

    requested: tuple[float, ...]
    computed: tuple[float, ...]
    has_mean: bool = False
    """Whether the point forecast is a mean, for which `MEAN_LEVELS` are computed."""

    @classmethod
    def with_median(cls, requested: Iterable[float]) -> QuantileLevels:
        """Computes the requested levels and the median."""
        requested = tuple(requested)
        return cls(requested, tuple(sorted({*requested, MEDIAN})))

    @classmethod
    def for_loss(
        cls, requested: Iterable[float], loss: str, trained: Iterable[float] = ()
    ) -> QuantileLevels:
        """As `with_median`, and also computes `MEAN_LEVELS` if the loss forecasts a mean, or the
        `trained` levels of a network if its loss has fixed ones."""
        levels = cls.with_median(requested)
        if "fixed_levels" in LOSSES.traits(loss):
            return levels.with_more(trained)
        if "mean" not in LOSSES.traits(loss):
            return levels
        computed = tuple(sorted({*levels.computed, *MEAN_LEVELS}))
        return cls(levels.requested, computed, has_mean=True)

    def with_more(self, levels: Iterable[float]) -> QuantileLevels:
        """These levels, and others that are computed but not requested."""
        return replace(self, computed=tuple(sorted({*self.computed, *levels})))

    @property
    def median_index(self) -> int:
        """The index of the median among the computed levels."""
        return self.computed.index(MEDIAN)

    @property
    def requested_indices(self) -> list[int]:
        """The indices of the requested levels among the computed ones."""
        return self._indices(self.requested)

    @property
    def point_indices(self) -> list[int]:
        """The indices of the levels whose mean is the point forecast: `MEAN_LEVELS`, or 0.5."""
        return self._indices(MEAN_LEVELS) if self.has_mean else [self.median_index]

    @property
    def auxiliary_indices(self) -> list[int]:
        """The indices of the levels that were added for the mean alone."""
        added = set(self.computed) - {*self.requested, MEDIAN}
        return self._indices(sorted(added))

    def select(self, values: Floats) -> Floats:
        """The requested quantiles among the computed ones, along the last axis."""
        return values[..., self.requested_indices]

    def _indices(self, levels: Iterable[float]) -> list[int]:
        return [self.computed.index(level) for level in levels]
