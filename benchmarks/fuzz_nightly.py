"""Cases of the fuzz test around nightly runs: ledgers, jobs, and marks of folders."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz_files import change_bytes, change_json, mutate_spec
from fuzz_guard import only_in
from fuzz_runs import TrainedRun, check_forecast, trained_runs

from rnnforecast.errors import OutputError, RnnForecastError

VALUES = (
    None, True, 0, -1, 7, 1e300, -1e300, 1e-320, float("inf"), float("nan"), 2**62, "", "x",
    "é" * 90,
    "1", "nan", "2024-02-30", "2024-02-30 00:00:00", "9999-12-31", "0001-01-01T00:00:00+14:00",
    "1969-12-31 23:59:59.999999", "2024-01-01T00:00:00Z", b"", b"\x00\xff", "\x00", "a", "b",
)  # fmt: skip
"""Values that take the place of others in tables."""

JOB = """\
name: night
spec: spec.yaml
run: runs/night
data: data.csv
out: [out, out.csv]
ledger: auto
checks:
  vanished_series: {warn: 0.02, error: 0.5}
retrain:
  every: 999d
  on_alarm: true
  promote_if: better
  margin: 0.02
keep: 2
keep_days: none
wait: 0s
score: true
hooks:
  on_failure: none
  on_warning: none
  on_success: none
  timeout: 1s
