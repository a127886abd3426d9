"""A run in memory: networks, cleaning plan, and how their quantiles become a forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning_plan import CleaningPlan
from rnnforecast.data.io.series_sample import SampledSeries
from rnnforecast.errors import Problem, UsageError
from rnnforecast.evaluation.ensembling import ForecastCombiner
from rnnforecast.evaluation.network_weight import NetworkWeight
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.pipeline.calibration import NO_CALIBRATION, Calibration
from rnnforecast.pipeline.forecasting import Member, Postprocessing, computed_levels
from rnnforecast.pipeline.training_profile import TrainingProfile
from rnnforecast.registry import LOSSES
from rnnforecast.spec.spec import Spec
from rnnforecast.types import Bools


@dataclass(frozen=True)
class Run:
    """A run, as `predict` reads it: trained, or without networks of its own."""

    plan: CleaningPlan
    members: tuple[Member, ...]
    """The networks; none of a run that was not trained, see `pipeline.untrained_run`."""
    combiner: ForecastCombiner
    network_weight: NetworkWeight
    """The weight of the networks beside the statistical forecast."""
    statistical_seasons: tuple[int, ...]
    """See `pipeline.auto_season`."""
    error_correlation: np.ndarray
    """`[H, H]` between the errors of the steps, see `evaluation.sample_paths`."""
    smoothed_items: tuple[str, ...]
    """See `Postprocessing`."""
    quantiles: tuple[float, ...]
    source: tuple[str, ...]
    """Absolute paths of the files it was trained on."""
    totals: tuple[int, ...]
    """See `forecast.totals`."""
    n_paths: int
    """See `forecast.sample_paths`."""
    n_plots: int
    plotted_series: tuple[str, ...]
    """Labels of the series that `train` plotted."""
    calibration: Calibration
    """Of the intervals, by `train`."""
    trained_until: np.datetime64 | np.int64
    """The latest timestamp whose values the networks were trained on, in the time of the panel."""
    metadata: Mapping[str, Any]
    """Versions, seed, device, hashes of spec and data, and the time of writing."""
    spec: Spec
    """The spec without ``auto``, but for limits of checks that depend on the time of day."""
    profile: TrainingProfile
    """What the training data were like."""
    sampled: SampledSeries | None = None
    """Of which series the training data are a sample; None for all."""
    refreshed: Calibration = NO_CALIBRATION
    """The calibration by `calibrate`, which takes the place of that by `train`."""

    @property
    def trained_at(self) -> datetime:
        """When the run was written."""
        return datetime.fromisoformat(self.metadata["trained_at"])

    def reads_in_training(self, keys: pd.DataFrame) -> Bools:
        """`[S]` whether the training reads a series with these ids: with a sample not all do."""
        if self.sampled is None:
            return np.ones(len(keys), dtype=np.bool_)
        return self.sampled.sample.contains(keys)

    @property
    def is_trained(self) -> bool:
        """Whether it has networks that were trained on its data."""
        return bool(self.members)

    @property
    def config(self) -> ForecasterConfig:
        """The configuration of the first network; all have its horizon, season and channels."""
        return self.members[0].net.config

    @property
    def horizon(self) -> int:
        """Steps ahead that it was made for."""
        return self.spec.window.horizon

    @property
    def season(self) -> int:
        """In steps; 1 without a season."""
        return int(self.spec.window.season)

    @property
    def point_is_mean(self) -> bool:
        """Whether point forecasts are means, which add up; else they are medians."""
        losses = [member.net.config.loss for member in self.members] or [self.spec.training.loss]
        return any("mean" in LOSSES.traits(loss) for loss in losses)

    @property
    def levels(self) -> QuantileLevels:
        """The quantiles of the run, and others that are computed for totals."""
        return computed_levels([member.net for member in self.members], self.quantiles)

    def member_index(self, number: int) -> int:
        """The index of the network with this number, from 1; UsageError if there is none."""
        count = len(self.members)
        if not 1 <= number <= count:
            found = "the run has one network" if count == 1 else f"the run has {count:,} networks"
            cure = "leave it out" if count == 1 else f"give a number from 1 to {count:,}"
            raise UsageError(Problem(f"--member {number}", found, cure))
        return number - 1

    @property
    def postprocessing(self) -> Postprocessing:
        """How quantiles of the networks become a forecast."""
        plan = self.plan
        return Postprocessing(
            self.quantiles,
            plan.transform,
            plan.bounds,
            self.combiner,
            (self.refreshed if self.refreshed.windows else self.calibration).intervals,
            self.smoothed_items,
            plan.yearly_season,
            self.network_weight,
            self.statistical_seasons,
            self.spec.training.loss,
        )
