"""The yearly season of each series by harmonic regression, for data whose windows are shorter.

Trend and course of the year are estimated together, by least squares on means of weeks: in logs if
all values are positive or zero, else relative to the size of the series. The coefficients of each
series are shrunk towards their mean over all series. Number of harmonics, shrinkage and whether
there is a yearly season at all are chosen by cross-validation, see `yearly_season_choice`.

Sources: Young, Pedregal and Tych 1999, "Dynamic harmonic regression"; Hyndman and Athanasopoulos,
Forecasting: principles and practice, 3rd ed., ch. 7.4 (Fourier terms).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.cleaning.harmonic_regression import (
    fourier_terms,
    normal_equations,
    solve_shrunk,
    trend_degree,
)
from rnnforecast.data.cleaning.weekly_means import (
    MAX_WEEKS,
    has_enough_years,
    steps_per_week,
    weekly_means,
)
from rnnforecast.data.cleaning.yearly_season_choice import SeasonChoice
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.calendar_features import year_fraction
from rnnforecast.data.time.frequency import to_ticks
from rnnforecast.types import Bools, Floats, Ints, Timestamps

MAX_EXPONENT = 3.0
"""Bound of the season in logs: values are multiplied by 0.05 to 20."""
ALL_TARGETS = slice(None)
SERIES_AT_ONCE = 4096
"""Series in a batch of normal equations."""


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
    degree = trend_degree(np.minimum(weeks_of_series, MAX_WEEKS))
    grams, crosses, sizes = [], [], np.ones((panel.n_series, n_targets))
    for begin in range(0, len(long), SERIES_AT_ONCE):
        series = long[begin : begin + SERIES_AT_ONCE]
        weeks = weekly_means(panel, values, mask, ends, series, is_multiplicative=is_multiplicative)
        item = np.repeat(np.arange(len(weeks.lengths)), weeks.lengths)
        x = weeks.design(degree, choice.harmonics)
        gram, cross = normal_equations(x, weeks.z, weeks.weight, item, len(weeks.lengths))
        grams.append(gram)
        crosses.append(cross)
        sizes[series] = weeks.size
    found = solve_shrunk(
        np.concatenate(grams), np.concatenate(crosses), degree, choice.penalty, n_targets
    )
    fitted = found[:, degree + 1 :].reshape(len(long), n_targets, n_terms)
    # how large a course of the year in units of the data is, short series do not tell
    usual = fitted.mean(0) if is_multiplicative else np.zeros((n_targets, n_terms))
    coefficients = np.tile(usual, (panel.n_series, 1, 1))
    coefficients[long] = fitted
    return YearlySeason(is_multiplicative, tuple(season_labels(panel)), coefficients, usual, sizes)
