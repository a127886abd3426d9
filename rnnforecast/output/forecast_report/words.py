"""Forecasts and their accuracy in sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnnforecast.data.time.frequency import Frequency
from rnnforecast.output.style import format_number, format_percent
from rnnforecast.output.time_words import format_steps
from rnnforecast.wording import count_of

MIN_CHANGE = 0.005
"""Smaller changes are called none."""


@dataclass(frozen=True)
class ForecastSummary:
    """The total of a forecast over its steps, or its average, with an interval."""

    center: float
    low: float
    high: float
    coverage: float
    """Nominal coverage of the interval from `low` to `high`; 0 without an interval."""
    change: float = math.nan
    """Relative to `change_to`, 0.04 for 4 % more; NaN where it is not known."""
    change_to: str = ""
    """What it is compared with: ``a year before``."""


def describe_forecast(
    summary: ForecastSummary,
    frequency: Frequency,
    steps: int,
    *,
    is_total: bool,
    name: str = "",
    n_series: int = 1,
) -> str:
    """``Next 28 days: 12,400 in total, with a probability of 80 % between 11,900 and 13,000; 4 %
    more than a year before.``

    Args:
        is_total: whether the summary is a total; else an average over steps and series.
        name: of the target, where there are several.
    """
    about = f"{name}, next" if name else "Next"
    center, low, high = format_alike(summary.center, summary.low, summary.high)
    unit = format_steps(1, frequency).removeprefix("1 ")
    if is_total:
        amount = f"{center} in total" if steps > 1 or n_series > 1 else center
        amount += f" of {count_of(n_series, 'series')}" if n_series > 1 else ""
    elif steps == 1 and n_series == 1:
        amount = center
    else:
        each = f"per {unit}" if steps > 1 else ""
        among = f"per series ({n_series:,} series)" if n_series > 1 else ""
        amount = f"{center} on average {' and '.join(filter(None, (each, among)))}".strip()
    amount = amount.replace(" seriess", " series")
    parts = [f"{about} {format_steps(steps, frequency).removeprefix('1 ')}: {amount}"]
    if summary.coverage:
        share = format_percent(summary.coverage)
        parts.append(f", with a probability of {share} between {low} and {high}")
    parts.append(describe_change(summary))
    return "".join(parts) + "."


def describe_series(summary: ForecastSummary, *, is_total: bool) -> str:
    """The forecast of one series, short: ``Total 12,400 (80 %: 11,900 to 13,000); 4 % more …``."""
    center, low, high = format_alike(summary.center, summary.low, summary.high)
    text = f"{'Total' if is_total else 'Average'} {center}"
    if summary.coverage:
        text += f" ({format_percent(summary.coverage)}: {low} to {high})"
    return f"{text}{describe_change(summary)}."


def describe_change(summary: ForecastSummary) -> str:
    """``; 4 % more than a year before``, or nothing where it is not known."""
    if not math.isfinite(summary.change):
        return ""
    if abs(summary.change) < MIN_CHANGE:
        return f"; as much as {summary.change_to}"
    if summary.change >= 1:
        times = format_number(float(f"{1 + summary.change:.2g}"))
        return f"; {times} times as much as {summary.change_to}"
    more = "more" if summary.change > 0 else "less"
    return f"; {format_percent(abs(summary.change))} {more} than {summary.change_to}"


def format_alike(center: float, low: float, high: float) -> tuple[str, str, str]:
    """Three numbers rounded to two digits of the width of the interval, or to three digits of the
    first without a width: 12,400, 11,900 and 13,000."""
    width = high - low
    if math.isfinite(width) and width > 0:
        exponent = math.floor(math.log10(width)) - 1
    elif center and math.isfinite(center):
        exponent = math.floor(math.log10(abs(center))) - 2
    else:
        exponent = 0
    # never so coarse that the first number disappears
    if center and math.isfinite(center):
        exponent = min(exponent, math.floor(math.log10(abs(center))))
    return _rounded(center, exponent), _rounded(low, exponent), _rounded(high, exponent)


def _rounded(value: float, exponent: int) -> str:
    if not math.isfinite(value):
        return "unknown"
    if value and not -6 <= math.floor(math.log10(abs(value))) < 15:
        return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
    return format_number(round(value, -exponent))
