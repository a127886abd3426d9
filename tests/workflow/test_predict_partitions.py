"""The forecast of a dataset by its partitions is that of all its files, whatever happens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnforecast.data.io.partitions import list_partitions
from rnnforecast.errors import DataError, StaleInput, Stopped, UsageError
from rnnforecast.output.ownership import read_mark
from rnnforecast.parallel.in_process import InProcessEngine
from rnnforecast.pipeline.checks import series_ends
from rnnforecast.pipeline.checks.run_checks import CheckOptions
from rnnforecast.pipeline.progress import NullListener
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.workflow.predict_forecast import forecast_data
from rnnforecast.workflow.predict_partitions import PublishedParts, publish_partitions
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.report import report
from tests.pipeline.checks.nights import NIGHT, rows, train_run

NOW = CheckOptions(datetime.fromisoformat(NIGHT).replace(tzinfo=UTC))
LABELS = [f"s{number:02d}" for number in range(24)]


def table() -> pd.DataFrame:
    """Series, of which one ended long ago, one is constant, and one has no value at all."""
    data = rows()
    ended = (data["unique_id"] == "s03") & (data["ds"] > "2024-03-20")
    data = data[~ended].copy()
    data.loc[data["unique_id"] == "s07", "y"] = np.nan
    data.loc[(data["unique_id"] == "s11") & data["y"].notna(), "y"] = 5.0
    return data


@pytest.fixture(scope="module")
def run() -> Path:
    return train_run()


@pytest.fixture(scope="module")
def whole(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The forecast of all series in one file."""
    path = tmp_path_factory.mktemp("whole") / "all.parquet"
    table().to_parquet(path, index=False)
    return forecast_data(load_run(run), [str(path)], ForecastRequest(checks=NOW))


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Told(NullListener):
    """Keeps the messages and warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        """Keeps the message."""
        self.lines.append(text)

    def warning(self, text: str) -> None:
        """Keeps the warning."""
        self.lines.append(f"warning: {text}")


def write_parts(folder: str, places: Sequence[int], data: pd.DataFrame | None = None) -> Path:
    """A dataset with each of `LABELS` in the file of its place."""
    path = Path(folder)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    data = table() if data is None else data
    file = data["unique_id"].map(dict(zip(LABELS, places, strict=True)))
    for number in range(max(places) + 1):
        data[file == number].to_parquet(path / f"{number}.parquet", index=False)
    return path


def published(
    run: Path,
    out: str = "out",
    data: str = "data",
    *,
    resume: bool = False,
    force: bool = False,
    overrides: Sequence[str] = (),
    **requested: Any,
) -> PublishedParts:
    request = ForecastRequest(**{"checks": NOW} | requested)
    return publish_partitions(
        run, out, request, data=[data], overrides=overrides, resume=resume, force=force
    )


def files(out: str = "out") -> dict[str, bytes]:
    """The files of a result that have no times of day in them."""
    paths = [path for path in Path(out).rglob("*") if path.is_file()]
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in paths
        if path.name not in ("run.json", ".rnnforecast.json")
    }


@settings(
    max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(places=st.lists(st.integers(0, 3), min_size=24, max_size=24))
def test_the_rows_and_findings_are_those_of_all_files_at_once(
    run: Path, whole: Any, places: list[int]
) -> None:
    write_parts("data", places)
    found = published(run, force=True)
    parts = [pd.read_parquet(path) for path in sorted(Path("out/forecast").glob("*.parquet"))]
    together = pd.concat(parts).sort_values(["unique_id", "ds"], ignore_index=True)
    pd.testing.assert_frame_equal(together, whole.tables["forecast"], check_exact=True)
    assert {(each.code, each.message) for each in found.result.warnings} == {
        (each.code, each.message) for each in whole.warnings
    }
    assert found.result.series_status == whole.series_status()
    errors = {each.code: (each.count, set(each.series)) for each in found.result.series_errors}
    assert errors == {each.code: (each.count, set(each.series)) for each in whole.errors.by_code()}
    assert found.result.failed == whole.failed


@pytest.fixture(scope="module")
def undisturbed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the forecast of a dataset of three partitions, of which one has no rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("undisturbed"))
        write_parts("data", PLACES)
        published(run)
        return files()


PLACES = [0] * 3 + [2] * 9 + [3] * 12


class Interrupting(InProcessEngine):
    """An engine in which a signal comes after the first partition."""

    def run(self, *arguments: Any, **options: Any) -> Iterator[tuple[int, Any]]:
        """As the engine in this process."""
        for count, found in enumerate(super().run(*arguments, **options)):
            yield found
            if count == 0:
                raise KeyboardInterrupt


class Counting(InProcessEngine):
    """An engine that keeps the names of the partitions that are forecast anew."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def run(self, *arguments: Any, **options: Any) -> Iterator[tuple[int, Any]]:
        """As the engine in this process."""
        function, shared, tasks = arguments
        existing = {path.name for path in shared.work.glob("records/*.json")}
        self.names += [
            task.partition.name
            for task in tasks
            if f"{task.partition.file_name}.json" not in existing
        ]
        yield from super().run(function, shared, tasks, **options)


