"""Series with their forecasts as compact JSON, which the page's script draws.

Values are whole numbers: multiples of a power of ten that keeps four digits of the range of a
series. Timestamps are positions on one axis that all series share.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnforecast.types import Floats, Ints, Timestamps

SMALLEST_EXPONENT = -300
"""Of ten; smaller values become 0, as powers below 10^-308 are no numbers."""
DIGITS = 4
"""Digits of the range of a series that the page keeps."""


@dataclass(frozen=True)
class PicturedForecast:
    """A forecast of `H` steps of a series, from one origin; original units, NaN where unknown."""

    begin: int
    """The step of the series' timestamps that is forecast first."""
    yhat: Floats
    """`[H]`"""
    intervals: Floats
    """`[I, 2, H]` lower and upper ends, widest interval first."""
    baseline: Floats | None = None
    """`[H]` a simple forecast to compare with."""


@dataclass(frozen=True)
class PicturedSeries:
    """One target of one series, as the page shows it: its last values and forecasts."""

    name: str
    timestamps: Timestamps
    """`[T]` of the history shown and of the forecasts, rising."""
    values: Floats
    """`[T]` original units; NaN where missing and in the future."""
    forecasts: tuple[PicturedForecast, ...]
    words: tuple[str, ...] = ()
    """The forecast and its accuracy in words."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """Numbers by which the list can be sorted, by their titles."""

    def last_steps(self, count: int) -> PicturedSeries:
        """The last `count` steps, or all if it is 0, and in any case all forecasts."""
        first_forecast = min((each.begin for each in self.forecasts), default=0)
        cut = min(max(0, len(self.timestamps) - count), first_forecast) if count else 0
        return replace(
            self,
            timestamps=self.timestamps[cut:],
            values=self.values[cut:],
            forecasts=tuple(replace(each, begin=each.begin - cut) for each in self.forecasts),
        )


def encode_series(
    series: Sequence[PicturedSeries], *, labels: TimestampLabels, intervals: Sequence[float]
) -> dict[str, Any]:
    """Axis, intervals and series for the page's script; `intervals` are nominal coverages."""
    stamps = [each.timestamps for each in series]
    axis: Timestamps = np.unique(np.concatenate(stamps)) if stamps else np.empty(0, np.int64)
    titles = list(dict.fromkeys(title for each in series for title in each.measures))
    return {
        "axis": _encode_axis(labels.to_local(axis)),
        "unit": labels.unit,
        "intervals": [f"{100 * level:.4g} %" for level in intervals],
        "measures": titles,
        "series": [_encode_one(each, axis, titles) for each in series],
    }


@dataclass(frozen=True)
class TimestampLabels:
    """How timestamps are written: ``year``, ``month``, ``day``, ``minute``, ``second`` or
    ``number``; and the time zone in which they are shown."""

    unit: str
    timezone: str = ""

    def to_local(self, timestamps: Timestamps) -> Timestamps:
        """Local times, which are not unique where clocks are set back."""
        if not self.timezone or not len(timestamps):
            return timestamps
        from rnnforecast.data.time.timezones import to_local

        return to_local(timestamps, self.timezone)


def to_script_json(value: object) -> str:
    """JSON that may stand in a ``<script>`` element: no character ends it or starts a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    # lone surrogates cannot be written as UTF-8
    return text.encode("utf-8", "replace").decode("utf-8")


def _encode_axis(timestamps: Timestamps) -> dict[str, Any]:
    """The first timestamp, the unit of differences, and runs of equal differences.

    Timestamps are seconds since 1970 of the local clock, or whole numbers.
    """
    if timestamps.dtype.kind == "M":
        ticks = timestamps.astype("datetime64[ms]").astype(np.int64) / 1000
        ticks = ticks if (ticks % 1).any() else ticks.astype(np.int64)
    else:
        ticks = timestamps.astype(np.int64)
    if not len(ticks):
        return {"first": 0, "runs": []}
    steps = np.diff(ticks)
    ends = np.flatnonzero(np.diff(steps, append=np.nan) != 0) if len(steps) else np.empty(0, int)
    lengths = np.diff(ends, prepend=-1)
    runs = [[steps[end].item(), int(length)] for end, length in zip(ends, lengths, strict=True)]
    return {"first": ticks[0].item(), "runs": runs}


def _encode_one(series: PicturedSeries, axis: Timestamps, titles: Sequence[str]) -> dict[str, Any]:
    at: Ints = np.searchsorted(axis, series.timestamps)
    is_contiguous = not len(at) or int(at[-1] - at[0]) == len(at) - 1
    exponent = _exponent(series)
    encoded: dict[str, Any] = {
        "n": series.name,
        "e": exponent,
        "t": int(at[0]) if is_contiguous and len(at) else at.tolist(),
        "y": _encode_values(series.values, exponent),
        "f": [
            {
                "b": each.begin,
                "y": _encode_values(each.yhat, exponent),
                "q": [
                    _encode_values(end, exponent)
                    for end in each.intervals.reshape(-1, len(each.yhat))
                ],
                **({} if each.baseline is None else {"s": _encode_values(each.baseline, exponent)}),
            }
            for each in series.forecasts
        ],
        "w": list(series.words),
        "m": [_finite(series.measures.get(title)) for title in titles],
    }
    return encoded


def _exponent(series: PicturedSeries) -> int:
    """The power of ten whose multiples keep `DIGITS` digits of the range of the values."""
    parts = [series.values, *(each.yhat for each in series.forecasts)]
    parts += [each.intervals.reshape(-1) for each in series.forecasts]
    known = np.concatenate(parts)
    known = known[np.isfinite(known)]
    if not known.size:
        return 0
    size = float(known.max() - known.min()) or float(np.abs(known).max())
    if not size:
        return 0
    return max(math.floor(math.log10(size)) + 1 - DIGITS, SMALLEST_EXPONENT)


def _encode_values(values: Floats, exponent: int) -> list[int | None]:
    with np.errstate(invalid="ignore", over="ignore"):
        # a product with a power of ten below 1 is less exact than a quotient
        scaled = values / 10.0**exponent if exponent >= 0 else values * 10.0**-exponent
    known = np.isfinite(scaled)
    whole = np.rint(np.where(known, scaled, 0.0)).tolist()
    return [int(value) if ok else None for value, ok in zip(whole, known.tolist(), strict=True)]


def _finite(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")
