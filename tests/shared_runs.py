"""Trainings that tests share: each spec with the same data is trained once in a test run."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

CHECKSUMS, STATE = "SHA256SUMS", "state.json"


class SharedRuns:
    """Run folders in `folder`, which all processes of a test run share; `conftest.py` sets it."""

    folder: Path

    def train(self, out: Path, key: object, train: Callable[[], Result]) -> Result:
        """The result of `train`, which writes the run folder `out` in the working folder.

        Where the same `key` was trained with the same files before, `out` becomes a copy of its
        folder. A training that wrote no folder, and one into a folder that exists, is not shared.
        """
        if out.exists():
            return train()
        digest = hashlib.sha256(repr((key, _inputs())).encode()).hexdigest()
        entry = self.folder / digest[:32]
        if not entry.exists():
            result = train()
            if out.is_dir():
                self._store(entry, out, result)
            return result
        folder, stored = pickle.loads((entry / "result.pickle").read_bytes())
        shutil.copytree(entry / "run", out)
        _move(out, folder)
        result: Result = stored
        return result

    def _store(self, entry: Path, out: Path, result: object) -> None:
        partial = self.folder / f"partial-{uuid.uuid4().hex}"
        shutil.copytree(out, partial / "run")
        (partial / "result.pickle").write_bytes(pickle.dumps((str(Path.cwd()), result)))
        try:
            partial.rename(entry)
        except OSError:  # another process was first
            shutil.rmtree(partial)


SHARED_RUNS = SharedRuns()


def _inputs() -> list[tuple[str, bytes]]:
    """Paths and digests of the files of the working folder; of a run folder, of its networks."""
    found = []
    for folder, folders, names in os.walk("."):
        if STATE in names:
            folders[:], names = [], ["model.safetensors", "resolved.yaml"]
        for name in names:
            path = Path(folder, name)
            found.append((str(path), hashlib.sha256(path.read_bytes()).digest()))
    return sorted(found)


def _move(run: Path, folder: str) -> None:
    """Names the working folder in place of `folder` in the state, and mends its checksum."""
    old = (run / STATE).read_bytes()
    new = old.replace(folder.encode(), str(Path.cwd()).encode())
    sums = (run / CHECKSUMS).read_bytes().replace(_sha256(old), _sha256(new))
    (run / STATE).write_bytes(new)
    (run / CHECKSUMS).write_bytes(sums)


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
