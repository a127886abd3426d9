"""The files of a path, a folder or a pattern, and the columns in the names of their folders."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from urllib.parse import unquote

from rnnforecast.errors import DataError, Problem
from rnnforecast.registry import FILE_FORMATS
from rnnforecast.spec.data import check_file_name

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def find_paths(
    item: str, *, advised: Sequence[str] | None = None
) -> dict[Path | None, dict[str, str]]:
    """The sorted files of a path, a folder and its subfolders, or a pattern; each with its Hive
    partitions, a dict of column names and values. "-" is standard input, whose path is None.

    In folders, names that begin with a dot or an underscore are ignored. Raises DataError if no
    file is found, which advises files with the extensions `advised`, of all formats by default.
    """
    if item == "-":
        return {None: {}}
    if not item:
        raise DataError(Problem("", "the path of the data is empty", "give a file or a folder"))
    check_file_name(item)
    try:
        found = _find_paths(item, Path(item).expanduser(), advised or table_extensions())
    except (OSError, RuntimeError) as error:  # a name that is too long, no permission, no home
        cure = "check the path, and that you may read it"
        reason = getattr(error, "strerror", None) or error
        raise DataError(Problem(_shorten(item), f"cannot be read ({reason})", cure)) from None
    for path in found:
        check_file_name(str(path))
    return found


def _find_paths(item: str, path: Path, advised: Sequence[str]) -> dict[Path | None, dict[str, str]]:
    cure = f"give files that end in {', '.join(advised)}"
    if path.is_dir():
        if found := [file for file in _walk_files(path, set()) if _has_table_extension(file)]:
            return {file: partition_values(file, len(path.parts)) for file in found}
        raise DataError(Problem(item, "no file in this folder has a known extension", cure))
    if path.is_fifo():
        return {path: {}}
    if path.is_file():
        if _has_table_extension(path):
            return {path: partition_values(path)}
        raise DataError(Problem(item, "no known extension", cure))
    if glob.has_magic(item):
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
        if found := [file for file in matches if _has_table_extension(file) and file.is_file()]:
            return {file: partition_values(file) for file in found}
        raise DataError(Problem(item, "no file with a known extension matches this pattern", cure))
    cure = "check the path; in a spec a relative one counts from the folder of the spec"
    raise DataError(Problem(item, "there is no such file or folder", cure))


def table_extensions() -> tuple[str, ...]:
    """File name extensions of all formats."""
    formats = FILE_FORMATS.names()
    return tuple(end for name in formats for end in FILE_FORMATS.literal(name, "EXTENSIONS"))


def _shorten(item: str) -> str:
    return item if len(item) <= 200 else f"{item[:200]}…"


def partition_values(file: PurePath, base_depth: int | None = None) -> dict[str, str]:
    """Columns of Hive partitions: ``store=1/year=2024/a.parquet`` has store 1 and year 2024.

    Values are text, "" for Hive's null. Folders are searched upwards to the first without "=" in
    its name; those at depth `base_depth` or deeper may have other names, too.
    """
    parts = file.parent.parts
    found: list[tuple[str, str]] = []
    for depth in reversed(range(len(parts))):
        name, equals, value = parts[depth].partition("=")
        if name.strip() and equals:
            found.append((unquote(name).strip(), "" if value == _HIVE_NULL else unquote(value)))
        elif base_depth is None or depth < base_depth:
            break
    return dict(reversed(found))


def _has_table_extension(path: Path) -> bool:
    return path.name.lower().endswith(table_extensions())


def _walk_files(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Files of the folder and its subfolders, each folder once even if links form a cycle."""
    real = folder.resolve()
    if real in seen:
        return
    seen.add(real)
    for path in sorted(path for path in folder.iterdir() if path.name[0] not in "._"):
        if path.is_dir():
            yield from _walk_files(path, seen)
        elif path.is_file():
            yield path
