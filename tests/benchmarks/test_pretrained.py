"""`benchmarks/pretrained.py`: its gate, mixtures, samples and tables, without the network."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def gate() -> ModuleType:
    return script("pretrained_gate")


@pytest.fixture(scope="module")
def accuracy() -> ModuleType:
    return script("pretrained_accuracy")


@pytest.fixture(scope="module")
def members() -> ModuleType:
    return script("pretrained_members")


def series(frequency: str, **sizes: int) -> pd.DataFrame:
    """Series whose values count their steps."""
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2000-01-01", periods=size, freq=frequency),
                "y": np.arange(1.0, size + 1),
            }
        )
        for name, size in sizes.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_figure_meets_misses_or_lacks_its_bound(gate: ModuleType) -> None:
    rows = [
        gate.at_most("small", 0.75, 0.76),
        gate.at_most("large", 15.04, 15, "{:.1f}"),
        gate.not_measured("none", "there is no file"),
    ]
    assert gate.format_gate(rows).splitlines()[2:] == [
        "| small | 0.750 | ≤ 0.760 | met |",
        "| large | 15.0 | ≤ 15.0 | **missed** |",
        "| none | not measured: there is no file |  | – |",
    ]


@pytest.mark.parametrize(
    ("share", "is_met"), [(84.0, True), (76.0, True), (75.0, False), (84.6, False)]
)
def test_bands_are_worse_if_they_are_farther_from_their_level(
    gate: ModuleType, share: float, is_met: bool
) -> None:
    without = {"cover_80": 84.0, "cover_95": 95.0}
    row = gate.bands_row("bands", without, {"cover_80": share, "cover_95": 95.2})
    assert row.is_met is is_met
    assert row.measured == f"{share:.1f} (84.0) / 95.2 (95.0)"


def test_a_mixture_is_a_weighted_mean_of_quantiles(members: ModuleType) -> None:
    statistical, pretrained = np.full((1, 2, 3), 1.0), np.full((1, 2, 3), 5.0)
    found = members.WeightedForecasts(statistical, pretrained, np.array([9]), np.array([0.5]))
    assert (found.mixture() == 3).all()
    assert (found.mixture(0) == 1).all()
    assert (found.mixture(0.25) == 2).all()
    assert (found.mixture(1) == 5).all()


@pytest.mark.parametrize(("frequency", "seasons"), [("MS", (12,)), ("QS", (4,)), ("YS", ())])
def test_seasons_are_those_that_predict_finds(
    members: ModuleType, frequency: str, seasons: tuple[int, ...]
) -> None:
    assert members.seasons_of(series(frequency, a=40, b=30)) == seasons


def test_a_week_of_days_and_columns_of_a_wide_file(members: ModuleType) -> None:
    table = series("D", a=200, b=200)
    table["y"] = np.sin(2 * np.pi * table["y"] / 7)
    assert members.seasons_of(table, wide=True) == (7,)
    assert members.seasons_of(series("D", a=200, b=200), wide=True) == (7,)  # the usual one


def test_series_alone_are_forecast_in_the_order_of_their_names(
    members: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_value(histories: SimpleNamespace, *, horizon: int, levels: list[float], **_: object):  # type: ignore[no-untyped-def]
        return np.repeat(histories.values[-1], horizon * len(levels)).reshape(
            -1, horizon, len(levels)
        )

    monkeypatch.setattr(members, "pretrained_quantiles", last_value)
    monkeypatch.setattr(members.combination, "forecast", last_value)
    table = pd.concat([series("MS", c=30), series("YS", b=20), series("MS", a=40)])
    found = members.members_alone(table, SimpleNamespace(horizon=3), [0.5])
    assert found.pretrained[:, 0, 0].tolist() == [40, 20, 30]
    assert found.statistical.shape == (3, 3, 1)


def test_the_last_horizon_of_the_training_part_becomes_the_test_part(accuracy: ModuleType) -> None:
    table = series("QS", a=20, short=13, b=14, same=20)
    table.loc[table["unique_id"] == "same", "y"] = 5.0  # MASE has no scale
    benchmark = script("competition").Benchmark("made_up", 8, 4, "QS")
    found = accuracy.one_horizon_earlier(accuracy.Sample(benchmark, table, table[:0]))
    assert found.benchmark.name == "made_up_inside"  # other runs in a cache
    assert found.train.groupby("unique_id")["y"].max().to_dict() == {"a": 12, "b": 6}
    assert found.test.groupby("unique_id")["y"].agg(["min", "max"]).to_numpy().tolist() == [
        [13, 20],
        [7, 14],
    ]


def test_data_that_are_not_there_are_no_figure(accuracy: ModuleType, tmp_path: Path) -> None:
    (row,) = accuracy.gift(tmp_path, ["hospital/M/short"]).rows
    assert row.is_met is None
    assert "hospital_train.csv.gz" in row.measured
    (row,) = accuracy.alone({}, ["m3_monthly"], [0.5]).rows
    assert row.is_met is None


def test_a_failed_command_is_no_figure(gate: ModuleType) -> None:
    def fail() -> None:
        raise SystemExit("rnnforecast train ended with 3:\nno such key")

    (row,) = gate.attempt("warm start", fail).rows
    assert row.measured == "not measured: rnnforecast train ended with 3: no such key"


def test_a_wheel_without_the_weights_is_no_figure(tmp_path: Path) -> None:
    costs = script("pretrained_costs")
    for name, is_met in (("README.md", None), (costs.WEIGHTS, True)):
        file = tmp_path / "package.whl"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, "text")
        assert costs.wheel_row(file).is_met is is_met


def test_a_history_of_a_pretraining_is_shown_in_ten_rows(tmp_path: Path) -> None:
    module = script("pretrained_curve")
    windows = 1e6 * np.arange(1, 201)
    columns = {"step": np.arange(1, 201), "windows": windows, "seconds": windows / 1e3}
    losses = {"loss": 1 / windows, "validation_loss": 2 / windows, "learning_rate": 0.001}
    text = module.format_history(pd.DataFrame({**columns, **losses}))
    rows = text.splitlines()[2:]
    assert len(rows) == module.ROWS
    assert rows[0].startswith("| 1.00 | 1 |")
    assert rows[-1] == "| 200.00 | 200 | 0.0000 | 0.0000 | 55.56 | 1.0e-03 |"
