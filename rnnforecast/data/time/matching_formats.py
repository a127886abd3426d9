"""Time formats that can parse the texts of a column; `format_inference` chooses one of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from rnnforecast.data.time.format import (
    ISO,
    ISO_PATTERN,
    RANGE_MARKS,
    TimeFormat,
    offset_suffix,
    parse_timestamps,
    unparsable_mask,
    with_year_steps,
)
from rnnforecast.data.time.format_candidates import (
    candidate_patterns,
    conventional_rank,
    has_week_word,
)
from rnnforecast.data.time.frequency_inference import infer_frequency
from rnnforecast.data.time.numeric_formats import EPOCH_UNITS, NUMBER_PATTERN, epoch_limits
from rnnforecast.errors import DataError

_PLAUSIBLE_YEARS = (1990, 2100)
"""Years of numbers that are parsed as counts since 1970, the last one excluded."""
_DATE_YEARS = ("1800", "2200")
_EXCEL_DAYS = (30_000, 55_000)  # 1982 to 2050
_DECIMAL_YEARS = (1500, 2200)
_MAX_CHANCE_SHARE = 0.1
"""Of seconds since 1970 hardly more can be read as %Y%m%d%H, and only from 2033 on."""
_FREQUENT_BY_CHANCE = (
    "%G%V",
    "%Y%q",
    "%Y%j",
    "%Y0%m",
    "%y%m",
    "%y%j",
    "%m%d%y",
    "%d%m%y",
    "%y%m%d",
)
"""Formats that many numbers have, so that nearly all of a column must."""
_PATTERN_SAMPLES = 12
_MAX_WEEK_GAPS = 0.5
_MIN_STEPS = 3  # fewer say nothing about gaps


def infer_time_formats(samples: Sequence[str]) -> list[TimeFormat]:
    """Every format that more than half of the samples can be read in, the usual ones first; of
    formats of text only those that parse the most."""
    texts = list(dict.fromkeys(text.strip() for text in samples if text.strip()))
    if not texts:
        return []
    if sum(bool(re.fullmatch(NUMBER_PATTERN, text)) for text in texts) > len(texts) / 2:
        return _number_formats(texts)
    if formats := _text_formats(texts):
        return formats
    for mark in RANGE_MARKS:
        if formats := _range_formats(texts, mark):
            return formats
    return []


def gap_share(time: np.ndarray) -> float | None:
    """Share of the differences between sorted timestamps that are not one step of their frequency;
    None for too few."""
    distinct = np.unique(time)
    if len(distinct) <= _MIN_STEPS:
        return None
    try:
        return 1 - infer_frequency(np.zeros(len(distinct), dtype=np.int64), distinct).agreement
    except DataError:
        return None


def _text_formats(texts: list[str]) -> list[TimeFormat]:
    ends = [offset_suffix(text) for text in texts]
    zones = Counter(ends)
    zone = max(zones, key=lambda item: zones[item])
    offsets = bool(zone) and len(zones.keys() - {""}) > 1
    bare = [text.removesuffix(end) for text, end in zip(texts, ends, strict=True)]
    n_iso = sum(bool(re.fullmatch(ISO_PATTERN, text)) for text in bare)
    patterns = [ISO] if n_iso > len(bare) / 2 else []
    if n_iso < len(bare):
        middle = bare[:: -(-len(bare) // _PATTERN_SAMPLES)]
        candidates = list(dict.fromkeys(p for text in middle for p in candidate_patterns(text)))
        others = _best_patterns(candidates, bare, more_than=max(n_iso, len(bare) / 2))
        patterns = [item for item in others if _is_plausible(item, bare)] or patterns
    return [TimeFormat(item, offset=zone, has_mixed_offsets=offsets) for item in patterns]


def _is_plausible(pattern: str, texts: list[str]) -> bool:
    """Whether a pattern that parses most texts may be meant: not days without a year, nor the
    weeks that years such as 2000/01 would be."""
    if is_without_year(pattern, texts):
        return False
    if "%V" not in pattern or has_week_word(pattern):
        return True
    time_format = TimeFormat(pattern)
    parsed = [
        t for t, bad in zip(texts, unparsable_mask(texts, time_format), strict=True) if not bad
    ]
    return (gap_share(parse_timestamps(pa.array(parsed), time_format)) or 0) < _MAX_WEEK_GAPS


def is_without_year(pattern: str, texts: Sequence[str]) -> bool:
    """Whether what a pattern reads as years of two digits are rather days of one year: the
    timestamps then have fewer gaps."""
    if "%y" not in pattern or "%d" in pattern:
        return False
    days = TimeFormat(pattern.replace("%y", "%d") + " %Y")
    dated = [f"{text} 2020" for text in texts]
    if unparsable_mask(dated, days).any() or unparsable_mask(texts, TimeFormat(pattern)).any():
        return False
    gaps = gap_share(parse_timestamps(pa.array(dated), days))
    years = gap_share(parse_timestamps(pa.array(list(texts)), TimeFormat(pattern)))
    return gaps is not None and years is not None and gaps < years


def _best_patterns(patterns: list[str], texts: list[str], more_than: float) -> list[str]:
    """The patterns that parse the most texts, if those are more than so many; the usual first."""
    counts = {item: count_parsed(TimeFormat(item), texts) for item in patterns}
    most = max(counts.values(), default=0)
    if most <= more_than:
        return []
    best = [item for item in patterns if counts[item] == most]
    return sorted(best, key=lambda item: conventional_rank(item, texts))


def _range_formats(texts: list[str], mark: str) -> list[TimeFormat]:
    """The formats of the beginnings of ranges such as 01:00 - 02:00, if most texts are ranges."""
    parts = [text.split(mark, 1) for text in texts if mark in text]
    if len(parts) <= len(texts) / 2:
        return []
    first, last = ([part[side].strip() for part in parts] for side in (0, 1))
    if _most_match(first, NUMBER_PATTERN) or not _most_match(last, r"P?[\w.:/+\- ]*\d[\w.:/+\- ]*"):
        return []
    return [replace(item, range_mark=mark) for item in _text_formats(first)]


def _number_formats(texts: list[str]) -> list[TimeFormat]:
    """The formats of numbers: dates such as 20240131, 202401 or 2023365, counts since 1970, days of
    Excel, decimal years, and whole numbers that count steps."""
    enough = len(texts) / 2
    numbers = [text for text in texts if re.fullmatch(NUMBER_PATTERN, text)]
    middle = numbers[:: -(-len(numbers) // _PATTERN_SAMPLES)]
    patterns = {item for text in middle for item in candidate_patterns(text)}
    if not all(re.match("[012]|9[0-9]", text) for text in numbers):
        patterns.discard("%y%j")  # of years that are far off, unlike Excel's numbers
    likely = [text for text in numbers if _may_be_date(text)] if patterns else []
    found = [TimeFormat(item) for item in _best_patterns(sorted(patterns), likely, enough)]
    needed = {item.pattern: 0.9 if item.pattern in _FREQUENT_BY_CHANCE else 0.5 for item in found}
    counts = {
        item.pattern: count_parsed(item, _with_plausible_year(item, likely)) for item in found
    }
    found = [item for item in found if counts[item.pattern] > needed[item.pattern] * len(texts)]
    is_certain = any(counts[item.pattern] == len(texts) for item in found) and len(texts[0]) > 5
    values = np.array([float(text.replace(",", ".")) for text in numbers])
    for unit in EPOCH_UNITS:
        first, end = epoch_limits(unit, _PLAUSIBLE_YEARS)
        if found or np.sum((values >= first) & (values < end)) <= enough:
            continue
        hours = [text for text in numbers if len(text) == 10 and "1990" <= text < "2100"]
        # More dates than by chance, but not a majority: the column is ambiguous.
        chance = count_parsed(TimeFormat("%Y%m%d%H"), hours) if unit == "unix_s" else 0
        if chance > _MAX_CHANCE_SHARE * len(texts):
            found.append(TimeFormat("%Y%m%d%H"))
        found.append(TimeFormat(unit, year_range=_PLAUSIBLE_YEARS))
    if np.all((values >= _EXCEL_DAYS[0]) & (values < _EXCEL_DAYS[1])):
        found.append(TimeFormat("excel"))
    is_whole = np.array([bool(re.fullmatch(r"[+-]?\d{1,18}", text)) for text in texts])
    years = (values >= _DECIMAL_YEARS[0]) & (values < _DECIMAL_YEARS[1])
    if not is_whole.all() and len(values) and years.all():
        found.append(with_year_steps(TimeFormat("decimal_year"), numbers))
    if is_whole.sum() > enough and not is_certain:
        found.append(TimeFormat("integer"))
    return found


def _may_be_date(text: str) -> bool:
    """Whether a number can have a year of four digits, or two with month and day."""
    first, last = _DATE_YEARS
    return any(first <= year <= last for year in (text[:4], text[-4:])) or len(text) in (4, 5, 6)


def _with_plausible_year(time_format: TimeFormat, texts: list[str]) -> list[str]:
    """The texts whose year is plausible, if it has four digits at their beginning: 004712 is no
    week of the year 47."""
    if not time_format.pattern.startswith(("%Y", "%G")):
        return texts
    first, last = _DATE_YEARS
    return [text for text in texts if first <= text[:4] <= last]


def count_parsed(time_format: TimeFormat, texts: Sequence[str]) -> int:
    return int(np.sum(~unparsable_mask(texts, time_format))) if texts else 0


def _most_match(texts: Sequence[str], pattern: str) -> bool:
    return sum(bool(re.fullmatch(pattern, text)) for text in texts) > len(texts) / 2
