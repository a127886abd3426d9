"""The commands as their users meet them: the tour, the streams, the shapes of data."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rnnforecast.registry import BACKBONES

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

SMALL = ["--set", "training.max_steps=4", "--set", "model.hidden_size=8"]


@pytest.mark.parametrize("layout", ["long", "wide", "single"])
def test_a_first_csv_goes_from_init_to_a_forecast_without_an_edit(
    rnnforecast: Run, table: Table, layout: str
) -> None:
    frame = table()
    if layout == "wide":
        frame = frame.pivot(index="ds", columns="unique_id", values="y").reset_index()
    elif layout == "single":
        frame = frame[frame["unique_id"] == "a"].drop(columns="unique_id")
    frame.to_csv("data.csv", index=False)
    init = rnnforecast("init", "data.csv")
    assert init.exit_code == 0, init.stderr
    assert f"a {layout}" in init.stderr
    assert init.stdout == ""
    assert rnnforecast("check", "spec.yaml").exit_code == 0
    trained = rnnforecast("train", "spec.yaml", *SMALL)
    assert trained.exit_code == 0, trained.stderr
    assert "season     7: found in the data" in init.stderr
    assert "seasonal naive" in trained.stdout
    assert rnnforecast("predict", "runs/spec").exit_code == 0
    found = pd.read_csv("forecasts/spec/forecast.csv")
    names = {"long": ["unique_id"], "wide": ["target"], "single": []}[layout]
    assert found.columns.tolist() == [
        *names, "ds", "yhat", "q0.025", "q0.1", "q0.5", "q0.9", "q0.975",
    ]  # fmt: skip
    horizon = yaml.safe_load(Path("spec.yaml").read_text())["window"]["horizon"]
    assert len(found) == horizon * (1 if layout == "single" else 2)
    assert (Path("forecasts/spec/plots")).is_dir()


def test_init_does_not_write_over_a_spec(given: Run, rnnforecast: Run) -> None:
    given()
    before = Path("spec.yaml").read_text()
    result = rnnforecast("init", "data.csv")
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert Path("spec.yaml").read_text() == before
    assert rnnforecast("init", "data.csv", "--force").exit_code == 0


def test_init_takes_a_key_that_it_cannot_guess(rnnforecast: Run) -> None:
    days = [f"0{day}/0{month}/2024" for month in range(1, 7) for day in range(1, 10)]
    Path("data.csv").write_text("ds,y\n" + "".join(f"{day},5.5\n" for day in days))
    assert "data.time_format" in rnnforecast("init", "data.csv").stderr
    sets = ["--set", "data.time_format=%d/%m/%Y", "--set", "clean.frequency=D"]
    assert rnnforecast("init", "data.csv", *sets).exit_code == 0
    assert yaml.safe_load(Path("spec.yaml").read_text())["data"]["time_format"] == "%d/%m/%Y"


def test_check_reports_as_json_and_strict_refuses_repairs(
    given: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table().drop(index=[5, 6, 70])
    given(frame)
    result = rnnforecast("check", "spec.yaml", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["totals"]["gaps"] == 3
    assert [series["gaps"] for series in found["series"]] == [2, 1]
    strict = rnnforecast("check", "spec.yaml", "--strict", "-q")
    assert strict.exit_code == 4
    assert "cleaning would change 3" in strict.stderr
    given()
    assert rnnforecast("check", "spec.yaml", "--strict").exit_code == 0


def test_check_reports_faults_and_ends_with_the_code_of_bad_data(
    given: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table()
    given(pd.concat([frame, frame.tail(2)]))
    result = rnnforecast("check", "spec.yaml", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["totals"]["duplicates"] == 2
    assert "clean.duplicates" in result.stderr
    assert "no report with plots" in result.stderr
    assert not Path("checks").exists()


@pytest.mark.parametrize(("names", "told"), [("ab", "2 series"), ("a", "one series")])
def test_a_draft_of_faulty_data_counts_all_series_and_says_what_to_choose(
    names: str, told: str, rnnforecast: Run, table: Table
) -> None:
    frame = table(tuple(names))
    pd.concat([frame, frame.tail(2)]).to_csv("data.csv", index=False)
    assert rnnforecast("init", "data.csv").exit_code == 0
    text = Path("spec.yaml").read_text()
    assert text.startswith(f"# A spec for {told};")
    assert "timestamps: 2; choose a rule)" in " ".join(text.replace("#", "").split())


def test_a_draft_in_a_folder_that_is_not_there_is_refused(given: Run, rnnforecast: Run) -> None:
    given()
    result = rnnforecast("init", "data.csv", "-o", "sub/spec.yaml")
    assert result.exit_code == 1
    assert "there is no folder 'sub'" in result.stderr
    assert not Path("sub").exists()


def test_a_horizon_too_long_for_validation_is_warned_of(given: Run, train: Run) -> None:
    given(horizon=29)
    result = train()
    assert result.exit_code == 0
    assert "long enough for validation" in " ".join(result.stderr.split())


def test_data_go_to_stdout_and_words_to_stderr(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    result = rnnforecast("train", "spec.yaml", "-o", "run", "--json", *SMALL)
    scores = json.loads(result.stdout)
    assert set(scores["model_metrics"]) == set(scores["baseline_metrics"])
    assert "run written to run" in result.stderr
    result = rnnforecast("predict", "run", "-o", "-")
    assert len(pd.read_csv(io.StringIO(result.stdout))) == 14
    assert "2 series × 7 steps" in result.stderr
    quiet = rnnforecast("predict", "run", "-q", "-o", "f.csv")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_log_has_no_colours_and_no_bar(given: Run, train: Run) -> None:
    given()
    result = train()
    assert "\x1b" not in result.stdout + result.stderr
    assert "\r" not in result.stderr
    assert "fit: step 4 of 4, loss" in result.stderr


def test_new_data_may_come_by_stdin_and_hold_series_never_seen(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    given()
    assert train().exit_code == 0
    text = table(("b", "z"), steps=90).to_csv(index=False)
    result = rnnforecast("predict", "run", "--data", "-", "-o", "-", stdin=text)
    assert result.exit_code == 0, result.stderr
    found = pd.read_csv(io.StringIO(result.stdout), parse_dates=["ds"])
    assert found["unique_id"].unique().tolist() == ["b", "z"]
    expected = pd.date_range("2024-03-31", periods=7)  # 90 days from 1 January 2024
    assert found.loc[found["unique_id"] == "z", "ds"].tolist() == expected.tolist()


def test_a_run_keeps_what_says_that_there_is_no_value(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table().astype({"y": str})
    frame.loc[[3, 70, 119], "y"] = "closed"
    given(frame)
    refused = train()
    assert refused.exit_code == 4
    assert "line 5, column 'y': 'closed' is not a number" in refused.stderr
    assert train("data.missing_values=[closed]").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    drafted = rnnforecast("init", "data.csv", "--force", "--set", "data.missing_values=closed")
    assert drafted.exit_code == 0
    assert yaml.safe_load(Path("spec.yaml").read_text())["data"]["missing_values"] == ["closed"]


def test_without_data_the_spec_s_own_file_is_read_as_it_is_now(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    given()
    assert train().exit_code == 0
    table(steps=75).to_csv("data.csv", index=False)
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv")["ds"].min() == "2024-03-16"  # 75 days from 1 January 2024


def test_parquet_is_written_by_its_suffix_and_others_are_refused(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    assert train().exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.parquet").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    columns = ["yhat", "q0.025", "q0.975"]
    left, right = pd.read_parquet("f.parquet"), pd.read_csv("f.csv")
    pd.testing.assert_frame_equal(left[columns], right[columns])
    assert rnnforecast("predict", "run", "-o", "f.xlsx").exit_code == 2


def test_other_horizons_cut_or_go_on_with_wider_bands(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    assert train().exit_code == 0
    found = {}
    for horizon in (3, 7, 20):
        assert rnnforecast("predict", "run", "-o", "f.csv", f"--horizon={horizon}").exit_code == 0
        frame = pd.read_csv("f.csv")
        assert len(frame) == 2 * horizon
        found[horizon] = frame[frame["unique_id"] == "a"]
    pd.testing.assert_frame_equal(found[7].head(3), found[3])
    pd.testing.assert_frame_equal(found[20].head(7), found[7])
    quiet = rnnforecast("predict", "run", "-o", "far", "--horizon=20", "--no-plots", "-q")
    assert quiet.stderr == ""
    (warning,) = json.loads(Path("far/run.json").read_text())["warnings"]
    assert warning.startswith("horizon 20 is beyond the 7 steps")
    width = found[20]["q0.975"] - found[20]["q0.025"]
    assert width[7:].min() >= width[6]


def test_much_less_history_than_the_network_reads_is_told(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    given()
    assert train("window.lookback=49").exit_code == 0
    for steps, told in ((24, True), (25, False)):
        table().groupby("unique_id").tail(steps).to_csv("late.csv", index=False)
        result = rnnforecast("predict", "run", "--data=late.csv", "-o", "f.csv")
        assert result.exit_code == 0, result.stderr
        said = "2 of 2 series have less than half of the 49 steps that the network reads"
        assert (said in result.stderr) == told


def test_series_that_end_before_the_others_are_told(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    rows = table()
    given(rows[(rows["unique_id"] != "b") | (rows["ds"] < "2024-02-20")])
    assert train().exit_code == 0
    result = rnnforecast("predict", "run", "-o", "f.csv")
    said = "1 of 2 series end before the latest does, b by 10 steps, on 2024-02-19"
    assert said in result.stderr
    begins = pd.read_csv("f.csv").groupby("unique_id")["ds"].min()
    assert begins.to_dict() == {"a": "2024-03-01", "b": "2024-02-20"}


def test_without_a_season_the_forecast_beside_ours_is_called_naive(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    trained = train("window.season=1")
    assert trained.stdout.splitlines()[0].split() == ["held-out", "horizon", "rnnforecast", "naive"]
    assert json.loads(Path("run/metrics.json").read_text())["baseline"] == "naive"
    assert rnnforecast("predict", "run", "-o", "out").exit_code == 0
    for folder in ("run", "out"):
        (picture,) = set(Path(folder, "plots").glob("*.svg")) - {Path("run/plots/loss.svg")}
        assert "naive" in picture.read_text()
        assert "seasonal" not in picture.read_text()


@pytest.mark.parametrize(("noisy", "told"), [(70, True), (140, False)])
def test_that_the_last_season_again_is_as_good_is_told(
    given: Run, train: Run, noisy: int, told: bool
) -> None:
    steps = np.arange(140)
    noise = np.random.default_rng(0).normal(size=140)
    y = 50 + steps % 7 + 3 * np.where(steps < noisy, noise, 0.0)
    stamps = pd.date_range("2024-01-01", periods=140, freq="D")
    given(pd.DataFrame({"ds": stamps, "y": y}))
    result = train("window.season=7", "training.max_steps=30")
    assert ("the seasonal naive forecast was no worse on the held-out" in result.stderr) == told
    assert ("was no worse" in Path("run/log.jsonl").read_text()) == told


@pytest.mark.parametrize("freq", ["h", "B", "W-WED", "MS", "ME", "QE", "YS"])
def test_stamps_go_on_in_the_data_s_own_calendar(
    given: Run, train: Run, rnnforecast: Run, table: Table, freq: str
) -> None:
    frame = table(steps=60, freq=freq).rename(columns={"unique_id": "shop", "ds": "when"})
    given(frame)
    assert train("window.season=1").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    found = pd.read_csv("f.csv", parse_dates=["when"])
    expected = pd.date_range(frame["when"].max(), periods=8, freq=freq)[1:]
    assert found.loc[found["shop"] == "a", "when"].tolist() == expected.tolist()


def test_an_integer_index_stays_one(given: Run, train: Run, rnnforecast: Run, table: Table) -> None:
    frame = table()
    frame["ds"] = frame.groupby("unique_id").cumcount() * 5
    given(frame)
    assert train().exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv")["ds"].tolist()[:7] == list(range(300, 335, 5))


@pytest.mark.parametrize("missing", ["mask", "ffill", "mean", "median", "zero", "linear"])
def test_every_fill_trains_and_forecasts(
    given: Run, train: Run, rnnforecast: Run, table: Table, missing: str
) -> None:
    frame = table()
    frame.loc[::5, "y"] = float("nan")
    given(frame, more=f"clean: {{missing: {missing}}}\n")
    assert train().exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv").notna().all(axis=None)


@pytest.mark.parametrize("loss", ["mae", "mse", "huber"])
def test_a_point_loss_has_intervals_from_its_errors(
    given: Run, train: Run, rnnforecast: Run, loss: str
) -> None:
    given()
    assert train(f"training.loss={loss}").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    found = pd.read_csv("f.csv")
    quantiles = found[["q0.025", "q0.1", "q0.5", "q0.9", "q0.975"]]
    assert (quantiles.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (found["q0.9"] > found["q0.1"]).all()
    if loss == "mse":  # the mean of a log ratio that is undone lies above its median, but little
        assert (found["yhat"] > found["q0.5"]).all()
        assert (found["yhat"] < 1.05 * found["q0.5"]).all()
    else:
        pd.testing.assert_series_equal(found["q0.5"], found["yhat"], check_names=False)


@pytest.mark.parametrize("backbone", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("decoder", ["direct", "parallel"])
def test_every_network_and_decoder_can_be_chosen(
    given: Run, train: Run, backbone: str, decoder: str
) -> None:
    given()
    assert train(f"model.backbone={backbone}", f"model.decoder={decoder}").exit_code == 0
    assert train("window.patch_length=1", f"model.decoder={decoder}").exit_code == 0


def test_models_and_schema_tell_what_can_be_chosen(rnnforecast: Run) -> None:
    lines = rnnforecast("models").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(BACKBONES.names())
    assert (
        "horizon" in json.loads(rnnforecast("schema").stdout)["$defs"]["WindowSpec"]["properties"]
    )


def test_version_names_torch_and_the_device(rnnforecast: Run) -> None:
    import torch

    result = rnnforecast("--version")
    assert result.exit_code == 0
    assert f"torch {torch.__version__} on " in result.stdout


HEAVY = ("torch", "pandas", "matplotlib", "numpy", "pyarrow", "sklearn", "scipy")


def imported_by(*arguments: str) -> tuple[int, list[str]]:
    """Exit code of the command in a fresh process, and the heavy packages that it imported."""
    code = (
        "import sys\n"
        "from rnnforecast.cli.app import app\n"
        f"try: app({list(arguments)!r})\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return result.returncode, yaml.safe_load(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", [(), ("train",), ("check",), ("init",), ("predict",)])
def test_help_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    assert imported_by(*command, "--help") == (0, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "wrong.yaml"),
        ("check", "wrong.yaml"),
        ("train", "apart.yaml"),
        ("check", "apart.yaml"),
        ("init", "data.csv", "--set", "model.layers=none"),
        ("init", "data.csv", "--set", "clean.outliers=sigma"),
    ],
)
def test_a_wrong_spec_is_reported_before_anything_heavy_is_imported(
    given: Run, arguments: tuple[str, ...]
) -> None:
    given()
    Path("wrong.yaml").write_text("window: {horizon: none}\nmodel: {backbone: gruu}\n")
    Path("apart.yaml").write_text(
        "data: {path: data.csv}\nwindow: {horizon: 7}\n"
        "model: {backbone: dilated, backbone_options: {base: 1}}\ntraining: {freeze: a}\n"
    )
    assert imported_by(*arguments) == (3, [])


def test_check_and_init_do_without_torch(given: Run) -> None:
    given()
    code, imported = imported_by("check", "spec.yaml", "--no-report")
    assert code == 0
    assert not {"torch", "matplotlib", "sklearn"} & set(imported)
    code, imported = imported_by("init", "data.csv", "--force")
    assert code == 0
    assert not {"torch", "matplotlib", "sklearn"} & set(imported)


def test_quiet_prints_errors_only(given: Run, rnnforecast: Run, table: Table) -> None:
    frame = table()
    frame.loc[::5, "y"] = float("nan")
    given(frame)
    result = rnnforecast("train", "spec.yaml", "-o", "run", "-q", *SMALL)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert "values blank" in Path("run/log.jsonl").read_text()


def test_plots_are_counted_one_by_one(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    wide = table(("a", "b", "c", "d")).pivot(index="ds", columns="unique_id", values="y")
    given(wide.reset_index())
    assert train("forecast.plots=3").exit_code == 0
    assert len(list(Path("run/plots").glob("*.png"))) == 4  # three forecasts and the loss
    result = rnnforecast("predict", "run", "-o", "f", "--json")
    assert json.loads(result.stdout)["plots"] == 3
    assert len(list(Path("f/plots").glob("*.svg"))) == 3


def test_a_counter_that_is_large_beside_its_steps_keeps_its_digits(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table(("a",))
    frame["y"] += 1e9
    given(frame)
    assert train("training.max_steps=40").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    found = pd.read_csv("f.csv")["yhat"] - 1e9
    assert found.between(5, 25).all()
    assert found.nunique() == 7


def test_a_year_typed_wrong_is_refused(given: Run, rnnforecast: Run, table: Table) -> None:
    frame = table(("a",))
    frame["ds"] = frame["ds"].astype(str)
    frame.loc[59, "ds"] = "2924-02-29"
    given(frame)
    result = rnnforecast("check", "spec.yaml", "-q")
    assert result.exit_code == 4
    assert "2924-02-29" in result.stderr
