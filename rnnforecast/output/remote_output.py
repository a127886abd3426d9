"""Results behind URLs, through fsspec: written on this machine first, then uploaded whole.

An object store replaces an object at once: readers see the old one or the new one. Of several files
``run.json`` comes last, so a folder is complete when that of the new forecast is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rnnforecast.data.io.remote_files import (
    HTTP,
    TemporaryFolder,
    open_file_system,
    remote_errors,
    retry,
)
from rnnforecast.errors import OutputError, OutputPathError, Problem, UsageError
from rnnforecast.output.owned_files import check_table_replaceable
from rnnforecast.output.ownership import MARK_FILE, FolderMark, add_to_mark, read_mark
from rnnforecast.spec.locations import ExpandedUrl
from rnnforecast.wording import join_names

LAST_FILE = "run.json"
"""The file of a folder that is uploaded last."""


def check_remote_output(url: ExpandedUrl, *, is_folder: bool, force: bool = False) -> None:
    """Raises UsageError for a protocol that cannot be written to, or whose package is missing, and
    OutputPathError for what `remote_output` would not replace."""
    if url.scheme in HTTP:
        cure = "write to s3://, gs:// or a file, and upload that"
        raise UsageError(Problem(url.name, f"{url.scheme}:// is for reading only", cure))
    open_file_system(url, UsageError)
    _check_replaceable(url, is_folder=is_folder, force=force)


@contextmanager
def remote_output(url: ExpandedUrl, *, is_folder: bool, force: bool = False) -> Iterator[Path]:
    """A path on this machine, whose file or folder is uploaded to `url` after the block.

    Files beside it with other names are uploaded, too. If the block raises, nothing is. An existing
    folder is replaced only if it has our mark and no other files, an existing file if it is a table
    of ours; with `force` in any case. Files of the last forecast that are not in the new one are
    deleted.

    Raises OutputError if the upload fails, OutputPathError for what is not replaced.
    """
    old = _check_replaceable(url, is_folder=is_folder, force=force)
    file_system, path = open_file_system(url, OutputError)
    path = path.rstrip("/")
    folder = TemporaryFolder()
    local = folder.path / path.rpartition("/")[2]
    yield local
    base, target = (local, path) if is_folder else (folder.path, path.rpartition("/")[0])
    files = sorted(
        (file.relative_to(base).as_posix() for file in base.rglob("*") if file.is_file()),
        key=lambda name: (name != MARK_FILE, name in (LAST_FILE, local.name), name),
    )
    left_over = old.difference(files)
    mark = local / MARK_FILE
    exact = mark.read_bytes() if left_over else b""
    if left_over:  # wherever this ends, no file in the folder is one that the mark does not name
        add_to_mark(local, left_over)
    with remote_errors(url, OutputError, "written"):
        for name in files:
            _upload(file_system, base / name, f"{target}/{name}")
        for name in sorted(left_over):
            retry(partial(file_system.rm_file, f"{target}/{name}"))
        if left_over:
            mark.write_bytes(exact)
            _upload(file_system, mark, f"{target}/{MARK_FILE}")


def _upload(file_system: Any, local: Path, remote: str) -> None:
    """Puts a file, and compares the sizes."""

    def put() -> None:
        file_system.put_file(str(local), remote)
        file_system.invalidate_cache()
        if file_system.size(remote) not in (None, local.stat().st_size):
            raise ConnectionError("the uploaded file is not complete")

    retry(put)


def _check_replaceable(url: ExpandedUrl, *, is_folder: bool, force: bool) -> frozenset[str]:
    """The files of the last forecast in a remote folder; OutputPathError for what is not ours."""
    file_system, path = open_file_system(url, OutputError)
    path = path.rstrip("/")
    with remote_errors(url, OutputError, "written"):
        file_system.invalidate_cache()
        if is_folder:
            return _check_folder(file_system, path, url, force=force)
        if not force and file_system.exists(path):
            _check_file(file_system, path, url)
        return frozenset()


def _check_folder(file_system: Any, path: str, url: ExpandedUrl, *, force: bool) -> frozenset[str]:
    """The files of the last forecast in a remote folder; OutputPathError if it is not ours."""
    found = [name.removeprefix(path).lstrip("/") for name in file_system.find(path)]
    if not found or force:
        return frozenset(found)
    mark = _read_remote_mark(file_system, f"{path}/{MARK_FILE}") if MARK_FILE in found else None
    if mark is None or mark.kind != "forecast":
        reason = f"rnnforecast did not write it (it has no right mark {MARK_FILE})"
    elif foreign := sorted(set(found) - mark.files - {MARK_FILE}):
        reason = f"it holds what rnnforecast did not write: {join_names(foreign, 3)}"
    else:
        return frozenset(found)
    cure = "choose another folder, or --force to replace all that is in it"
    raise OutputPathError(Problem(url.name, f"will not be replaced: {reason}", cure))


def _read_remote_mark(file_system: Any, path: str) -> FolderMark | None:
    folder = TemporaryFolder()
    file_system.get_file(path, str(folder.path / MARK_FILE))
    return read_mark(folder.path)


def _check_file(file_system: Any, path: str, url: ExpandedUrl) -> None:
    folder = TemporaryFolder()
    copy = folder.path / path.rpartition("/")[2]
    file_system.get_file(path, str(copy))
    try:
        check_table_replaceable(copy)
    except OutputPathError as error:
        (problem,) = error.problems
        raise OutputPathError(Problem(url.name, problem.found, problem.cure)) from None
