"""The time format of a column of files: given, or chosen by the entire column, with notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io.arrow_types import dictionary_encode
from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.input_files import InputFile
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.time.format import (
    ISO,
    TimeFormat,
    parse_time_format,
    parse_timestamps,
    unparsable_mask,
    with_clock,
    with_year_steps,
)
from rnnforecast.data.time.format_inference import (
    FormatChoice,
    Reading,
    choose_time_format,
    format_example,
)
from rnnforecast.data.time.matching_formats import count_parsed, infer_time_formats
from rnnforecast.errors import DataError, Problem

_ENOUGH_TEXTS = 24
"""Distinct texts in the first rows from which these decide between readings."""
_MAX_TEXTS = 200_000
_MAX_EXAMPLES = 1000
_ABSURD = 3  # rank of readings that only gaplessness makes plausible


@dataclass(frozen=True)
class ColumnFormat:
    """The format of a time column, and how it was found."""

    time_format: TimeFormat
    notes: tuple[ReadingNote, ...] = ()
    is_choice: bool = False
    """Whether other formats were possible."""

    @property
    def setting(self) -> str | None:
        """The value of `data.time_format` for the format; None for ISO 8601."""
        return None if self.time_format.pattern == ISO else self.time_format.setting


def choose_column_format(
    files: Sequence[InputFile], roles: ColumnRoles, head: pd.DataFrame, time_format: str | None
) -> ColumnFormat:
    """The format of the time: the given `time_format`, that of training if it fits as well as any,
    or the likeliest.

    `head` holds the first rows. Raises DataError if the texts are no times, or can be read in two
    ways.
    """
    texts, where = [text for text in head[roles.time] if text], _location(files, roles)
    if time_format is not None:
        found = parse_time_format(time_format, texts)
        return ColumnFormat(found, _reading_notes(found, texts, where))
    if roles.clock_pattern:
        dates = infer_time_formats(head[roles.time_columns[0]].tolist())
        formats = [with_clock(item, roles.clock_pattern) for item in dates]
    else:
        formats = infer_time_formats(texts)
    if not formats:
        examples = ", ".join(map(repr, list(dict.fromkeys(texts))[:3]))
        said = f"the times cannot be recognized: {examples}"
        cure = "set data.time_format, such as '%d.%m.%Y %H:%M', or data.time to another column"
        raise DataError(Problem(where, said, cure))
    if roles.known_time_format is not None:
        known = parse_time_format(roles.known_time_format, texts)
        distinct = list(dict.fromkeys(texts))
        if count_parsed(known, distinct) >= max(count_parsed(item, distinct) for item in formats):
            return ColumnFormat(known)
    if len(formats) == 1:
        return ColumnFormat(formats[0], _reading_notes(formats[0], texts, where))
    name = " ".join(roles.time_columns) or roles.time
    choice = choose_time_format(formats, texts, name)
    if len(set(texts)) < _ENOUGH_TEXTS or not (choice.chosen and choice.is_evident):
        texts = _distinct_texts(files, roles.time) or texts
        choice = choose_time_format(formats, texts, name)
    if choice.chosen is None:
        raise DataError(_ambiguity(choice, texts, where))
    chosen = with_year_steps(choice.chosen.time_format, texts)
    notes = (*_choice_notes(choice, texts, where), *_reading_notes(chosen, texts, where))
    return ColumnFormat(chosen, notes, is_choice=bool(_rivals(choice)))


def _distinct_texts(files: Sequence[InputFile], column: str) -> list[str]:
    """The distinct texts of a column of all files, up to `_MAX_TEXTS`."""
    found: dict[str, None] = {}
    try:
        for file in files:
            for batch in file.batches([column]):
                texts = dictionary_encode(batch[column]).dictionary
                found.update(dict.fromkeys(pc.utf8_trim_whitespace(texts).to_pylist()))
                if len(found) > _MAX_TEXTS:
                    break
    except (pa.ArrowException, OSError, ValueError):
        pass  # the faulty rows are reported when all columns are read
    return [text for text in found if text]


def _location(files: Sequence[InputFile], roles: ColumnRoles) -> str:
    name = files[0].name + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    columns = roles.time_columns or (roles.time,)
    return f"{name}, column{'s' * (len(columns) > 1)} {', '.join(map(repr, columns))}"


def _rivals(choice: FormatChoice) -> list[Reading]:
    """The usual ones of the readings that parse as much as the chosen one; where the cells decide,
    only those that are as usual as the chosen one."""
    chosen = choice.chosen
    if chosen is None:
        return list(choice.others)
    others = [
        item for item in choice.others if item.parsed >= chosen.parsed and item.rank < _ABSURD
    ]
    if choice.is_evident:
        others = [item for item in others if item.rank <= chosen.rank]
    first = min((item.rank for item in others), default=0)
    return [item for item in others if item.rank == first]


def _ambiguity(choice: FormatChoice, texts: Sequence[str], where: str) -> Problem:
    readings = " or ".join(map(_describe, choice.others))
    found = f"{texts[0]!r} can be read as {readings}, and no other cell of the column decides"
    values = " or ".join(repr(item.time_format.setting) for item in choice.others)
    return Problem(where, found, f"set data.time_format to {values}")


def _choice_notes(
    choice: FormatChoice, texts: Sequence[str], where: str
) -> tuple[ReadingNote, ...]:
    """The note of a choice between readings that parse as much."""
    chosen, others = choice.chosen, _rivals(choice)
    if chosen is None or not others:
        return ()
    example = _differing_text([chosen, *others], texts)
    chosen, *others = (_with_example(item, example) for item in (chosen, *others))
    found = (
        f"{example!r} is read as {_describe(chosen)}, not as"
        f" {' or '.join(map(_describe, others))}: {choice.reason}"
    )
    cure = f"set data.time_format to {others[0].time_format.setting!r} for the other reading"
    return (ReadingNote(Problem(where, found, cure)),)


def _differing_text(readings: Sequence[Reading], texts: Sequence[str]) -> str:
    """The first text that the readings read as different times; the first one if there is none."""
    some = list(dict.fromkeys(texts))[:_MAX_EXAMPLES]
    is_parsed = ~np.any([unparsable_mask(some, item.time_format) for item in readings], axis=0)
    some = [text for text, good in zip(some, is_parsed, strict=True) if good]
    if not some:
        return texts[0]
    times = [_format_times(some, item) for item in readings]
    differing = (at for at, found in enumerate(zip(*times, strict=True)) if len({*found}) > 1)
    return some[next(differing, 0)]


def _with_example(reading: Reading, text: str) -> Reading:
    """The reading with `text` as its example, if it can be read so."""
    if unparsable_mask([text], reading.time_format).any():
        return reading
    return replace(reading, example=_format_times([text], reading)[0])


def _format_times(texts: Sequence[str], reading: Reading) -> list[str]:
    time_format = with_year_steps(reading.time_format, texts)
    return [format_example(time) for time in parse_timestamps(pa.array(texts), time_format)]


def _describe(reading: Reading) -> str:
    if reading.time_format.pattern == "integer":
        return "the number of a step (integer)"
    return f"{reading.example} ({reading.time_format.setting})"


def _reading_notes(
    time_format: TimeFormat, texts: Sequence[str], where: str
) -> tuple[ReadingNote, ...]:
    """Notes on what the format itself does not say: which time a range, a week or an hour is."""
    example, pattern = next(iter(texts), ""), time_format.pattern
    said = []
    if time_format.range_mark:
        said.append(f"ranges of times such as {example!r} are read as their beginnings")
    if "%V" in pattern and "%u" not in pattern and "%a" not in pattern:
        said.append(f"weeks such as {example!r} are read as their Mondays")
    if "%q" in pattern:
        said.append(f"quarters such as {example!r} are read as their first days")
    if "%J" in pattern:
        said.append(f"half-years such as {example!r} are read as their first days")
    if "0%m" in pattern:
        said.append(f"periods such as {example!r} are read as months, period 001 as January")
    if "%K" in pattern:
        said.append("hours from 1 to 24 are read as their beginnings: hour 1 is 00:00")
    if pattern == "excel":
        said.append(f"numbers such as {example!r} are read as Excel's days since 1899-12-30")
    if pattern == "decimal_year":
        steps = {1: "years", 2: "half-years", 4: "quarters", 12: "months"}
        unit = steps.get(time_format.year_steps.per_year, "days")
        said.append(f"decimal years such as {example!r} are read as {unit}")
    cure = "set data.time_format if that is wrong"
    return tuple(ReadingNote(Problem(where, found, cure)) for found in said)