log: {file: auto, format: json}
metrics: m.prom
"""
PLACES = (
    "out", "out/", "./out", "out.csv", "out.parquet", "mine", "mine/", "mine/keep.csv",
    "mine/new.csv",
    "mine/m.prom", "data.csv", "spec.yaml", "job.yaml", "runs", "runs/night", "runs/night/latest",
    "runs/night.ledger", "out/ledger", "..", "../outside", "../outside/keep.csv", ".", "/dev/null",
    "/dev/full", "link", "link/x", "loop", "pipe", "'${NOT_SET}'", "file:///dev/null",
    "sqlite:///x.db?table=t", "sqlite:///mine/keep.csv?table=t", "sqlite://", "s3://x/y.csv",
    "'a\\nb'", "x" * 300, "é/ü.csv", "none", "auto", "[out, out.csv]", "[out, ./out]", "[]",
)  # fmt: skip
"""Places for the outputs of a job."""
NOW = datetime(2024, 3, 1, tzinfo=UTC)
PLACE_KEYS = ("spec", "run", "data", "out", "ledger", "metrics", "log")


def stub_pictures() -> None:
    """Leaves pictures and waiting for the disk out, and reads a run that is scored once."""
    from rnnforecast.batch.score import output as score_output
    from rnnforecast.batch.score import score
    from rnnforecast.output import plot_style
    from rnnforecast.pipeline import series_plots
    from rnnforecast.workflow import predict, train_output

    os.fsync = lambda _: None  # type: ignore[assignment]
    plot_style._render_png = lambda *_: b""  # type: ignore[assignment]
    for module, name in ((series_plots, "plot_forecast"), (train_output, "plot_loss")):
        setattr(module, name, lambda *_, **__: None)
    for module in (predict, score_output):
        module.render_forecast_report = lambda *_, **__: ""  # type: ignore[attr-defined]
    score.load_run = cache(score.load_run)  # type: ignore[assignment]
    predict.plot_series = lambda *_, **__: 0  # type: ignore[assignment]


# Ledgers


def run_ledger(chance: random.Random) -> str:
    """A mutated ledger: it is scored, a forecast is added, and it is scored again."""
    from rnnforecast.batch.issue import issue_forecast
    from rnnforecast.workflow.predict_request import ForecastRequest

    run = _start(chance)
    location = chance.choice((_mutate_parquet_ledger, _mutate_sqlite_ledger))(chance, run)
    endings = []
    with only_in(Path.cwd(), Path("../outside"), run.folder, Path("data.csv")):
        for step in chance.choice(("s", "s", "s", "a", "as")):
            try:
                if step == "s":
                    endings.append(_score(run.folder, location))
                else:
                    out = "forecast.csv"
                    issued = issue_forecast(
                        run.folder,
                        out,
                        ForecastRequest(),
                        data=["data.csv"],
                        plots=False,
                        ledger=location,
                        force=True,
                    )
                    check_forecast(Path(out))
                    endings.append("added" if issued.ledger else "not added")
            except RnnForecastError as error:
                if error.exit_code == 1:
                    raise
                endings.append(f"exit {error.exit_code}")
    return ", ".join(endings)


def _score(folder: Path, location: str) -> str:
    from rnnforecast.batch.score.output import write_score
    from rnnforecast.batch.score.score import score

    result, found = score(folder, data=["data.csv"], ledger=location, calibrate=False)
    write_score(Path("scores"), result, found)
    json.dumps(result.to_json(), default=str)
    for name, value in result.metrics.items():
        assert not np.isinf(value), f"the {name} is {value}"
    return "scored" if result.values else "nothing scored"


def _mutate_parquet_ledger(chance: random.Random, run: TrainedRun) -> str:
    shutil.copytree(run.ledger, "ledger")
    files = sorted(Path("ledger").rglob("*.parquet"))
    for path in chance.sample(files, chance.choice((1, 1, 2, len(files)))):
        kind = chance.randrange(10)
        if kind <= 3:
            _rewrite(path, lambda table: _change_table(chance, table))
        elif kind == 4:
            _rewrite(path, lambda table: _change_metadata(chance, table))
        elif kind == 5:
            path.write_bytes(change_bytes(chance, path.read_bytes()))
        elif kind == 6:
            day = chance.choice(("2024-02-30", "9999-12-31", "0000-00-00", "2024-01-01", "x"))
            goal = Path(
                "ledger", f"issued={day}", chance.choice((path.name, "0" * 16 + ".parquet"))
            )
            goal.parent.mkdir(exist_ok=True)
            shutil.copy(path, goal)
        elif kind == 7:
            pq.write_table(pa.table({"ds": [1, 2], "y": [None, "x"]}), path)
        elif kind == 8:
            _replace_by_other(chance, path)
        else:
            _replace_by_other(chance, path.parent)
    return "ledger"


def _rewrite(path: Path, change: Any) -> None:
    with suppress(pa.ArrowException, OverflowError, TypeError, ValueError):  # no such table
        table = change(pq.read_table(path, partitioning=None))
        pq.write_table(table, path)


def _change_table(chance: random.Random, table: pa.Table) -> pa.Table:
    at = chance.randrange(table.num_columns)
    name, column = table.column_names[at], table.column(at)
    kind = chance.randrange(9)
    if kind == 0:
        return table.drop_columns([name])
    if kind == 1:
        return table.append_column(chance.choice((name, "q0.5", "q7", "q0.50", "x")), column)
    if kind == 2:
        names = list(table.column_names)
        names[at] = chance.choice((*names, "q1", "x"))
        return table.rename_columns(names)
    if kind == 3:
        types = (pa.string(), pa.float32(), pa.int8(), pa.timestamp("ns"), pa.large_string(),
                 pa.timestamp("s", "Asia/Kolkata"), pa.dictionary(pa.int32(), pa.string()),
                 pa.decimal128(20, 3), pa.null(), pa.date32())  # fmt: skip
        found = pa.nulls(len(column), chance.choice(types))
        with suppress(pa.ArrowException):
            found = column.cast(found.type)
        return table.set_column(at, name, found)
    if kind == 4:
        return table.slice(0, chance.choice((0, 1, 2)))
    if kind == 5:
        return pa.concat_tables([table] * chance.choice((2, 5)))
    if kind == 6:
        return table.take(chance.sample(range(table.num_rows), table.num_rows))
    values = column.to_pylist()
    if values:
        for _ in range(chance.choice((1, 3, len(values)))):
            values[chance.randrange(len(values))] = chance.choice(VALUES)
    try:
        found = pa.array(values, column.type)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        ints = np.array([chance.choice((0, -1, 2**62, -(2**62), 2**40)) for _ in values], np.int64)
        found = pa.array(ints).cast(column.type)
    return table.set_column(at, name, found)


def _change_metadata(chance: random.Random, table: pa.Table) -> pa.Table:
    metadata = {
        key: json.dumps(change_json(chance, json.loads(value))).encode()
        if chance.random() < 0.7
        else change_bytes(chance, value)
        for key, value in (table.schema.metadata or {}).items()
        if chance.random() < 0.95
    }
    return table.replace_schema_metadata(metadata)


def _mutate_sqlite_ledger(chance: random.Random, run: TrainedRun) -> str:
    path = Path("ledger.db")
    shutil.copy(run.database, path)
    kind = chance.randrange(10)
    if kind == 0:
        path.write_bytes(change_bytes(chance, path.read_bytes()))
    elif kind == 1:
        path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])
    elif kind == 2:
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice((1, 5, 50))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
    else:
        with suppress(sqlite3.Error, OverflowError, IndexError):
            for _ in range(chance.choice((1, 1, 3))):
                _change_database(chance, path)
    query = chance.choice(("",) * 6 + ("?table=other", "?table=rnnforecast_ledger_issues"))
    return f"sqlite:///{path}{query}"


def _change_database(chance: random.Random, path: Path) -> None:
    tables = ("rnnforecast_ledger", "rnnforecast_ledger_issues")
    connection = sqlite3.connect(path)
    try:
        table = chance.choice((*tables, tables[0]))
        names = [row[1] for row in connection.execute(f"pragma table_info({table})")]
        name, kind = chance.choice(names), chance.randrange(9)
        if kind <= 3:
            text = f'update {table} set "{name}" = ? where rowid % ? = 0'
            connection.execute(text, (chance.choice(VALUES), chance.choice((1, 2, 9))))
        elif kind == 4:
            connection.execute(f"drop table {table}")
        elif kind == 5:
            connection.execute(f'alter table {table} drop column "{name}"')
        elif kind == 6:
            new = chance.choice(("q0.5", "x", "q0.123", "select"))
            connection.execute(f'alter table {table} rename column "{name}" to "{new}"')
        elif kind == 7:
            connection.execute(f"create table keep as select * from {table}")
            connection.execute(f"drop table {table}")
            what = chance.choice(("view", "table"))
            connection.execute(f"create {what} {table} as select * from keep")
        else:
            connection.execute(f"delete from {table} where rowid % 2 = 0")
        connection.commit()
    finally:
        connection.close()


# Jobs


def run_job_file(chance: random.Random) -> str:
    """A job whose file, state, log, metrics or data are mutated."""
    from rnnforecast.batch.job.files import find_job_files
    from rnnforecast.batch.job.run_job import JobOptions, plan_job, run_job
    from rnnforecast.spec.load_job import read_job

    run = _start(chance)
    shutil.copy(run.folder.parent / "spec.yaml", "spec.yaml")
    _copy_store(run)
    what = chance.choice(("values", "values", "places", "places", "places", "beside", "beside"))
    text = JOB
    if what == "values":
        text = mutate_spec(chance, JOB)
    elif what == "places":
        text = _change_places(chance, JOB)
    Path("job.yaml").write_text(text, encoding="utf-8", errors="replace")
    if what == "beside":
        _mutate_beside(chance, run)
    kept = [Path(name) for name in ("mine", "job.yaml", "spec.yaml", "data.csv", "../outside")]
    # a link that the job file names may be followed
    with only_in(Path(".."), run.folder.parent, *kept):
        job = find_job_files(Path("job.yaml"), read_job(Path("job.yaml")))
        start = plan_job if chance.random() < 0.05 else run_job
        options = JobOptions(now=NOW, retry_failed=chance.random() < 0.2)
        outcome = start(job, options)
        json.loads(outcome.summary.to_line())
    check_outputs(outcome.summary.published)
    error = outcome.error
    if error is not None and not isinstance(error, RnnForecastError):
        raise error
    if outcome.summary.exit_code == 1 and not isinstance(error, OutputError):
        raise AssertionError(f"exit 1: {outcome.summary.message}")
    for words in (*outcome.summary.not_published.values(), outcome.summary.retrain_message):
        assert "Error:" not in words, words  # the name of an exception
    return f"exit {outcome.summary.exit_code} {outcome.summary.status}"


def check_outputs(places: Sequence[str]) -> None:
    """AssertionError if a forecast at one of the places is not sound."""
    for place in places:
        path = Path(place)
        for each in (path, path / "forecast.csv"):
            with suppress(OSError):
                if each.suffix == ".csv" and each.is_file():
                    check_forecast(each)


def _change_places(chance: random.Random, text: str) -> str:
    lines = text.splitlines()
    for _ in range(chance.choice((1, 1, 2, 3))):
        key = chance.choice((*PLACE_KEYS, "out", "out"))
        # a log is appended to whatever is named
        places = [each for each in PLACES if key != "log" or "keep.csv" not in each]
        value = chance.choice(places)
        new = f"log: {{file: {value}, format: plain}}" if key == "log" else f"{key}: {value}"
        lines = [new if line.startswith(f"{key}:") else line for line in lines]
    return "\n".join(lines) + "\n"


def _mutate_beside(chance: random.Random, run: TrainedRun) -> None:
    """Mutates what lies beside the run of a job, or its data."""
    shutil.copytree(run.ledger, "runs/night.ledger")
    state = Path("runs/night.job.json")
    state.write_text(json.dumps({"last": run.summary, "last_published": run.summary}), "utf-8")
    Path("runs/night.log").write_bytes(b"{}\n")
    Path("m.prom").write_text("rnnforecast_job_exit_code 0\n", encoding="utf-8")
    Path("out.csv").write_bytes(run.forecast)
    target = chance.choice((state, state, state, Path("runs/night.log"), Path("m.prom"),
                            Path("out.csv"), Path("data.csv")))  # fmt: skip
    if target == state and chance.random() < 0.8:
        changed = change_json(chance, json.loads(state.read_bytes()))
        state.write_text(json.dumps(changed), encoding="utf-8")
    elif target.exists() and (target.name == "night.log" or chance.random() < 0.8):
        target.write_bytes(change_bytes(chance, target.read_bytes()))
    else:  # but not by a link to a file, which is followed
        if target == state:
            Path("mine/keep.csv").unlink()
        _replace_by_other(chance, target)


# Marks, checksums, locks, versions


def run_marks(chance: random.Random) -> str:
    """Mutated marks, checksums, locks and links of a store; a command reads or replaces it."""
    run = _start(chance)
    store = _copy_store(run)
    shutil.copytree(run.output, "out")
    for _ in range(chance.choice((1, 1, 2, 3))):
        _mutate_marks(chance, store)
    kept = [Path(name) for name in ("mine", "data.csv", "../outside")]
    ending = "done"
    # the lock of a link lies beside its target
    with only_in(Path(".."), run.folder.parent, *kept):
        for _ in range(chance.choice((1, 1, 2))):
            try:
                ending = _work_on(chance, store, run)
            except OutputError as error:
                ending = f"not written ({error.exit_code})"
    return ending


def _work_on(chance: random.Random, store: Path, run: TrainedRun) -> str:
    from rnnforecast.batch.issue import issue_forecast
    from rnnforecast.batch.lock import output_lock, remove_stale_lock
    from rnnforecast.pipeline import run_versions
    from rnnforecast.pipeline.run_folder import load_run
    from rnnforecast.pipeline.run_retention import prune
    from rnnforecast.workflow.calibrate import calibrate
    from rnnforecast.workflow.predict_request import ForecastRequest

    kind = chance.choice(("predict", "predict", "prune", "rollback", "new", "calibrate", "unlock",
                          "lock", "load"))  # fmt: skip
    if kind == "predict":
        out = chance.choice(("out", "out/", "out", "mine", "new/", "link", "loop", "out.csv"))
        issue_forecast(store, out, ForecastRequest(), data=["data.csv"], plots=False, ledger="none")
        for place in (Path(out, "forecast.csv"), Path(out)):
            if place.is_file():
                check_forecast(place)
    elif kind == "prune":
        prune(store, NOW, keep=chance.choice((None, 1, 2)), keep_days=chance.choice((None, 1)))
    elif kind == "rollback":
        names = [each.name for each in store.iterdir()] if store.is_dir() else []
        run_versions.rollback(store, chance.choice((None, *names)))
    elif kind == "new" and not store.is_symlink():
        with run_versions.new_version(store, NOW, publish=chance.random() < 0.7) as version:
            shutil.copytree(run.folder, version)
    elif kind == "calibrate" and not _leads_outside(store):
        with output_lock(store, "calibrate"):
            calibrate(store, data=["data.csv"])
    elif kind == "unlock":
        remove_stale_lock(chance.choice((store, Path("out"))), force=chance.random() < 0.5)
    elif kind == "lock":
        with output_lock(chance.choice((store, Path("out"))), "train"):
            pass
    else:
        load_run(store)
    return kind


def _leads_outside(store: Path) -> bool:
    """Whether the run in use is a link to another place, where it would be written to."""
    found = os.path.realpath(store / "latest")  # a loop is no error
    return not Path(found).is_relative_to(Path.cwd())


def _mutate_marks(chance: random.Random, store: Path) -> None:
    from rnnforecast.batch.lock import lock_path
    from rnnforecast.output.ownership import MARK_FILE

    if not store.is_dir() or store.is_symlink():
        return
    versions = [each for each in store.iterdir() if each.is_dir() and not each.is_symlink()]
    version = chance.choice(versions) if versions else store
    kind = chance.randrange(8)
    if kind == 0:
        mark = chance.choice((store, version, Path("out"))) / MARK_FILE
        _change_stored(chance, mark)
    elif kind == 1:
        sums = version / "SHA256SUMS"
        if sums.is_file():
            sums.write_bytes(change_bytes(chance, sums.read_bytes()))
    elif kind == 2:
        held = {"pid": os.getpid(), "host": os.uname().nodename, "user": "x", "action": "train",
                "started": "2024-01-01T00:00:00Z", "process_start": None,
                "by_record": True}  # fmt: skip
        lock = lock_path(chance.choice((store, Path("out"))))
        if not lock.exists():
            lock.write_text(json.dumps(change_json(chance, held)), encoding="utf-8")
        if chance.random() < 0.3:
            _replace_by_other(chance, lock)
    elif kind in (3, 4):
        latest = store / "latest"
        _remove(latest)
        goals = (
            "",
            version.name,
            "latest",
            ".",
            "..",
            "../night",
            str(run_outside()),
            "no/such",
            f"../night/{version.name}",
            "../../mine",
            version.name + "/",
            "2024-01-01T00-00-00Z",
        )
        with suppress(OSError):
            latest.symlink_to(chance.choice(goals))
    elif kind == 5:
        names = ("2024-02-30T00-00-00Z", "9999-12-31T23-59-59Z", "2024-01-01T00-00-00Z-999999",
                 "2024-01-01T00-00-00Z.candidate", "2024-03-01T00-00-00Z", "x", "\udcff", "a\nb",
                 ".latest.partial-00000000-1-00000000-00000000",
                 "0001-01-01T00-00-00Z")  # fmt: skip
        goal = store / chance.choice(names)
        if not os.path.lexists(goal):
            if chance.random() < 0.5:
                with suppress(shutil.Error, OSError):
                    shutil.copytree(version, goal, symlinks=True)
            else:
                _replace_by_other(chance, goal)
    elif kind == 6:
        _replace_by_other(chance, chance.choice((version, version / "state.json", Path("out"),
                                                 version / MARK_FILE, store)))  # fmt: skip
    else:
        place = chance.choice((store, version, Path("out")))
        if place.is_dir():
            _replace_by_other(
                chance, place / chance.choice(("mine.txt", "plots", "\udcff", "a\nb"))
            )


def run_outside() -> Path:
    """A run beside the folder of the case, which no case may change."""
    return Path("../outside/2024-02-02T00-00-00Z").absolute()


def _change_stored(chance: random.Random, path: Path) -> None:
    if not path.is_file():
        return
    content = path.read_bytes()
    with suppress(ValueError):
        if chance.random() < 0.7:
            content = json.dumps(change_json(chance, json.loads(content))).encode()
        else:
            content = change_bytes(chance, content)
    path.write_bytes(content)


# The folder of a case


def _start(chance: random.Random) -> TrainedRun:
    """Fills the working folder, and ``outside`` beside it, with what no case may change."""
    run = chance.choice(trained_runs())
    Path("data.csv").write_bytes(run.data)
    Path("mine").mkdir()
    Path("mine/keep.csv").write_text("ds,y\n2024-01-01,1\n", encoding="utf-8")
    outside = Path("../outside")
    outside.mkdir()
    shutil.copy("mine/keep.csv", outside / "keep.csv")
    shutil.copytree(run.folder, run_outside())
    Path("link").symlink_to("../outside")
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")
    return run


def _copy_store(run: TrainedRun) -> Path:
    """A store with two versions of the run."""
    store = Path("runs/night")
    shutil.copytree(run.store, store, symlinks=True)
    return store


def _replace_by_other(chance: random.Random, path: Path) -> None:
    """Puts a link, a folder, a pipe, an empty file or nothing where something else was."""
    _remove(path)
    kind = chance.randrange(7)
    with suppress(OSError):
        if kind == 0:
            path.symlink_to(path.name)  # a loop
        elif kind == 1:
            path.symlink_to(run_outside())
        elif kind == 2:
            path.symlink_to(Path("mine/keep.csv").absolute())
        elif kind == 3:
            path.mkdir(parents=True)
        elif kind == 4:
            os.mkfifo(path)
        elif kind == 5:
            path.write_bytes(b"")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
