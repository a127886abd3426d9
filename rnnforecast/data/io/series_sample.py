"""A sample of the series of a table: those whose hash is below a share of all hashes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnnforecast.data.io.series_hash import HASH_RANGE, Hashes, hash_keys
from rnnforecast.types import Bools


@dataclass(frozen=True)
class SeriesSample:
    """A part of the series, chosen by their ids alone: neither files nor the order of rows matter,
    and the series of a smaller share are among those of a larger one."""

    share: float
    """The share of all series, above 0 and below 1."""
    seed: int

    def select(self, hashes: Hashes) -> Bools:
        """`[n]` whether a series with this hash is in the sample."""
        return np.asarray(hashes < np.uint64(self.share * HASH_RANGE))

    def contains(self, keys: pd.DataFrame) -> Bools:
        """`[S]` whether each series is in the sample; see `hash_keys`."""
        return self.select(hash_keys(keys, self.seed))


@dataclass(frozen=True)
class SampledSeries:
    """What was sampled: stored with a run, so that a later forecast knows which series to expect.

    A seed, a share and the counts that messages tell.
    """

    share: float
    seed: int
    memory_budget: str
    """As the spec has it."""
    series: int
    """In the sample."""

    @property
    def sample(self) -> SeriesSample:
        """The rule that decides which series are in the sample."""
        return SeriesSample(self.share, self.seed)

    @property
    def of_series(self) -> int:
        """About as many series as there are in all, to three digits."""
        count = max(round(self.series / self.share), self.series)
        return int(float(f"{count:.3g}"))

    def describe_size(self) -> str:
        """A clause such as ``120,000 of about 10,000,000 series``."""
        return f"{self.series:,} of about {self.of_series:,} series"

    def describe(self) -> str:
        """`describe_size` with the reason."""
        return f"{self.describe_size()} (training.memory_budget {self.memory_budget})"
