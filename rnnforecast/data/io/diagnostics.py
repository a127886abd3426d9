"""Why a file could not be read: every cell that is at fault, with its line and a cure.

The fast reader only says that something is wrong. This one reads the same files again, slowly and
as text, and holds every row to what the fast one expects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from rnnforecast.data.io.column_roles import Roles
from rnnforecast.data.io.dialect import File, place, ragged
from rnnforecast.data.io.encoding import must_be_whole, not_text, undecodable
from rnnforecast.data.io.number_format import GROUPING, USUAL, Marks, Writing
from rnnforecast.data.time import format as stamps
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


def diagnose(files: Sequence[File], roles: Roles, cell_format: Writing, reason: str) -> DataError:
    """All faults of all files; `reason` is what the fast reader said, in case none is found."""
    faults = _Faults()
    for file in files:
        records = file.records()
        while rows := list(islice(records, 20_000)):
            _check(file, rows, roles, cell_format, faults)
    problems = list(faults.problems())
    names = ", ".join(file.name for file in files[:3])
    return DataError(*problems or [Problem(names, f"cannot be read: {reason.splitlines()[0]}")])


def _check(file: File, rows: list[Row], roles: Roles, cell_format: Writing, problems: _Faults) -> None:
    places = {name: at for at, name in enumerate(file.columns)}
    names = (roles.time, *roles.texts, *roles.numbers)
    index = {name: places[name] for name in names if name in places}
    text = [index[name] for name in (roles.time, *roles.texts) if name in index]
    more = list(file.constant.values())
    rows = [
        (line, cells + more) for line, cells in rows if _is_whole(file, (line, cells), text, problems)
    ]
    cells = {name: [(line, row[at]) for line, row in rows] for name, at in index.items()}
    _check_times(file, roles.time, cells[roles.time], cell_format.form, problems)
    for name in roles.series:
        for line, cell in cells[name]:
            if not cell.strip():
                problem = Problem(place(file, line, name), "the name of the series is blank", _FILL)
                problems.add("series without a name", problem)
    for name in roles.numbers:
        # A file may lack targets; numbers that parquet holds as such cannot be written wrongly.
        if name in cells and name not in file.typed:
            cure = "mend the cell, or list it under data.missing_values if there is no value"
            if name in roles.covariates:
                cure += "; list the column under features.categorical if it holds names"
            _check_numbers(file, name, cells[name], cell_format.marks, cure, problems)


def _is_whole(file: File, row: Row, used_columns: list[int], problems: _Faults) -> bool:
    line, cells = row
    whole = len(cells) == len(file.header)
    looked_at = cells
    if not must_be_whole(file.codec):
        looked_at = [cells[at] for at in used_columns if whole and at < len(cells)]
    if any(not cell.isascii() and undecodable(cell) for cell in looked_at):
        problems.add(f"lines that are not {file.codec}", not_text(place(file, line), file.codec))
    elif not whole:
        problems.add("rows of another width", ragged(file, line, cells))
    else:
        return True
    return False


def _check_times(
    file: File, column: str, cells: list[tuple[int, str]], time_format: stamps.Form, problems: _Faults
) -> None:
    texts = list({text for _, text in cells})
    bad = [text for text, wrong in zip(texts, stamps.unreadable(texts, time_format), strict=True) if wrong]
    # Those that are readable once their offset is that of the others are in another time zone.
    moved = [text.strip().removesuffix(stamps.zone_of(text.strip())) + time_format.zone for text in bad]
    strangers = dict(zip(bad, ~stamps.unreadable(moved, time_format), strict=True))
    for line, text in cells:
        if text not in strangers:
            continue
        where, bare = place(file, line, column), text.strip()
        if bare in (*USUAL, "NaT"):
            problems.add("blank times", Problem(where, "the time is blank", _FILL))
        elif strangers[text]:
            zone = stamps.zone_of(bare).strip()
            ours = f"the offset {zone}" if zone else "no offset"
            theirs = f"have {time_format.zone.strip()}" if time_format.zone else "have none"
            found = f"{bare!r} has {ours}, but other stamps {theirs}"
            cure = "write all stamps in one time zone, best in UTC"
            if zone and time_format.zone:
                cure = f"set data.timezone, such as Europe/Berlin, or {cure}"
            problems.add("stamps in another time zone", Problem(where, found, cure))
        else:
            found = f"{_short(bare)} is not a time; expected {time_format}"
            cure = (
                "mend the cell, delete the line if it is none of the data, or say how times are "
                "written with data.time_format"
            )
            problems.add("cells that are not a time", Problem(where, found, cure))


def _check_numbers(
    file: File,
    column: str,
    cells: list[tuple[int, str]],
    number_format: Marks,
    cure: str,
    problems: _Faults,
) -> None:
    for line, cell in cells:
        if number_format.says_none(cell) or number_format.fit(cell):
            continue
        found = f"{_short(cell)} is not a number with {number_format}"
        problem = Problem(place(file, line, column), found, _other_marks(cell, number_format) or cure)
        problems.add(f"cells of column {column!r} that are not a number", problem)


def _other_marks(cell: str, number_format: Marks) -> str:
    """The cure for a number that is one with other marks; "" for none."""
    cures = []
    point = "." if number_format.decimal == "," else ","
    if Marks(point).fit(cell):
        cures.append(f"data.decimal to {point!r} if that is the decimal mark")
    groups = [group for group in GROUPING if group not in (number_format.decimal, number_format.thousands)]
    if group := next((group for group in groups if Marks(number_format.decimal, group).fit(cell)), ""):
        cures.append(f"data.thousands to {group!r} if it stands between thousands")
    return f"set {', or '.join(cures)}" if cures else ""


def _short(cell: str) -> str:
    """The cell in quotes, cut where it is long."""
    text = cell.encode(errors="replace").decode()
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
