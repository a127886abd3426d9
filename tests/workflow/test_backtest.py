"""Backtests: what they read, what they write, and how they go on after they were ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import (
    DataError,
    OutputPathError,
    SpecError,
    Stopped,
    UsageError,
    WorseThanBaseline,
)
from rnnforecast.evaluation.evaluated_windows import concatenate_windows
from rnnforecast.parallel.local import LocalEngine
from rnnforecast.workflow import backtest_forecast, backtest_tasks
from rnnforecast.workflow.backtest import (
    backtest,
    backtest_subject,
    fingerprint,
    plan_subject,
    read_subject,
    run_backtest,
)
from rnnforecast.workflow.backtest_output import judge, series_groups
from rnnforecast.workflow.backtest_work import (
    BacktestWork,
    windows_from_bytes,
    windows_to_bytes,
)
from tests.workflow.runs import StopAt

SPEC = """
data: {path: data.csv, series: unique_id, targets: y}
clean: {frequency: D}
window: {horizon: 3, lookback: 8, season: 7}
model: {hidden_size: 4}
training: {max_steps: 4, batch_size: 8}
backtest: {windows: 3, step: 2}
"""
KNOWN = "{path: data.csv, series: unique_id, targets: y, known_at: known}"


def rows(seed: int = 0) -> pd.DataFrame:
    """Two series of 50 days with gaps, outliers and covariates, in the order of a database."""
    random = np.random.default_rng(seed)
    frames = []
    for number, name in enumerate("ab"):
        y = 20 + 5 * number + np.arange(50) % 7 + random.random(50)
        y[[11, 12, 30]] = np.nan
        y[25] *= 4
        frame = pd.DataFrame({"unique_id": name, "ds": pd.date_range("2024-01-01", periods=50)})
        frame["y"], frame["price"], frame["note"] = y, random.random(50), random.random(50)
        frame["region"] = "north" if number else "south"
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def with_vintages(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows known two days later, after a forecast of the price, and some revised again."""
    final = frame.assign(known=frame["ds"] + pd.Timedelta("2D"))
    ahead = final.assign(y=np.nan, price=frame["price"] + 1, known=frame["ds"] - pd.Timedelta("9D"))
    later = final.iloc[::3].assign(y=frame["y"] + 1, known=frame["ds"] + pd.Timedelta("8D"))
    return pd.concat([ahead, final, later], ignore_index=True)


def with_noise_after(frame: pd.DataFrame, cutoff: str) -> pd.DataFrame:
    """The rows with other numbers in all that became known after the cutoff."""
    changed, random = frame.copy(), np.random.default_rng(5)
    late = frame.get("known", frame["ds"]) > pd.Timestamp(cutoff)
    for name in ("y", "price", "note"):
        values = changed.loc[late, name]
        changed.loc[late, name] = values * 0 + random.random(len(values)) * 30 + 1
    return changed


def run(
    out: str,
    *sets: str,
    frame: pd.DataFrame | None = None,
    spec: str = SPEC,
    report: bool = False,
) -> pd.DataFrame:
    """The evaluation table of a backtest of the data."""
    (rows() if frame is None else frame).to_csv("data.csv", index=False)
    Path("spec.yaml").write_text(spec, encoding="utf-8")
    backtest(Path("spec.yaml"), Path(out), overrides=sets, report=report)
    return pd.read_parquet(f"{out}/backtest.parquet")


def files(folder: str) -> dict[str, bytes]:
    """All files, with the name of the folder left out of the page's title."""
    found = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    name = f"Backtest {folder}".encode()
    return {each: data.replace(name, b"Backtest") for each, data in found.items()}


@pytest.fixture(autouse=True)
def without_probe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Durations are measured only where they are tested."""
    if "duration" not in request.node.name:
        monkeypatch.setattr(backtest_tasks, "estimate_duration", lambda *_: None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return tmp_path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished backtest `out` that trains twice, and a run `run`."""
    folder = tmp_path_factory.mktemp("backtest")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(os, "fsync", lambda _: None)
        run("out", "backtest.refit=2", report=True)
        first = read_subject(Path("spec.yaml"), ["backtest.refit=2"])
        work = BacktestWork(Path("again"), fingerprint(first, plan_subject(first)))
        work.prepare()
        run_backtest(first, plan_subject(first), work)
        work.run_folder(0).rename("run")
    return folder


