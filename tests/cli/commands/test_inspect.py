"""`rnnforecast inspect`: its page, plots, numbers and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.features.input_columns import input_columns
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.registry import BACKBONES

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

COVARIATES = """features:
  {past: [weight], future: [promo, kind], static: [region], calendar: [day_of_week, day_of_year]}
"""


class Pictures(HTMLParser):
    """Counts the pictures inside a page, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inside, self.outside = 0, 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = dict(attrs).get("src") or ""
        self.inside += source.startswith("data:image/png;base64,")
        self.outside += bool(source) and not source.startswith("data:")


def look(rnnforecast: Run, *arguments: str) -> dict[str, Any]:
    done = rnnforecast("inspect", "run", *arguments)
    assert done.exit_code == 0, done.stderr
    text = Path("inspections/run/inspect.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def many(table: Table) -> pd.DataFrame:
    """Two series with covariates of every kind, of which `promo` makes the values."""
    frame = table(("a", "b"), steps=90)
    random = np.random.default_rng(3)
    frame["promo"] = random.integers(0, 2, len(frame))
    frame["y"] = (frame["y"] * (1 + frame["promo"])).round(3)
    frame["z"] = (frame["y"] / 2 + random.random(len(frame))).round(3)
    frame["weight"] = random.random(len(frame)).round(3)
    frame.loc[frame.index[::9], "weight"] = np.nan
    frame["kind"] = random.choice(["x", "w"], len(frame))
    frame["region"] = np.where(frame["unique_id"] == "a", "n", "s")
    frame.loc[frame.index[[20, 21, 70]], "y"] = np.nan
    return frame


@pytest.mark.pictures
def test_a_run_is_looked_into(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    assert train().exit_code == 0
    found = look(rnnforecast)
    names = {"units", "gates", "gradient", "importance", "occlusion"}
    assert set(found["findings"]) == names
    folder = Path("inspections/run")
    assert {path.name for path in folder.iterdir()} == {
        ".rnnforecast.json", "inspect.html", "inspect.json", *(f"{name}.png" for name in names),
    }  # fmt: skip
    page = (folder / "inspect.html").read_text(encoding="utf-8")
    assert Pictures(page).inside == len(names)
    assert Pictures(page).outside == 0
    assert all(finding.split(":")[0] in page for finding in found["findings"].values())
    assert found["occlusion"][-1]["last"] == found["timestamps"][-8]
    assert len(found["forecast"]) == 7
    assert all(value is not None for value in found["values"])  # the end less one horizon


def test_the_numbers_are_the_same_each_time(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    train()
    assert look(rnnforecast) == look(rnnforecast)


def test_it_speaks_json_on_stdout(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    train()
    done = rnnforecast("inspect", "run", "--json", "-q", "-o", "seen")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["out"] == "seen"
    assert done.stderr == ""
    assert Path("seen/inspect.html").is_file()


@pytest.mark.parametrize("backbone", BACKBONES.names())
def test_every_backbone_can_be_inspected(
    given: Run, table: Table, train: Run, rnnforecast: Run, backbone: str
) -> None:
    given(many(table), more=COVARIATES)
    trained = train(f"model.backbone={backbone}", "data.targets=[y]", "model.layers=2")
    assert trained.exit_code == 0, trained.stderr
    found = look(rnnforecast)
    assert ("gates" in found["findings"]) == (backbone not in ("rnn", "transformer"))
    assert ("attention" in found["findings"]) == (backbone == "transformer")
    bars = {bar["name"] for bar in found["importance"]["inputs"] if bar["step_range"] is None}
    assert {"weight", "promo", "kind", "region"} < bars


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.decoder=seq2seq", "training.loss=student_t"),
        ("model.decoder=recursive", "training.loss=negative_binomial", "model.normalize=mean"),
        ("model.decoder=parallel", "training.loss=mse", "clean.transform=log1p"),
        ("model.decoder=forking", "clean.missing=linear"),
        ("model.channels=joint", "clean.transform=difference"),
        ("model.bidirectional=true", "model.base_forecast=none"),
        ("model.normalize=exponential_smoothing", "window.patch_length=1"),
    ],
    ids=lambda overrides: overrides[0],
)
def test_every_decoder_and_head_can_be_inspected(
    given: Run, table: Table, train: Run, rnnforecast: Run, overrides: tuple[str, ...]
) -> None:
    given(many(table), more=COVARIATES)
    trained = train(*overrides, "data.targets=[y, z]")
    assert trained.exit_code == 0, trained.stderr
    found = look(rnnforecast, "--target", "z", "--series", "b")
    assert (found["series"], found["target"]) == ("b", "z")
    assert ("attention" in found["findings"]) == ("model.decoder=seq2seq" in overrides)


def test_the_forecast_is_that_of_predict(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    train("ensemble.network_weight=1")
    rnnforecast("predict", "run", "-o", "forecast.csv", "--no-plots")
    expected = pd.read_csv("forecast.csv").query("unique_id == 'b'")["yhat"]
    found = look(rnnforecast, "--series", "b", "--origin", "2024-02-29")
    np.testing.assert_allclose(found["forecast"], expected, rtol=1e-5)
    assert found["origin"] == "2024-02-29"
    assert found["values"][-7:] == [None] * 7


def test_a_network_of_an_ensemble_can_be_chosen(given: Run, train: Run, rnnforecast: Run) -> None:
    given(more="ensemble: {members: 2}\n")
    assert train().exit_code == 0
    first, second = look(rnnforecast), look(rnnforecast, "--member", "2")
    assert (first["member"], second["member"], first["members"]) == (1, 2, 2)
    assert first["forecast"] != second["forecast"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--series", "c"), "there is no series 'c'\n       there are a, b"),
        (("--target", "yy"), "did you mean y?"),
        (("--origin", "2031-01-01"), "the series runs from 2024-01-01 to 2024-02-29"),
        (("--origin", "2023-01-01"), "the series runs from 2024-01-01 to 2024-02-29"),
        (("--origin", "spring"), "'spring' is not a timestamp of these data"),
        (("--member", "2"), "the run has one network"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(
    given: Run, train: Run, rnnforecast: Run, arguments: tuple[str, str], words: str
) -> None:
    given()
    train()
    done = rnnforecast("inspect", "run", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not Path("inspections").exists()


def test_a_folder_of_something_else_is_left_alone(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    train()
    done = rnnforecast("inspect", "run", "-o", "run")
    assert done.exit_code == 2
    assert "will not be replaced" in done.stderr
    assert Path("run/model.safetensors").is_file()


def test_a_short_single_series_can_be_inspected(given: Run, train: Run, rnnforecast: Run) -> None:
    values = "".join(f"2024-01-{day:02},{day % 7}.5\n" for day in range(1, 29))
    given(f"ds,y\n{values}", horizon=3)
    trained = train()
    assert trained.exit_code == 0, trained.stderr
    named = rnnforecast("inspect", "run", "--series", "North")
    assert named.exit_code == 2
    assert "one series, which has no name" in named.stderr
    assert rnnforecast("inspect", "run", "--series", "series").exit_code == 0
    found = look(rnnforecast, "--origin", "2024-01-05")
    assert found["origin"] == "2024-01-05"
    assert len(found["gradient"]["total"][0]) == 5


def test_integer_time_has_integer_origins(
    given: Run, table: Table, train: Run, rnnforecast: Run
) -> None:
    frame = table()
    frame["ds"] = frame.groupby("unique_id").cumcount() + 100
    given(frame)
    trained = train()
    assert trained.exit_code == 0, trained.stderr
    assert look(rnnforecast, "--origin", "140")["origin"] == "140"


def test_covariates_are_named_column_by_column(given: Run, table: Table, rnnforecast: Run) -> None:
    more = COVARIATES.replace("auto}", "auto, holidays: DE, age: true}")
    given(many(table), more=more)
    prepared = prepare(Path("spec.yaml"), ["data.targets=[y]"])
    features, panel = prepared.cleaned.features, prepared.cleaned.panel
    tables = {
        "past": features.past, "past_codes": features.past_codes, "future": features.future,
        "future_codes": features.future_codes, "static": features.static,
        "static_codes": features.static_codes,
    }  # fmt: skip
    found = input_columns(prepared.plan.features, panel.frequency, is_irregular=False)
    for name, table_of in tables.items():
        own = [one.columns for one in found if one.table == name]
        ends = [0, *(columns.stop for columns in own)]
        assert [columns.start for columns in own] == ends[:-1]
        assert ends[-1] == table_of.shape[1], name
    (promo,) = (one for one in found if one.name == "promo")
    assert len(np.unique(features.future[:, promo.columns])) == 2
