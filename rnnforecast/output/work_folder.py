"""The work folder of an unfinished result: finished pieces that a later call goes on from.

It lies beside the result under a hidden name, and is removed when the result is written.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from rnnforecast.output.json_files import write_json
from rnnforecast.output.partial_names import short_name
from rnnforecast.output.write_errors import output_error

PLAN_FILE = "plan.json"


class WorkFolder:
    """A folder of finished pieces, which belong to one fingerprint."""

    def __init__(self, out: Path, kind: str, fingerprint: str) -> None:
        """`out` is the folder of the result, `kind` an ending of the name, `fingerprint` the hash
        of all that the pieces depend on."""
        target = Path(os.path.realpath(out))
        self.folder = target.parent / f".{short_name(target.name)}.{kind}"
        self.fingerprint = fingerprint

    def prepare(self, *, keep: bool = True) -> bool:
        """Makes the folder, empty unless it is of the same fingerprint and to be kept; returns
        whether pieces of another were removed. Raises OutputError."""
        is_other = False
        if os.path.lexists(self.folder):
            is_other = self._stored_fingerprint() != self.fingerprint
            if is_other or not keep:
                self.remove()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.folder, error) from error
        if not (self.folder / PLAN_FILE).exists():
            write_json(self.folder / PLAN_FILE, {"fingerprint": self.fingerprint})
        return is_other

    def remove(self) -> None:
        """Removes the folder. Raises OutputError."""
        remove_path(self.folder)

    def remove_if_empty(self) -> None:
        """Removes the folder if there is no piece in it."""
        if {each.name for each in self.folder.iterdir()} <= {PLAN_FILE}:
            self.remove()

    def _stored_fingerprint(self) -> str | None:
        try:
            stored = json.loads((self.folder / PLAN_FILE).read_text(encoding="utf-8"))
            found: str = stored["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return found


def remove_path(path: Path) -> None:
    """Removes a file or a folder, if it is there. Raises OutputError."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
