"""Families of synthetic series: each function makes one series for each row of a calendar.

Trend, seasons and noise are as in ForecastPFN (Dooley et al. 2023, arXiv:2311.01933); regimes,
steps, saw-teeth and spikes as in TempoPFN (Moroshan et al. 2025, arXiv:2510.25502). Sizes of the
parts are what is known of recorded series in general: years and quarters keep their level and grow,
hours have strong seasons.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.pretraining.synthetic.gaussian_process import (
    autoregressive_noise,
    colored_noise,
    sample_processes,
    smooth_processes,
    standardize,
)
from rnnforecast.pretraining.synthetic.random import Random
from rnnforecast.pretraining.synthetic.seasonality import (
    evolving_pattern,
    seasonal_pattern,
    seasonal_walk,
)

SHORT = 150
"""Steps of short contexts."""


@dataclass(frozen=True)
class Calendar:
    """Seasons of B series."""

    number: Tensor
    """`[B]` index into `pairs`."""
    pairs: list[tuple[int, int]]
    """Two seasons each, in steps, 1 for none."""

    @property
    def seasons(self) -> Tensor:
        """`[B, 2]` steps, 1 for none."""
        return torch.tensor(self.pairs, device=self.number.device)[self.number]

    def is_coarse(self, steps: int) -> Tensor:
        """`[B, 1]` whether a step is long, as a year or a quarter: few steps, and short cycles."""
        return (self.seasons[:, :1] <= 4) & (steps < 2 * SHORT)

    def is_fine(self) -> Tensor:
        """`[B, 1]` whether a step is short, as an hour or less."""
        return self.seasons[:, :1] >= 24

    def persistence(self, steps: int) -> Tensor:
        """`[B, 1]` how likely a change of the level is to last: high where steps are long."""
        return torch.where(
            self.is_coarse(steps),
            0.9,
            torch.where(self.is_fine(), 0.8, 0.6 if steps < 200 else 0.4),
        )


def structural(random: Random, calendar: Calendar, steps: int) -> Tensor:
    """Trend, noise, and two seasons, of which the second may scale the first; `[B, steps]`."""
    count, seasons = len(calendar.number), calendar.seasons
    start = random.integers(0, 2000, count)
    coarse, fine = calendar.is_coarse(steps), calendar.is_fine()
    trend = _trend(random, count, steps, coarse)
    size = torch.where(
        coarse, random.log_uniform(0.5, 12.0, count, 1), random.log_uniform(0.03, 3.0, count, 1)
    )
    first = evolving_pattern(random, seasonal_pattern(random, seasons[:, 0], steps, start))
    second = evolving_pattern(random, seasonal_pattern(random, seasons[:, 1], steps, start))
    amplitude = torch.where(
        fine, random.log_uniform(0.7, 8.0, count, 1), random.log_uniform(0.1, 3.0, count, 1)
    )
    amplitude = torch.where(coarse, 0.5 * amplitude, amplitude)
    other = amplitude * random.log_uniform(0.05, 2.0, count, 1)
    # a day has another size and shape on each day of the week
    within = 1 + random.uniform(0.1, 0.9, count, 1) * random.chance(0.5, count, 1) * second
    noise = _noise(random, calendar, steps) * torch.where(
        coarse | fine,
        random.log_uniform(0.02, 0.8, count, 1),
        random.log_uniform(0.01, 1.5, count, 1),
    )
    loud = torch.where(random.chance(0.25, count, 1), torch.exp(0.5 * first), 1.0)
    season = amplitude * first * within + other * second
    return trend * size + season + noise * loud


def exponential_smoothing(random: Random, calendar: Calendar, steps: int) -> Tensor:
    """Innovations that change level, slope and seasonal pattern, as in state space models of
    exponential smoothing; `[B, steps]`.

    Hyndman et al. (2008), "Forecasting with Exponential Smoothing". Yearly and quarterly series
    change their level by most of an innovation and grow steadily, finer ones less so.
    """
    count = len(calendar.number)
    coarse = calendar.is_coarse(steps)
    heavy = standardize(random.student_t(4, count, steps))
    error = torch.where(random.chance(0.7, count, 1), random.normal(count, steps), heavy)
    smooth = standardize(colored_noise(random, random.uniform(1.0, 3.2, count, 1), steps))
    error = torch.where(calendar.is_fine() & random.chance(0.65, count, 1), smooth, error)
    strong = random.uniform(0.3, 1.4, count, 1) + 0.3 * coarse
    weak = random.log_uniform(0.003, 0.6, count, 1)
    alpha = torch.where(random.uniform(0, 1, count, 1) < calendar.persistence(steps), strong, weak)
    level = alpha * error.cumsum(1)
    beta = random.log_uniform(0.005, 0.5, count, 1) * random.chance(0.3, count, 1)
    slope = alpha * beta * error.cumsum(1).cumsum(1) / (1 + steps / 50)
    momentum = autoregressive_noise(random, random.uniform(0.5, 0.97, count, 1), steps).cumsum(1)
    momentum = momentum * random.log_uniform(0.05, 1.5, count, 1) * random.chance(0.25, count, 1)
    up = torch.where(random.chance(0.92, count, 1), 1.0, -1.0)
    drift = torch.where(
        coarse,
        random.log_uniform(0.2, 5.0, count, 1),
        random.log_uniform(0.02, 2.0, count, 1) * (20 / (steps + 4)),
    )
    step = torch.arange(steps, device=random.device)
    drift = up * drift * step * random.chance(0.88, count, 1)
    season = standardize(seasonal_walk(random, calendar.number, calendar.pairs, steps))
    amplitude = random.log_uniform(0.1, 6.0, count, 1) * torch.where(calendar.is_fine(), 8.0, 1.0)
    season = season * amplitude * (calendar.seasons[:, :1] > 1)
    longer = seasonal_pattern(
        random, calendar.seasons[:, 1], steps, random.integers(0, 2000, count)
    )
    season = season + longer * amplitude * random.log_uniform(0.1, 2.0, count, 1)
    before = torch.cat([torch.zeros_like(level[:, :1]), level[:, :-1]], 1)
    return before + error + slope + momentum + drift + season


def regimes(random: Random, calendar: Calendar, steps: int) -> Tensor:
    """Mean-reverting (Ornstein-Uhlenbeck) processes whose mean and size switch between two or three
    regimes; `[B, steps]`."""
    count = len(calendar.number)
    switches = random.uniform(0, 1, count, steps) < random.log_uniform(1.0, 20.0, count, 1) / steps
    number = switches.cumsum(1) % random.integers(2, 4, count, 1)
    means = (random.normal(count, 3) * 1.5).gather(1, number)
    sizes = random.log_uniform(0.1, 1.0, count, 3).gather(1, number)
    phi = 1 - random.log_uniform(0.005, 0.8, count, 1)
    noise = standardize(autoregressive_noise(random, phi, steps))
    season = seasonal_pattern(random, calendar.seasons[:, 0], steps, random.integers(0, 999, count))
    return (
        means
        + sizes * noise
        + season * random.chance(0.5, count, 1) * random.uniform(0.2, 1.5, count, 1)
    )


def events(random: Random, calendar: Calendar, steps: int) -> Tensor:
    """Steps at random times, and periodic saw-teeth and spikes, with noise; `[B, steps]`."""
    count = len(calendar.number)
    t = torch.arange(steps, device=random.device)[None]
    season = torch.where(
        calendar.seasons[:, :1] > 1, calendar.seasons[:, :1], random.integers(5, 60, count, 1)
    )
    phase = ((t + random.integers(0, 999, count, 1)) % season) / season
    saw = torch.where(random.chance(0.5, count, 1), phase, 1 - phase)
    width = random.uniform(0.02, 0.5, count, 1).maximum(1.01 / season)
    spike = (phase < width).to(phase.dtype)
    jumps = random.uniform(0, 1, count, steps) < random.log_uniform(1.0, 30.0, count, 1) / steps
    stairs = standardize((jumps * random.normal(count, steps)).cumsum(1))
    kind = random.choice((0.3, 0.4, 0.3), count)
    chosen = torch.stack([saw, spike, stairs])[kind, torch.arange(count)]
    noise = _noise(random, calendar, steps) * random.log_uniform(0.01, 0.5, count, 1)
    size = evolving_pattern(random, standardize(chosen))
    return size + noise + 0.5 * _trend(random, count, steps) * random.chance(0.4, count, 1)


def walks(random: Random, calendar: Calendar, steps: int) -> Tensor:
    """Random walks with normal or heavy-tailed steps of changing size, and drift; `[B, steps]`."""
    count = len(calendar.number)
    normal, heavy = random.normal(count, steps), random.student_t(3, count, steps)
    change = torch.where(random.chance(0.5, count, 1), normal, heavy)
    volatility = smooth_processes(random, count, steps, 0.05, 0.5) * random.uniform(0, 1, count, 1)
    change = change * torch.exp(volatility) + random.normal(count, 1) * 2 / steps**0.5
    return standardize(change.cumsum(1)) + random.normal(count, steps) * random.log_uniform(
        0.003, 0.3, count, 1
    )


def processes(random: Random, calendar: Calendar, steps: int) -> Tensor:
    """Gaussian processes of random kernels; `[B, steps]`."""
    return sample_processes(random, len(calendar.number), steps)


def mixtures(random: Random, calendar: Calendar, steps: int) -> Tensor:
    """Series caused by two others, with lags and a nonlinear function, and noise of their own;
    `[B, steps]`."""
    count = len(calendar.number)
    lag = int(random.integers(1, max(steps // 8, 2), 1))
    first = standardize(structural(random, calendar, steps + lag))
    second = sample_processes(random, count, steps + lag)
    cause = first[:, lag:] + random.normal(count, 1) * first[:, :-lag]
    other = second[:, :-lag] * random.normal(count, 1) + second[:, lag:] * random.normal(count, 1)
    kind = random.integers(0, 4, count)
    curves = torch.stack([other, torch.tanh(other), other.relu(), other * torch.sigmoid(cause)])
    noise = _noise(random, calendar, steps) * random.log_uniform(0.01, 0.6, count, 1)
    return standardize(cause + curves[kind, torch.arange(count)]) + noise


FAMILIES = (
    (structural, 0.42, 0.3),
    (exponential_smoothing, 0.24, 0.54),
    (processes, 0.1, 0.03),
    (regimes, 0.05, 0.02),
    (events, 0.07, 0.02),
    (walks, 0.05, 0.06),
    (mixtures, 0.07, 0.03),
)
"""Families, and the share of each among long and among short series."""


def _trend(random: Random, count: int, steps: int, coarse: Tensor | None = None) -> Tensor:
    """Lines, broken lines, saturating and smooth curves of size about 1; `[count, steps]`."""
    t = torch.linspace(0, 1, steps, device=random.device)[None]
    up = torch.where(random.chance(0.85, count, 1), 1.0, -1.0)
    slope = (0.2 + random.normal(count, 1).abs()) * up
    broken = slope * t
    for _ in range(2):
        change = 0.7 * random.normal(count, 1) * random.chance(0.6, count, 1)
        broken = broken + change * (t - random.uniform(0, 1, count, 1)).relu()
    rate = random.log_uniform(0.5, 10, count, 1)
    saturating = slope * (1 - torch.exp(-rate * t))
    smooth = smooth_processes(random, count, steps, 0.1, 1.0)
    kind = random.choice((0.3, 0.25, 0.15, 0.3), count)
    if coarse is not None:
        steady = random.choice((0.35, 0.35, 0.15, 0.15), count)
        kind = torch.where(coarse[:, 0], steady, kind)
    return torch.stack([slope * t, broken, saturating, smooth])[kind, torch.arange(count)]


def _noise(random: Random, calendar: Calendar, steps: int) -> Tensor:
    """White, colored, autoregressive and heavy-tailed noise of size 1; `[B, steps]`."""
    count = len(calendar.number)
    lasting = random.uniform(0, 1, count, 1) < calendar.persistence(steps)
    white = random.normal(count, steps)
    steepest = torch.where(calendar.is_fine(), 4.0, 2.4)
    exponent = torch.where(
        lasting,
        0.8 + (steepest - 0.8) * random.uniform(0, 1, count, 1),
        random.uniform(0, 1.5, count, 1),
    )
    colored = colored_noise(random, exponent, steps)
    phi = torch.where(
        lasting, random.uniform(0.3, 0.99, count, 1), random.uniform(-0.5, 0.8, count, 1)
    )
    autoregressive = standardize(autoregressive_noise(random, phi, steps))
    heavy = standardize(random.student_t(3, count, steps))
    few, many, smooth = (
        random.choice((0.6, 0.15, 0.13, 0.12), count),
        random.choice((0.12, 0.4, 0.43, 0.05), count),
        random.choice((0.08, 0.7, 0.2, 0.02), count),
    )
    kind = torch.where(calendar.is_fine()[:, 0], smooth, many)
    kind = torch.where(lasting[:, 0], kind, few)
    return torch.stack([white, colored, autoregressive, heavy])[kind, torch.arange(count)]