def test_a_forecast_that_was_ended_goes_on_to_the_same_bytes(
    run: Path, undisturbed: dict[str, bytes]
) -> None:
    write_parts("data", PLACES)
    with pytest.raises(Stopped, match="--resume"):
        published(run, engine=Interrupting())
    assert not Path("out").exists()
    counting, told = Counting(), Told()
    published(run, engine=counting, resume=True, listener=told)
    assert counting.names == ["1.parquet", "2.parquet", "3.parquet"]
    assert any("1 of 4 partitions taken over from" in line for line in told.lines)
    assert any(", 3 to go" in line for line in told.lines)
    assert files() == undisturbed
    assert [path.name for path in Path().iterdir() if "partitions" in path.name] == []
    mark = read_mark(Path("out"))
    assert mark is not None
    with pytest.raises(UsageError, match="by partitions, which has no page"):
        report(Path("out"))
    assert {"manifest.json", "forecast/0.parquet"} <= mark.files


def test_without_resume_and_with_other_options_nothing_is_taken_over(run: Path) -> None:
    write_parts("data", PLACES)
    for options in ({}, {"resume": True, "horizon": 3}):
        with pytest.raises(Stopped):
            published(run, engine=Interrupting())
        counting, told = Counting(), Told()
        published(run, engine=counting, listener=told, **options)
        assert len(counting.names) == 4
        text = (
            "an unfinished forecast of another"
            if "resume" in options
            else "1 finished partition of an unfinished"
        )
        assert any(line.startswith(f"warning: {text}") for line in told.lines)


def test_with_nothing_to_go_on_from_a_forecast_starts_from_the_beginning(run: Path) -> None:
    write_parts("data", [0] * 24)
    told = Told()
    published(run, resume=True, listener=told)
    assert any("starts from the beginning" in line for line in told.lines)


def test_a_folder_by_partitions_is_told_about_parquet_files_alone() -> None:
    Path("data").mkdir()
    with pytest.raises(DataError, match=r"give files that end in \.parquet$"):
        list_partitions(["data"])
    Path("data/README.txt").write_text("about the data")
    with pytest.raises(DataError, match="move what is no data away"):
        list_partitions(["data"])


def test_a_manifest_counts_and_has_the_hashes(undisturbed: dict[str, bytes]) -> None:
    manifest = json.loads(undisturbed["manifest.json"])
    names = [each["input"]["path"] for each in manifest["partitions"]]
    assert names == ["0.parquet", "1.parquet", "2.parquet", "3.parquet"]
    assert [each["series"]["count"] for each in manifest["partitions"]] == [3, 0, 9, 12]
    assert manifest["partitions"][2]["series"]["status"] == {
        "model": 6,
        "fallback": 2,
        "skipped": 1,
    }
    assert "forecast/1.parquet" not in undisturbed


def test_a_series_in_two_partitions_is_refused_and_named(run: Path) -> None:
    write_parts("data", [0] * 24)
    published(run)
    before = files()
    twice = table()
    twice = twice[twice["unique_id"].isin(["s04", "s05"])]
    twice.to_parquet("data/late.parquet", index=False)
    with pytest.raises(DataError) as error:
        published(run)
    text = str(error.value)
    assert "0.parquet and late.parquet" in text
    assert "'s04'" in text
    assert "'s05'" in text
    assert files() == before


