"""Every key of the spec: changed from its default, it changes the outcome or a message."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.profiling.cleaning_report import describe_changes
from rnnforecast.errors import RnnForecastError
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.spec.spec import SECTIONS
from rnnforecast.workflow.predict import predict
from rnnforecast.workflow.train import train
from tests.workflow.runs import StopAt

TINY = (
    "training.max_steps=6",
    "training.batch_size=8",
    "training.patience=30",
    "model.hidden_size=4",
    "window.lookback=14",
    "window.patch_length=7",
    "window.season=7",
    "forecast.plots=0",
    "ensemble.network_weight=1",
)
SPEC = """
data: {path: data.csv, series: unique_id, targets: [y, z]}
window: {horizon: 3}
"""
SNAP, ZONE = "clean.irregular=snap", "data.timezone=Europe/Berlin"
FUTURE, TEXT = "features.future=price", "features.past=note features.text=note"
EMB, LINEAR = "features.past=emb_*", "clean.missing=linear"
SMOOTH = "model.normalize=exponential_smoothing clean.missing=linear"
SEVERAL = "ensemble.members=2"
LAST_RUN = "training.start_from=base"

PREPARED: dict[str, str] = {
    # the key with another value, after the keys that it needs
    "data.path": "data.path=other.csv",
    "data.query": "data.path=sqlite:///sales.db data.query=SELECT/**/*/**/FROM/**/sales",
    "data.time": "data.time=date",
    "data.series": "data.series=[unique_id,region]",
    "data.targets": "data.targets=y",
    "data.layout": "data.layout=dates_as_columns",
    "data.header_line": "data.header_line=0",
    "data.sheet": "data.path=book.xlsx data.sheet=2",
    "data.separator": "data.separator=;",
    "data.decimal": "data.decimal=,",
    "data.thousands": "data.path=grouped.csv data.decimal=, data.thousands=none",
    "data.missing_values": "data.missing_values=60.0",
    "data.encoding": "data.series=region data.encoding=latin-1",
    "data.time_format": "data.time_format=%Y-%d-%m",
    "data.timezone": f"data.path=hours.csv clean.ambiguous_hour=later"
    f" clean.nonexistent_hour=drop {ZONE}",
    "data.known_at": "data.path=revised.csv data.known_at=date",
    "clean.frequency": "clean.frequency=2D",
    "clean.irregular": "clean.irregular=interpolate",
    "clean.tolerance": f"data.path=late.csv {SNAP} clean.frequency=D clean.tolerance=0.05",
    "clean.resample": "clean.frequency=W-SUN clean.resample=sum",
    "clean.partial_periods": "clean.frequency=W-SUN clean.resample=sum clean.partial_periods=keep",
    "clean.ambiguous_hour": f"data.path=hours.csv {ZONE} clean.nonexistent_hour=drop"
    " clean.ambiguous_hour=later",
    "clean.nonexistent_hour": f"data.path=hours.csv {ZONE} clean.ambiguous_hour=later"
    " clean.nonexistent_hour=shift_forward clean.duplicates=last",
    "clean.duplicates": "data.path=twice.csv clean.duplicates=mean",
    "clean.far_rows": "data.path=far.csv clean.far_rows=keep",
    "clean.missing": LINEAR,
    "clean.implausible": "data.path=absurd.csv clean.implausible=keep",
    "clean.start": "data.path=newer.csv clean.missing=zero clean.start=earliest",
    "clean.end": "clean.missing=zero clean.end=each",
    "clean.fill_value": "clean.missing=constant clean.fill_value=7",
    "clean.max_gap": f"{LINEAR} clean.max_gap=1",
    "clean.outliers": "clean.outliers=hampel",
    "clean.outlier_action": "clean.outliers=hampel clean.outlier_action=clip",
    "clean.outlier_threshold": "clean.outliers=hampel clean.outlier_threshold=1",
    "clean.transform": "clean.transform=log",
    "clean.min_length": "clean.min_length=57",
    "clean.deseasonalize": "clean.deseasonalize=year",
    "clean.max_length": "clean.max_length=50",
    "features.past": "features.past=price",
    "features.future": FUTURE,
    "features.static": "features.static=region",
    "features.categorical": "features.past=code features.categorical=code",
    "features.text": TEXT,
    "features.text_size": f"{TEXT} features.text_size=1",
    "features.vector_size": f"{EMB} features.vector_size=1",
    "features.calendar": "features.calendar=month_of_year",
    "features.age": "features.age=true",
    "features.holidays": "features.holidays=DE",
    "features.holiday_window": "features.holidays=DE features.holiday_window=3",
    "window.season": "window.season=6",
    "training.memory_budget": "training.memory_budget=650.002MB",
}
TRAINED: dict[str, str] = {
    "features.missing_future": f"{FUTURE} features.missing_future=last",
    "window.horizon": "window.horizon=4",
    "window.lookback": "window.lookback=21",
    "window.patch_length": "window.patch_length=2",
    "model.backbone": "model.backbone=lstm",
    "model.hidden_size": "model.hidden_size=5",
    "model.layers": "model.layers=2",
    "model.residual": "model.layers=2 model.residual=true",
    "model.layer_norm": "model.layer_norm=true",
    "model.dropout": "model.dropout=0.3",
    "model.recurrent_dropout": "model.recurrent_dropout=0.3",
    "model.zoneout": "model.zoneout=0.3",
    "model.orthogonal_init": "model.orthogonal_init=true",
    "model.initial_state": "model.initial_state=learned",
    "model.bidirectional": "model.bidirectional=true",
    "model.decoder": "model.decoder=parallel",
    "model.attention": "model.decoder=seq2seq model.attention=multiplicative",
    "model.teacher_forcing": "model.decoder=seq2seq model.teacher_forcing=0.0",
    "model.normalize": "model.normalize=robust",
    "model.smoothing_seasons": f"{SMOOTH} model.smoothing_seasons=5",
    "model.base_forecast": "model.base_forecast=none",
    "model.channels": "model.channels=joint",
    "model.backbone_options": "model.backbone_options.reset=before",
    "training.preset": "training.preset=fast forecast.plots=auto",
    "training.time_budget": f"{SEVERAL} training.time_budget=0.000001",
    "training.max_steps": "training.max_steps=5",
    "training.batch_size": "training.batch_size=7",
    "training.gradient_accumulation": "training.gradient_accumulation=2",
    "training.optimizer": "training.optimizer=sgd",
    "training.learning_rate": "training.learning_rate=0.01",
    "training.schedule": "training.schedule=constant",
    "training.weight_decay": "training.weight_decay=0.5",
    "training.l1": "training.l1=0.1",
    "training.clip_norm": "training.clip_norm=0.01",
    "training.clip_value": "training.clip_value=0.001",
    "training.swa_fraction": "training.final_fit=false training.swa_fraction=0.5",
    "training.tbptt_steps": "training.tbptt_steps=1",
    "training.loss": "training.loss=mae",
    "training.loss_options": "training.loss=mixture training.loss_options.components=2",
    "training.horizon_weight": "training.horizon_weight=decreasing",
    "training.series_weight": "training.series_weight=scale",
    "training.window_weight": "model.normalize=standard training.window_weight=equal",
    "training.sample_series": "training.sample_series=scale",
    "training.sample_origins": "training.sample_origins=uniform",
    "training.early_stopping": "training.early_stopping=false training.patience=1",
    "training.patience": "training.patience=1 training.learning_rate=3.0",
    "training.holdout_series": "training.holdout_series=1",
    "training.final_fit": "training.final_fit=false",
    "training.start_from": LAST_RUN,
    "training.freeze": f"{LAST_RUN} training.freeze=backbone.*",
    "training.seed": "training.seed=2",
    "training.precision": "training.precision=bfloat16",
    "ensemble.members": SEVERAL,
    "ensemble.vary": f"{SEVERAL} ensemble.vary={{model.dropout:[0.0,0.3]}}",
    "ensemble.combine": f"{SEVERAL} ensemble.combine=weights",
    "ensemble.network_weight": "ensemble.network_weight=0.9",
    "forecast.quantiles": "forecast.quantiles=[0.2,0.5]",
    "forecast.non_negative": "data.path=low.csv forecast.non_negative=true",
    "forecast.whole_numbers": "forecast.whole_numbers=true",
    "forecast.calibrate": "forecast.calibrate=false",
    "forecast.totals": "forecast.totals=2",
    "forecast.sample_paths": "forecast.sample_paths=3",
    "forecast.plots": "forecast.plots=1",
}
ELSEWHERE = {
    "training.device": "there is one device on most machines",
    "training.compile": "compiling takes a minute",
    "forecast.on_series_error": "test_predict_series.py changes it",
    "forecast.fallback": "test_predict_series.py changes it",
    "forecast.exit_on_failed": "test_predict_series.py changes it",
    **{
        f"backtest.{key}": "test_backtest_plan and test_backtest change them"
        for key in SECTIONS["backtest"].model_fields
    },
    **{f"search.{key}": "see test_tune.py" for key in SECTIONS["search"].model_fields},
    **{
        f"checks.{key}": "tests/pipeline/checks/test_run_checks.py changes them"
        for key in SECTIONS["checks"].model_fields
    },
}
"""Keys whose effect is not tested here, and why."""


def test_every_key_is_tried() -> None:
    keys = {f"{section}.{key}" for section, spec in SECTIONS.items() for key in spec.model_fields}
    assert {*PREPARED, *TRAINED, *ELSEWHERE} == keys


@pytest.mark.parametrize("key", PREPARED)
def test_a_key_of_the_data_changes_the_prepared_data_or_a_message(key: str, folder: Path) -> None:
    *partners, changed = split(PREPARED[key], key)
    assert prepared(*partners, changed) != prepared(*partners)


@pytest.mark.parametrize("key", TRAINED)
def test_a_key_of_the_network_changes_the_run_the_forecast_or_a_message(
    key: str, folder: Path
) -> None:
    *partners, changed = split(TRAINED[key], key)
    assert outcome(*partners, changed) != outcome(*partners)


def split(text: str, key: str) -> list[str]:
    """The overrides, that of the key last."""
    return sorted(text.split(), key=lambda override: override.startswith((f"{key}=", f"{key}.")))


def prepared(*overrides: str) -> str:
    """A digest of the prepared data and of the messages of `check`."""
    digest = hashlib.sha256()
    try:
        data = prepare(Path("spec.yaml"), [*TINY, *overrides])
    except RnnForecastError as error:
        return str(error)
    cleaned = data.cleaned
    parts: list[Any] = [cleaned.values, cleaned.target_mask, cleaned.filled.inputs]
    parts += [cleaned.filled.value_mask, cleaned.panel.offsets, *cleaned.features.tables()]
    parts += [cleaned.panel.window_timestamps(np.zeros(cleaned.panel.n_series, dtype=int), 1)]
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    counts = describe_changes(cleaned.changes.counts)
    words: tuple[object, ...] = (
        counts,
        data.unused_keys,
        cleaned.changes.skipped,
        cleaned.panel.frequency.alias,
    )
    digest.update(
        repr(
            (
                words,
                cleaned.panel.labels(),
                data.choices,
                cleaned.panel.display_timezone,
                data.spec.window,
            )
        ).encode()
    )
    return digest.hexdigest()


_outcomes: dict[tuple[str, ...], dict[str, object]] = {}


def outcome(*overrides: str) -> dict[str, object]:
    """What a training and its forecast write and say."""
    if overrides not in _outcomes:
        _outcomes[overrides] = dict(_train_and_predict(*overrides))
    return _outcomes[overrides]


def _train_and_predict(*overrides: str) -> Iterator[tuple[str, object]]:
    listener = StopAt()
    out = "-".join(overrides).translate(str.maketrans("/*.={}[]:,", "_" * 10)) or "base"
    try:
        train(Path("spec.yaml"), Path(out), overrides=[*TINY, *overrides], listener=listener)
        yield "warnings", listener.warnings
        for name in ("metrics.json", "history.csv", "model.safetensors"):
            yield name, Path(out, name).read_bytes()
        predict(Path(out), f"{out}.csv", data=["ahead.csv"], plots=False)
        for path in sorted(Path().glob(f"{out}*.csv")):
            yield path.name.removeprefix(out), path.read_bytes()
        yield "plots", len(list(Path(out, "plots").iterdir()))
    except RnnForecastError as error:
        yield "error", str(error)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, its data and variants of them, and a run named base."""
    folder = tmp_path_factory.mktemp("keys")
    table = rows()
    table.to_csv(folder / "data.csv", index=False)
    table.assign(y=table["y"] * 2).to_csv(folder / "other.csv", index=False)
    table.assign(y=table["y"] - 12).to_csv(folder / "low.csv", index=False)
    pd.concat([table, table.iloc[:3]]).to_csv(folder / "twice.csv", index=False)
    revised = table.iloc[:3].assign(y=table["y"].iloc[:3] + 1, date="2024-03-01")
    pd.concat([revised, table]).to_csv(folder / "revised.csv", index=False)
    far = table.assign(ds=table["ds"].replace(table["ds"].max(), pd.Timestamp("2026-02-27")))
    far.to_csv(folder / "far.csv", index=False)
    late = table.assign(ds=table["ds"] + pd.to_timedelta([0, 3] * 57, unit="h"))
    late.to_csv(folder / "late.csv", index=False)
    spring, autumn = pd.date_range("2024-03-30", periods=58, freq="h"), pd.Timedelta("210D")
    hours = table.assign(ds=[*spring, *(spring[:56] + autumn)])
    hours.to_csv(folder / "hours.csv", index=False)
    newer = table[(table["unique_id"] == "a") | (table["ds"] > "2024-01-06")]
    newer.to_csv(folder / "newer.csv", index=False)
    absurd = table.assign(y=table["y"].where(table.index != 5, 1e9))
    absurd.to_csv(folder / "absurd.csv", index=False)
    grouped = table.assign(z=1, y=[f"{value:.3f}" for value in table["y"].fillna(1)])
    grouped.to_csv(folder / "grouped.csv", index=False, sep=";")
    ahead = table.assign(price=table["price"].where(table["ds"] < "2024-02-27"))
    ahead.to_csv(folder / "ahead.csv", index=False)
    with pd.ExcelWriter(folder / "book.xlsx") as book:
        table.to_excel(book, sheet_name="one", index=False)
        table.assign(y=table["y"] * 2).to_excel(book, sheet_name="two", index=False)
    with closing(sqlite3.connect(folder / "sales.db")) as database:
        table.to_sql("sales", database, index=False)
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    return folder


@pytest.fixture
def folder(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `inputs` as the working folder."""
    monkeypatch.chdir(inputs)
    outcome()  # the run "base"
    return inputs


def rows() -> pd.DataFrame:
    """Two series of 58 days with a week, gaps, an outlier, and covariates of every kind."""
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=58)
    frames = []
    for number, name in enumerate("ab"):
        y = 15 + 4 * number + np.arange(58) % 7 + random.random(58).round(2)
        y[[20, 21, 40]] = np.nan
        y[30] = 60
        frame = pd.DataFrame({"unique_id": name, "ds": days, "y": y, "z": y * 0.3 + 2})
        frame["date"] = days + pd.Timedelta("1D")
        frame["region"] = "Nørre" if number else "Søndre"
        frame["price"] = random.random(58).round(2)
        frame["code"] = np.arange(58) % 3
        frame["note"] = [f"word{i % 5} word{i % 3}" for i in range(58)]
        frame["emb_1"], frame["emb_2"] = random.random(58), random.random(58)
        frames.append(frame.iloc[: 58 - number * 2])
    return pd.concat(frames, ignore_index=True)
