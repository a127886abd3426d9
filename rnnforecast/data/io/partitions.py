"""The partitions of a dataset: a folder or pattern of Parquet files, each with whole series."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from rnnforecast.data.io.find_files import find_paths
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.locations import is_url

PARQUET_SUFFIX = ".parquet"
CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Partition:
    """A file of a dataset."""

    name: str
    """Its path below the folder of the dataset, with ``/``: ``region=EU/part-0.parquet``."""
    path: str
    rows: int | None = None
    """By the metadata of the file; None if they cannot be read."""

    @property
    def file_name(self) -> str:
        """A name without folders for what is made of it; see `check_file_names`."""
        return self.name.replace("/", "__")

    def sha256(self) -> str:
        """The hash of the file. Raises OSError."""
        return file_sha256(Path(self.path))


def list_partitions(source: Sequence[str]) -> tuple[Partition, ...]:
    """The Parquet files of folders, patterns and paths, each once, sorted by name.

    Columns in the names of Hive folders are read with each file, as from the whole dataset. Raises
    DataError for URLs, standard input and files of other formats, and if there is no file.
    """
    problems: list[Problem] = []
    paths: list[Path] = []
    for item in source:
        if item == "-" or is_url(item):
            cure = "give a folder of Parquet files, or leave out --partitions"
            problems.append(Problem(item, "has no partitions that can be read one by one", cure))
            continue
        try:
            found_paths = find_paths(item, advised=[PARQUET_SUFFIX])
            paths += [path for path in found_paths if path is not None]
        except DataError as error:
            problems += error.problems
    paths = sorted({path.absolute() for path in paths})
    others = [path for path in paths if not path.name.lower().endswith(PARQUET_SUFFIX)]
    if others:
        count = f", and {len(others) - 1:,} more" if len(others) > 1 else ""
        found = f"is no Parquet file{count}: a dataset by partitions has Parquet files only"
        cure = "move what is no data away, convert other data to Parquet, or leave out --partitions"
        problems.append(Problem(str(others[0]), found, cure))
    if problems:
        raise DataError(*problems)
    folder = _common_folder(paths)
    partitions = tuple(
        Partition(path.relative_to(folder).as_posix(), str(path), _count_rows(path))
        for path in paths
    )
    _check_file_names(partitions)
    return partitions


def has_partitions(source: Sequence[str]) -> bool:
    """Whether data are several Parquet files on this machine."""
    if any(item == "-" or is_url(item) for item in source):
        return False
    names = [path.name.lower() for item in source for path in find_paths(item) if path is not None]
    return len(names) > 1 and all(name.endswith(PARQUET_SUFFIX) for name in names)


def total_rows(partitions: Sequence[Partition]) -> int:
    """Rows of all partitions, as far as they are known."""
    return sum(partition.rows or 0 for partition in partitions)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def of_partition(problems: Iterable[Problem], partition: Partition) -> tuple[Problem, ...]:
    """The problems with the name of the partition."""
    found = []
    for problem in problems:
        where = problem.where.removeprefix(Path(partition.path).name).lstrip(", ")
        where = f"{partition.name}, {where}" if where else partition.name
        found.append(Problem(where, problem.found, problem.cure))
    return tuple(found)


def _common_folder(paths: Sequence[Path]) -> Path:
    """The innermost folder with all files, above Hive folders that all of them share."""
    folder = paths[0].parent
    while not all(path.is_relative_to(folder) for path in paths) or "=" in folder.name:
        folder = folder.parent
    return folder


def _count_rows(path: Path) -> int | None:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError):  # what is wrong is said when the file is read
        return None


def _check_file_names(partitions: Sequence[Partition]) -> None:
    """DataError if two partitions would give their name to one file."""
    counts = Counter(partition.file_name for partition in partitions)
    same = [each for each in partitions if counts[each.file_name] > 1]
    if same:
        first = same[0]
        second = next(each for each in same[1:] if each.file_name == first.file_name)
        found = f"the results of both would be named {first.file_name}"
        cure = "rename a file or a folder"
        raise DataError(Problem(f"{first.path} and {second.path}", found, cure))
