"""Fuzz test: mutated data files, specs, run folders, ledgers and jobs, in this process.

`python benchmarks/fuzz.py csv --count 2000 --seed 1` runs the cases of one kind. A case fails if it
ends with an exception that is no error of the package (exit code 1 on the command line), takes
longer than `fuzz_guard.LIMIT` seconds or more than `fuzz_guard.MEMORY` bytes, writes a file outside
its folder, or a forecast that is not finite or whose quantiles cross. The inputs of failed cases
are kept in the folder of `--keep`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from fuzz_files import (
    base_tables,
    change_bytes,
    change_json,
    covariate_table,
    mutate,
    mutate_spec,
    random_overrides,
    table_bytes,
)
from fuzz_guard import TimeUp, limit_memory, only_in, peak_memory, time_limit
from fuzz_nightly import run_job_file, run_ledger, run_marks, stub_pictures
from fuzz_runs import check_forecast, train_runs, trained_runs

from rnnforecast.errors import RnnForecastError

NIGHTS = ("run", "ledger", "job", "marks")
"""Kinds for which pictures are left out and the time, memory and files are watched."""
WITH_RUNS = ("predict", *NIGHTS)


# Cases; each returns how it ended


def run_csv(chance: random.Random) -> str:
    """`init` and `check` on a mutated file."""
    from rnnforecast.workflow.check import check
    from rnnforecast.workflow.init import init

    Path("data.csv").write_bytes(mutate(chance, chance.choice(base_tables())))
    init("data.csv", Path("spec.yaml"))
    result = check(Path("spec.yaml"))
    result.to_json()
    return "problems" if result.report.problems else "usable"


def run_spec(chance: random.Random) -> str:
    """A mutated spec: `check`, and with one step `train`, on small data."""
    from rnnforecast.spec.load import dump_spec, read_spec
    from rnnforecast.workflow.check import check
    from rnnforecast.workflow.train import train

    Path("data.csv").write_bytes(base_tables()[1])
    Path("spec.yaml").write_text("data: {path: data.csv}\nwindow: {horizon: 3}\n", encoding="utf-8")
    full = dump_spec(read_spec(Path("spec.yaml")))
    small = ["training.max_steps=1", "training.preset=fast", "forecast.plots=0"]
    if chance.random() < 0.5:
        Path("spec.yaml").write_text(mutate_spec(chance, full), encoding="utf-8", errors="replace")
    else:
        Path("data.csv").write_bytes(table_bytes(covariate_table()))
        small = [*random_overrides(chance), *small, "ensemble.members=1", "training.compile=false"]
    check(Path("spec.yaml"), overrides=small)
    if chance.random() < 0.5:
        spec = read_spec(Path("spec.yaml"), small)
        sizes = (
            spec.model.hidden_size,
            spec.window.lookback,
            spec.window.horizon,
            spec.model.layers,
        )
        if all(size == "auto" or size < 300 for size in sizes) and not spec.training.compile:
            train(Path("spec.yaml"), Path("run"), overrides=small)
            return "trained"
    return "usable"


def run_predict(chance: random.Random) -> str:
    """`predict` of a trained run on a mutated file."""
    from rnnforecast.workflow.predict import predict

    run = chance.choice(trained_runs())
    Path("data.csv").write_bytes(mutate(chance, run.data))
    try:
        result = predict(run.folder, "forecast.csv", data=["data.csv"], plots=False)
        ending = "failed in part" if result.failed else "forecast"
    finally:
        if Path("forecast.csv").exists():
            check_forecast(Path("forecast.csv"))
    return ending


def run_folder(chance: random.Random) -> str:
    """`predict` of a run folder in which one file is mutated and the checksums are right."""
    from rnnforecast.workflow.predict import predict

    source = chance.choice(trained_runs())
    Path("data.csv").write_bytes(source.data)
    Path("run").mkdir()
    for path in source.folder.iterdir():
        if path.is_file():
            shutil.copy(path, Path("run", path.name))
    target = Path("run", chance.choice(("state.json", "model.safetensors", "cleaning.safetensors",
                                        "resolved.yaml", "state.json",
                                        "cleaning.safetensors")))  # fmt: skip
    content = target.read_bytes()
    if target.suffix == ".json" and chance.random() < 0.8:
        content = json.dumps(change_json(chance, json.loads(content))).encode()
    elif target.suffix == ".safetensors" and chance.random() < 0.8:
        content = _change_arrays(chance, content)
    elif target.suffix == ".yaml" and chance.random() < 0.8:
        content = mutate_spec(chance, content.decode()).encode(errors="replace")
    else:
        content = change_bytes(chance, content)
    target.write_bytes(content)
    sums = Path("run", "SHA256SUMS")
    lines = [line.split("  ", 1) for line in sums.read_text().splitlines()]
    digest = hashlib.sha256(content).hexdigest()
    sums.write_text(
        "".join(f"{digest if name == target.name else old}  {name}\n" for old, name in lines)
    )
    with only_in(Path.cwd(), source.folder, Path("run"), Path("data.csv")):
        predict(Path("run"), "forecast.csv", data=["data.csv"], plots=False)
    check_forecast(Path("forecast.csv"))
    return "forecast"


def _change_arrays(chance: random.Random, content: bytes) -> bytes:
    """The file with one of its arrays removed, or with other values, another shape or type."""
    arrays = safetensors.numpy.load(content)
    name = chance.choice(sorted(arrays))
    array, kind = arrays[name].copy(), chance.randrange(7)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = array[: len(array) // 2] if array.ndim else array.reshape(1)
    elif kind == 2:
        arrays[name] = np.concatenate([array, array]) if array.ndim else array.reshape(1, 1)
    elif kind == 3:
        arrays[name] = array.astype(chance.choice(("f4", "f8", "i8", "u1", "bool")))
    elif array.size:
        others = (0, 1, -1, 1e300, np.nan, np.inf, -np.inf, 2**62, 255)
        count = chance.choice((1, 1, array.size))
        with np.errstate(all="ignore"):
            values = np.array(chance.choice(others), dtype="f8").astype(array.dtype)
        for _ in range(count):
            array.flat[chance.randrange(array.size)] = values
        arrays[name] = array
    return safetensors.numpy.save({key: np.ascontiguousarray(each) for key, each in arrays.items()})


KINDS: dict[str, Callable[[random.Random], str]] = {
    "csv": run_csv,
    "spec": run_spec,
    "predict": run_predict,
    "run": run_folder,
    "ledger": run_ledger,
    "job": run_job_file,
    "marks": run_marks,
}


@dataclass(frozen=True)
class Ending:
    """How a case ended."""

    number: int
    kind: str
    """The exit code, what the case returned, or a line about the failure."""
    is_failure: bool = False
    details: str = ""


def run_case(number: int, kind: str, seed: int, keep: str | None) -> Ending:
    """Runs one case in a folder of its own; its inputs are copied to `keep` if it fails."""
    import torch

    torch.set_num_threads(1)
    chance = random.Random(f"{kind} {seed} {number}")
    with _work_folder() as folder, contextlib.chdir(folder), time_limit():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return Ending(number, KINDS[kind](chance))
        except RnnForecastError as error:
            if error.exit_code != 1:
                return Ending(number, f"exit {error.exit_code}")
            failure = error
        except (Exception, TimeUp) as error:  # noqa: BLE001 - what is looked for
            failure = error
        frames = traceback.extract_tb(failure.__traceback__)
        own = [frame for frame in frames if "rnnforecast/" in frame.filename]
        place = own[-1] if own else frames[-1]
        line = f"{type(failure).__name__} at {Path(place.filename).name}:{place.lineno}"
        details = (
            f"{str(failure)[:200]}\n{''.join(traceback.format_tb(failure.__traceback__)[-3:])}"
        )
        if keep:
            target = Path(keep, f"{kind}-{number}")
            target.mkdir(parents=True, exist_ok=True)
            for path in Path().glob("*"):
                if path.is_file():
                    (target / path.name).write_bytes(path.read_bytes())
        return Ending(number, line, is_failure=True, details=details)


@contextlib.contextmanager
def _work_folder() -> Iterator[Path]:
    """An empty folder in another one; temporary files go into it, too."""
    with tempfile.TemporaryDirectory() as place:
        folder, before = Path(place, "work"), tempfile.tempdir
        (folder / "tmp").mkdir(parents=True)
        tempfile.tempdir = str(folder / "tmp")
        try:
            yield folder
        finally:
            tempfile.tempdir = before


def _prepare(kind: str) -> None:
    """Sets the limits of a process, and what it leaves out."""
    if kind in NIGHTS:
        import pyarrow
        import sqlalchemy.dialects.sqlite  # noqa: F401
        import torch

        import rnnforecast.batch.job.run_job
        import rnnforecast.batch.score.score  # noqa: F401

        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
        pyarrow.set_cpu_count(1)
        stub_pictures()
        limit_memory()


def _run_case(number: int, **options: Any) -> tuple[Ending, int]:
    """The ending, and the most memory that the process has had."""
    return run_case(number, **options), peak_memory()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else ""
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", help="folder for the inputs of failed cases")
    parser.add_argument("--runs", help="folder of the trained runs; made if it is missing")
    arguments = parser.parse_args()
    keep = str(Path(arguments.keep).resolve()) if arguments.keep else None
    begin, endings, failures = time.monotonic(), Counter[str](), dict[str, Ending]()
    most = 0
    with tempfile.TemporaryDirectory() as folder:
        if arguments.kind in WITH_RUNS:
            os.environ["FUZZ_RUNS"] = arguments.runs or folder
        if arguments.kind in WITH_RUNS and not (arguments.runs and Path(arguments.runs).exists()):
            train_runs(Path(os.environ["FUZZ_RUNS"]), nights=arguments.kind in NIGHTS)
        case = partial(_run_case, kind=arguments.kind, seed=arguments.seed, keep=keep)
        numbers = range(arguments.first, arguments.first + arguments.count)
        with ProcessPoolExecutor(
            arguments.jobs,
            mp_context=get_context("spawn"),
            initializer=_prepare,
            initargs=(arguments.kind,),
        ) as pool:
            for ending, memory in pool.map(case, numbers, chunksize=8):
                most = max(most, memory)
                endings[ending.kind] += 1
                if ending.is_failure:
                    failures.setdefault(ending.kind, ending)
    for kind, count in endings.most_common():
        print(f"{count:7,}  {kind}")
    for failure in failures.values():
        print(f"\ncase {failure.number}: {failure.kind}\n{failure.details}")
    n_failed = sum(endings[kind] for kind in failures)
    print(f"{arguments.count:,} cases, {n_failed:,} failed, {time.monotonic() - begin:.0f} s, "
          f"most memory {most / 2**20:,.0f} MiB")  # fmt: skip
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
