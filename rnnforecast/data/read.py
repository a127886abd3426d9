"""Files become one long table: ids as codes, times as integers, targets as floats.

The fast path streams every file through Arrow's CSV or parquet reader and keeps numbers only, so
that the memory needed is little more than the table itself. Whatever it cannot read is read again
by `diagnose`, which says what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data import sniff, stamps
from rnnforecast.data.columns import Numbers, Words, batches, load
from rnnforecast.data.diagnose import diagnose
from rnnforecast.data.roles import Roles, expand, infer_roles, missing_columns
from rnnforecast.data.sniff import File, Lines, as_text, not_utf8, place, undecodable
from rnnforecast.data.written import Writing, marks_of
from rnnforecast.errors import DataError, Problem

HEAD_ROWS = 2000
_HEAD_FILES = 40  # of a folder with more, evenly spread ones are looked at


@dataclass(frozen=True)
class Table:
    """One long table, rows in the order of the files."""

    keys: pd.DataFrame
    """[S, number of series columns] text, sorted; one row and no column for a single series."""
    codes: np.ndarray
    """[R] int64, the row of `keys`."""
    time: np.ndarray
    """[R] datetime64[us], local to `timezone`, or int64."""
    timezone: str
    """The offset after every stamp as written ("+02:00", "Z"); empty if there is none."""
    values: np.ndarray
    """[R, C] float64, original units; NaN where missing."""
    roles: Roles
    lines: Lines
    infinite: int
    """Infinite values that were taken as missing."""
    covariates: dict[str, Numbers | Words] = field(default_factory=dict)
    """Columns besides the targets, in the order they were asked for."""

    def take(self, mask: np.ndarray) -> Table:
        """The table of only those rows where ``mask`` [R] is true; lines are found as before."""
        rows = np.flatnonzero(mask)
        return replace(
            self,
            codes=self.codes[rows],
            time=self.time[rows],
            values=self.values[rows],
            lines=self.lines.take(rows),
            covariates={name: column.take(rows) for name, column in self.covariates.items()},
        )


def read(
    source: Sequence[str],
    *,
    time: str = "auto",
    series: str | Sequence[str] = "auto",
    targets: str | Sequence[str] = "auto",
    covariates: Sequence[str] = (),
    words: Sequence[str] = (),
    numbers: Sequence[str] = (),
    separator: str = "auto",
    decimal: str = "auto",
    thousands: str = "auto",
    encoding: str = "auto",
    time_format: str | None = None,
    offsets_may_differ: bool = False,
) -> Table:
    """All rows of all files (paths, folders, globs, "-" for standard input) in one table.

    `covariates` are names or patterns of columns; those in `words` are read as text, those in
    `numbers` as numbers, others as what they look like. Where there are covariates, a file may
    lack the targets if another has them: it says what is known ahead. Offsets after the stamps must be the same everywhere, unless `offsets_may_differ`:
    then they are applied, and times are instants of UTC.

    Raises DataError with every problem at once: file, line, column, what was found and the cure.
    """
    files = sniff.find(source, separator=separator, encoding=encoding)
    given = [] if time == "auto" else [time]
    given += [name for names in (series, targets) if names != "auto" for name in names]
    wanted = expand(covariates, _columns_of(files), _name(files))
    texts = expand(words, wanted, "features") if words else []
    _check_columns(files, [*given, *wanted], targets if wanted and targets != "auto" else ())

    def roles_of(rows: pd.DataFrame) -> Roles:
        return infer_roles(
            rows,
            time=time,
            series=series,
            targets=targets,
            covariates=wanted,
            words=texts,
            numbers=numbers,
            name=_name(files),
        )

    rows = _head(files)
    how = _How(decimal, thousands, time_format, offsets_may_differ)
    table = _read_as(files, rows, roles_of(rows), how)
    if series == "auto" and len(table.time) > len(rows) and _repeats(table):
        # A file sorted by series shows the first series only: look where its stamps come again.
        roles = roles_of(_rows_at(files, rows, table.roles.time))
        if roles.series != table.roles.series:
            del table
            table = _read_as(files, rows, roles, how)
    return table


class _How(NamedTuple):
    """What is said of the way cells are written."""

    decimal: str
    thousands: str
    time_format: str | None
    offsets_may_differ: bool


def _read_as(files: tuple[File, ...], rows: pd.DataFrame, roles: Roles, how: _How) -> Table:
    amounts = [name for name in roles.covariates if name not in roles.words]
    ahead = roles.targets if roles.covariates else ()
    _check_columns(files, [roles.time, *roles.series, *roles.targets], ahead)
    cells = [cell for column in (*roles.targets, *amounts) for cell in rows[column]]
    where = f"{_name(files)}, column {roles.targets[0]!r}"
    marks = marks_of(cells, how.decimal, how.thousands, where)
    form = _form(_name(files), roles.time, rows[roles.time].tolist(), how.time_format)
    form = replace(form, offsets=how.offsets_may_differ and form.zone != "")
    writing = Writing(form, marks)
    try:
        if form.kind == "open":
            writing = Writing(_settle(files, roles.time, form), marks)
        columns = load(files, roles, writing)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise diagnose(files, roles, writing, str(error)) from None
    return Table(
        keys=columns.keys,
        codes=columns.codes,
        time=columns.time,
        timezone=columns.timezone,
        values=columns.values,
        infinite=columns.infinite,
        roles=roles,
        lines=Lines(files, columns.counts),
        covariates=columns.covariates,
    )


def _columns_of(files: Sequence[File]) -> list[str]:
    """The columns of all files, in the order of the first that has them."""
    return list(dict.fromkeys(name for file in files for name in file.columns if name))


def _head(files: Sequence[File]) -> pd.DataFrame:
    """The first rows of the files as text; "" also where a file lacks a column of another. Of the
    columns without a name the first is kept, as ""."""
    seen = files[:: -(-len(files) // _HEAD_FILES)]
    each = -(-HEAD_ROWS // len(seen))
    frames = []
    for file in seen:
        frame = pd.DataFrame(sniff.sample(file, each), columns=range(len(file.columns)), dtype=str)
        frame.columns = pd.Index(file.columns)
        frames.append(frame.loc[:, ~frame.columns.duplicated()])  # only "" can come twice
    rows: pd.DataFrame = pd.concat(frames, ignore_index=True).fillna("")
    return rows


def _name(files: Sequence[File]) -> str:
    return files[0].name + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _check_columns(files: Sequence[File], names: Sequence[str], targets: Sequence[str]) -> None:
    """DataError for columns that a file lacks; `targets` need to be in one of them only."""
    problems = []
    for file in files:
        known = [name for name in file.columns if name]
        elsewhere = {name for name in targets if any(name in other.columns for other in files)}
        problems += missing_columns([n for n in names if n not in elsewhere], known, file.name)
    if problems:
        raise DataError(*problems)


def _form(name: str, column: str, cells: list[str], time_format: str | None) -> stamps.Form:
    where = f"{name}, column {column!r}"
    if time_format is not None:
        return stamps.given(time_format, cells)
    form = stamps.recognise(cells)
    examples = ", ".join(map(repr, list(dict.fromkeys(filter(None, cells)))[:3]))
    if form is None:
        found = f"the times cannot be recognised: {examples}"
        cure = "say how they are written with data.time_format, such as '%d.%m.%Y %H:%M'"
        raise DataError(Problem(where, found, cure))
    return form


def _settle(files: Sequence[File], column: str, form: stamps.Form) -> stamps.Form:
    """Day or month first, as the whole column tells; DataError if nothing in it does."""
    example = ""
    for file in (file for file in files if not file.is_parquet):
        for batch in batches(file, column, ()):
            texts = batch[column].dictionary.to_pylist()
            example = example or texts[0]
            form = stamps.settle(form, texts)
            if form.kind != "open":
                return form
    readings = " or ".join(map(repr, form.formats))
    found = f"{example!r} can be read as {readings}, and no other date in the column settles it"
    cure = "say which with data.time_format"
    raise DataError(Problem(f"{_name(files)}, column {column!r}", found, cure))


def _repeats(table: Table) -> bool:
    """Whether a series has a stamp twice, looked at for a few stamps: an id column left out shows
    at nearly all of them."""
    for stamp in np.unique(table.time[:: -(-len(table.time) // 20)]):
        codes = table.codes[table.time == stamp]
        if len(np.unique(codes)) < len(codes):
            return True
    return False


def _rows_at(files: Sequence[File], rows: pd.DataFrame, time: str) -> pd.DataFrame:
    """All rows of the files at a few stamps of the head, as text."""
    some = rows[time].drop_duplicates()
    wanted = pa.array(some.iloc[:: -(-len(some) // 5)], pa.string())
    found = []
    for file in files:
        rest = [name for name in file.columns if name and name != time]
        try:
            for batch in batches(file, time, rest):
                at = pc.is_in(as_text(batch[time]), value_set=wanted)
                texts = {name: as_text(column.filter(at)) for name, column in batch.items()}
                found.append(pa.table(texts).to_pandas())
        except (pa.ArrowException, OSError):  # of a column that is not in use
            lines = (line for line, cells in file.records() if undecodable("".join(cells)))
            raise DataError(not_utf8(place(file, next(lines)))) from None
    sample: pd.DataFrame = pd.concat(found, ignore_index=True)
    return sample
