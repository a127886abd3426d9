"""The forecast part of a report: totals or averages in words, and the series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import WEEK, Frequency
from rnnforecast.evaluation.aggregation import (
    quantile_mean_and_variance,
    sample_totals,
    sum_over_series,
    total_variance,
)
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.evaluation.sample_paths import extend_correlation
from rnnforecast.evaluation.window_metrics import symmetric_level_pairs
from rnnforecast.models.quantile_levels import MEDIAN, QuantileLevels
from rnnforecast.output.forecast_report.words import ForecastSummary
from rnnforecast.output.time_words import format_steps
from rnnforecast.pipeline.run import Run
from rnnforecast.types import Bools, Floats, Ints

MAX_TOTAL_SAMPLES, MAX_SAMPLED_VALUES = 1000, 10_000_000
"""Samples of the total of each series; fewer for many series and steps."""

SAMPLE_SEED = 1
MIN_COMPARED_SHARE = 0.8
"""A change to an earlier period is told if its values are known for this share of the forecast."""

MIN_ZERO_SHARE = 0.01
"""With this share of zeros, and no negative value, values are amounts, which have a total."""

NORMAL_SCORE_90 = 1.2815515655446004
"""The standard normal quantile at 0.9."""


@dataclass(frozen=True)
class TotalKind:
    """Whether a target is added up over steps and series, and why."""

    is_total: bool
    reason: str


def total_kind(run: Run, panel: Panel, target: int, requested: Sequence[int] = ()) -> TotalKind:
    """Whether totals of a target are meant.

    They are where the spec or the request says so, or the values are amounts per step: never
    negative, and sometimes zero. A level, a price or a rate has no total.
    """
    name = panel.target_names[target]
    rule = run.plan.clean.resample
    rule = rule.get(name) if isinstance(rule, dict) else rule
    if rule is not None:
        is_sum = rule == "sum"
        return TotalKind(is_sum, f"clean.resample is {rule} for {name}")
    if run.totals or requested:
        return TotalKind(True, "totals are among the requested forecasts")
    values = panel.targets[panel.observed_mask[:, target], target]
    zeros = float((values == 0).mean()) if len(values) else 0.0
    if run.plan.bounds.non_negative[target] and zeros >= MIN_ZERO_SHARE:
        reason = f"{name} is never negative and sometimes zero, as amounts are"
        return TotalKind(True, reason)
    reason = (
        f"{name} may be a level or a rate; if it is an amount, set forecast.totals: the page then "
        "speaks of totals"
    )
    return TotalKind(False, reason)


@dataclass(frozen=True)
class ForecastTotals:
    """Totals of one target over all steps, of each series and of all of them.

    Of a target whose totals have no meaning, they are divided by the number of steps, and of
    series.
    """

    run: Run
    panel: Panel
    forecasts: WindowForecast
    target: int
    kind: TotalKind
    correlation: float
    """Of the errors of different series; NaN if unknown: taken as 1, the widest interval."""

    @property
    def steps(self) -> int:
        """H."""
        steps: int = self.forecasts.yhat.shape[1]
        return steps

    @cached_property
    def known(self) -> Bools:
        """`[S]` whether a series has a forecast."""
        return np.asarray(~np.isnan(self.forecasts.yhat[..., self.target]).any(1))

    @cached_property
    def yhat(self) -> Floats:
        """`[S, H]`"""
        return self.forecasts.yhat[..., self.target]

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """The levels of the run and the median."""
        return QuantileLevels.with_median(self.run.quantiles).computed

    @cached_property
    def quantiles(self) -> Floats:
        """`[S, H, Q]` at `levels`; the point forecast stands for a median that is not there."""
        given = self.forecasts.quantiles[:, :, self.target]
        if MEDIAN in self.run.quantiles:
            return given
        place = self.levels.index(MEDIAN)
        return np.sort(np.insert(given, place, self.yhat, axis=-1), axis=-1)

    @cached_property
    def point_is_mean(self) -> bool:
        """See `Run.point_is_mean`."""
        return self.run.point_is_mean

    @cached_property
    def interval(self) -> tuple[float, float, float]:
        """Lower and upper level, and coverage, of the interval nearest to 80 %; coverage 0 without
        any."""
        pairs = symmetric_level_pairs(self.levels)
        if not pairs:
            return MEDIAN, MEDIAN, 0.0
        widths = [(self.levels[low], self.levels[high]) for low, high in pairs]
        low, high = min(widths, key=lambda each: abs(each[1] - each[0] - 0.8))
        return low, high, round(high - low, 6)

    def of_series(self, chosen: Ints) -> list[ForecastSummary]:
        """The summary of each of the chosen series, from sample paths as in `totals.csv`."""
        low, high, coverage = self.interval
        n_samples = MAX_SAMPLED_VALUES // max(1, len(chosen) * self.steps)
        n_samples = int(np.clip(n_samples // 2 * 2, 100, MAX_TOTAL_SAMPLES))
        correlation = extend_correlation(self.run.error_correlation, self.steps)
        samples = sample_totals(
            self.quantiles[chosen], self.levels, correlation, n_samples=n_samples, seed=SAMPLE_SEED
        )
        ends = np.quantile(samples, (low, MEDIAN, high), axis=1)  # [3, S]
        if self.run.plan.bounds.non_negative[self.target]:
            ends = np.maximum(ends, 0.0)
        center = self.yhat[chosen].sum(1) if self.point_is_mean else ends[1]
        yhat = self.yhat[chosen]
        # medians do not add up: spread evenly, so that the steps add up to the total that is said
        yhat = yhat + ((center - yhat.sum(1)) / self.steps)[:, None]
        change, change_to = self._change(yhat, chosen)
        divisor = 1 if self.kind.is_total else self.steps
        return [
            ForecastSummary(middle, lower, upper, coverage, float(more), change_to)
            for (middle, lower, upper), more in zip(
                (np.stack([center, ends[0], ends[2]], 1) / divisor).tolist(), change, strict=True
            )
        ]

    def of_all(self) -> ForecastSummary:
        """The summary of all series together.

        Medians of series do not add up, means do: the center is the sum of the means.
        """
        series = np.flatnonzero(self.known)
        if len(series) == 1:
            return self.of_series(series)[0]
        mean, variance = quantile_mean_and_variance(self.quantiles[series], self.levels)
        if self.point_is_mean:
            mean = self.yhat[series]
        steps = extend_correlation(self.run.error_correlation, self.steps)
        correlation = self.correlation if np.isfinite(self.correlation) else 1.0
        size = np.sqrt(sum_over_series(total_variance(variance, steps), correlation))
        *_, coverage = self.interval
        center = float(mean.sum())
        half = NORMAL_SCORE_90 * size
        low = center - half
        if self.run.plan.bounds.non_negative[self.target]:
            low = max(low, 0.0)
        divisor = 1 if self.kind.is_total else self.steps * len(series)
        change, change_to = self._change(mean, series, together=True)
        return ForecastSummary(
            center / divisor,
            low / divisor,
            (center + half) / divisor,
            0.8 if coverage else 0.0,
            float(change[0]),
            change_to,
        )

    def _change(self, now: Floats, chosen: Ints, *, together: bool = False) -> tuple[Floats, str]:
        """Relative changes of forecasts `[s, H]` of the chosen series to the same steps a year
        before, or else to the period before, of each or of all together; and the words for that
        period.

        Only of targets that are never negative.
        """
        nothing = np.full(1 if together else len(chosen), np.nan)
        if not self.run.plan.bounds.non_negative[self.target]:
            return nothing, ""
        lag, words = self._compared_lag()
        rows = self.panel.lengths[chosen, None] + np.arange(self.steps) - lag  # [s, H] steps
        inside = (rows >= 0) & (rows < self.panel.lengths[chosen, None])
        flat = self.panel.offsets[:-1][chosen, None] + np.where(inside, rows, 0)
        before = np.where(inside, self.panel.targets[flat, self.target], np.nan)
        compared = ~np.isnan(before) & ~np.isnan(now)
        axis = None if together else 1
        all_now = np.nansum(now, axis=axis)
        now_sum = np.where(compared, now, 0.0).sum(axis=axis)
        before_sum = np.where(compared, before, 0.0).sum(axis=axis)
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.atleast_1d(now_sum / before_sum - 1)
            is_known = np.atleast_1d(now_sum >= MIN_COMPARED_SHARE * all_now) & (
                np.atleast_1d(compared.mean(axis=axis)) >= MIN_COMPARED_SHARE
            )
        return np.where(is_known & np.isfinite(change), change, np.nan), words

    def _compared_lag(self) -> tuple[int, str]:
        """Steps back to the period that the forecast is compared with, and words for it."""
        year = steps_of_year(self.panel.frequency)
        if year >= self.steps and np.median(self.panel.lengths) >= year:
            return year, "a year before"
        words = format_steps(self.steps, self.panel.frequency)
        return self.steps, f"in the {words.removeprefix('1 ')} before"


def steps_of_year(frequency: Frequency) -> int:
    """Steps of about a year that begin at the same weekday and hour; 0 where there are none."""
    if frequency.kind == "month":
        return 12 // frequency.step if 12 % frequency.step == 0 else 0
    if frequency.kind == "integer":
        return 0
    if frequency.calendar is not None:
        return 52 * len(frequency.calendar.open_slots) // frequency.step
    year = 52 * WEEK
    return year // frequency.step if year % frequency.step == 0 else 0
