"""Whether a forecast is better than another, beyond chance: a paired bootstrap of their errors.

The error of a window is its MASE, the mean over its targets, or its sMAPE where fewer than half of
the windows have a scale. The mean difference over the windows that both forecast has the interval
of `bootstrap`. Arrays: M windows, H horizon steps, C targets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnforecast.evaluation.bootstrap import CONFIDENCE, MIN_CLUSTERS, bootstrap_means
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.window_metrics import window_metrics
from rnnforecast.types import Bools, Floats
from rnnforecast.wording import count_of, join_words

METRIC_LABELS = {"mase": "MASE", "smape": "sMAPE"}


@dataclass(frozen=True)
class Verdict:
    """The comparison of a forecast with another one."""

    other: str
    """The name of the other forecast."""
    metric: Literal["mase", "smape"]
    score: float
    """The mean error of the forecast, over the windows that are compared."""
    other_score: float
    difference: float
    """`score - other_score`: below 0, the forecast is better."""
    relative_difference: float
    """`difference` as a share of `other_score`."""
    low: float
    high: float
    """The interval of `difference` at 95 %; NaN with too few series and origins."""
    probability: float
    """Share of the bootstrap samples in which the forecast is better."""
    series: int
    origins: int
    windows: int
    resampled: tuple[str, ...]
    """What was resampled: ``series``, ``origins``, both, or nothing."""

    @property
    def outcome(self) -> Literal["better", "worse", "not shown"]:
        """Better or worse if the interval does not contain 0."""
        if self.high < 0:
            return "better"
        return "worse" if self.low > 0 else "not shown"

    def words(self) -> str:
        """One sentence without a full stop: ``better than DOT, 95 %: MASE 0.84 …``."""
        label = METRIC_LABELS[self.metric]
        scores = f"{label} {self.score:.4g} against {self.other_score:.4g}"
        counts = [f"{self.series:,} series", count_of(self.origins, "origin")]
        if not self.windows:
            return f"not shown against {self.other}: no window has an error of both"
        if not self.resampled:
            few = f"{join_words(counts)} are too few, {MIN_CLUSTERS} of either are needed"
            return f"not shown against {self.other}: {scores}; {few}"
        text = scores
        if self.other_score > 0:
            low, high = self.low / self.other_score, self.high / self.other_score
            text += f", {_change(self.relative_difference)} ({_span(low, high)})"
        basis = f"{join_words(counts)}, {join_words(self.resampled)} resampled"
        if self.outcome == "not shown":
            return f"not shown against {self.other}: {text}; {basis}"
        return f"{self.outcome} than {self.other}, {100 * CONFIDENCE:.0f} %: {text}; {basis}"


def compare_forecasts(
    windows: EvaluatedWindows, others: Mapping[str, WindowForecast] | None = None, *, seed: int = 0
) -> dict[str, Verdict]:
    """The verdict of the model against each of `others`, by default the baselines, by name."""
    others = windows.baselines if others is None else others
    own = _errors(windows, windows.forecast)
    pairs = {name: _pair(own, _errors(windows, each)) for name, each in others.items()}
    # the samples of clusters are drawn once for all that are compared on the same windows
    same: dict[bytes, list[str]] = {}
    for name, pair in pairs.items():
        same.setdefault(pair.known.tobytes(), []).append(name)
    verdicts: dict[str, Verdict] = {}
    for names in same.values():
        verdicts |= _compare({name: pairs[name] for name in names}, windows, seed)
    return {name: verdicts[name] for name in others}


def overlapping_windows(windows: EvaluatedWindows) -> int:
    """How many successive windows of a series forecast the same step; 1 without overlap."""
    order = np.lexsort((windows.origin, windows.series))
    series, origin = windows.series[order], windows.origin[order]
    steps = np.diff(origin)[(np.diff(series) == 0) & (np.diff(origin) > 0)]
    if not steps.size:
        return 1
    horizon = int(windows.actual.shape[1])
    return max(1, math.ceil(horizon / float(np.median(steps))))


def _errors(windows: EvaluatedWindows, forecast: WindowForecast) -> dict[str, Floats]:
    """MASE and sMAPE of each window `[M]`, means over its targets; NaN where undefined."""
    point = WindowForecast(forecast.yhat, forecast.quantiles[..., :0])
    found = window_metrics(
        windows.actual, point, (), scale=windows.scale, squared_scale=windows.squared_scale
    )
    lacks = found.lacks_point.any(1)
    return {
        name: np.where(lacks, np.nan, _mean_of_targets(found.window_means[name]))
        for name in METRIC_LABELS
    }


def _mean_of_targets(values: Floats) -> Floats:
    """`[M]`, of `[M, C]`; NaN only where all targets are."""
    count = (~np.isnan(values)).sum(1)
    return np.asarray(np.nansum(values, axis=1) / np.where(count > 0, count, np.nan))


@dataclass(frozen=True)
class _Pair:
    """Errors of the windows that both forecast, `[M']` each."""

    metric: Literal["mase", "smape"]
    own: Floats
    other: Floats
    known: Bools
    """`[M]` whether a window is one of the M'."""


def _pair(own: Mapping[str, Floats], other: Mapping[str, Floats]) -> _Pair:
    both = {metric: np.isfinite(own[metric]) & np.isfinite(other[metric]) for metric in own}
    metric: Literal["mase", "smape"] = "mase"
    if 2 * both["mase"].sum() < both["smape"].sum():
        metric = "smape"
    known = both[metric]
    return _Pair(metric, own[metric][known], other[metric][known], known)


def _compare(
    pairs: Mapping[str, _Pair], windows: EvaluatedWindows, seed: int
) -> dict[str, Verdict]:
    """The verdicts of pairs with the same windows."""
    known = next(iter(pairs.values())).known
    series, window = windows.series[known], windows.window[known]
    difference = np.stack([pair.own - pair.other for pair in pairs.values()], -1)
    found = bootstrap_means(
        difference,
        np.ones(difference.shape),
        series=series,
        window=window,
        overlap=overlapping_windows(windows),
        seed=seed,
    )
    counts = {"series": len(np.unique(series)), "origins": len(np.unique(window))}
    verdicts = {}
    for k, (name, pair) in enumerate(pairs.items()):
        scores = [float(each.mean()) if each.size else np.nan for each in (pair.own, pair.other)]
        mean = float(found.mean[k])
        verdicts[name] = Verdict(
            other=name,
            metric=pair.metric,
            score=scores[0],
            other_score=scores[1],
            difference=mean,
            relative_difference=mean / scores[1] if scores[1] > 0 else np.nan,
            low=float(found.low[k]),
            high=float(found.high[k]),
            probability=float(found.probability_below_zero[k]),
            windows=int(known.sum()),
            resampled=found.resampled,
            **counts,
        )
    return verdicts


def _percent(share: float) -> str:
    """A share without its sign, in percent: ``0.82``, ``9.1``, ``140``."""
    percent = 100 * abs(share)
    return f"{percent:.2g}" if percent < 10 else f"{percent:,.0f}"


def _change(share: float) -> str:
    """A relative difference in words: ``14 % lower``."""
    return f"{_percent(share)} % {'lower' if share < 0 else 'higher'}"


def _span(low: float, high: float) -> str:
    """The bounds of a relative difference in words: ``9 to 19 %``, ``3 % lower to 5 % higher``."""
    if np.sign(low) * np.sign(high) > 0:
        near, far = sorted((low, high), key=abs)
        return f"{_percent(near)} to {_percent(far)} %"
    return f"{_change(low)} to {_change(high)}"
