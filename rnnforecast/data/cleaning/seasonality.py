"""Detection of the season length of a panel by tests for spectral lines.

First differences remove the trend of a series. Over an integer number of periods, a pattern with
period m, of any shape, is a set of lines in their spectrum at the multiples of 1/m. The power of
each line is compared with that of its neighboring frequencies, so that noise (white, a random walk,
autoregressive) has no significant lines. The p-values of the lines of a series are combined to a
normal score, and the scores of the series to a decision for the panel.

Sources: Percival and Walden 1993, "Spectral Analysis for Physical Applications", chapter 10 (tests
of lines); Fisher's combination of p-values; Wilson and Hilferty 1931 (chi-squared to normal); Wang,
Smith and Hyndman 2006 (seasonal strength).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.cleaning.imputation import impute
from rnnforecast.types import Bools, Floats, Ints

MIN_PERIODS = 3
"""The fewest full periods that a test needs (the rule of the M4 competition)."""
MAX_SERIES = 500
MAX_POINTS = 3000
MAX_CELLS = MAX_SERIES * MAX_POINTS
"""The size of the sample: the last points of evenly spaced series."""
MAX_LAG = 366
"""The longest season searched for without candidates."""
NEIGHBOR_FREQUENCIES = 8
"""The number of frequencies on each side that a line is compared with."""
MIN_STRENGTH = 0.05
MIN_EXTRA_STRENGTH = 0.01
"""A season that explains no more than this share of the variance is ignored; the second one is for
what a longer season adds to a shorter one."""
MAX_SCORE = 5.0
"""The largest score of a series, so that a few very regular series do not decide for all."""


@dataclass(frozen=True)
class Seasonality:
    """The season of a panel."""

    length: int
    """Steps; 1 for none."""
    strength: float
    """Share of the variance around the trend that the season explains, 0 to 1, averaged over the
    sampled series; 0 without a season."""
    candidate_strengths: dict[int, float]
    """The strength of every tested length, beyond that of shorter seasons that it is a multiple
    of."""
    significant: tuple[int, ...] = ()
    """The significant lengths, the likeliest first: 24 and 168 for hours with a day and a week."""
    unknown: tuple[int, ...] = ()
    """Candidates that no series has `MIN_PERIODS` periods of, which cannot be tested."""


def detect_seasonality(
    values: Floats, observed_mask: Bools, offsets: Ints, candidates: Sequence[int]
) -> Seasonality:
    """The first candidate that is significant for the panel; length 1 (no season) if none is.

    One strongly seasonal series in about six is enough: a seasonal model usually costs a series
    without a season little, and a model without a season costs a seasonal series much. Series too
    short for a candidate are taken as not seasonal; constant series are left out.
    Without candidates (time is an integer), all lengths up to `MAX_LAG` and a third of the longest
    series are searched, with a higher threshold.

    Args:
        values: `[N, C]` original units; cells that are not observed may hold anything.
        observed_mask: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        candidates: lengths in steps, each at least 2, the most likely first.
    """
    points = max(MAX_POINTS, (MIN_PERIODS + 2) * max(candidates, default=1))
    levels, differences, count = _sample_series(values, observed_mask, offsets, points)
    if not count.size:
        return Seasonality(1, 0.0, {})
    unknown = tuple(m for m in candidates if int(count.max()) < MIN_PERIODS * m)
    lengths = [m for m in candidates if m not in unknown]
    if not candidates:
        lengths = _autocorrelation_peaks(levels, differences, count)
    # 3 for one series, nearly twice the mean score of noise for many; higher in a search, which
    # has more false positives
    threshold = 0.8 + (2.2 if candidates else 3.2) / np.sqrt(count.size)
    strengths: dict[int, float] = {}
    significant: list[int] = []
    for length in lengths:
        parts = [shorter for shorter in significant if length % shorter == 0] if candidates else []
        score, strength = _test_period(differences, count, length, parts)
        strengths[length] = strength
        if score > threshold and strength > (MIN_EXTRA_STRENGTH if parts else MIN_STRENGTH):
            significant.append(length)
    if not candidates:  # a multiple of the season repeats nearly as well as the season itself
        best = max((strengths[m] for m in significant), default=0.0)
        significant = [m for m in significant if strengths[m] > 0.7 * best][:1]
    length = significant[0] if significant else 1
    strength = strengths.get(length, 0.0)
    return Seasonality(length, strength, strengths, tuple(significant), unknown)


def _sample_series(
    values: Floats, observed_mask: Bools, offsets: Ints, max_points: int
) -> tuple[Floats, Floats, Ints]:
    """Levels and differences `[P, T]` of P pairs of series and target, and their lengths `[P]`.

    The last values of the series, aligned at their ends, centered, and 0 where missing.
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
    # linear interpolation adds no period; without it gaps would break up a smooth season
    filled = impute(
        values[rows, column].reshape(-1, 1),
        (inside & observed_mask[rows, column]).reshape(-1, 1),
        np.arange(start.size + 1, dtype=np.int64) * width,
        "linear",
    )
    level, known = filled.inputs.reshape(rows.shape), filled.value_mask.reshape(rows.shape)
    size = np.abs(level).max(axis=1, initial=0.0)
    level = level / np.where(size > 0, size, 1.0)[:, None]
    both = known.copy()
    both[:, 1:] &= known[:, :-1]
    both[:, :1] = False
    difference = _center(np.diff(level, axis=1, prepend=0.0), both)
    # otherwise constant or a straight line
    varies = np.abs(difference).max(axis=1, initial=0.0) > 1e-12
    return _center(level, known)[varies], difference[varies], count[varies]


