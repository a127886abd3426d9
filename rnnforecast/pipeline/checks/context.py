"""What checks look at: the run, the data of a forecast, and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.io.series_sample import SampledSeries
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import last_ordinals
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.pipeline.checks.moments import panel_time, period_length, period_of
from rnnforecast.pipeline.panel_statistics import row_leads, text_covariates
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.training_profile import TrainingProfile
from rnnforecast.types import Bools, Ints

HISTORIC_HORIZONS = 10
"""Data that ended so many horizons before the training are historic: they do not age."""
MIN_FAR_PERIODS = 8
"""A row fewer periods after all others is not far."""


@dataclass(frozen=True)
class PreviousForecast:
    """The forecast that is to be replaced."""

    data_sha256: str
    """See `pipeline.prepare.hash_data`."""
    data_since: datetime
    """When a forecast was first made from the same data."""


@dataclass(frozen=True)
class CheckedData:
    """What checks look at in the data of a forecast, or in a sample of its series."""

    panel: Panel
    series: pd.DataFrame
    """[S of the files] label, end (the timestamp of the last row) and trailing, as in
    `CleaningChanges.series`."""
    text_columns: tuple[str, ...] = ()
    """Covariates that are categories."""
    found: Bools | None = None
    """[series of the profile] whether a series is in the files, where `series` are a sample."""
    expected: Bools | None = None
    """[S] `CheckContext.is_expected`, where the panel has labels instead of ids."""
    sampled: SampledSeries | None = None
    """Which series were read, as for a training; None for all."""

    @classmethod
    def of_cleaned(cls, cleaned: CleanedData) -> CheckedData:
        """That of all series."""
        series = cleaned.changes.series[["label", "end", "trailing"]]
        return cls(cleaned.panel, series, text_covariates(cleaned), sampled=cleaned.table.sampled)


@dataclass(frozen=True)
class CheckContext:
    """A forecast that is to be made."""

    run: Run
    data: CheckedData
    horizon: int
    now: datetime
    """With a time zone."""
    data_sha256: str = ""
    previous: PreviousForecast | None = None

    @property
    def panel(self) -> Panel:
        """The data of the forecast."""
        return self.data.panel

    @property
    def profile(self) -> TrainingProfile:
        """What the data of the training were like."""
        return self.run.profile

    @cached_property
    def labels(self) -> npt.NDArray[Any]:
        """[S] labels of the series."""
        return self.panel.labels()

    @cached_property
    def position(self) -> Ints:
        """[S] the place of each series in the profile, -1 for a new one."""
        return self.profile.positions(self.labels)

    @property
    def is_known(self) -> Bools:
        """[S] whether a series was in the training data."""
        return np.asarray(self.position >= 0)

    @cached_property
    def is_expected(self) -> Bools:
        """[S] whether a series would be known if the data had it at the training: with a sample of
        the series, those of it."""
        if self.data.expected is not None:
            return self.data.expected
        return self.run.reads_in_training(self.panel.keys)

    @property
    def has_whole_sample(self) -> bool:
        """Whether the data would have all series of the training that there still are."""
        own, read = self.run.sampled, self.data.sampled
        return read is None or (
            own is not None and own.seed == read.seed and own.share <= read.share
        )

    @cached_property
    def ends(self) -> Ints:
        """[S] ordinals of the last steps."""
        return last_ordinals(self.panel)

    @cached_property
    def row_leads(self) -> Ints:
        """[series of the files] see `row_leads`."""
        return row_leads(self.panel, self.data.series["end"].to_numpy())

    @property
    def far_limit(self) -> int:
        """Periods after all others beyond which a row is far."""
        season = int(self.run.spec.window.season)
        usual = max(self.run.horizon, season, MIN_FAR_PERIODS)
        return self.profile.lead + usual

    @cached_property
    def is_far(self) -> Bools:
        """[S] whether a series has a row far after all others."""
        all_labels = self.data.series["label"].to_numpy()
        far = all_labels[self.row_leads > self.far_limit]
        return np.asarray(pd.Index(self.labels).isin(far))

    @cached_property
    def latest_series(self) -> int:
        """The series that ends last, of those without a far row."""
        usable = ~self.is_far if not self.is_far.all() else self.is_far
        return int(np.argmax(np.where(usable, self.ends, self.ends.min() - 1)))

    @property
    def latest(self) -> int:
        """The ordinal of the latest step."""
        return int(self.ends[self.latest_series])

    @cached_property
    def now_period(self) -> int | None:
        """The ordinal of the period in which now lies; None if steps are counted."""
        return self._period_of(self.now)

    @cached_property
    def trained_period(self) -> int | None:
        """The ordinal of the period in which the run was trained; None if steps are counted."""
        return self._period_of(self.run.trained_at)

    def _period_of(self, moment: datetime) -> int | None:
        time = panel_time(moment, self.panel, self.run.plan.read_options.data.timezone)
        return None if time is None else period_of(self.panel, time, self.latest_series)

    @property
    def period(self) -> timedelta | None:
        """About the length of a period; None if steps are counted."""
        return period_length(self.panel)

    @property
    def age_at_training(self) -> int | None:
        """Complete periods from the end of the training data to the training."""
        if self.trained_period is None:
            return None
        return max(self.trained_period - 1 - self.profile.data_end, 0)

    @property
    def is_historic(self) -> bool:
        """Whether the data were old when the run was trained, so that they need not be fresh."""
        age = self.age_at_training
        return age is not None and age > HISTORIC_HORIZONS * self.run.horizon

    def format_ordinal(self, ordinal: int) -> str:
        """The timestamp of a step of the series that ends last."""
        steps = self.panel.lengths - 1 + ordinal - self.latest
        time = self.panel.window_timestamps(steps, 1)[self.latest_series, 0]
        return format_timestamp(time, self.panel.display_timezone)


@dataclass(frozen=True)
class Measured:
    """What a check found."""

    value: float
    """In the unit of the limit."""
    message: str
    count: int | None = None
    series: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """One check; its key in the section `checks` of the spec is its code."""

    key: str
    measure: Callable[[CheckContext, float], Measured | None]
    """What it finds, given the lower of the limits; None if there is nothing to compare."""
    unit: str
    cure: str
    """What to look at; a clause without a full stop."""
    auto: Callable[[CheckContext, Literal["warn", "error"]], float | None] | None = None
    """The automatic limits; None for no limit."""
