"""The work folder of an unfinished backtest: a file a window, and a run folder a fit.

It lies beside the result under a hidden name, and is removed when the result is written. A backtest
that was ended goes on from it if spec, data, plan and version are the same.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.output.atomic_files import output_error, write_bytes, write_json

PLAN_FILE = "plan.json"


class BacktestWork:
    """The finished windows and fits of a backtest."""

    def __init__(self, out: Path, fingerprint: str) -> None:
        """`out` is the folder of the result; `fingerprint` the hash of all that it depends on."""
        target = out.resolve()
        self.folder = target.parent / f".{target.name}.backtest"
        self.fingerprint = fingerprint

    def prepare(self) -> bool:
        """Makes the folder, empty unless it is of the same fingerprint; returns whether one with
        another was removed."""
        is_other = False
        if self.folder.exists():
            try:
                stored = json.loads((self.folder / PLAN_FILE).read_text(encoding="utf-8"))
                is_other = stored["fingerprint"] != self.fingerprint
            except (OSError, ValueError, KeyError, TypeError):
                is_other = True
            if is_other:
                self.remove()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.folder, error) from error
        if not (self.folder / PLAN_FILE).exists():
            write_json(self.folder / PLAN_FILE, {"fingerprint": self.fingerprint})
        return is_other

    def remove(self) -> None:
        """Removes the folder."""
        try:
            shutil.rmtree(self.folder)
        except OSError as error:
            raise output_error(self.folder, error) from error

    def run_folder(self, fit: int) -> Path:
        """The run folder of a fit."""
        return self.folder / f"fit_{fit}"

    def has_checkpoint(self, fit: int) -> bool:
        """Whether the training of a fit was ended before its end."""
        return (self.folder / f"fit_{fit}.checkpoint").exists()

    def save(self, window: int, evaluated: EvaluatedWindows) -> None:
        """Stores the results of a window."""
        write_bytes(self._window_file(window), windows_to_bytes(evaluated))

    def load(self, window: int) -> EvaluatedWindows | None:
        """The results of a window; None if it is not finished."""
        try:
            return windows_from_bytes(self._window_file(window).read_bytes())
        except (OSError, safetensors.SafetensorError, KeyError, ValueError):
            return None

    def _window_file(self, window: int) -> Path:
        return self.folder / f"window_{window}.safetensors"


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
    """The windows of `windows_to_bytes`; raises SafetensorError, KeyError or ValueError."""
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