def _evenly_spaced(size: int, max_count: int) -> Ints:
    """At most `max_count` numbers from 0 to size - 1, evenly spaced."""
    return np.arange(min(size, max_count), dtype=np.int64) * size // max(1, min(size, max_count))


def _center(x: Floats, mask: Bools) -> Floats:
    """`x` minus its mean over `mask`, 0 elsewhere; `[P, T]`."""
    total = np.where(mask, x, 0.0).sum(axis=1, keepdims=True)
    mean = total / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    return np.where(mask, x - mean, 0.0)


def _test_period(
    differences: Floats, counts: Ints, length: int, shorter: Sequence[int]
) -> tuple[float, float]:
    """Score (normal, clipped to 0 … `MAX_SCORE`) and strength (a share) of a season, averaged over
    the series; the mean score of noise is 0.2 to 0.45.

    The lines of the `shorter` seasons, which `length` is a multiple of, are left out.
    """
    score, strength = np.zeros(counts.size), np.zeros(counts.size)
    periods = counts // length
    for k in np.unique(periods[periods >= MIN_PERIODS]):  # series with k periods
        group = periods == k
        tail = differences[group, differences.shape[1] - k * length :]
        score[group], strength[group] = _score_spectral_lines(tail, int(k), length, shorter)
    # smooth series score far below 0, which is no evidence against the season of other series
    return float(np.clip(score, 0.0, MAX_SCORE).mean()), float(strength.mean())


def _score_spectral_lines(
    differences: Floats, periods: int, length: int, shorter: Sequence[int]
) -> tuple[Floats, Floats]:
    """Score and strength of a season of `length` in `[G, periods * length]` differences; `[G]`."""
    size = periods * length
    power = np.square(np.abs(np.fft.rfft(differences, axis=1)))  # [G, size // 2 + 1]
    multiple = np.arange(1, length // 2 + 1)
    for season in shorter:
        multiple = multiple[multiple % (length // season) != 0]
    line = periods * multiple  # [J] the frequencies of the season
    near = np.arange(1, 3 * NEIGHBOR_FREQUENCIES + 1)
    near = near[near % periods != 0][:NEIGHBOR_FREQUENCIES]
    around = (
        np.abs(line[:, None] + np.concatenate([-near, near])) % size
    )  # [J, 2 * NEIGHBOR_FREQUENCIES]
    around = np.minimum(around, size - around)  # the spectrum is mirrored at both ends
    floor = 1e-12 * power.sum(axis=1)[:, None] + np.finfo(np.float64).tiny
    noise = np.maximum(np.median(power[:, around], axis=2) / np.log(2.0), floor)  # [G, J]
    weight = np.where(2 * line == size, 0.5, 1.0)  # the highest frequency has one part, not two
    # minus the log p-value of an F distribution: the power of a line over the mean of `others`
    # neighbors (a median of twice as many has the same variance; with few periods they overlap)
    others = NEIGHBOR_FREQUENCIES * (1.0 - 1.0 / periods)
    surprise = others * np.log1p(weight * power[:, line] / noise / others)
    # Most patterns are smooth: low frequencies have more weight. The weighted mean of exponentials
    # is close to that of `shape` equal ones, a gamma variable, and its cube root to a normal one.
    weights = 1.0 / np.sqrt(np.arange(1, line.size + 1))
    shape = weights.sum() ** 2 / np.square(weights).sum()
    mean = surprise @ weights / weights.sum()
    score = (np.cbrt(mean) - 1.0 + 1.0 / (9.0 * shape)) * 3.0 * np.sqrt(shape)
    # From differences back to levels; frequencies well below that of the season are the trend.
    bins = np.arange((periods + 1) // 2, size // 2 + 1)
    gain = np.square(2.0 * np.sin(np.pi * np.arange(1, size // 2 + 1) / size))
    gain = np.where(2 * np.arange(1, size // 2 + 1) == size, 2.0 * gain, gain)
    total = (power[:, bins] / gain[bins - 1]).sum(axis=1)
    season = ((power[:, line] - noise) / gain[line - 1]).sum(axis=1)
    return score, np.clip(season / np.where(total > 0, total, 1.0), 0.0, 1.0)


def _autocorrelation_peaks(values: Floats, differences: Floats, counts: Ints) -> list[int]:
    """Lags of the highest autocorrelation of levels and of differences."""
    most = min(MAX_LAG, int(counts.max()) // MIN_PERIODS)
    lags: set[int] = set()
    for x in (values, differences):
        width = 1 << int(2 * x.shape[1] - 1).bit_length()  # zero padding against circular overlap
        spectrum = np.square(np.abs(np.fft.rfft(x, width, axis=1)))
        acf = np.fft.irfft(spectrum, width, axis=1)[:, : most + 2]  # [P, lags]
        acf = (acf / np.maximum(acf[:, :1], np.finfo(np.float64).tiny)).mean(axis=0)
        lag = np.arange(2, most + 1)
        peaks = lag[(acf[lag] > acf[lag - 1]) & (acf[lag] > acf[lag + 1])]
        lags.update(peaks[np.argsort(-acf[peaks], kind="stable")][:3].tolist())
    return sorted(lags)