@pytest.fixture
def finished(done: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(done)
    return done


LEAKS = {
    "cleaning that is fitted again": (
        SPEC.replace("{frequency: D}", "{outliers: hampel, missing: linear, transform: log}"),
        ("features.future=price", "features.past=note", "backtest.refit=2"),
    ),
    "one training before all windows": (
        SPEC.replace("{frequency: D}", "{outliers: iqr, outlier_action: clip, missing: spline}"),
        (
            "features.past=note",
            "model.normalize=exponential_smoothing",
            "backtest.gap=1",
            "ensemble.network_weight=1",
        ),
    ),
    "vintages": (
        SPEC.replace("{path: data.csv, series: unique_id, targets: y}", KNOWN),
        ("features.future=price", "clean.missing=linear", "backtest.refit=2"),
    ),
}


@pytest.fixture(scope="module")
def vintages(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The evaluation table of the rows with vintages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("vintages"))
        patch.setattr(os, "fsync", lambda _: None)
        spec, sets = LEAKS["vintages"]
        return run("out", *sets, frame=with_vintages(rows()), spec=spec)


@pytest.mark.parametrize("name", LEAKS)
def test_what_became_known_after_a_cutoff_changes_nothing_before_it(
    name: str, vintages: pd.DataFrame, here: Path
) -> None:
    spec, sets = LEAKS[name]
    has_vintages = name == "vintages"
    frame = with_vintages(rows()) if has_vintages else rows()
    cutoff = "2024-02-13" if "backtest.gap=1" not in sets else "2024-02-12"  # of the first window
    before = vintages if has_vintages else run("one", *sets, frame=frame, spec=spec)
    after = run("two", *sets, frame=with_noise_after(frame, cutoff), spec=spec)
    chosen = [table[table["cutoff"] <= cutoff].drop(columns="y") for table in (before, after)]
    assert len(chosen[0]) >= 3
    pd.testing.assert_frame_equal(*chosen, check_exact=True)


def test_vintages_are_forecast_from_the_last_value_that_was_known(vintages: pd.DataFrame) -> None:
    # a value is known two days later: at the cutoff of 12 February that of the 10th is the last,
    # which naive repeats
    first = vintages[(vintages["unique_id"] == "a") & (vintages["cutoff"] == "2024-02-12")]
    values = rows().query("unique_id == 'a'").set_index("ds")["y"]
    np.testing.assert_allclose(first["naive"], values["2024-02-10"])
    assert first["step"].tolist() == [1, 2, 3]
    # the actual values are those of the last vintage
    last = with_vintages(rows()).sort_values("known").dropna(subset="y")
    last = last.drop_duplicates(["unique_id", "ds"], keep="last").set_index(["unique_id", "ds"])
    actual = last["y"].loc[list(zip(vintages["unique_id"], vintages["ds"], strict=True))]
    np.testing.assert_allclose(vintages["y"], actual)


def test_the_table_holds_each_window_of_each_series(finished: Path) -> None:
    table = pd.read_parquet("out/backtest.parquet")
    # the last window ends with the data on 2024-02-19, the others 2 and 4 days before
    assert [f"{each:%m-%d}" for each in sorted(table["cutoff"].unique())] == [
        "02-12",
        "02-14",
        "02-16",
    ]
    assert (table["ds"] - table["cutoff"] == pd.to_timedelta(table["step"], unit="D")).all()
    assert table.groupby(["unique_id", "cutoff"]).size().eq(3).all()
    stored = json.loads(Path("out/backtest.json").read_text(encoding="utf-8"))
    assert (stored["windows"], stored["series"], stored["forecasts"]) == (3, 2, 6)
    mae = (table["yhat"] - table["y"]).abs().mean()
    np.testing.assert_allclose(stored["metrics"]["mae"], mae)
    assert stored["trainings"] == 2


def test_scores_are_listed_by_series_step_cutoff_and_group(finished: Path) -> None:
    scores = pd.read_csv("out/scores.csv")
    assert set(scores["by"]) == {"all", "target", "series", "step", "cutoff"}
    subject = read_subject(Path("spec.yaml"), ["features.static=region", "backtest.group=region"])
    index, names = series_groups(subject)
    assert names == ("north", "south")
    assert index is not None
    assert index.tolist() == [1, 0]


def test_a_column_that_groups_nothing_is_refused(finished: Path) -> None:
    subject = read_subject(Path("spec.yaml"), ["backtest.group=colour"])
    with pytest.raises(Exception, match="colour") as error:
        series_groups(subject)
    assert "unique_id" in str(error.value)
    sets = ["features.future=price", "backtest.group=price"]  # it varies
    with pytest.raises(SpecError, match="static"):
        series_groups(read_subject(Path("spec.yaml"), sets))


def test_a_run_forecasts_windows_after_its_training_data(finished: Path) -> None:
    # trained before the first window, which begins on 2024-02-13
    result = backtest(Path("run"), Path("of_run"))
    assert result.trained_until == "2024-02-12"
    assert (result.windows, result.in_sample_windows, result.trainings) == (3, (), 0)
    assert result.cutoffs == ("2024-02-12", "2024-02-14", "2024-02-16")


def test_windows_of_the_training_data_are_marked_and_prove_nothing(finished: Path) -> None:
    heard = StopAt()
    result = backtest(
        Path("run"),
        Path("in_sample"),
        overrides=["backtest.windows=6", "backtest.step=1", "backtest.last_time=2024-02-12"],
        listener=heard,
    )
    assert result.in_sample_windows == (1, 2, 3, 4, 5, 6)
    assert "training data of the run" in heard.warnings[0]
    assert all(verdict.outcome != "better" for verdict in result.verdicts.values())


def test_windows_of_the_training_data_are_left_out_of_a_verdict(finished: Path) -> None:
    subject = read_subject(Path("spec.yaml"), ["backtest.refit=2"])
    plan = plan_subject(subject)
    work = BacktestWork(Path("again"), fingerprint(subject, plan))
    windows = [work.load(number) for number in range(3)]
    every = concatenate_windows([window for window in windows if window is not None])
    some = judge(every, (0,))["naive"].comparison
    assert (some["windows"], some["origins"]) == (4, 2)


def test_keys_of_a_training_cannot_be_set_for_a_run(finished: Path) -> None:
    for override in ("training.max_steps=3", "backtest.refit=always"):
        with pytest.raises(UsageError, match="run"):
            backtest(Path("run"), Path("refused"), overrides=[override])


def test_a_larger_error_than_that_of_a_named_baseline_is_an_error(finished: Path) -> None:
    result = backtest(Path("run"), Path("of_run"))
    worse = {name: each.comparison["difference"] > 0 for name, each in result.verdicts.items()}
    for name, is_worse in worse.items():
        if is_worse:
            with pytest.raises(WorseThanBaseline, match=name):
                result.check_not_worse_than(name.replace(" ", "_"))
        else:
            result.check_not_worse_than(name)
    with pytest.raises(UsageError, match="seasonal naive"):
        result.check_not_worse_than("nothing")
    with pytest.raises(UsageError, match="--baselines auto_ets"):
        result.check_not_worse_than("auto ETS")


def test_a_wrong_folder_or_baseline_is_refused_before_the_work(here: Path) -> None:
    rows().to_csv("data.csv", index=False)
    Path("spec.yaml").write_text(SPEC)
    Path("letters").mkdir()
    Path("letters/a.txt").write_text("dear")
    listener = StopAt()
    with pytest.raises(OutputPathError, match=r"a\.txt"):
        backtest(Path("spec.yaml"), Path("letters"), listener=listener)
    with pytest.raises(UsageError, match="seasonal naive"):
        backtest(Path("spec.yaml"), Path("out"), compared_to="nothing", listener=listener)
    with pytest.raises(DataError, match=r"2024-01-10.*fewer windows"):
        backtest(
            Path("spec.yaml"),
            Path("out"),
            overrides=[
                "backtest.first_time=2024-01-11",
                "backtest.windows=auto",
                "window.lookback=20",
            ],
        )
    assert not listener.infos
    assert sorted(each.name for each in here.iterdir()) == ["data.csv", "letters", "spec.yaml"]


def test_an_ended_backtest_goes_on_and_writes_the_same_bytes(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = ["backtest.refit=2"]
    evaluate, calls = backtest_forecast.WindowForecaster.evaluate, []

    def fail_later(self, windows):  # type: ignore[no-untyped-def]
        calls.append(list(windows))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(self, windows)

    stop = StopAt("training 2 of 2, fit", 1)
    with pytest.raises(Stopped, match="same command"):
        backtest(
            Path("spec.yaml"),
            Path("ended"),
            overrides=sets,
            listener=stop,
            should_stop=stop.should_stop,
        )
    with monkeypatch.context() as patch:
        patch.setattr(backtest_forecast.WindowForecaster, "evaluate", fail_later)
        with pytest.raises(KeyboardInterrupt):
            backtest(Path("spec.yaml"), Path("ended"), overrides=sets)
    assert not Path("ended").exists()
    heard = StopAt()
    backtest(Path("spec.yaml"), Path("ended"), overrides=sets, listener=heard)
    assert any("2 of 3 windows are done already" in line for line in heard.infos)
    assert not any("training" in line for line in heard.infos if line.startswith("training "))
    assert files("ended") == files("out")
    assert not Path(".ended.backtest").exists()


def test_a_backtest_that_is_killed_in_a_training_goes_on(finished: Path) -> None:
    command = [sys.executable, "-m", "rnnforecast", "backtest", "spec.yaml", "--refit", "2"]
    work = Path(".killed.backtest")
    process = subprocess.Popen([*command, "-o", "killed"], stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(work.glob("fit_*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    backtest(Path("spec.yaml"), Path("killed"), overrides=["backtest.refit=2"])
    assert files("killed") == files("out")


def test_independent_trainings_in_workers_give_the_bytes_of_one_process(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = ["backtest.refit=2", "backtest.warm_start=false"]
    backtest(Path("spec.yaml"), Path("in_order"), overrides=sets, report=False)
    monkeypatch.setattr(backtest_tasks, "MIN_FORECASTS", 0)
    heard = StopAt()
    backtest(
        Path("spec.yaml"),
        Path("parallel"),
        overrides=sets,
        report=False,
        engine=LocalEngine(2),
        listener=heard,
    )
    assert {"training 1 of 2", "training 2 of 2"} <= set(heard.infos)
    assert files("parallel") == files("in_order")


def test_the_work_of_other_data_is_not_used(here: Path) -> None:
    work = BacktestWork(Path("out"), "one")
    assert not work.prepare()
    (work.folder / "window_0").write_bytes(b"")
    assert not BacktestWork(Path("out"), "one").prepare()
    assert (work.folder / "window_0").exists()
    assert work.load(0) is None  # half a file is no window
    assert BacktestWork(Path("out"), "two").prepare()
    assert not (work.folder / "window_0").exists()


def test_a_damaged_work_folder_is_mended(finished: Path) -> None:
    subject = read_subject(Path("spec.yaml"), ["backtest.refit=2"])
    shutil.copytree(".again.backtest", ".mended.backtest")
    shutil.copytree("run", ".mended.backtest/fit_0")
    work = Path(".mended.backtest")
    shutil.copy(work / "window_1", work / "window_0")
    (work / "window_1").unlink()
    (work / "window_1").mkdir()
    (work / "window_2").write_bytes(b"x" * 999)
    (work / "fit_0/model.safetensors").write_bytes(b"x")
    shutil.rmtree(work / "fit_1")
    (work / "fit_1.checkpoint").write_bytes(b"x")
    backtest_subject(subject, Path("mended"))
    assert files("mended") == files("out")


def test_stored_windows_are_read_back(finished: Path) -> None:
    subject = read_subject(Path("spec.yaml"), ["backtest.refit=2"])
    window = BacktestWork(Path("again"), fingerprint(subject, plan_subject(subject))).load(0)
    assert window is not None
    again = windows_from_bytes(windows_to_bytes(window))
    assert again.levels == window.levels
    assert list(again.baselines) == list(window.baselines)
    np.testing.assert_array_equal(again.forecast.quantiles, window.forecast.quantiles)
    np.testing.assert_array_equal(again.baselines["drift"].yhat, window.baselines["drift"].yhat)


def test_the_duration_is_told_before_the_work(here: Path) -> None:
    rows().to_csv("data.csv", index=False)
    Path("spec.yaml").write_text(SPEC, encoding="utf-8")
    heard = StopAt()
    backtest(Path("spec.yaml"), Path("out"), overrides=["backtest.history=20"], listener=heard)
    told = [line for line in heard.infos if "up to about" in line]
    assert told
    assert "seconds" in told[0]
    # a training of 20 steps a series
    assert any("40 steps at D, y" in line for line in heard.infos)
