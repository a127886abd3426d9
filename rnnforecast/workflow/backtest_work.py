"""The work folder of an unfinished backtest: a file a window, and a run folder a fit.

A backtest that was ended goes on from it if spec, data, plan and version are the same, see
`output.work_folder`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import safetensors.numpy

from rnnforecast.errors import OutputError, Problem
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.output.atomic_files import write_bytes
from rnnforecast.output.work_folder import WorkFolder, remove_path

CHECKSUM_SIZE = 32
"""Bytes before the content of a window's file."""


class BacktestWork(WorkFolder):
    """The finished windows and fits of a backtest."""

    def __init__(self, out: Path, fingerprint: str) -> None:
        """`out` is the folder of the result; `fingerprint` the hash of all that it depends on."""
        super().__init__(out, "backtest", fingerprint)

    def run_folder(self, fit: int) -> Path:
        """The run folder of a fit."""
        return self.folder / f"fit_{fit}"

    def has_checkpoint(self, fit: int) -> bool:
        """Whether the training of a fit was ended before its end."""
        return self._checkpoint(fit).is_file()

    def remove_fit(self, fit: int) -> None:
        """Removes what there is of a fit, finished or not."""
        for path in (self.run_folder(fit), self._checkpoint(fit)):
            remove_path(path)

    def remove_checkpoint(self, fit: int) -> None:
        """Removes the checkpoint of a fit, if there is one."""
        remove_path(self._checkpoint(fit))

    def save(self, window: int, evaluated: EvaluatedWindows) -> None:
        """Stores the results of a window."""
        path, content = self._window_file(window), windows_to_bytes(evaluated)
        if path.is_dir():
            remove_path(path)
        write_bytes(path, self._checksum(window, content) + content)

    def load(self, window: int) -> EvaluatedWindows | None:
        """The results of a window; None if it is not finished, or its file is damaged."""
        try:
            data = self._window_file(window).read_bytes()
        except OSError:
            return None
        content = data[CHECKSUM_SIZE:]
        if data[:CHECKSUM_SIZE] != self._checksum(window, content):
            return None
        return windows_from_bytes(content)

    def require(self, window: int) -> EvaluatedWindows:
        """The results of a window that was finished; OutputError if they are not there."""
        if (found := self.load(window)) is None:
            text = "what a worker wrote cannot be read"
            cure = "all workers need this folder: give -o a folder of a shared file system"
            raise OutputError(Problem(str(self._window_file(window)), text, cure))
        return found

    def _checksum(self, window: int, content: bytes) -> bytes:
        """Of a window of this backtest: no other file has it."""
        return hashlib.sha256(f"{self.fingerprint} {window}\n".encode() + content).digest()

    def _window_file(self, window: int) -> Path:
        return self.folder / f"window_{window}"

    def _checkpoint(self, fit: int) -> Path:
        return self.folder / f"fit_{fit}.checkpoint"


def windows_to_bytes(windows: EvaluatedWindows) -> bytes:
    """Evaluated windows in the format of safetensors."""
    arrays = {
        name: getattr(windows, name)
        for name in ("series", "window", "origin", "actual", "scale", "squared_scale")
    }
    arrays |= {"yhat": windows.forecast.yhat, "quantiles": windows.forecast.quantiles}
    for number, each in enumerate(windows.baselines.values()):
        arrays |= {f"{number}.yhat": each.yhat, f"{number}.quantiles": each.quantiles}
    arrays["levels"] = np.array(windows.levels, dtype=np.float64)
    metadata = {"baselines": json.dumps(list(windows.baselines))}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return safetensors.numpy.save(arrays, metadata)


def windows_from_bytes(data: bytes) -> EvaluatedWindows:
    """The windows of `windows_to_bytes`."""
    arrays = safetensors.numpy.load(data)
    size = int.from_bytes(data[:8], "little")
    names = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["baselines"])
    return EvaluatedWindows(
        series=arrays["series"],
        window=arrays["window"],
        origin=arrays["origin"],
        actual=arrays["actual"],
        forecast=WindowForecast(arrays["yhat"], arrays["quantiles"]),
        baselines={
            name: WindowForecast(arrays[f"{number}.yhat"], arrays[f"{number}.quantiles"])
            for number, name in enumerate(names)
        },
        levels=tuple(arrays["levels"].tolist()),
        scale=arrays["scale"],
        squared_scale=arrays["squared_scale"],
    )
