"""The season of a panel: the number of steps after which its series repeat themselves.

How it is found. The steps from one value to the next have no trend left. Over a whole number of
periods a pattern that repeats every m steps is, in their spectrum, a comb of single lines at the
multiples of 1/m, whatever its shape. Each line is compared with the spectrum around it, so that
noise of any colour (white, a random walk, autoregressive) shows no lines. The evidence of the
lines of one series is combined to a normal score, and the scores to a decision for the panel.

Sources: Percival and Walden 1993, "Spectral Analysis for Physical Applications", chapter 10 (a
line against its surroundings); Fisher's combination of p-values; Wilson and Hilferty 1931
(chi-squared to normal); Wang, Smith and Hyndman 2006 (the strength of a season).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.cleaning.imputation import impute
from rnnforecast.types import Bools, Floats, Ints

MIN_PERIODS = 3
"""Fewer full periods than this tell nothing (the rule of the M4 competition)."""
MAX_SERIES = 500
MAX_POINTS = 3000
MAX_CELLS = MAX_SERIES * MAX_POINTS
"""What is looked at: the last points of series picked evenly, so that the cost has a bound."""
MAX_LAG = 366
"""The longest season searched for where the calendar proposes none."""
NEIGHBOR_FREQUENCIES = 8
"""Frequencies to each side of a line that it is compared with."""
MIN_STRENGTH = 0.05
"""A season that explains no more than this share of the variance is not worth following."""
MAX_SCORE = 5.0
"""No series counts more than this, so that a few very regular ones do not decide for all."""


@dataclass(frozen=True)
class Seasonality:
    """What was found."""

    length: int
    """Steps; 1 for none."""
    strength: float
    """Share of the variance around the trend that the season explains, 0 to 1, a mean over the
    series looked at; 0 if there is no season."""
    candidate_strengths: dict[int, float]
    """The strength of every length that was tested."""


def detect_seasonality(
    values: Floats, observed_mask: Bools, offsets: Ints, candidates: Sequence[int]
) -> Seasonality:
    """The first of the candidates that enough of the panel clearly follows, else no season
    (length 1).

    Of many series about one in six that follows it strongly is enough: what has no season usually
    loses little by being read in seasons, what has one loses much without. Series too short for a
    candidate count as not following it; constant ones do not count.
    Without candidates (time is a plain integer) all lengths up to `MAX_LAG` and a third of the
    longest series are searched, and more evidence is asked for.

    Args:
        values: `[N, C]` original units; cells that are not observed may hold anything.
        observed: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        candidates: lengths in steps, each at least 2, the likeliest first.
    """
    points = max(MAX_POINTS, (MIN_PERIODS + 2) * max(candidates, default=1))
    levels, steps, count = _sample_series(values, observed_mask, offsets, points)
    if not count.size:
        return Seasonality(1, 0.0, {})
    lengths = candidates or _autocorrelation_peaks(levels, steps, count)
    tests = {length: _test_period(steps, count, length) for length in lengths}
    # 3 for one series, close to twice what noise has for many; a search finds more that only looks
    # like a season
    enough = 0.8 + (2.2 if candidates else 3.2) / np.sqrt(count.size)
    clear = [
        m for m, (score, strength) in tests.items() if score > enough and strength > MIN_STRENGTH
    ]
    if not candidates:  # a multiple of the season repeats nearly as well as the season itself
        best = max((tests[m][1] for m in clear), default=0.0)
        clear = [m for m in clear if tests[m][1] > 0.7 * best]
    length = clear[0] if clear else 1
    tried = {m: strength for m, (_, strength) in tests.items()}
    return Seasonality(length, tried.get(length, 0.0), tried)


def _sample_series(
    values: Floats, observed_mask: Bools, offsets: Ints, max_points: int
) -> tuple[Floats, Floats, Ints]:
    """Levels and steps `[P, T]` and the count `[P]` of the last values of P series and targets.

    The end of each series stands at the right; what is missing is 0, the mean of the others.
    """
    room = min(MAX_SERIES, max(1, MAX_CELLS // max_points))
    targets = _evenly_spaced(values.shape[1], room)
    series = _evenly_spaced(len(offsets) - 1, max(1, room // max(1, targets.size)))
    start = np.repeat(offsets[:-1][series], targets.size)  # [P]
    end = np.repeat(offsets[1:][series], targets.size)
    count = np.minimum(end - start, max_points)
    column = np.tile(targets, series.size)[:, None]  # [P, 1]
    width = int(count.max(initial=0))
    rows = end[:, None] - np.arange(width, 0, -1)  # [P, T]
    inside = rows >= (end - count)[:, None]
    rows = np.where(inside, rows, 0)
    # Lines across the gaps repeat nothing; leaving gaps out would tear a smooth season to pieces.
    whole = impute(
        values[rows, column].reshape(-1, 1),
        (inside & observed_mask[rows, column]).reshape(-1, 1),
        np.arange(start.size + 1, dtype=np.int64) * width,
        "linear",
    )
    level, known = whole.inputs.reshape(rows.shape), whole.value_mask.reshape(rows.shape)
    size = np.abs(level).max(axis=1, initial=0.0)
    level = level / np.where(size > 0, size, 1.0)[:, None]
    both = known.copy()
    both[:, 1:] &= known[:, :-1]
    both[:, :1] = False
    step = _center(np.diff(level, axis=1, prepend=0.0), both)
    moving = np.abs(step).max(axis=1, initial=0.0) > 1e-12  # else constant, or a straight line
    return _center(level, known)[moving], step[moving], count[moving]


def _evenly_spaced(size: int, max_count: int) -> Ints:
    """At most `most` of the numbers 0 to size - 1, evenly spaced."""
    return np.arange(min(size, max_count), dtype=np.int64) * size // max(1, min(size, max_count))


def _center(x: Floats, mask: Bools) -> Floats:
    """`x` less its mean over what is known, 0 elsewhere; `[P, T]`."""
    total = np.where(mask, x, 0.0).sum(axis=1, keepdims=True)
    mean = total / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    return np.where(mask, x - mean, 0.0)


def _test_period(differences: Floats, counts: Ints, length: int) -> tuple[float, float]:
    """How sure (a normal score, at least 0) and how strong (a share) a season is, means over the
    series; the scores of noise have a mean of 0.2 to 0.45."""
    score, strength = np.zeros(counts.size), np.zeros(counts.size)
    periods = counts // length
    for k in np.unique(periods[periods >= MIN_PERIODS]):  # not over series, but over their lengths
        group = periods == k
        tail = differences[group, differences.shape[1] - k * length :]
        score[group], strength[group] = _score_spectral_lines(tail, int(k), length)
    # smooth series score far below 0, which says nothing against the season of others
    return float(np.clip(score, 0.0, MAX_SCORE).mean()), float(strength.mean())


def _score_spectral_lines(differences: Floats, periods: int, length: int) -> tuple[Floats, Floats]:
    """Score and strength of a season of `length` in `[G, periods * length]` steps, both `[G]`."""
    size = periods * length
    power = np.square(np.abs(np.fft.rfft(differences, axis=1)))  # [G, size // 2 + 1]
    line = periods * np.arange(1, length // 2 + 1)  # [J] where the season's power lies
    near = np.arange(1, 3 * NEIGHBOR_FREQUENCIES + 1)
    near = near[near % periods != 0][:NEIGHBOR_FREQUENCIES]
    around = np.abs(line[:, None] + np.concatenate([-near, near])) % size  # [J, 2 * SURROUNDINGS]
    around = np.minimum(around, size - around)  # the spectrum is a mirror at both its ends
    floor = 1e-12 * power.sum(axis=1)[:, None] + np.finfo(np.float64).tiny
    noise = np.maximum(np.median(power[:, around], axis=2) / np.log(2.0), floor)  # [G, J]
    weight = np.where(2 * line == size, 0.5, 1.0)  # the highest frequency has one part, not two
    # The tail of an F distribution: a line's power over the mean of `others` (a median of twice as
    # many is as sure as their mean; with few periods the surroundings of the lines overlap).
    others = NEIGHBOR_FREQUENCIES * (1.0 - 1.0 / periods)
    surprise = others * np.log1p(weight * power[:, line] / noise / others)
    # Most patterns are smooth: the slow lines tell more. The weighted mean of exponentials is close
    # to that of `shape` equal ones, a gamma variable, and its cube root to a normal one.
    trust = 1.0 / np.sqrt(np.arange(1, line.size + 1))
    shape = trust.sum() ** 2 / np.square(trust).sum()
    mean = surprise @ trust / trust.sum()
    score = (np.cbrt(mean) - 1.0 + 1.0 / (9.0 * shape)) * 3.0 * np.sqrt(shape)
    # Back from steps to levels; frequencies well below the season's are the trend.
    bins = np.arange((periods + 1) // 2, size // 2 + 1)
    gain = np.square(2.0 * np.sin(np.pi * np.arange(1, size // 2 + 1) / size))
    gain = np.where(2 * np.arange(1, size // 2 + 1) == size, 2.0 * gain, gain)
    total = (power[:, bins] / gain[bins - 1]).sum(axis=1)
    season = ((power[:, line] - noise) / gain[line - 1]).sum(axis=1)
    return score, np.clip(season / np.where(total > 0, total, 1.0), 0.0, 1.0)


def _autocorrelation_peaks(values: Floats, differences: Floats, counts: Ints) -> list[int]:
    """Lags at which the series resemble themselves most, of the levels and of the steps."""
    most = min(MAX_LAG, int(counts.max()) // MIN_PERIODS)
    found: set[int] = set()
    for x in (values, differences):
        width = 1 << int(2 * x.shape[1] - 1).bit_length()  # so that the ends do not meet
        spectrum = np.square(np.abs(np.fft.rfft(x, width, axis=1)))
        like = np.fft.irfft(spectrum, width, axis=1)[:, : most + 2]  # autocovariance [P, lags]
        like = (like / np.maximum(like[:, :1], np.finfo(np.float64).tiny)).mean(axis=0)
        inner = np.arange(2, most + 1)
        top = inner[(like[inner] > like[inner - 1]) & (like[inner] > like[inner + 1])]
        found.update(top[np.argsort(-like[top], kind="stable")][:3].tolist())
    return sorted(found)
