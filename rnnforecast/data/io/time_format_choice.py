"""The time format of a column of files: given, or chosen by the entire column, with notes."""

from __future__ import annotations

from collections.abc import Sequence

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
    with_hour_endings,
    with_year_steps,
)
from rnnforecast.data.time.format_inference import (
    FormatChoice,
    Reading,
    choose_time_format,
    infer_time_formats,
)
from rnnforecast.errors import DataError, Problem

_ENOUGH_TEXTS = 24
"""Distinct texts in the first rows from which these decide between readings."""
_MAX_TEXTS = 200_000


def choose_column_format(
    files: Sequence[InputFile], roles: ColumnRoles, head: pd.DataFrame, time_format: str | None
) -> tuple[TimeFormat, str | None, list[ReadingNote]]:
    """The format of the time, the value of `data.time_format` for it if there was a choice, and
    notes on how it is read.

    `head` holds the first rows. Raises DataError if the texts are no times, or can be read in two
    ways.
    """
    texts, where = head[roles.time].tolist(), _location(files, roles)
    if time_format is not None:
        found = parse_time_format(time_format, texts)
        return found, None, _reading_notes(found, texts, where)
    formats = infer_time_formats(texts)
    if roles.ends_hours:
        formats = [with_hour_endings(item) for item in formats]
    if not formats:
        examples = ", ".join(map(repr, list(dict.fromkeys(filter(None, texts)))[:3]))
        found_text = f"the times cannot be recognized: {examples}"
        cure = "set data.time_format, such as '%d.%m.%Y %H:%M', or data.time to another column"
        raise DataError(Problem(where, found_text, cure))
    if len(formats) == 1:
        return formats[0], None, _reading_notes(formats[0], texts, where)
    name = " ".join(roles.time_columns) or roles.time
    choice = choose_time_format(formats, texts, name)
    if len(set(texts)) < _ENOUGH_TEXTS or not (choice.chosen and choice.is_evident):
        texts = _distinct_texts(files, roles.time) or texts
        choice = choose_time_format(formats, texts, name)
    if choice.chosen is None:
        raise DataError(_ambiguity(choice, texts, where))
    chosen = with_year_steps(choice.chosen.time_format, texts)
    setting = None if chosen.pattern == ISO else chosen.setting
    return (
        chosen,
        setting,
        [
            *_choice_notes(choice, texts, where),
            *_reading_notes(chosen, texts, where),
        ],
    )


def _distinct_texts(files: Sequence[InputFile], column: str) -> list[str]:
    """The distinct texts of a column of all files, up to `_MAX_TEXTS`."""
    found: dict[str, None] = {}
    try:
        for file in files:
            for batch in file.batches([column]):
                texts = dictionary_encode(batch[column]).dictionary
                found.update(dict.fromkeys(pc.utf8_trim_whitespace(texts).to_pylist()))
                if len(found) > _MAX_TEXTS:
                    return list(found)
    except (pa.ArrowException, OSError, ValueError):
        return list(found)  # the faulty rows are reported when all columns are read
    return list(found)


def _location(files: Sequence[InputFile], roles: ColumnRoles) -> str:
    name = files[0].name + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    columns = roles.time_columns or (roles.time,)
    return f"{name}, column{'s' * (len(columns) > 1)} {', '.join(map(repr, columns))}"


def _ambiguity(choice: FormatChoice, texts: Sequence[str], where: str) -> Problem:
    readings = " or ".join(map(_describe, choice.others))
    found = f"{texts[0]!r} can be read as {readings}, and no other cell of the column decides"
    values = " or ".join(repr(item.time_format.setting) for item in choice.others)
    return Problem(where, found, f"set data.time_format to {values}")


def _choice_notes(choice: FormatChoice, texts: Sequence[str], where: str) -> list[ReadingNote]:
    """The note of a choice between readings that parse all cells."""
    chosen = choice.chosen
    others = [item for item in choice.others if chosen and item.parsed >= chosen.parsed]
    if chosen is None or not others:
        return []
    others = [item for item in others if item.rank == min(other.rank for other in others)]
    found = (
        f"{texts[0]!r} is read as {_describe(chosen)}, not as"
        f" {' or '.join(map(_describe, others))}: {choice.reason}"
    )
    cure = f"set data.time_format to {others[0].time_format.setting!r} for the other reading"
    return [ReadingNote(Problem(where, found, cure))]


def _describe(reading: Reading) -> str:
    if reading.time_format.pattern == "integer":
        return "the number of a step (integer)"
    return f"{reading.example} ({reading.time_format.setting})"


def _reading_notes(time_format: TimeFormat, texts: Sequence[str], where: str) -> list[ReadingNote]:
    """Notes on what the format itself does not say: which time a range, a week or an hour is."""
    example, pattern = next((text for text in texts if text), ""), time_format.pattern
    said = []
    if time_format.range_mark:
        said.append(f"ranges of times such as {example!r} are read as their beginnings")
    if "%V" in pattern and "%u" not in pattern and "%a" not in pattern:
        said.append(f"weeks such as {example!r} are read as their Mondays")
    if "%q" in pattern:
        said.append(f"quarters such as {example!r} are read as their first days")
    if "%K" in pattern:
        said.append("hours from 1 to 24 are read as their beginnings: hour 1 is 00:00")
    if pattern == "excel":
        said.append(f"numbers such as {example!r} are read as Excel's days since 1899-12-30")
    if pattern == "decimal_year":
        steps = {1: "years", 2: "half-years", 4: "quarters", 12: "months"}
        unit = steps.get(time_format.year_steps.per_year, "days")
        said.append(f"decimal years such as {example!r} are read as {unit}")
    cure = "set data.time_format if that is wrong"
    return [ReadingNote(Problem(where, found, cure)) for found in said]
