"""Why a file could not be read: every cell that is at fault, with its line and a cure.

The fast reader only says that something is wrong. This one reads the same files again, slowly and
as text, and holds every row to what the fast one expects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from rnnforecast.data import stamps
from rnnforecast.data.roles import MISSING, Roles
from rnnforecast.data.sniff import File, not_utf8, place, ragged, undecodable
from rnnforecast.data.written import Marks, Writing
from rnnforecast.errors import DataError, Problem

SHOWN = 5
"""Problems of one kind that are written out; the others are counted."""

_FILL = "fill the cell or take the row out"
Row = tuple[int, list[str]]  # line number, cells


class _Faults:
    """Problems by kind: the first few of each and how many there are."""

    def __init__(self) -> None:
        self._shown: dict[str, list[Problem]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, problem: Problem) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        shown = self._shown.setdefault(kind, [])
        if len(shown) < SHOWN:
            shown.append(problem)

    def problems(self) -> Iterator[Problem]:
        for kind, shown in self._shown.items():
            yield from shown
            if more := self._counts[kind] - len(shown):
                yield Problem("", f"… and {more} more: {kind}")


def diagnose(files: Sequence[File], roles: Roles, writing: Writing, reason: str) -> DataError:
    """All faults of all files; `reason` is what the fast reader said, in case none is found."""
    faults = _Faults()
    for file in files:
        records = file.records()
        while rows := list(islice(records, 20_000)):
            _check(file, rows, roles, writing, faults)
    problems = list(faults.problems())
    names = ", ".join(file.name for file in files[:3])
    return DataError(*problems or [Problem(names, f"cannot be read: {reason.splitlines()[0]}")])


def _check(file: File, rows: list[Row], roles: Roles, writing: Writing, faults: _Faults) -> None:
    places = {name: at for at, name in enumerate(file.columns)}
    texts = (roles.time, *roles.series, *roles.words)
    names = (*texts, *roles.targets, *roles.covariates)
    index = {name: places[name] for name in names if name in places}
    text = [index[name] for name in texts]
    rows = [row for row in rows if _is_whole(file, row, text, faults)]
    cells = {name: [(line, row[at]) for line, row in rows] for name, at in index.items()}
    _check_times(file, roles.time, cells[roles.time], writing.form, faults)
    for name in roles.series:
        for line, cell in cells[name]:
            if not cell.strip():
                problem = Problem(place(file, line, name), "the name of the series is blank", _FILL)
                faults.add("series without a name", problem)
    for name in (*roles.targets, *roles.covariates):
        if name in cells and name not in roles.words:
            _check_numbers(file, name, cells[name], writing.marks, faults, name in roles.targets)


def _is_whole(file: File, row: Row, used: list[int], faults: _Faults) -> bool:
    line, cells = row
    if len(cells) != len(file.header):
        faults.add("rows of another width", ragged(file, line, cells))
    elif any(not cells[index].isascii() and undecodable(cells[index]) for index in used):
        faults.add("cells that are not UTF-8", not_utf8(place(file, line)))
    else:
        return True
    return False


def _check_times(
    file: File, column: str, cells: list[tuple[int, str]], form: stamps.Form, faults: _Faults
) -> None:
    texts = list({text for _, text in cells})
    bad = [text for text, wrong in zip(texts, stamps.unreadable(texts, form), strict=True) if wrong]
    # Those that are readable once their offset is that of the others are in another time zone.
    moved = [text.strip().removesuffix(stamps.zone_of(text.strip())) + form.zone for text in bad]
    strangers = dict(zip(bad, ~stamps.unreadable(moved, form), strict=True))
    for line, text in cells:
        if text not in strangers:
            continue
        where, bare = place(file, line, column), text.strip()
        if bare in (*MISSING, "NaT"):
            faults.add("blank times", Problem(where, "the time is blank", _FILL))
        elif strangers[text]:
            zone = stamps.zone_of(bare).strip()
            ours = f"the offset {zone}" if zone else "no offset"
            theirs = f"have {form.zone.strip()}" if form.zone else "have none"
            found = f"{bare!r} has {ours}, but other stamps {theirs}"
            cure = "write all stamps in one time zone, best in UTC"
            if zone and form.zone:
                cure = f"set data.timezone, such as Europe/Berlin, or {cure}"
            faults.add("stamps in another time zone", Problem(where, found, cure))
        else:
            found = f"{_short(bare)} is not a time; expected {form}"
            cure = "mend the cell, or say how times are written with data.time_format"
            faults.add("cells that are not a time", Problem(where, found, cure))


def _check_numbers(
    file: File,
    column: str,
    cells: list[tuple[int, str]],
    marks: Marks,
    faults: _Faults,
    target: bool,
) -> None:
    other = Marks("." if marks.decimal == "," else ",")
    # A parquet file has no decimal mark of its own; its numbers come as text with a point.
    right = _number(Marks() if file.is_parquet else marks)
    for line, cell in cells:
        # Only plain blanks may stand around a number: one copied from a web page has others.
        if cell in MISSING or right.fullmatch(cell.strip(" \t")):
            continue
        cure = "mend the cell, or leave it empty if the value is missing"
        if not target:
            cure += "; or list the column under features.categorical"
        if _number(other).fullmatch(cell.strip(" \t")):
            cure = f"set data.decimal to {other.decimal!r} if that is the decimal mark"
        found = f"{_short(cell)} is not a number with the decimal mark {marks.decimal!r}"
        problem = Problem(place(file, line, column), found, cure)
        faults.add(f"cells of column {column!r} that are not a number", problem)


def _number(marks: Marks) -> re.Pattern[str]:
    return re.compile(marks.pattern(), re.IGNORECASE | re.ASCII)


def _short(cell: str) -> str:
    """The cell in quotes, cut where it is long."""
    text = cell.encode(errors="replace").decode()
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
