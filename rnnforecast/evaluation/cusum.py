"""CUSUM charts: the day on which the level of a series of daily statistics has changed.

The sums of Page 1954, "Continuous inspection schemes", of values z that are standard normal without
a change: ``C+ = max(0, C+ + z - k)`` and ``C- = max(0, C- - z - k)``; an alarm is raised where one
exceeds the threshold h. The average run length is the mean number of values until an alarm.

Mean and spread need no reference period: each value is compared with those before it, by Student's
distribution, which gives independent standard normal values (Hawkins 1987, "Self-starting CUSUM
charts for location and scale"). What yesterday's value explains is taken off, so that an
autocorrelated statistic does not raise alarms (Alwan and Roberts 1988, "Time-series modeling for
statistical process control"), and a single value counts for at most `MAX_DEVIATION`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtr

from rnnforecast.types import Floats

REFERENCE = 0.5
"""k: half of the shift, in standard deviations, that is found soonest."""

AVERAGE_RUN_LENGTH = 1000.0
"""Mean number of points until a false alarm of one chart; of daily points, three years."""

MIN_REFERENCE = 10
"""Values before the first one that is judged."""

MAX_DEVIATION = 3.0
"""Standard deviations beyond which a value counts no more: one bad day is no alarm."""

CORRELATION_PRIOR = 10.0
"""Uncorrelated values that the estimate of the autocorrelation begins with."""

_NODES = 64


def average_run_length(threshold: float, shift: float = 0.0, *, two_sided: bool = True) -> float:
    """The mean number of standard normal values, shifted by `shift`, until an alarm.

    Of a one-sided chart the solution L(0) of ``L(u) = 1 + L(0) P(z <= k - u) + ∫ L(y) f(y + k - u)
    dy`` over 0 to h, by Gauss-Legendre quadrature (Page 1954; Goel and Wu 1971); of both,
    ``1 / (1 / L+ + 1 / L-)`` (Kemp 1961).
    """
    upper = _one_sided(threshold, shift)
    return 1.0 / (1.0 / upper + 1.0 / _one_sided(threshold, -shift)) if two_sided else upper


def _one_sided(threshold: float, shift: float) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    y, w = threshold * (nodes + 1) / 2, threshold * weights / 2
    start = np.r_[0.0, y]  # [1 + n]
    distance = y[None, :] + REFERENCE - start[:, None] - shift
    kernel = np.exp(-(distance**2) / 2) / np.sqrt(2 * np.pi) * w
    to_zero = ndtr(REFERENCE - start - shift)
    system = np.eye(len(start)) - np.concatenate([to_zero[:, None], kernel], axis=1)
    return float(np.linalg.solve(system, np.ones(len(start)))[0])


@cache
def threshold_for(run_length: float = AVERAGE_RUN_LENGTH, *, two_sided: bool = True) -> float:
    """The threshold h whose average run length without a change is `run_length`."""

    def excess(threshold: float) -> float:
        return float(np.log(average_run_length(threshold, two_sided=two_sided) / run_length))

    return float(brentq(excess, 0.5, 20.0, xtol=1e-6))


@dataclass(frozen=True)
class Alarm:
    """A change of level."""

    index: int
    """The value that raised it."""
    onset: int
    """The value with which the change began: the first after the sum was last 0."""
    direction: str
    """``up`` or ``down``."""


@dataclass(frozen=True)
class CusumChart:
    """The chart of T values."""

    deviations: Floats
    """`[T]` in standard deviations; NaN where a value is not judged."""
    upper: Floats
    """`[T]` C+."""
    lower: Floats
    """`[T]` C-; 0 of a chart for increases alone."""
    threshold: float
    alarms: tuple[Alarm, ...]


def cusum_chart(
    values: Floats, segment: np.ndarray | None = None, *, two_sided: bool = True
) -> CusumChart:
    """The chart of the values `[T]`; NaN is passed over.

    After an alarm the sums stay as they are, and no further one is raised, until the next segment
    begins: there the chart starts anew, as it does not where there was no alarm.

    Args:
        segment: `[T]` the number of the model behind each value; all the same by default.
        two_sided: whether decreases raise an alarm, too.
    """
    segment = np.zeros(len(values), dtype=np.int64) if segment is None else segment
    threshold = threshold_for(two_sided=two_sided)
    deviations, upper, lower = np.full(len(values), np.nan), *np.zeros((2, len(values)))
    alarms: list[Alarm] = []
    state, sums, onset, raised = _Reference(), np.zeros(2), np.zeros(2, np.int64), False
    for index, value in enumerate(values):
        if raised and segment[index] != segment[index - 1]:
            state, sums, onset, raised = _Reference(), np.zeros(2), onset * 0 + index, False
        if np.isfinite(value) and not raised:
            deviations[index] = z = state.judge(float(value))
            if np.isfinite(z):
                sums = np.maximum(0.0, sums + np.array([z, -z if two_sided else -np.inf]))
                sums = np.maximum(0.0, sums - REFERENCE)
                onset = np.where(sums == 0, index + 1, onset)
            if (sums > threshold).any():
                side = int(np.argmax(sums))
                alarms.append(Alarm(index, int(onset[side]), ("up", "down")[side]))
                raised = True
        upper[index], lower[index] = sums
    return CusumChart(deviations, upper, lower, threshold, tuple(alarms))


class _Reference:
    """Mean, spread and autocorrelation of the values so far."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self.last, self.products, self.powers = 0.0, 0.0, CORRELATION_PRIOR

    def judge(self, value: float) -> float:
        """The deviation of a value from those before; NaN for the first ones. It is then one of
        them, at most `MAX_DEVIATION` from their mean."""
        n = self.count + 1
        spread = math.sqrt(self.squares / (n - 2)) if n > 2 else 0.0
        if n <= MIN_REFERENCE or spread <= 1e-12 * abs(self.mean):
            self._add(value)
            return np.nan
        distance = (value - self.mean) / spread * math.sqrt((n - 1) / n)
        # of the smaller tail, which does not round to 1
        size = float(-ndtri(stdtr(n - 2, -abs(distance))))
        deviation = math.copysign(min(size, MAX_DEVIATION), distance)
        limit = MAX_DEVIATION * spread
        self._add(min(max(value, self.mean - limit), self.mean + limit))
        correlation = min(max(self.products / self.powers, 0.0), 0.9)
        rest = (deviation - correlation * self.last) / math.sqrt(1.0 - correlation**2)
        self.products += deviation * self.last
        self.powers += self.last**2
        self.last = deviation
        return rest

    def _add(self, value: float) -> None:
        self.count += 1
        change = value - self.mean
        self.mean += change / self.count
        self.squares += change * (value - self.mean)
