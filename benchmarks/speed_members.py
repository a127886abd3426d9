"""Part of `speed.py`: a whole `train` on M4 hourly by one process and by worker processes.

DATA is the folder of `quality.py`. Both runs have the same seed, and must have the same bytes.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from competition import BENCHMARKS, command, read
from measures import score

PRESETS = ("balanced", "best")
REFERENCE_SECONDS = 334
"""neuralforecast's LSTM on the machine of `results/peers.md`, whole process."""
M4 = BENCHMARKS[0]
CHANGING = ("log.jsonl", "SHA256SUMS", "state.json")
"""Files that hold the time of the training."""


@dataclass
class Timings:
    """Seconds of the trainings with one number of workers, one for each round."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Context whose time and child processes count."""
        started, before = time.perf_counter(), _processor_seconds()
        yield
        self.wall.append(time.perf_counter() - started)
        self.processor.append(_processor_seconds() - before)


def members(
    data: Path, rounds: int, workers: int = 2, changes: Sequence[str] = ()
) -> Iterator[str]:
    """A table of both presets; `changes` are overrides of the spec, such as fewer steps."""
    yield f"whole `train` on {M4.name}, in turns with `--workers 1` and `--workers {workers}`"
    yield ""
    titles = f"1, s | {workers}, s | share | 1, CPU s | {workers}, CPU s"
    yield f"| preset | {titles} | same bytes | OWA |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |"
    for preset in PRESETS:
        yield _row(data, rounds, workers, preset, changes)
    yield ""
    yield f"neuralforecast's LSTM: {REFERENCE_SECONDS} s"


def _row(data: Path, rounds: int, workers: int, preset: str, changes: Sequence[str]) -> str:
    sets = ["training.seed=1", f"training.preset={preset}", *changes]
    options = [part for change in sets for part in ("--set", change)]
    one, several, same = Timings(), Timings(), True
    with tempfile.TemporaryDirectory(prefix="rnnforecast-members-") as temporary:
        folder = Path(temporary)
        source = (data / f"{M4.name}_train.csv.gz").resolve()
        command(folder, "init", str(source), "--set", f"window.horizon={M4.horizon}")
        for _ in range(rounds):
            for timings, count in ((one, 1), (several, workers)):
                words = ("spec.yaml", "-o", f"run{count}", "--force", "--workers", str(count))
                with timings.measured():
                    command(folder, "train", *words, *options)
            same &= _contents(folder / "run1") == _contents(folder / f"run{workers}")
        command(folder, "predict", "run1", "--no-plots", "-o", "forecast.csv")
        forecast = read(folder / "forecast.csv")
    test = read(data / f"{M4.name}_test.csv.gz")
    owa = score(read(source), test, forecast, M4.season)["owa"]
    share = statistics.median(b / a for a, b in zip(one.wall, several.wall, strict=True))
    numbers = [one.wall, several.wall], [one.processor, several.processor]
    wall, processor = ([f"{statistics.median(each):.0f}" for each in pair] for pair in numbers)
    cells = [preset, *wall, f"{share:.2f}", *processor, "yes" if same else "NO", f"{owa:.3f}"]
    return f"| {' | '.join(cells)} |"


def _contents(run: Path) -> dict[str, object]:
    """All that does not depend on the time."""
    files = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    state = json.loads(files["state.json"].read_text(encoding="utf-8"))
    del state["trained_at"]
    bytes_ = {name: path.read_bytes() for name, path in files.items() if name not in CHANGING}
    return {**bytes_, "state.json": state}


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    # a shortened run: speed_members.py DATA training.max_steps=200
    for line in members(Path(sys.argv[1]), 1, changes=sys.argv[2:]):
        print(line, flush=True)
