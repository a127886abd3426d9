"""The places of a forecast: files, folders, URLs, tables of databases; what may be written to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rnnforecast.errors import Problem, UsageError
from rnnforecast.output.forecast_table import table_format
from rnnforecast.output.owned_files import check_table_replaceable
from rnnforecast.output.ownership import check_replaceable
from rnnforecast.output.remote_output import check_remote_output
from rnnforecast.spec.locations import (
    absolute_location,
    expand_url,
    is_database,
    is_url,
    mask_url,
)
from rnnforecast.workflow.predict_database import check_database_output
from rnnforecast.workflow.predict_totals import sibling_path


def check_place(out: str, *, force: bool = False) -> None:
    """Raises UsageError for a file with the suffix of no table and for a URL that cannot be written
    to, and OutputPathError if what has the name `out` must not be replaced."""
    if not is_url(out):
        _check_path(out, force=force)
        return
    url = expand_url(out, UsageError)
    if is_database(url.text):
        check_database_output(out)
    elif url.local_path is not None:
        _check_path(url.local_path, force=force)
    else:
        check_remote_output(url, is_folder=is_folder(url.text), force=force)
        if not is_folder(url.text):
            table_format(url.text)


def check_apart(out: str, run: Path | None, source: Sequence[str]) -> None:
    """Raises UsageError if writing to `out` would replace the run or data that it is made of, even
    where a forecast may replace what it has not written."""
    if is_url(out) or out == "-":
        return
    target = Path(os.path.realpath(out))
    places = [] if run is None else [("the run", str(run))]
    for name, item in [*places, *(("the data", item) for item in source)]:
        if item == "-" or is_url(item):
            continue
        # a pattern lies where its files do
        if Path(os.path.realpath(item)).is_relative_to(target):
            found = f"{name} {item} would be replaced by the forecast"
            raise UsageError(Problem(f"-o {out}", found, "choose another place"))


def check_outside(out: str, source: Sequence[str]) -> None:
    """Raises UsageError if `out` lies in a folder of the data or fits their pattern, as the next
    call would read the forecast with them. Names in a folder that begin with a dot or an underscore
    are not read."""
    if is_url(out) or out == "-":
        return
    target = Path(os.path.realpath(out))
    for item in source:
        if item == "-" or is_url(item):
            continue
        place = Path(os.path.realpath(item))
        if place.is_dir() and target.is_relative_to(place):
            is_read = all(part[0] not in "._" for part in target.relative_to(place).parts)
        else:
            file = target / "forecast.csv" if is_folder(out) else target
            is_read = not place.exists() and file.match(str(place))
        if is_read:
            found = f"is inside {item}: the next call would read the forecast as data"
            raise UsageError(Problem(f"-o {out}", found, "choose a place outside the data"))


def _check_name(out: str) -> None:
    """UsageError for a text that no file system takes as a name."""
    try:
        is_name = b"\0" not in os.fsencode(out)
    except UnicodeEncodeError:
        is_name = False
    if not is_name:
        found = "a name with a character that no file can have"
        raise UsageError(Problem(repr(out), found, "choose another name"))


def _check_path(out: str, *, force: bool) -> None:
    _check_name(out)
    if is_folder(out):
        check_replaceable(Path(os.path.realpath(out)), "forecast", force=force)
        return
    table_format(out)
    if out != "-":
        check_table_replaceable(Path(out), force=force)


def has_files(out: str) -> bool:
    """Whether the place holds files: neither standard output nor a table of a database."""
    if is_url(out):
        return not is_database(expand_url(out, UsageError).text)
    return out != "-"


def is_folder(out: str) -> bool:
    """Whether the forecast goes into a folder of that name."""
    return out != "-" and (out.endswith("/") or not Path(out).suffix)


def table_path(out: str, name: str) -> str:
    """The file of a table: `out` for the forecast, a file beside it for others."""
    return out if name == "forecast" else str(sibling_path(Path(out), name))


def absolute_sources(source: Sequence[str]) -> list[str]:
    """Files and patterns as absolute ones; URLs and ``-`` as they are, without passwords."""
    return [
        mask_url(absolute_location(each, Path.cwd()))
        if each == "-" or is_url(each)
        else os.path.abspath(each)  # noqa: PTH100 - a pattern is no path
        for each in source
    ]
