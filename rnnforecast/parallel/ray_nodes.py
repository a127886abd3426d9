"""Checks that the nodes of a Ray cluster see the files of a command."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnforecast.errors import Problem, UsageError
from rnnforecast.parallel.ray_task import SHARED_CURE, check_versions, node_name

FOLDER = -1


def file_sizes(paths: Sequence[str]) -> dict[str, int | None]:
    """The size of each file in bytes, `FOLDER` for a folder, None where nothing is."""
    return {path: _size(Path(path)) for path in paths}


def check_node(
    sizes: Mapping[str, int | None], token: str | None, versions: Mapping[str, str]
) -> list[Problem]:
    """What keeps this node from working on these files.

    Args:
        sizes: the files, as the caller sees them.
        token: a file that the caller has just written into the folder of the output.
        versions: as in `run_task`.
    """
    where = f"node {node_name()}"
    problems: list[Problem] = []
    try:
        check_versions(versions)
    except UsageError as error:
        problems += error.problems
    for path, size in file_sizes(list(sizes)).items():
        if sizes[path] is not None and size != sizes[path]:
            found = f"{'does not see' if size is None else 'has another file at'} {path}"
            problems.append(Problem(where, found, SHARED_CURE))
    if token is not None:
        problems += _check_folder(where, Path(token))
    return problems


def _size(path: Path) -> int | None:
    try:
        return FOLDER if path.is_dir() else path.stat().st_size
    except OSError:
        return None


def _check_folder(where: str, token: Path) -> list[Problem]:
    """What keeps this node from writing into the folder of a file that the caller has written."""
    if not token.exists():
        found = f"does not see what this machine writes into {token.parent}"
        return [Problem(where, found, SHARED_CURE)]
    try:
        answer = token.with_name(f"{token.name}-{os.urandom(4).hex()}")
        answer.touch(exist_ok=False)
        answer.unlink()
    except OSError as error:
        found = f"cannot write into {token.parent}: {error.strerror}"
        return [Problem(where, found, SHARED_CURE)]
    return []
