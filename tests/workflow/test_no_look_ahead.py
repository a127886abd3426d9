"""No look-ahead: inputs of a window against changes at or after its origin.

A plan is fitted to one file; a second file has other values, gaps and covariates from some row on.
With the same plan the windows with an origin up to that row are equal to the bit.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch

from rnnforecast.data.cleaning_plan import CleanedData, prepare_data, read_table
from rnnforecast.pipeline import rnn_imputation as imputing
from rnnforecast.pipeline.forecaster_config import build_forecaster_config
from rnnforecast.pipeline.forecasting import build_window_dataset
from rnnforecast.pipeline.prepare import PreparedData, build_cleaning_plan, prepare_table
from rnnforecast.registry import IMPUTERS, OUTLIER_RULES
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.types import TransformMethod

STEPS, HORIZON, CHANGED = 90, 4, 66
"""Steps of a series, and the one from which on the second file differs."""

SPEC = f"""
data: {{path: FILE, time: ds, series: [id], targets: [y, z]}}
clean: {{frequency: D}}
features:
  {{past: [price, kind], future: [promo], static: [region], calendar: [day_of_week, day_of_year],
   age: true}}
window: {{horizon: {HORIZON}, lookback: 21, season: 7}}
model: {{hidden_size: 4}}
"""

RULES: dict[str, list[str]] = {
    **{f"missing {method}": [f"clean.missing={method}"] for method in IMPUTERS.names()},
    **{f"transform {name}": [f"clean.transform={name}"] for name in get_args(TransformMethod)},
    **{
        f"outliers {name} {action}": [f"clean.outliers={name}", f"clean.outlier_action={action}"]
        for name in OUTLIER_RULES.names()
        for action in ("missing", "clip")
    },
    "a longest gap": ["clean.missing=linear", "clean.max_gap=1"],
    "joint channels": ["model.channels=joint"],
    "gap and forest": ["clean.missing=random_forest", "clean.max_gap=2"],
}


def rows(seed: int) -> pd.DataFrame:
    """Two series of two targets with gaps, outliers and covariates; promo is known ahead."""
    rng = np.random.default_rng(seed)
    size = 2 * STEPS
    step = np.tile(np.arange(STEPS), 2)
    y = 20 + 5 * np.sin(2 * np.pi * step / 7) + rng.normal(0, 1, size)
    y[rng.random(size) < 0.03] *= 30
    frame = pd.DataFrame(
        {
            "id": np.repeat(["a", "b"], STEPS),
            "ds": np.tile(pd.date_range("2024-01-01", periods=STEPS).strftime("%Y-%m-%d"), 2),
            "y": np.where(rng.random(size) < 0.25, np.nan, y),
            "z": np.where(rng.random(size) < 0.25, np.nan, 5 + rng.random(size)),
            "price": np.where(rng.random(size) < 0.1, np.nan, rng.normal(size=size)),
            "kind": rng.choice(["x", "y", "w"], size),
            "promo": (step % 5 == 0).astype(int),
            "region": np.repeat(["n", "s"], STEPS),
        }
    )
    frame.loc[[0, STEPS], ["y", "z"]] = 20.0
    return frame


def mixed(seed: int) -> pd.DataFrame:
    """The first file up to the change, another one from there on."""
    first, second = rows(0), rows(seed)
    later = np.tile(np.arange(STEPS) >= CHANGED, 2)
    second.loc[second.index[later], "y"] *= 3
    return pd.concat([first[~later], second[later]]).sort_index()


def prepared(folder: Path, overrides: list[str]) -> PreparedData:
    rows(0).to_csv(folder / "first.csv", index=False)
    spec = parse_spec(SPEC.replace("FILE", "first.csv"), name="spec.yaml", overrides=overrides)
    table = read_table(build_cleaning_plan(spec), [str(folder / "first.csv")])
    return prepare_table(spec, table, (), Path())


def cleaned_again(found: PreparedData, path: Path) -> CleanedData:
    return prepare_data(found.plan, [str(path)], horizon=HORIZON)


def histories(
    found: PreparedData, cleaned: CleanedData, origin: np.datetime64
) -> dict[str, torch.Tensor | None]:
    """All that is read at the step of that stamp, of every item."""
    panel = cleaned.panel
    architecture = build_forecaster_config(found.spec, found.cleaned)
    windows = build_window_dataset(cleaned, [architecture], torch.device("cpu"))
    item = np.arange(panel.n_series * windows.items_per_series)
    stamps = panel.window_timestamps(
        np.zeros(panel.n_series, dtype=np.int64), int(panel.lengths.max())
    )
    step = (stamps < origin).sum(axis=1)[item // windows.items_per_series]
    batch = windows.gather(*(torch.from_numpy(part) for part in (item, step, step)))
    return {field.name: getattr(batch.history, field.name) for field in fields(batch.history)}


def same(one: dict[str, torch.Tensor | None], two: dict[str, torch.Tensor | None]) -> None:
    for name, expected in one.items():
        got = two[name]
        assert (got is None) == (expected is None), name
        if expected is not None and got is not None:
            assert torch.equal(got, expected), name


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imputing, "STEPS", 5)


@pytest.mark.parametrize("rule", RULES)
def test_windows_before_a_change_are_equal(rule: str, tmp_path: Path) -> None:
    found = prepared(tmp_path, RULES[rule])
    for seed in (1, 2):
        mixed(seed).to_csv(tmp_path / "second.csv", index=False)
        again = cleaned_again(found, tmp_path / "second.csv")
        first = np.datetime64("2024-01-01", "us")
        for before in (0, 1, 5):
            origin = first + np.timedelta64(CHANGED - before, "D")
            same(histories(found, found.cleaned, origin), histories(found, again, origin))


@cache
def irregular(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    minutes = np.cumsum(rng.integers(20, 100, 240))
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, unit="min")
    return pd.DataFrame({"ds": time, "y": 50 + rng.normal(size=240).cumsum(), "price": minutes % 7})


@pytest.mark.parametrize(
    "overrides",
    [
        ["clean.irregular=interpolate", "clean.frequency=h"],
        ["clean.irregular=interpolate", "clean.frequency=h", "clean.missing=knn"],
        ["clean.irregular=interpolate", "clean.frequency=h", "clean.missing=rnn"],
        ["clean.irregular=interpolate", "clean.frequency=h", "clean.max_gap=1"],
        ["clean.irregular=keep", "clean.frequency=h"],
        [
            "clean.irregular=snap",
            "clean.tolerance=0.5",
            "clean.frequency=h",
            "clean.duplicates=mean",
        ],
        ["clean.resample=mean", "clean.frequency=3h"],
    ],
    ids=" ".join,
)
def test_interpolated_and_aggregated_rows_do_not_leak_the_future(
    overrides: list[str], tmp_path: Path
) -> None:
    first, other = irregular(0), irregular(5)
    cut = first["ds"].iloc[150].floor("3h")
    # a line from before the change to behind it: steps in between are drawn from both
    first = first[(first["ds"] < cut - pd.Timedelta(minutes=150)) | (first["ds"] >= cut)]
    second = pd.concat([first[first["ds"] < cut], other[other["ds"] >= cut]])
    spec = parse_spec(
        "data: {path: first.csv, time: ds, series: [], targets: [y]}\n"
        "features: {past: [price]}\nmodel: {hidden_size: 4}\n"
        "window: {horizon: 4, lookback: 24, season: 24}\n",
        name="spec.yaml",
        overrides=overrides,
    )
    for name, frame in (("first", first), ("second", second)):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    table = read_table(build_cleaning_plan(spec), [str(tmp_path / "first.csv")])
    found = prepare_table(spec, table, (), Path())
    again = cleaned_again(found, tmp_path / "second.csv")
    for hours in (0, 3, 9):
        origin = (cut - pd.Timedelta(hours=hours)).to_datetime64()
        if "keep" in overrides[0]:
            assert found.cleaned.panel.irregular_timestamps is not None
        same(histories(found, found.cleaned, origin), histories(found, again, origin))
