"""Comparison of a GPU with the CPU: agreement of results, and speed.

usage: gpu.py [--device cuda|mps|cpu] [--steps N] [--seconds S] [--only PART ...] [--out FILE.md]

agreement  every backbone, decoder and loss is trained for a few steps on the GPU and on the CPU,
           from the same weights and windows; losses and forecasts are compared
precision  every backbone is trained in bfloat16 and compared with float32
resume     a training is killed (SIGKILL) and resumed; its weights are compared with those of an
           uninterrupted one
predict    runs trained on the GPU and on the CPU forecast on both
speed, modes, forecast, panel, determinism
           measured by `gpu_speed.py`, each in a process of its own that is ended at its time limit

It runs from a checkout, takes at most eight minutes and prints a table and a line with the verdict;
with --out each row is in the file as soon as it is there.
Exit codes: 0 all checks passed, 1 a check failed or was not run, 2 there is no GPU, or a package is
missing. `--device cpu` uses the CPU in place of the GPU, as a test of the script.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ("agreement", "precision", "resume", "predict")
MEASURED = {"speed": 90.0, "modes": 80.0, "forecast": 90.0, "panel": 45.0, "determinism": 45.0}
"""Parts of `gpu_speed.py`, and the seconds that each may take."""
PARTS = (*CHECKS, *MEASURED)
SPEED_SCRIPT = Path(__file__).with_name("gpu_speed.py")

TIME_LIMIT = 480.0
"""Seconds after which no further check is started; the verdict is then negative."""

MODULE_NAMES = {"pyyaml": "yaml", "scikit-learn": "sklearn"}
UNUSED_PACKAGES = ("holidays",)

AGREEMENT_TOLERANCES = 1e-4, 0.02, 0.05
"""Tolerances of forecasts before the first step, losses of all steps and forecasts after the last:
optimizers amplify rounding errors. TensorFloat-32 is off."""
PRECISION_TOLERANCE = 0.1
"""Tolerance of losses in bfloat16, relative to those in float32."""
RESUME_TOLERANCE = 1e-3
"""Tolerance of weights after a resume; on a GPU the order of sums may differ."""
PREDICT_TOLERANCE = 5e-3
"""Tolerance of forecasts of a run on two devices; GPUs use TensorFloat-32 in recurrent layers."""

SPEC = """data: {path: data.csv}
window: {horizon: 7, lookback: 28}
model: {backbone: gru, hidden_size: 32, dropout: 0.1}
training: {batch_size: 32, early_stopping: false, precision: float32}
ensemble: {network_weight: 1}
forecast: {plots: 0}
"""


@dataclass
class Report:
    """Rows of the table, printed as they are added, and the number of passed and failed checks."""

    head: Sequence[str] = ()
    out: Path | None = None
    """A file that holds the rows so far."""
    begin: float = field(default_factory=time.perf_counter)
    rows: list[str] = field(default_factory=list)
    n_passed: int = 0
    n_failed: int = 0

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.begin

    def add(self, name: str, result: str, limit: str = "") -> None:
        """Adds and prints a row."""
        self.rows.append(f"| {name} | {result} | {limit} |")
        print(self.rows[-1], flush=True)
        self.write()

    def write(self, *closing: str) -> None:
        """Writes the rows so far, and the lines behind them, into the file."""
        if self.out is not None:
            text = "\n".join([*self.head, *self.rows, *closing, ""])
            self.out.write_text(text, encoding="utf-8")

    def check(
        self, name: str, tolerances: Sequence[float], measure: Callable[[], Sequence[float]]
    ) -> None:
        """Adds a row that passes if no measured difference exceeds its tolerance; errors fail."""
        passed, result = False, "not run: out of time"
        if self.seconds() < TIME_LIMIT:
            try:
                differences = measure()
                # false for NaN
                passed = all(d <= t for d, t in zip(differences, tolerances, strict=True))
                result = ", ".join(f"{difference:.1e}" for difference in differences)
            except (RuntimeError, ValueError, OSError, subprocess.SubprocessError) as error:
                result = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"
        self.n_passed += passed
        self.n_failed += not passed
        limits = ", ".join(f"{tolerance:g}" for tolerance in tolerances)
        self.add(name, result if passed else f"**{result}**", limits)


def missing_packages() -> list[str]:
    """Dependencies of the project that are not installed."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = [entry.split(">")[0] for entry in tomllib.loads(text)["project"]["dependencies"]]
    modules = {name: MODULE_NAMES.get(name, name) for name in names if name not in UNUSED_PACKAGES}
    return [name for name, module in modules.items() if find_spec(module) is None]


