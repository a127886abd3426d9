"""The first argument of `predict`: a run, data, or a spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.errors import DataError, SpecError, UsageError
from rnnforecast.output.ownership import write_mark
from rnnforecast.workflow.predict_subject import UntrainedSubject, find_subject

SPEC = "data: {path: sales.csv}\nwindow: {horizon: 3}\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, a spec, and folders of other kinds."""
    monkeypatch.chdir(tmp_path)
    for name in ("sales.csv", "many/a.csv", "many/b.csv", "damaged/state.json"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("ds,y\n2024-01-01,1\n", encoding="utf-8")
    Path("spec.yaml").write_text(SPEC, encoding="utf-8")
    for name in ("run", "store", "forecast", "empty"):
        Path(name).mkdir()
    write_mark(Path("run"), "run")
    write_mark(Path("store"), "versions")
    Path("forecast/forecast.csv").touch()
    write_mark(Path("forecast"), "forecast")
    return tmp_path


def data_of(text: str, **options: object) -> UntrainedSubject:
    found = find_subject(text, **options)  # type: ignore[arg-type]
    assert isinstance(found, UntrainedSubject)
    return found


@pytest.mark.parametrize("name", ["run", "store", "damaged"])
def test_the_folder_of_a_run_is_a_run_even_if_it_is_damaged(name: str) -> None:
    assert find_subject(name) == Path(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [("sales.csv", "sales"), ("many", "many"), ("many/", "many"), ("many/*.csv", "many"),
     ("-", "stdin"), ("https://example.org/a/day.csv?token=5", "day"),
     ("https://example.org/a/b.2024.CSV.gz", "b.2024"),
     ("postgresql://host/sales?table=x", "database")],
)  # fmt: skip
def test_data_have_a_name_for_their_forecast(place: Path, text: str, name: str) -> None:
    found = data_of(text)
    assert (found.name, found.spec_file, found.has_horizon) == (name, None, False)
    expected = text if text == "-" or "://" in text else str(place / text)
    assert found.source == (expected.rstrip("/"),)


def test_files_of_other_names_have_forecasts_of_other_names() -> None:
    names = ("sales.2023.csv", "sales.2024.csv", "sales (1).csv", "+.csv", "ü.csv")
    for name in names:
        Path(name).write_text("ds,y\n2024-01-01,1\n", encoding="utf-8")
    found = [data_of(name).name for name in names]
    assert found == ["sales.2023", "sales.2024", "sales -1", Path.cwd().name, "ü"]


def test_a_horizon_may_be_given_in_two_ways() -> None:
    for options in ({"horizon": 5}, {"overrides": ["window.horizon=5"]}):
        found = data_of("sales.csv", **options)
        assert found.has_horizon
        assert found.spec.window.horizon == 5


def test_a_spec_brings_its_data_horizon_and_keys(place: Path) -> None:
    found = data_of("spec.yaml", overrides=["forecast.plots=3"])
    assert found.source == (str(place / "sales.csv"),)
    assert (found.name, found.spec.window.horizon, found.spec.forecast.plots) == ("spec", 3, 3)
    other = data_of("spec.yaml", data=["many"], horizon=9)
    assert other.source == (str(place / "many"),)
    assert other.spec.window.horizon == 9


@pytest.mark.parametrize("text", ["nowhere", "no*.csv", "empty", "forecast", "", "a" * 5000])
def test_what_is_none_of_these_is_refused_with_all_that_it_may_be(text: str) -> None:
    with pytest.raises(DataError) as refused:
        find_subject(text)
    (problem,) = refused.value.problems
    for word in ("run folder", "data", "pattern", "URL", "standard input", "spec (.yaml)"):
        assert word in problem.cure


def test_the_errors_of_a_spec_are_those_of_other_commands() -> None:
    with pytest.raises(SpecError, match="horizn"):
        find_subject("spec.yaml", overrides=["window.horizn=3"])
    with pytest.raises(SpecError, match="no such file"):
        find_subject("other.yaml")


@pytest.mark.parametrize(
    "key",
    ["model.layers=7", "window.lookback=14", "training.max_steps=9", "ensemble.members=2",
     "model.backbone_options.cell=lstm", "forecast.calibrate=false", "features.calendar=none",
     "search.trials=3", "backtest.windows=2"],
)  # fmt: skip
def test_a_key_without_an_effect_is_refused_with_the_training_that_has_one(key: str) -> None:
    given = ["forecast.plots=3", key, *(["model.backbone=dilated"] if "cell" in key else [])]
    for text, cure in (("spec.yaml", "train spec.yaml"), ("sales.csv", "init sales.csv")):
        with pytest.raises(UsageError) as refused:
            find_subject(text, overrides=given)
        problem = refused.value.problems[0]
        assert problem.where == f"--set {key}"
        assert "no effect" in problem.found
        assert f"rnnforecast {cure}" in problem.cure


def test_keys_with_an_effect_are_those_that_the_page_of_models_lists() -> None:
    given = ["training.loss=mse", "training.seed=2", "window.season=7", "features.past=[x]"]
    for text in ("spec.yaml", "sales.csv"):
        assert data_of(text, overrides=given).spec.training.seed == 2


def test_data_cannot_be_given_twice() -> None:
    with pytest.raises(UsageError, match="--data"):
        find_subject("sales.csv", data=["many"])


def test_what_is_stored_has_no_password_and_gives_the_same_spec() -> None:
    found = data_of(
        "postgresql://me:secret@host/sales?table=x", overrides=["forecast.quantiles=[0.3]"]
    )
    stored = found.to_json()
    assert "secret" not in str(stored)
    again = UntrainedSubject.from_json(stored, ["new.csv"], 4)
    assert again.spec.forecast == found.spec.forecast
    assert again.spec.window.horizon == 4
    with pytest.raises(ValueError, match="missing"):
        UntrainedSubject.from_json({"run": None}, ["new.csv"], 4)


def test_what_else_was_given_is_stored_as_arguments_without_passwords() -> None:
    found = data_of(
        "spec.yaml",
        data=["many", "postgresql://me:secret@host/sales?table=x"],
        overrides=["window.horizon=2", "forecast.quantiles=[0.1, 0.9]", "training.seed=3"],
    )
    stored = found.to_json()
    assert "secret" not in str(stored)
    assert stored["arguments"] == [
        *("--data", "many", "--data", "postgresql://me:***@host/sales?table=x"),
        *("--set", "forecast.quantiles=[0.1, 0.9]", "--set", "training.seed=3"),
    ]
    for damaged in ("x", [1]):
        with pytest.raises(ValueError, match="arguments"):
            UntrainedSubject.from_json({**stored, "arguments": damaged}, ["new.csv"], 4)


def test_a_horizon_that_was_chosen_is_not_stored_among_the_keys_of_the_spec() -> None:
    assert "horizon" not in str(data_of("sales.csv").to_json()["spec"])
    assert "horizon" in str(data_of("sales.csv", horizon=5).to_json()["spec"])


def test_totals_of_the_spec_do_not_limit_a_horizon_that_is_given() -> None:
    longer = SPEC + "forecast: {totals: [3]}\n"
    Path("spec.yaml").write_text(longer, encoding="utf-8")
    assert data_of("spec.yaml", horizon=2).spec.forecast.totals == (3,)
    Path("spec.yaml").write_text(longer.replace("[3]", "[4]"), encoding="utf-8")
    with pytest.raises(SpecError, match="total of 4 steps"):
        find_subject("spec.yaml")
    stored = data_of("sales.csv", overrides=["forecast.totals=[9]"]).to_json()
    assert UntrainedSubject.from_json(stored, ["sales.csv"], 4).spec.forecast.totals == (9,)
