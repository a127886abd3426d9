"""Inference of the time format of a text column: every reading of its cells, and the likeliest.

A reading that parses fewer cells loses. Of those that parse the most, one under which the
timestamps have no gaps wins, then one that the column's name suggests, then the one that people
usually mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rnnforecast.data.time.format import (
    TimeFormat,
    parse_timestamps,
    unparsable_mask,
)
from rnnforecast.data.time.format_candidates import (
    conventional_rank,
)
from rnnforecast.data.time.matching_formats import gap_share, infer_time_formats

_GAPLESS = 0.9
"""Share of steps that are one step of a frequency from which timestamps count as gapless."""
_RARE = 2
_WORDS_OF_DIRECTIVES = {
    "V": ("week", "weeks", "yearweek", "wk", "kw", "woche", "semaine", "semana", "settimana"),
    "m": (
        "month",
        "months",
        "yearmonth",
        "mon",
        "monat",
        "mois",
        "mes",
        "mese",
        "yyyymm",
        "ym",
        "period",
        "periods",
        "periode",
        "periodo",
        "fiscal",
    ),
    "q": ("quarter", "quarters", "yearquarter", "qtr", "quartal", "trimestre", "yyyyq"),
    "j": ("yearday", "doy", "julian", "yyyyddd"),
}
_DATE_WORDS = (
    "date",
    "datum",
    "ds",
    "day",
    "tag",
    "timestamp",
    "datetime",
    "fecha",
    "data",
    "jour",
)
_STEP_WORDS = ("t", "step", "steps", "idx", "index", "tick", "period", "n", "nr", "year", "jahr")


@dataclass(frozen=True)
class Reading:
    """A format that a column can be read in."""

    time_format: TimeFormat
    example: str
    """How the first text is read, for messages."""
    parsed: int
    """How many texts it parses."""
    gaps: float | None
    """Share of differences between timestamps that are not one step; None for too few."""
    rank: int
    """0 for what people usually mean, higher for what they rarely mean."""


@dataclass(frozen=True)
class FormatChoice:
    """The chosen reading of a column, those that it was chosen from, and why."""

    chosen: Reading | None
    """None if several remain plausible: `others`."""
    others: tuple[Reading, ...]
    reason: str = ""
    is_evident: bool = False
    """Whether the cells decide, rather than a name or habit."""


def infer_time_format(samples: Sequence[str], name: str = "") -> TimeFormat | None:
    """The format of most samples, the likeliest if there are several; None if half of them or fewer
    agree on one. `name` is that of the column."""
    formats = infer_time_formats(samples)
    if len(formats) < 2:
        return formats[0] if formats else None
    choice = choose_time_format(formats, samples, name)
    return (choice.chosen or choice.others[0]).time_format


def choose_time_format(
    formats: Sequence[TimeFormat], texts: Sequence[str], name: str = ""
) -> FormatChoice:
    """The likeliest of several formats of a column, judged by its distinct texts and its name."""
    texts = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    readings = [_read(time_format, texts) for time_format in formats]
    steps = [item for item in readings if item.time_format.pattern == "integer"]
    dates = [item for item in readings if item not in steps]
    likely = [item for item in dates if item.rank < _RARE]
    if likely and steps:
        # numbers that can be dates count steps only if the steps have no gaps, unlike the dates
        dates, steps = ([], steps) if _counts_steps(steps[0], likely) else (dates, [])
    if {item.time_format.pattern for item in dates} >= {"%Y%m%d%H", "unix_s"}:
        return FormatChoice(None, tuple(dates))  # some are hours, all could be seconds
    best = max(item.parsed for item in [*dates, *steps])
    plausible = [item for item in [*dates, *steps] if item.parsed == best]
    lost = tuple(item for item in readings if item not in plausible)
    if len(plausible) == 1:
        return FormatChoice(plausible[0], lost, "it parses the most cells", is_evident=True)
    for narrow, reason in (
        (_gapless, "it leaves no gaps between the timestamps"),
        (lambda found: _named(found, name), f"the name {name!r} says so"),
        (_usual, "it is the usual way of writing"),
    ):
        narrowed = narrow(plausible)
        if len(narrowed) == 1:
            others = tuple(item for item in readings if item != narrowed[0])
            return FormatChoice(narrowed[0], others, reason, is_evident=narrow is _gapless)
        plausible = narrowed or plausible
    return FormatChoice(None, tuple(plausible))


def is_date_format(time_format: TimeFormat | None) -> bool:
    """Whether cells in a format are dates whatever their column is called: not numbers that may as
    well be prices or counts."""
    if time_format is None or time_format.is_numeric:
        return False
    short = re.fullmatch(r"%[A-Za-z](?:[.,]?%[A-Za-z])?", time_format.pattern)
    return not short or time_format.pattern in ("%Y%m", "%G%V", "%Y%j")


def format_example(time: np.datetime64 | np.int64) -> str:
    """A time in messages, without a midnight."""
    return str(time)[:16].replace("T00:00", "")


def _read(time_format: TimeFormat, texts: list[str]) -> Reading:
    is_parsed = ~unparsable_mask(texts, time_format)
    parsed = [text for text, good in zip(texts, is_parsed, strict=True) if good]
    time = parse_timestamps(pa.array(parsed, pa.string()), time_format)
    example = format_example(time[0]) if len(time) else ""
    rank = conventional_rank(time_format.pattern, texts)
    if time_format.pattern in ("integer", "excel", "%y%m", "%y%j"):
        rank = _RARE - all(len(text) == 4 and time_format.pattern == "integer" for text in texts)
    if time_format.pattern in ("%Y.%m", "decimal_year"):
        # with two digits in all texts 2020.10 is rather October than a tenth of a year
        has_months = all(len(re.split("[.,]", text)[-1]) == 2 for text in texts)
        rank = int(has_months == (time_format.pattern == "decimal_year"))
    return Reading(time_format, example, len(parsed), gap_share(time), rank)


def _counts_steps(steps: Reading, dates: list[Reading]) -> bool:
    """Whether whole numbers, most of which could be dates, count steps."""
    if steps.gaps is None or steps.gaps > (1 - _GAPLESS) / 2:
        return False
    best = max(dates, key=lambda item: item.parsed)
    is_better = best.parsed < 0.9 * steps.parsed or (best.gaps or 0.0) > steps.gaps
    return best.parsed < steps.parsed and is_better


def _gapless(readings: list[Reading]) -> list[Reading]:
    """The readings without gaps, if the others have clearly more."""
    known = [item.gaps for item in readings if item.gaps is not None]
    if len(known) < len(readings) or min(known) > 1 - _GAPLESS:
        return readings
    limit = 2 * min(known)
    return [item for item in readings if item.gaps is not None and item.gaps <= limit]


def _named(readings: list[Reading], name: str) -> list[Reading]:
    """The readings that the name of the column suggests, if any."""
    words = set(_words(name))
    for letter, known in _WORDS_OF_DIRECTIVES.items():
        if words.intersection(known):
            return [item for item in readings if f"%{letter}" in item.time_format.pattern
                    and "%d" not in item.time_format.pattern]  # fmt: skip
    if words.intersection(_DATE_WORDS):
        return [item for item in readings if item.time_format.pattern != "integer"]
    if words.intersection(_STEP_WORDS):
        return [item for item in readings if item.time_format.pattern == "integer"]
    return []


def _usual(readings: list[Reading]) -> list[Reading]:
    first = min(item.rank for item in readings)
    return [item for item in readings if item.rank == first]


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", spaced.lower())