def write_data(folder: Path) -> None:
    """Writes a table of daily series with a weekly season, and a spec."""
    import numpy as np

    rng = np.random.default_rng(1)
    days = np.datetime64("2024-01-01") + np.arange(200)
    with (folder / "data.csv").open("w", encoding="utf-8") as file:
        file.write("unique_id,ds,y\n")
        for series in range(20):
            values = 50 + 10 * np.sin(2 * np.pi * np.arange(200) / 7) + rng.normal(0, 2, 200)
            lines = zip(days, values, strict=True)
            file.writelines(f"s{series},{day},{value:.3f}\n" for day, value in lines)
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")


def train_command(folder: Path, out: str, device: Any, steps: int, *more: str) -> Any:
    """Starts a training in a process of its own; returns the process."""
    sets = [f"training.device={device.type}", f"training.max_steps={steps}"]
    command = [sys.executable, "-m", "rnnforecast", "train", "spec.yaml", "-o", out, "-q", *more]
    command += [part for override in sets for part in ("--set", override)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE
    )


def finish(process: Any, report: Report) -> None:
    """Waits for a command. RuntimeError with its last line if it fails; TimeoutExpired."""
    try:
        _, error = process.communicate(timeout=max(TIME_LIMIT - report.seconds(), 1.0))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        last = error.decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(last)}")


def check_resume(report: Report, folder: Path, device: Any, steps: int) -> None:
    """Checks a training that is killed after its first checkpoint, and resumed."""
    import gpu_networks as networks
    from safetensors.numpy import load_file

    def difference() -> list[float]:
        finish(train_command(folder, "whole", device, steps), report)
        process = train_command(folder, "killed", device, steps)
        checkpoint = folder / "killed.checkpoint"
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (folder / "killed").exists() or not checkpoint.exists():
            raise RuntimeError("the training ended before it could be killed")
        finish(train_command(folder, "killed", device, steps, "--resume"), report)
        whole, killed = (
            load_file(folder / run / "model.safetensors") for run in ("whole", "killed")
        )
        return [
            max(networks.relative_difference(value, killed[name]) for name, value in whole.items())
        ]

    report.check("weights after kill and resume", [RESUME_TOLERANCE], difference)


