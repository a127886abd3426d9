"""Files become one long table: ids as codes, times as integers, targets as floats.

The fast path streams every file through Arrow's CSV or parquet reader and keeps numbers only, so
that the memory needed is little more than the table itself. Whatever it cannot read is read again
by `diagnose`, which says what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io import dialect as sniff
from rnnforecast.data.io.arrow_stream import pieces
from rnnforecast.data.io.column_roles import Roles, expand, infer_roles, missing_columns
from rnnforecast.data.io.columns import Numbers, Words, load
from rnnforecast.data.io.diagnostics import diagnose
from rnnforecast.data.io.dialect import File, Lines, as_text, place
from rnnforecast.data.io.encoding import not_text, undecodable
from rnnforecast.data.io.number_format import Marks, Writing, Written, marks_of
from rnnforecast.data.time import format as stamps
from rnnforecast.errors import DataError, Problem

HEAD_ROWS = 2000
_HEAD_CELLS = 200_000  # about so many cells of all columns of numbers are looked at for marks
_HEAD_FILES = 40  # of a folder with more, evenly spread ones are looked at


@dataclass(frozen=True)
class Table:
    """One long table, rows in the order of the files."""

    keys: pd.DataFrame
    """[S, number of series columns] text, sorted; one row and no column for a single series."""
    codes: np.ndarray
    """[R] int32, the row of `keys`."""
    time: np.ndarray
    """[R] datetime64[us], local to `timezone`, or int64."""
    timezone: str
    """The offset after every stamp as written ("+02:00", "Z"); empty if there is none."""
    values: np.ndarray
    """[R, C] float64, original units; NaN where missing."""
    roles: Roles
    lines: Lines
    infinite: int
    """Infinite values, of targets and covariates, that were taken as missing."""
    covariates: dict[str, Numbers | Words] = field(default_factory=dict)
    """Columns besides the targets, in the order they were asked for."""

    def without_rows(self) -> Table:
        """What the table says of its columns, without the memory that its rows need."""
        return self.take(np.zeros(len(self.codes), dtype=np.bool_))

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
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    **format_options: Any,
) -> Table:
    """All rows of all files (paths, folders, globs, "-" for standard input) in one table.

    `covariates` are names or patterns of columns; those in `words` are read as text, those in
    `numbers` as numbers, others as what they look like. Where there are covariates, a file without
    targets says what is known ahead, if another one has them. `written` are fields of `Written`.

    Raises DataError with every problem at once: file, line, column, what was found and the cure.
    """
    how = Written(**format_options)
    files = sniff.find(source, separator=how.separator, encoding=how.encoding)
    names = expand(covariates, _columns_of(files), _name(files))
    texts, amounts = (expand(kind, names, "features") for kind in (categorical, numeric))
    _check_kinds(texts, amounts)
    known = [] if time == "auto" else [time]
    known += [] if series == "auto" else series
    _check_columns(files, known, () if targets == "auto" else targets, names)

    def roles_of(rows: pd.DataFrame) -> Roles:
        return infer_roles(
            rows,
            time=time,
            series=series,
            targets=targets,
            covariates=names,
            categorical_covariates=texts,
            numeric_covariates=amounts,
            missing_values=how.missing,
            source_name=_name(files),
        )

    rows = _head(files)
    table = _read_as(files, rows, roles_of(rows), how)
    if series == "auto" and len(table.time) > len(rows) and _repeats(table):
        # A file sorted by series shows the first series only: look where its stamps come again.
        roles = roles_of(_rows_at(files, rows, table.roles.time))
        if roles.series != table.roles.series:
            del table
            table = _read_as(files, rows, roles, how)
    return table


def _read_as(files: tuple[File, ...], head: pd.DataFrame, roles: Roles, options: Written) -> Table:
    _check_columns(files, [roles.time, *roles.series], roles.targets, roles.covariates)
    marks = _marks(files, head, roles, options)
    form = _form(_name(files), roles.time, head[roles.time].tolist(), options.time_format)
    form = replace(form, offsets=options.offsets_may_differ and form.zone != "")
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


def _check_columns(
    files: Sequence[File],
    names: Sequence[str],
    targets: Sequence[str],
    covariates: Sequence[str],
) -> None:
    """DataError for columns that a file lacks.

    One that has covariates but no target, which another file has, says what is known ahead: it
    need not have those covariates that are not.
    """
    some = any(name in file.columns for file in files for name in targets)
    problems = []
    for file in files:
        columns = [name for name in file.columns if name]
        ahead = some and not any(name in columns for name in targets)
        ahead = ahead and any(name in columns for name in covariates)
        needed = names if ahead else [*names, *targets, *covariates]
        problems += missing_columns(needed, columns, file.name)
    if problems:
        raise DataError(*problems)


def _check_kinds(categorical: Sequence[str], numeric: Sequence[str]) -> None:
    cure = "list it once"
    if both := [name for name in categorical if name in numeric]:
        found = "cannot be words and numbers at once"
        raise DataError(*(Problem(f"column {name!r}", found, cure) for name in both))


def _marks(files: Sequence[File], head: pd.DataFrame, roles: Roles, options: Written) -> Marks:
    texts = [name for name in roles.numbers if not all(name in file.typed for file in files)]
    step = max(1, -(-len(head) * len(texts) // _HEAD_CELLS))
    # a word for "no value", -999.9 say, tells nothing of the marks of the others
    cells = {
        name: [cell for cell in head[name].iloc[::step] if cell.strip() not in options.missing]
        for name in texts
    }
    return replace(marks_of(cells, options.decimal, options.thousands, _name(files)), missing=options.missing)


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


def _settle(files: Sequence[File], column: str, time_format: stamps.Form) -> stamps.Form:
    """Day or month first, as the whole column tells; DataError if nothing in it does."""
    example = ""
    for file in (file for file in files if not file.is_parquet):
        for piece in pieces(file, [column]):
            texts = piece[column].dictionary.to_pylist()
            example = example or texts[0]
            time_format = stamps.settle(time_format, texts)
            if time_format.kind != "open":
                return time_format
    readings = " or ".join(map(repr, time_format.formats))
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


def _rows_at(files: Sequence[File], head: pd.DataFrame, time: str) -> pd.DataFrame:
    """All rows of the files at a few stamps of the head, as text."""
    some = head[time].drop_duplicates()
    wanted = pa.array(some.iloc[:: -(-len(some) // 5)], pa.string())
    found = []
    for file in files:
        try:
            for piece in pieces(file, [name for name in file.columns if name]):
                at = pc.is_in(as_text(piece[time]), value_set=wanted)
                texts = {name: as_text(column.filter(at)) for name, column in piece.items()}
                found.append(pa.table(texts).to_pandas())
        except (pa.ArrowException, OSError):  # of a column that is not in use
            lines = (line for line, cells in file.records() if undecodable("".join(cells)))
            raise DataError(not_text(place(file, next(lines)), file.codec)) from None
    sample: pd.DataFrame = pd.concat(found, ignore_index=True)
    return sample
