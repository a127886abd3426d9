"""The yearly season of each series by harmonic regression, for data whose windows are shorter.

Trend and course of the year are estimated together, by least squares on means of weeks: in logs if
all values are positive or zero, else relative to the size of the series. The coefficients of each
series are shrunk towards their mean over all series. Number of harmonics, shrinkage and whether
there is a yearly season at all are chosen by cross-validation: each part of the time is forecast by
a fit to the others, as the recent level plus the course of the year.

Sources: Young, Pedregal and Tych 1999, "Dynamic harmonic regression"; Hyndman and Athanasopoulos,
Forecasting: principles and practice, 3rd ed., ch. 7.4 (Fourier terms).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.calendar_features import year_fraction
from rnnforecast.data.time.frequency import WEEK, Frequency, to_ticks
from rnnforecast.types import Bools, Floats, Ints, Timestamps

WEEKS_PER_YEAR = 52.18
MIN_YEARS = 2.0
"""The fewest years of a training part in which a yearly season can be seen."""
MAX_WEEKS = 313
"""The last weeks that a season is fitted to, six years: over longer times its course changes."""
MIN_RELATIVE_MEAN = 0.05
"""Lower bound of the mean of a week before its log, relative to the mean of the series."""
HARMONICS = (1, 2, 3, 5, 8)
"""The numbers of harmonics that are tried."""
PENALTIES = (1.0, 8.0, 64.0, 1e6)
"""Shrinkage towards the mean over all series that is tried, in weeks of data; the last one gives
all series the same course."""
LAGS = 13
"""Weeks that a forecast in the cross-validation reads."""
RIDGE_PENALTIES = (1e6, 1.0, 0.1, 0.01)
"""Penalties of these forecasts, relative to the mean square of the inputs; the best is taken."""
MAX_LEADS = 4
MAX_ITEMS = 32
"""Weeks ahead, and series and targets, in the cross-validation, evenly spaced."""
MAX_FOLDS = 8
MIN_GAIN, CHANCE_GAIN = 0.05, 0.1
"""The share by which a yearly season must lower the error to be removed; the second one is added
for a single series, where a slow random walk gains as much by chance, and less for several."""
MIN_STEP = 0.02
"""The share by which more harmonics must lower the error."""
MAX_EXPONENT = 3.0
"""Bound of the season in logs: values are multiplied by 0.05 to 20."""
ALL_TARGETS = slice(None)
MIN_OBSERVED_WEEKS = 52
"""The fewest weeks with a value of a series that counts in the cross-validation."""
MIN_ERROR = 1e-9
"""Sum of errors, in logs or relative to the size of a series, that is taken as none."""
CHUNK_ROWS = 16_384
SERIES_AT_ONCE = 4096
"""Weeks, and series, in a batch of normal equations."""


def steps_per_week(frequency: Frequency) -> int:
    """Steps of a week, at least 1; 0 where no course within the year can be estimated."""
    if frequency.kind == "fixed" and frequency.step <= 2 * WEEK:
        return max(WEEK // frequency.step, 1)
    if frequency.calendar is not None:
        return len(frequency.calendar.open_slots) // frequency.step
    return 0


def is_year(season: int, frequency: Frequency) -> bool:
    """Whether a season of so many steps is about a year."""
    per_week = steps_per_week(frequency)
    return per_week > 0 and abs(season / per_week - WEEKS_PER_YEAR) < 0.5


@dataclass(frozen=True)
class YearlySeason:
    """The yearly season of each series and target, by Fourier coefficients; empty for none."""

    is_multiplicative: bool = True
    """Whether values are divided by the season; else it is subtracted, in units of `sizes`."""
    labels: tuple[str, ...] = ()
    """[S] names of the series it was fitted to."""
    coefficients: Floats = field(default_factory=lambda: np.zeros((0, 0, 0)))
    """[S, C, 2K] of sine and cosine of each harmonic."""
    usual: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """[C, 2K] coefficients of other series."""
    sizes: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """[S, C] mean absolute values of the series in the training part, in transformed units."""

    def __bool__(self) -> bool:
        return bool(self.labels)

    def is_complete(self, n_targets: int) -> bool:
        """Whether the arrays are finite and have the shapes of so many targets."""
        shape = (len(self.labels), n_targets)
        return (
            self.coefficients.shape == (*shape, self.usual.shape[-1])
            and self.usual.shape[0] == n_targets
            and self.sizes.shape == shape
            and all(bool(np.isfinite(array).all()) for array in self.arrays().values())
        )

    def remove(self, values: Floats, panel: Panel) -> Floats:
        """`[N, C]` transformed values without the season; without one, the same array."""
        if not self:
            return values
        effect = self._effect(panel, panel.flat_timestamps(), panel.series)
        return values / effect if self.is_multiplicative else values - effect

    def restore(
        self,
        forecasts: Floats,
        panel: Panel,
        series: Ints,
        origins: Ints,
        targets: slice = ALL_TARGETS,
    ) -> Floats:
        """`[W, H, C, ...]` forecasts with the season again; without one, the same array.

        Window w is of series `series[w]` of the panel and begins at its step `origins[w]`; the
        forecasts are of these `targets`.
        """
        if not self:
            return forecasts
        horizon = forecasts.shape[1]
        owner = np.repeat(series, horizon)
        ordinals = panel.start[owner] + np.repeat(origins, horizon)
        ordinals += np.tile(np.arange(horizon), len(series))
        time = panel.frequency.timestamps(ordinals, panel.phase[owner])
        effect = self._effect(panel, time, owner)[:, targets]
        effect = effect.reshape(*forecasts.shape[:3], *(1,) * (forecasts.ndim - 3))
        return forecasts * effect if self.is_multiplicative else forecasts + effect

    def _effect(self, panel: Panel, timestamps: Timestamps, series: Ints) -> Floats:
        """`[X, C]` factors, or terms in transformed units, of `series [X]` at `timestamps [X]`."""
        coefficients, sizes = self._of_series(panel)
        position, ticks = pd.factorize(to_ticks(panel.to_display_timezone(timestamps)))
        distinct = np.asarray(ticks).view("datetime64[us]")
        terms = fourier_terms(year_fraction(distinct), coefficients.shape[2] // 2)  # [D, 2K]
        effect = np.zeros((len(series), coefficients.shape[1]))
        for index in range(terms.shape[1]):
            effect += terms[position, index, None] * coefficients[series, :, index]
        if self.is_multiplicative:
            return np.exp(np.clip(effect, -MAX_EXPONENT, MAX_EXPONENT))
        return effect * sizes[series]

    def _of_series(self, panel: Panel) -> tuple[Floats, Floats]:
        """`[S, C, 2K]` coefficients and `[S, C]` sizes of the series of a panel."""
        found = pd.Index(self.labels).get_indexer(pd.Index(season_labels(panel)))
        known = found >= 0
        coefficients = np.where(known[:, None, None], self.coefficients[found], self.usual)
        return coefficients, np.where(known[:, None], self.sizes[found], 1.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `from_json` reads them beside `arrays`."""
        return {"is_multiplicative": self.is_multiplicative, "labels": list(self.labels)}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The coefficients; nothing without a season."""
        names = ("coefficients", "usual", "sizes") if self else ()
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> YearlySeason:
        """The season whose `to_json` and `arrays` these are."""
        if not stored["labels"]:
            return cls()
        labels = tuple(stored["labels"])
        names = ("coefficients", "usual", "sizes")
        return cls(stored["is_multiplicative"], labels, *(arrays[name] for name in names))


def season_labels(panel: Panel) -> list[str]:
    """[S] a unique name for each series: its keys as JSON."""
    return [json.dumps(key) for key in panel.keys.astype(str).to_numpy().tolist()]


class WeeklyMeans(NamedTuple):
    """Means of weeks, one after the other by item; R weeks of I items."""

    z: Floats
    """[R] logs, or values relative to the size of the item."""
    weight: Floats
    """[R] share of the steps with values; 0 where `z` is 0 for want of values."""
    fraction: Floats
    """[R] share of the year that has passed."""
    time: Floats
    """[R] -1 to 1 over the item."""
    week: Ints
    """[R] number of the week since the first one of all items."""
    offsets: Ints
    """[I + 1] the row at which each item begins, and R."""
    size: Floats
    """[s, C] mean absolute value of each series and target."""

    @property
    def lengths(self) -> Ints:
        """[I] weeks of each item."""
        return np.diff(self.offsets)

    def design(self, degree: int, harmonics: int) -> Floats:
        """[R, degree + 1 + 2K] regressors: a polynomial trend, then the course of the year."""
        trend = np.polynomial.legendre.legvander(self.time, degree)
        return np.hstack([trend, fourier_terms(self.fraction, harmonics)])


def fourier_terms(fraction: Floats, harmonics: int) -> Floats:
    """[X, 2K] sine and cosine of the harmonics 1 to K of a fraction `[X]` of the year."""
    angle = 2 * np.pi * fraction[:, None] * np.arange(1, harmonics + 1)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(len(fraction), -1)


def weekly_means(
    panel: Panel, values: Floats, mask: Bools, ends: Ints, series: Ints, *, is_multiplicative: bool
) -> WeeklyMeans:
    """The means of the last weeks before the steps `ends [S]` of the given series, by target.

    Items are ordered by series, then target. `values` and `mask` are `[N, C]`.
    """
    per_week, n_targets = steps_per_week(panel.frequency), values.shape[1]
    weeks = np.minimum(ends[series] // per_week, MAX_WEEKS)  # [s]
    offsets = np.r_[0, np.cumsum(weeks)]
    owner = np.repeat(np.arange(len(series)), weeks)
    number = np.arange(offsets[-1]) - offsets[owner]
    number += (ends[series] // per_week - weeks)[owner]
    first = panel.offsets[series][owner] + number * per_week  # [R]
    sums, counts = np.zeros((len(first), n_targets)), np.zeros((len(first), n_targets))
    for step in range(per_week):
        known = mask[first + step]
        sums += np.where(known, values[first + step], 0.0)
        counts += known
    middle = number * per_week + per_week // 2
    ordinals = panel.start[series][owner] + middle
    time = panel.frequency.timestamps(ordinals, panel.phase[series][owner])
    week = panel.start[series][owner] // per_week + number
    mean = sums / np.maximum(counts, 1)
    size = _segment_means(np.abs(mean), counts > 0, offsets)  # [s, C]
    size = np.where(size > 0, size, 1.0)
    z = mean / size[owner]
    if is_multiplicative:
        z = np.log(np.maximum(z, MIN_RELATIVE_MEAN))
    z = np.where(counts > 0, z, 0.0)

    def by_item(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """[R, C] rows of all items; a vector is repeated for each target."""
        wide = np.broadcast_to(table.reshape(len(first), -1), (len(first), n_targets))
        return np.asarray(wide[order_rows, order_columns])

    lengths = np.repeat(weeks, n_targets)
    item_offsets = np.r_[0, np.cumsum(lengths)]
    item = np.repeat(np.arange(len(lengths)), lengths)
    position = np.arange(item_offsets[-1]) - item_offsets[item]
    order_rows, order_columns = offsets[item // n_targets] + position, item % n_targets
    return WeeklyMeans(
        z=by_item(z),
        weight=by_item(counts / per_week),
        fraction=by_item(year_fraction(panel.to_display_timezone(time))),
        time=2 * position / np.maximum(lengths - 1, 1)[item] - 1,
        week=by_item(week - (week.min() if len(week) else 0)),
        offsets=item_offsets,
        size=size,
    )


def _segment_means(values: Floats, mask: Bools, offsets: Ints) -> Floats:
    """Means of `values [R, C]` over `mask` in each segment, 0 without any; `[s, C]`."""
    zero = np.zeros((1, values.shape[1]))
    total = np.concatenate([zero, np.cumsum(np.where(mask, values, 0.0), 0)])
    count = np.concatenate([zero, np.cumsum(mask, 0)])
    n = count[offsets[1:]] - count[offsets[:-1]]
    return np.asarray((total[offsets[1:]] - total[offsets[:-1]]) / np.maximum(n, 1))


def _trend_degree(weeks: Ints) -> int:
    """Degree of the polynomial trend: 1, and one more every four years."""
    return int(np.clip(np.median(weeks) / WEEKS_PER_YEAR // 4 + 1, 1, 6)) if len(weeks) else 1


def _normal_equations(
    x: Floats, z: Floats, weight: Floats, segments: Ints, n_segments: int
) -> tuple[Floats, Floats]:
    """Sums over the rows of each segment: `[n, q, q]` and `[n, q]`; segments [R] are sorted."""
    gram = np.zeros((n_segments, x.shape[1], x.shape[1]))
    cross = np.zeros((n_segments, x.shape[1]))
    for begin in range(0, len(x), CHUNK_ROWS):
        part = slice(begin, begin + CHUNK_ROWS)
        names, first = np.unique(segments[part], return_index=True)
        scaled = x[part] * weight[part, None]
        gram[names] += np.add.reduceat(scaled[:, :, None] * x[part, None, :], first, axis=0)
        cross[names] += np.add.reduceat(scaled * z[part, None], first, axis=0)
    return gram, cross


def _solve(gram: Floats, cross: Floats, degree: int, penalty: float, n_targets: int) -> Floats:
    """[I, q] coefficients of each item, the seasonal ones shrunk to their mean over the series.

    `gram [I, q, q]`, `cross [I, q]`. A single series is shrunk towards no season.
    """
    q, n_trend = gram.shape[-1], degree + 1
    is_season = np.arange(q) >= n_trend
    ridge = np.where(is_season, PENALTIES[0], 1e-3)
    alone = np.linalg.solve(gram + np.diag(ridge), cross[..., None])[..., 0]
    if len(gram) == n_targets or penalty == PENALTIES[0]:
        return np.asarray(alone)
    mean = np.where(is_season, alone.reshape(-1, n_targets, q).mean(0), 0.0)  # [C, q]
    mean = np.tile(mean, (len(gram) // n_targets, 1))
    ridge = np.where(is_season, penalty, 1e-3)
    return np.asarray(
        np.linalg.solve(gram + np.diag(ridge), (cross + ridge * mean)[..., None])[..., 0]
    )


@dataclass(frozen=True)
class SeasonChoice:
    """The outcome of the cross-validation."""

    harmonics: int
    """0 if every course of the year makes forecasts worse."""
    penalty: float
    error: float
    """Mean error of forecasts with the season, relative to that of forecasts without."""

    n_items: int = 1
    """Series and targets that the error is a mean over."""

    @property
    def is_worthwhile(self) -> bool:
        """Whether the error is lower by more than by chance."""
        return self.error <= 1 - MIN_GAIN - CHANCE_GAIN / math.sqrt(self.n_items)


def choose_season(weeks: WeeklyMeans, horizon_weeks: int) -> SeasonChoice:
    """The number of harmonics and the penalty with the least error of forecasts by weeks."""
    n_items, n_targets = len(weeks.lengths), weeks.size.shape[1]
    degree, n_trend = _trend_degree(weeks.lengths), _trend_degree(weeks.lengths) + 1
    item = np.repeat(np.arange(n_items), weeks.lengths)
    n_weeks = int(weeks.week.max()) + 1
    n_folds = int(np.clip(n_weeks // max(horizon_weeks, 8), 4, MAX_FOLDS))
    fold = weeks.week * n_folds // n_weeks  # [R]
    x = weeks.design(degree, HARMONICS[-1])
    q = x.shape[1]
    grams, crosses = _normal_equations(
        x, weeks.z, weeks.weight, item * n_folds + fold, n_items * n_folds
    )
    grams, crosses = grams.reshape(n_items, n_folds, q, q), crosses.reshape(n_items, n_folds, q)
    forecasts = _WeeklyForecasts(weeks, item, fold, horizon_weeks)
    errors = forecasts.errors([np.zeros(len(x))] * n_folds)  # [penalties, I]
    without = errors[errors.sum(1).argmin()]
    n_observed = np.bincount(item, weeks.weight > 0, minlength=n_items)
    is_scored = (without > MIN_ERROR) & (n_observed >= MIN_OBSERVED_WEEKS)
    if not is_scored.any():
        return SeasonChoice(0, PENALTIES[0], 1.0)
    n_scored = int(is_scored.sum())
    best = SeasonChoice(0, PENALTIES[0], 1.0, n_scored)
    for harmonics in HARMONICS:
        size, candidates = n_trend + 2 * harmonics, []
        for penalty in PENALTIES[: 1 if n_items == n_targets else None]:
            seasons = []
            for left_out in range(n_folds):
                # what lies beside would tell the course of a random walk by interpolation
                kept = np.abs(np.arange(n_folds) - left_out) > 1
                gram, cross = grams[:, kept].sum(1), crosses[:, kept].sum(1)
                found = _solve(gram[:, :size, :size], cross[:, :size], degree, penalty, n_targets)
                seasons.append((x[:, n_trend:size] * found[item, n_trend:]).sum(1))
            errors = forecasts.errors(seasons)[:, is_scored] / without[is_scored]
            error = float(errors.mean(1).min())
            candidates.append(SeasonChoice(harmonics, penalty, error, n_scored))
        found_best = min(candidates, key=lambda candidate: candidate.error)
        if found_best.error < (1 - MIN_STEP) * best.error:
            best = found_best
    return best


class _WeeklyForecasts:
    """Errors of linear forecasts of weeks from the `LAGS` weeks before, without a season of the
    year or with it removed.

    The map from lags to a week ahead is the mean of the lags plus a ridge regression, fitted to all
    items and all parts of the time but the one that is forecast.
    """

    def __init__(self, weeks: WeeklyMeans, item: Ints, fold: Ints, horizon_weeks: int) -> None:
        self.weeks, self.item, self.fold = weeks, item, fold
        count = min(MAX_LEADS, horizon_weeks)
        leads = np.linspace(1, horizon_weeks, count).round().astype(np.int64)
        self.leads = np.unique(leads)
        position = np.arange(len(item)) - weeks.offsets[item]
        known = np.where(weeks.weight > 0, np.arange(len(item)), weeks.offsets[item])
        self.latest_known = np.maximum.accumulate(known)  # [R] rows of the values of missing weeks
        self.rows = [  # the weeks that are forecast, by lead
            np.flatnonzero((weeks.weight > 0) & (position >= lead - 1 + LAGS))
            for lead in self.leads
        ]

    def errors(self, seasons: Sequence[Floats]) -> Floats:
        """[penalties, I] mean absolute errors; `seasons` [R] by the part that is forecast."""
        n_items = len(self.weeks.lengths)
        sums = np.zeros((len(RIDGE_PENALTIES), n_items))
        for left_out, season in enumerate(seasons):
            adjusted = (self.weeks.z - season)[self.latest_known]
            windows = np.lib.stride_tricks.sliding_window_view(adjusted, LAGS)  # [R - LAGS + 1, L]
            for lead, row in zip(self.leads, self.rows, strict=True):
                lags = windows[row - lead + 1 - LAGS]
                level = lags.mean(1)
                x = np.hstack([lags - level[:, None], np.ones((len(row), 1))])
                y = adjusted[row] - level
                is_test = self.fold[row] == left_out
                fitted, tested = x[~is_test], x[is_test]
                gram, cross = fitted.T @ fitted, fitted.T @ y[~is_test]
                scale = np.trace(gram) / LAGS + 1e-12
                for index, penalty in enumerate(RIDGE_PENALTIES):
                    ridge = np.full(LAGS + 1, penalty * scale)
                    forecast = tested @ np.linalg.solve(gram + np.diag(ridge), cross)
                    sums[index] += np.bincount(
                        self.item[row[is_test]], np.abs(y[is_test] - forecast), minlength=n_items
                    )
        return sums


def fit_season(
    panel: Panel,
    values: Floats,
    mask: Bools,
    ends: Ints,
    choice: SeasonChoice,
    *,
    is_multiplicative: bool,
) -> YearlySeason:
    """The season of every series from its steps before `ends [S]`; `values`, `mask` `[N, C]`.

    Series of less than `MIN_YEARS` have the mean of the others, which must not be empty.
    """
    long = np.flatnonzero(has_enough_years(panel.frequency, ends))
    n_targets, n_terms = values.shape[1], 2 * choice.harmonics
    weeks_of_series = ends[long] // steps_per_week(panel.frequency)
    degree = _trend_degree(np.minimum(weeks_of_series, MAX_WEEKS))
    grams, crosses, sizes = [], [], np.ones((panel.n_series, n_targets))
    for begin in range(0, len(long), SERIES_AT_ONCE):
        series = long[begin : begin + SERIES_AT_ONCE]
        weeks = weekly_means(panel, values, mask, ends, series, is_multiplicative=is_multiplicative)
        item = np.repeat(np.arange(len(weeks.lengths)), weeks.lengths)
        x = weeks.design(degree, choice.harmonics)
        gram, cross = _normal_equations(x, weeks.z, weeks.weight, item, len(weeks.lengths))
        grams.append(gram)
        crosses.append(cross)
        sizes[series] = weeks.size
    found = _solve(
        np.concatenate(grams), np.concatenate(crosses), degree, choice.penalty, n_targets
    )
    fitted = found[:, degree + 1 :].reshape(len(long), n_targets, n_terms)
    # how large a course of the year in units of the data is, short series do not tell
    usual = fitted.mean(0) if is_multiplicative else np.zeros((n_targets, n_terms))
    coefficients = np.tile(usual, (panel.n_series, 1, 1))
    coefficients[long] = fitted
    return YearlySeason(is_multiplicative, tuple(season_labels(panel)), coefficients, usual, sizes)


def has_enough_years(frequency: Frequency, steps: Ints) -> Bools:
    """Whether `steps [S]` are at least `MIN_YEARS`; False where steps are months or numbers."""
    per_week = steps_per_week(frequency)
    return np.asarray((steps >= MIN_YEARS * WEEKS_PER_YEAR * per_week) & (per_week > 0))