def check_predict(report: Report, folder: Path, device: Any, steps: int) -> None:
    """Checks the forecasts on both devices, of runs trained on each of them."""
    import gpu_networks as networks
    import numpy as np
    import pandas as pd

    from rnnforecast.training import device as devices
    from rnnforecast.workflow.predict import predict

    devices_by_name = {"cpu": networks.CPU, "card": device}

    def forecast(run: str, on: str) -> Any:
        out = folder / f"{run}-{on}.csv"
        with mock.patch.object(devices, "select_device", return_value=devices_by_name[on]):
            predict(folder / run, str(out), plots=False)
        return pd.read_csv(out).select_dtypes(np.number).to_numpy()

    def difference(trained_on: str) -> list[float]:
        run = "whole" if trained_on == "card" else "on-cpu"
        if not (folder / run).exists():  # it exists after the part `resume`
            finish(train_command(folder, run, devices_by_name[trained_on], steps), report)
        return [networks.relative_difference(*(forecast(run, on) for on in devices_by_name))]

    for name in devices_by_name:
        title = f"predict on both devices, trained on the {name}"
        report.check(title, [PREDICT_TOLERANCE], lambda name=name: difference(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the checks; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), default="cuda")
    parser.add_argument("--steps", type=int, default=30, help="of each short training")
    parser.add_argument("--run-steps", type=int, default=400, help="of trainings by command")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement of speed")
    parser.add_argument("--series", type=int, default=100_000, help="that are forecast")
    parser.add_argument("--panel-series", type=int, default=1_000_000, help="in the card's memory")
    parser.add_argument("--widths", type=int, nargs="+", default=[], help="hidden sizes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    given = parser.parse_args(arguments)
    if missing := missing_packages():
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 2
    if find_spec("rnnforecast") is None:
        sys.path.insert(0, str(ROOT))
    from rnnforecast.training.device import describe_device, describe_torch, select_device

    try:
        device = select_device(given.device)
    except ValueError as error:
        print(f"{error}; --device cpu tests the script itself", file=sys.stderr)
        return 2
    head = [f"{describe_device(device)}; {describe_torch()}; {given.steps} steps a network.", ""]
    head += ["| check | largest difference, relative | tolerance |", "| --- | --- | --- |"]
    report = Report(head, given.out)
    print("\n".join(head))
    run_parts(report, device, given)
    total = report.n_passed + report.n_failed
    verdict = "FAILED" if report.n_failed else "PASSED"
    closing = f"{verdict}: {report.n_passed} of {total} checks in {report.seconds():.0f} s"
    print(f"\n{closing} on {describe_device(device)}")
    report.write("", closing)
    return int(report.n_failed > 0)


def run_parts(report: Report, device: Any, given: argparse.Namespace) -> None:
    """Runs the selected parts, one after the other."""
    import gpu_networks as networks

    if "agreement" in given.only:
        for name, case in networks.cases().items():
            compare = partial(networks.compare_devices, case, device, given.steps)
            report.check(name, AGREEMENT_TOLERANCES, compare)
    if "precision" in given.only:
        for name in networks.BACKBONES.names():
            compare = partial(networks.compare_precisions, name, device, given.steps)
            report.check(f"bfloat16, backbone {name}: losses", [PRECISION_TOLERANCE], compare)
    with tempfile.TemporaryDirectory(prefix="rnnforecast-gpu-") as name:
        write_data(Path(name))
        if "resume" in given.only:
            check_resume(report, Path(name), device, given.run_steps)
        if "predict" in given.only:
            check_predict(report, Path(name), device, given.run_steps)
    for part in MEASURED:
        if part in given.only:
            measure(report, part, device, given)


def measure(report: Report, part: str, device: Any, given: argparse.Namespace) -> None:
    """Adds the rows of a part of `gpu_speed.py` as they come; a part that ends with an error or at
    its time limit fails."""
    left = min(MEASURED[part], TIME_LIMIT - report.seconds())
    if left <= 0:
        report.n_failed += 1
        report.add(part, "**not run: out of time**")
        return
    words = [sys.executable, str(SPEED_SCRIPT), part, "--device", device.type]
    words += ["--seconds", str(given.seconds), "--series", str(given.series)]
    words += ["--panel-series", str(given.panel_series)]
    words += ["--widths", *map(str, given.widths)] if given.widths else []
    with (
        tempfile.TemporaryFile("w+") as error,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=error, text=True) as process,
    ):
        timer = threading.Timer(left, process.kill)
        timer.start()
        for line in process.stdout or ():
            name, tab, result = line.rstrip("\n").partition("\t")
            if tab:
                report.add(name, result)
        code = process.wait()
        is_late = not timer.is_alive()
        timer.cancel()
        error.seek(0)
        last = error.read().strip().splitlines()[-1:]
    report.n_passed += code == 0
    report.n_failed += code != 0
    if code:
        why = (
            f"ended after {left:.0f} s" if is_late else f"exit code {code}: {' '.join(last)[:200]}"
        )
        report.add(part, f"**{why}**")


if __name__ == "__main__":
    sys.exit(main())
