"""The evaluation table: rows, columns and timestamps of windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.errors import DataError
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.pipeline.evaluation import evaluate_windows, observed_values
from rnnforecast.pipeline.evaluation_table import (
    evaluation_table,
    read_evaluation_table,
    windows_of_table,
    write_evaluation_table,
)

DAYS = parse_frequency("D")


@pytest.fixture
def panel() -> Panel:
    """Two series of ten and eight days from the first of January on, and two targets."""
    start = DAYS.ordinals(np.array(["2024-01-01"] * 2, dtype="datetime64[us]"))
    targets = np.arange(36.0).reshape(18, 2) ** 1.5
    targets[9, 1] = np.nan  # the last day of the first series
    return Panel(
        keys=pd.DataFrame({"shop": ["a", "b"], "item": ["x", "y"]}),
        offsets=np.array([0, 10, 18]),
        start=start,
        phase=np.zeros(2, dtype=np.int64),
        frequency=DAYS,
        utc_offset="",
        target_names=("sold", "price"),
        targets=targets,
        observed_mask=~np.isnan(targets),
    )


def windows_of(panel: Panel) -> EvaluatedWindows:
    """Two windows of the first series and one of the second."""
    series, origins = np.array([0, 1, 0]), np.array([8, 5, 6])
    yhat = np.arange(12.0).reshape(3, 2, 2)
    forecast = WindowForecast(yhat, np.stack([yhat - 1, yhat + 1], -1))
    return evaluate_windows(
        panel, forecast, series, origins, np.array([1, 0, 0]), season=2, levels=(0.1, 0.9)
    )


def test_a_row_is_an_observed_value_of_a_window(panel: Panel) -> None:
    table = evaluation_table(panel, windows_of(panel))
    assert list(table.columns[:11]) == [
        "unique_id", "shop", "item", "target", "cutoff", "ds", "step", "mase_scale", "rmsse_scale",
        "y", "yhat"
    ]  # fmt: skip
    assert {"q0.1", "q0.9", "naive", "seasonal_naive", "theta", "dot"} <= {*table.columns}
    assert len(table) == 3 * 2 * 2 - 1  # one value is missing
    assert table["unique_id"].unique().tolist() == ["a/x", "b/y"]
    first = table.iloc[0]  # the earliest window of the first series begins at its step 6
    assert first["cutoff"] == pd.Timestamp("2024-01-06")
    assert first["ds"] == pd.Timestamp("2024-01-07")
    assert first["y"] == panel.targets[6, 0]
    assert first["yhat"] == 8.0
    assert first["naive"] == panel.targets[5, 0]
    price = table[(table["target"] == "price") & (table["cutoff"] == "2024-01-08")]
    assert price["step"].tolist() == [1]
    assert price["q0.9"].tolist() == [2.0]


def test_rows_do_not_depend_on_the_order_of_the_windows(panel: Panel) -> None:
    windows = windows_of(panel)
    pd.testing.assert_frame_equal(
        evaluation_table(panel, windows),
        evaluation_table(panel, windows.select(np.array([2, 0, 1]))),
    )


def test_a_written_table_is_read_back(panel: Panel, tmp_path: Path) -> None:
    table = evaluation_table(panel, windows_of(panel))
    write_evaluation_table(tmp_path / "holdout.parquet", table, panel)
    pd.testing.assert_frame_equal(
        read_evaluation_table(tmp_path / "holdout.parquet"), table, check_dtype=False
    )


def test_another_table_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"unique_id": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="no column cutoff"):
        read_evaluation_table(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        read_evaluation_table(tmp_path / "missing.parquet")


def test_changed_bytes_of_a_table_are_found(panel: Panel, tmp_path: Path) -> None:
    file = tmp_path / "backtest.parquet"
    write_evaluation_table(file, evaluation_table(panel, windows_of(panel)), panel)
    data = bytearray(file.read_bytes())
    column = pq.read_metadata(file).row_group(0).column(0)
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 255
    file.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read"):
        read_evaluation_table(file)


def test_scales_and_baselines_of_a_window_know_nothing_after_its_origin(panel: Panel) -> None:
    before = windows_of(panel)
    panel.targets[8:10] = 1e6  # from the origin of the last window of the first series on
    after = windows_of(panel)
    np.testing.assert_array_equal(before.scale, after.scale)
    np.testing.assert_array_equal(before.squared_scale, after.squared_scale)
    for name, each in before.baselines.items():
        np.testing.assert_array_equal(each.yhat, after.baselines[name].yhat)


def test_values_after_the_end_of_a_series_are_missing(panel: Panel) -> None:
    found = observed_values(panel, np.array([1]), np.array([7]), 3)
    np.testing.assert_array_equal(found[0, 0], panel.targets[17])
    assert np.isnan(found[0, 1:]).all()


def test_windows_come_back_from_the_table(panel: Panel) -> None:
    windows = windows_of(panel)
    stored = windows_of_table(evaluation_table(panel, windows))
    found, order = stored.windows, np.lexsort((windows.origin, windows.series))
    expected = windows.select(order)
    assert stored.labels.tolist() == ["a/x", "b/y"]
    assert stored.targets == ("sold", "price")
    np.testing.assert_array_equal(found.series, expected.series)
    # the series have different cutoffs: their windows are counted from their ends
    assert found.window.tolist() == [0, 1, 1]
    assert np.diff(found.origin).tolist() == np.diff(expected.origin).tolist()
    np.testing.assert_array_equal(found.actual, expected.actual)
    np.testing.assert_allclose(found.scale, expected.scale)
    np.testing.assert_allclose(found.squared_scale, expected.squared_scale)
    scored = ~np.isnan(expected.actual)
    np.testing.assert_array_equal(
        found.forecast.quantiles[scored], expected.forecast.quantiles[scored]
    )
    assert found.levels == expected.levels
    theta = found.baselines["theta"].yhat
    np.testing.assert_array_equal(theta[scored], expected.baselines["theta"].yhat[scored])


def test_windows_with_common_cutoffs_are_numbered_by_them(panel: Panel) -> None:
    windows = windows_of(panel)
    table = evaluation_table(panel, windows)
    table = table[table["cutoff"] != pd.Timestamp("2024-01-05")]
    more = table[table["cutoff"] == pd.Timestamp("2024-01-08")].assign(unique_id="b/y")
    stored = windows_of_table(pd.concat([table, more]))
    assert stored.windows.window.tolist() == [0, 1, 1]