def test_all_files_that_cannot_be_read_are_named_and_the_others_kept(
    run: Path, undisturbed: dict[str, bytes]
) -> None:
    write_parts("data", PLACES)
    good = Path("data/2.parquet").read_bytes()
    Path("data/2.parquet").write_bytes(good[:1000])
    table().drop(columns="y").to_parquet("data/4.parquet")
    with pytest.raises(DataError) as error:
        published(run)
    assert {each.where.partition(",")[0] for each in error.value.problems} == {
        "2.parquet",
        "4.parquet",
    }
    Path("data/2.parquet").write_bytes(good)
    Path("data/4.parquet").unlink()
    counting = Counting()
    published(run, engine=counting, resume=True)
    assert counting.names == ["2.parquet"]
    assert files() == undisturbed


def test_stale_data_publish_nothing_and_are_kept(run: Path, undisturbed: dict[str, bytes]) -> None:
    write_parts("data", PLACES)
    later = CheckOptions(datetime(2024, 6, 1, tzinfo=UTC), strict=True)
    with pytest.raises(StaleInput, match="data_age"):
        published(run, checks=later)
    assert not Path("out").exists()
    published(
        run,
        checks=later,
        overrides=["checks.data_age=off", "checks.unchanged_data=off"],
        resume=True,
    )
    assert files() == undisturbed


def test_checks_of_very_many_rows_look_at_a_sample(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_ends, "MAX_ROWS", 600)
    monkeypatch.setattr(series_ends, "N_OUTSTANDING", 1)
    data = rows()
    data.loc[data["unique_id"] == "s05", "y"] *= 1000
    write_parts("data", PLACES, data[data["unique_id"] < "s20"])
    options = {"overrides": ["checks.vanished_series=0"]}
    found = {each.code: each for each in published(run, **options).result.warnings}
    assert found["series_shift"].message.startswith("in a sample of ")
    assert found["series_shift"].series == ("s05",)
    assert found["vanished_series"].message.startswith("4 of 24 series")


@pytest.mark.parametrize(
    ("out", "data", "error"),
    [
        ("out.csv", "data", UsageError),
        ("s3://bucket/out/", "data", UsageError),
        ("data/out", "data", UsageError),
        ("out", "https://example.com/a.parquet", DataError),
        ("out", "text", DataError),
        ("out", "missing", DataError),
    ],
)
def test_what_is_no_dataset_is_refused(
    run: Path, out: str, data: str, error: type[Exception]
) -> None:
    write_parts("data", [0] * 24)
    Path("text").mkdir()
    Path("text/a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(error):
        published(run, out, data)
    assert sorted(path.name for path in Path().iterdir()) == ["data", "text"]


@pytest.mark.parametrize("out", ["data", "around", "run"])
def test_what_a_forecast_is_made_of_is_not_replaced(run: Path, out: str) -> None:
    write_parts("data", [0] * 24)
    shutil.copytree("data", "around/data")
    shutil.copytree(run, "run")
    before = sorted(Path().rglob("*"))
    data = "around/data" if out == "around" else "data"
    with pytest.raises(UsageError, match="would be replaced"):
        published(Path("run"), out, data, force=True)
    assert sorted(Path().rglob("*")) == before


def test_files_whose_results_would_have_one_name_are_refused(run: Path) -> None:
    write_parts("data", [0] * 12 + [1] * 12)
    Path("data/a").mkdir()
    Path("data/0.parquet").rename("data/a/b.parquet")
    Path("data/1.parquet").rename("data/a__b.parquet")
    with pytest.raises(DataError, match="both would be named a__b"):
        published(run)


def test_an_origin_that_a_partition_does_not_reach_is_refused_with_its_name(run: Path) -> None:
    data = table()
    late = data["unique_id"].isin(LABELS[12:]) & (data["ds"] < "2024-03-20")
    write_parts("data", [0] * 12 + [1] * 12, data[~late])
    with pytest.raises(UsageError, match=r"1\.parquet, origin 2024-03-10"):
        published(run, origin="2024-03-10")
