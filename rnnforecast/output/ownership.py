"""The mark of a folder that this program wrote, and what may be replaced.

The file ``.rnnforecast.json`` in a folder names its kind and the files that were written into it,
with a checksum of both. A folder without a right mark, of another kind, or with other files in it
belongs to someone else, and is not replaced without ``--force``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnforecast.errors import OutputPathError, Problem
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.partial_names import is_partial_name
from rnnforecast.wording import join_names

MARK_FILE = ".rnnforecast.json"

FolderKind = Literal[
    "run",
    "versions",
    "forecast",
    "backtest",
    "tuning",
    "data report",
    "inspection",
    "export",
    "score",
]
"""What a folder holds; ``versions`` are those of a run, see `pipeline.run_versions`."""

IGNORED_NAMES = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that an operating system puts into any folder."""

MAX_MARK_BYTES = 1 << 24


@dataclass(frozen=True)
class FolderMark:
    """The content of a mark."""

    kind: str
    files: frozenset[str]
    """Paths in the folder, with slashes, without the mark itself."""


def write_mark(folder: Path, kind: FolderKind) -> None:
    """Marks a folder that holds nothing but files of this program."""
    _write(folder, kind, () if kind == "versions" else _files_in(folder))


def claim_folder(path: Path, kind: FolderKind, *, force: bool = False) -> None:
    """Marks a folder that is filled file by file, and never replaced as a whole.

    Raises OutputPathError if the folder has files and no mark of this kind, but for `force`; what
    others have in it stays. Raises OSError.
    """
    mark = read_mark(path)
    if mark is not None and mark.kind == kind:
        return
    if path.is_dir() and not force and (reason := foreign_content(path, kind)):
        cure = "choose another folder, or --force to write into this one"
        raise OutputPathError(Problem(str(path), f"will not be used: {reason}", cure))
    path.mkdir(parents=True, exist_ok=True)
    _write(path, kind, ())


def add_to_mark(folder: Path, names: Iterable[str]) -> None:
    """Adds files that will be written into a folder to its mark; nothing without a mark."""
    mark = read_mark(folder)
    if mark is not None and not mark.files.issuperset(names):
        _write(folder, mark.kind, mark.files.union(names))


def read_mark(folder: Path) -> FolderMark | None:
    """The mark of a folder; None without one, or if it is damaged."""
    try:
        if not (folder / MARK_FILE).is_file():  # a pipe would be waited for
            return None
        with (folder / MARK_FILE).open("rb") as file:
            stored = json.loads(file.read(MAX_MARK_BYTES))
        kind, files = stored["kind"], stored["files"]
        if stored["sha256"] == _checksum(kind, files):
            return FolderMark(kind, frozenset(files))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None


def check_replaceable(path: Path, kind: FolderKind, *, force: bool = False) -> None:
    """Raises OutputPathError unless the folder `path` may be replaced by one of this kind.

    With `force`, any folder may be but a mounted disk, and those around the working folder and the
    home folder.
    """
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        found, cure = "is a file where a folder should go", "choose another folder"
    elif path.is_mount():
        found, cure = "is a mounted disk, which cannot be replaced", "choose a folder inside it"
    elif Path.cwd().is_relative_to(path):
        found = "is the working folder or around it, which cannot be replaced"
        cure = "choose another folder"
    elif _home().is_relative_to(path):
        found = "is your home folder or around it, which cannot be replaced"
        cure = "choose a folder inside it"
    elif not force and (reason := foreign_content(path, kind)):
        found = f"will not be replaced: {reason}"
        cure = "move that away, or choose another folder; --force deletes all that is in this one"
    else:
        return
    raise OutputPathError(Problem(str(path), found, cure))


def _home() -> Path:
    """The home folder of this user, with all links resolved."""
    return Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111 - never fails


def foreign_content(path: Path, kind: FolderKind) -> str:
    """Why a folder is not one that this program wrote as this kind; "" if it is, or is empty."""
    files = _files_in(path)
    if not files and not (path / MARK_FILE).exists():
        return ""
    mark = read_mark(path)
    if mark is None:
        state = "is damaged" if (path / MARK_FILE).exists() else "is missing"
        holds = f"; it holds {join_names(sorted(files), 3)}" if files else ""
        return f"rnnforecast did not write it (its mark {MARK_FILE} {state}){holds}"
    if mark.kind != kind:
        return f"it is a folder of another kind ({mark.kind}, not {kind})"
    if kind == "versions":  # its folders have marks of their own
        return ""
    if foreign := sorted(files - mark.files):
        return f"it holds what rnnforecast did not write: {join_names(foreign, 3)}"
    return ""


def _write(folder: Path, kind: str, files: Iterable[str]) -> None:
    names = sorted(files)
    stored = {"kind": kind, "files": names, "sha256": _checksum(kind, names)}
    # escaped, so that names that are no UTF-8 come back as they are
    write_text(folder / MARK_FILE, json.dumps(stored, indent=1, sort_keys=True) + "\n")


def _checksum(kind: str, files: Iterable[str]) -> str:
    text = "\n".join([kind, *files])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _files_in(folder: Path) -> frozenset[str]:
    """Paths of all files in a folder, links included, but for the mark and what is ignored."""
    return frozenset(_walk(folder))


def _walk(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder, onerror=_raise):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]  # noqa: PTH114, PTH118
        for name in [*names, *links]:
            if name in IGNORED_NAMES or name.startswith(".nfs") or is_partial_name(name):
                continue
            path = Path(parent, name).relative_to(folder).as_posix()
            if path != MARK_FILE:
                yield path


def _raise(error: OSError) -> None:
    raise error
