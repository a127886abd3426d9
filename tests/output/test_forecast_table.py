"""Forecast tables: their rows, formats, and rounding."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnforecast.errors import DataError, OutputError, UsageError
from rnnforecast.output.forecast_frame import (
    ForecastSeries,
    forecast_columns,
    forecast_frame,
    round_significant,
)
from rnnforecast.output.forecast_table import table_format, write_forecast


def _keys(*ids: str) -> pd.DataFrame:
    return pd.DataFrame({"id": pd.array(list(ids), dtype="str")})


def _timestamps(*texts: str) -> np.ndarray:
    return np.array([texts], dtype="M8[us]")


def _frame(*ids: str, timestamps: np.ndarray, yhat: list[float], time: str = "ds") -> pd.DataFrame:
    size, horizon = len(ids), timestamps.shape[1]
    frame = forecast_frame(
        ForecastSeries(
            _keys(*ids),
            np.repeat(timestamps, size, axis=0),
            np.repeat(timestamps[0, :1], size),
            np.full((size, 1), "model"),
            time,
            ["y"],
        ),
        np.array(yhat).reshape(size, horizon, 1),
        np.zeros((size, horizon, 1, 0)),
        [],
    )
    return frame.drop(columns=["cutoff", "status"])


def _csv(path: Path, frame: pd.DataFrame, *, daily: bool = False, utc_offset: str = "") -> str:
    write_forecast(path / "f.csv", frame, daily=daily, utc_offset=utc_offset)
    return (path / "f.csv").read_bytes().decode()


def test_rows_are_in_the_order_of_series_target_and_step() -> None:
    yhat = np.arange(8.0).reshape(2, 2, 2)  # [S, H, C]
    quantiles = np.stack([yhat - 1, yhat + 1], axis=-1)  # [S, H, C, Q]
    frame = forecast_frame(
        ForecastSeries(
            _keys("a", "b"),
            np.array([[1, 2], [5, 6]]),
            np.array([0, 4]),
            np.array([["model", "fallback"], ["skipped", "cold_start"]]),
            "t",
            ["u", "v"],
        ),
        yhat,
        quantiles,
        [0.1, 0.975],
    )
    expected = pd.DataFrame(
        {
            "id": list("aaaabbbb"),
            "target": list("uuvvuuvv"),
            "t": [1, 2, 1, 2, 5, 6, 5, 6],
            "cutoff": [0] * 4 + [4] * 4,
            "yhat": [0.0, 2, 1, 3, 4, 6, 5, 7],
            "q0.1": [-1.0, 1, 0, 2, 3, 5, 4, 6],
            "q0.975": [1.0, 3, 2, 4, 5, 7, 6, 8],
            "status": ["model"] * 2 + ["fallback"] * 2 + ["skipped"] * 2 + ["cold_start"] * 2,
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


def test_one_series_without_key_columns_has_only_time_and_numbers(tmp_path: Path) -> None:
    frame = forecast_frame(
        ForecastSeries(
            pd.DataFrame(index=range(1)),
            _timestamps("2024-01-01", "2024-01-02"),
            _timestamps("2023-12-31")[0],
            np.array([["model"]]),
            "date",
            ["y"],
        ),
        np.array([[[1.0], [2.5]]]),
        np.array([[[[0.5]], [[2.0]]]]),
        [0.5],
    )
    text = _csv(tmp_path, frame, daily=True)
    assert text == (
        "date,cutoff,yhat,q0.5,status\n"
        "2024-01-01,2023-12-31,1,0.5,model\n2024-01-02,2023-12-31,2.5,2,model\n"
    )


def test_ids_stay_as_they_are_and_only_what_needs_quotes_has_them(tmp_path: Path) -> None:
    ids = ["007", "1e5", "a,b", 'say "hi"', "two\nlines", "ordinary text", "北京"]
    frame = _frame(*ids, timestamps=np.array([[1]]), yhat=[1.0] * 7)
    text = _csv(tmp_path, frame)
    assert text == (
        "id,ds,yhat\n007,1,1\n1e5,1,1\n"
        '"a,b",1,1\n"say ""hi""",1,1\n"two\nlines",1,1\nordinary text,1,1\n北京,1,1\n'
    )
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:] == ids


def test_a_header_that_needs_quotes_has_them(tmp_path: Path) -> None:
    frame = _frame("a", timestamps=np.array([[1]]), yhat=[1.0], time="date, local")
    assert _csv(tmp_path, frame).startswith('id,"date, local",yhat\n')


def test_a_missing_forecast_is_an_empty_cell(tmp_path: Path) -> None:
    frame = _frame("a", timestamps=np.array([[1, 2]]), yhat=[np.nan, 3.0])
    assert _csv(tmp_path, frame) == "id,ds,yhat\na,1,\na,2,3\n"


def test_categories_are_written_as_their_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": pd.Categorical(["b", "a", None]), "n": [1, 2, 3]})
    assert _csv(tmp_path, frame) == "id,n\nb,1\na,2\n,3\n"


@pytest.mark.parametrize(
    ("timestamp", "daily", "utc_offset", "written"),
    [
        ("2024-02-29", True, "", "2024-02-29"),
        ("2024-02-29", False, "", "2024-02-29 00:00:00"),
        ("2024-02-29T13:05:09", False, "", "2024-02-29 13:05:09"),
        ("2024-02-29T06:00:00", True, "", "2024-02-29 06:00:00"),
        ("2024-02-29T13:00:00", False, "+02:00", "2024-02-29 13:00:00+02:00"),
        ("2024-02-29", True, "Z", "2024-02-29 00:00:00Z"),
        ("2024-02-29T13:00:00.25", False, "", "2024-02-29 13:00:00.250000"),
        ("1821-01-01", True, "", "1821-01-01"),
    ],
)
def test_timestamps_are_as_short_as_the_frequency_allows(
    tmp_path: Path, timestamp: str, daily: bool, utc_offset: str, written: str
) -> None:
    frame = _frame("a", timestamps=_timestamps(timestamp), yhat=[1.0])
    assert (
        _csv(tmp_path, frame, daily=daily, utc_offset=utc_offset) == f"id,ds,yhat\na,{written},1\n"
    )


def test_one_timestamp_past_midnight_gives_all_of_them_a_time(tmp_path: Path) -> None:
    frame = _frame("a", timestamps=_timestamps("2024-01-01", "2024-01-01T06:00"), yhat=[1.0, 2.0])
    text = _csv(tmp_path, frame, daily=True)
    assert "2024-01-01 00:00:00" in text
    assert "2024-01-01 06:00:00" in text


def test_a_missing_timestamp_is_an_empty_cell(tmp_path: Path) -> None:
    frame = _frame("a", timestamps=_timestamps("2024-01-01", "NaT"), yhat=[1.0, 2.0])
    assert _csv(tmp_path, frame, daily=True) == "id,ds,yhat\na,2024-01-01,1\na,,2\n"


def test_a_table_longer_than_one_part_reads_back_in_pandas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnforecast.output.forecast_table._CHUNK_ROWS", 7)
    rng = np.random.default_rng(3)
    ids = [f"{number:03d}" for number in range(10)]
    timestamps = np.datetime64("2024-01-01", "us") + np.arange(5) * np.timedelta64(1, "h")
    frame = _frame(*ids, timestamps=timestamps[None], yhat=rng.normal(0, 1e3, 50).tolist())
    _csv(tmp_path, frame)
    back = pd.read_csv(tmp_path / "f.csv", dtype={"id": "str"}, parse_dates=["ds"])
    pd.testing.assert_frame_equal(back, frame, check_dtype=False, check_exact=True)


def test_an_empty_table_has_a_header(tmp_path: Path) -> None:
    frame = _frame("a", timestamps=_timestamps("2024-01-01"), yhat=[1.0]).iloc[:0]
    assert _csv(tmp_path, frame) == "id,ds,yhat\n"


def test_parquet_keeps_types_and_turns_local_timestamps_into_instants(tmp_path: Path) -> None:
    frame = _frame("007", timestamps=_timestamps("2024-01-01T13:00"), yhat=[np.nan])
    write_forecast(tmp_path / "f.parquet", frame)
    back = pd.read_parquet(tmp_path / "f.parquet")
    pd.testing.assert_frame_equal(back, frame)
    write_forecast(tmp_path / "z.parquet", frame, utc_offset="+02:00")
    timestamp = pd.read_parquet(tmp_path / "z.parquet")["ds"].iloc[0]
    assert timestamp == pd.Timestamp("2024-01-01T11:00Z")
    write_forecast(tmp_path / "u.parquet", frame, utc_offset="Z")
    timestamp = pd.read_parquet(tmp_path / "u.parquet")["ds"].iloc[0]
    assert timestamp == pd.Timestamp("2024-01-01T13:00Z")


def test_a_timezone_that_parquet_cannot_name_is_refused(tmp_path: Path) -> None:
    frame = _frame("a", timestamps=_timestamps("2024-01-01"), yhat=[1.0])
    with pytest.raises(OutputError, match="timezone 'Mars'"):
        write_forecast(tmp_path / "f.parquet", frame, utc_offset="Mars")
    assert list(tmp_path.iterdir()) == []


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_forecast("-", _frame("ü", timestamps=np.array([[1]]), yhat=[1.0]))
    assert capfdbinary.readouterr().out == "id,ds,yhat\nü,1,1\n".encode()


def test_an_unknown_suffix_is_a_wrong_use(tmp_path: Path) -> None:
    assert [table_format(name) for name in ("-", "a.CSV", "/dev/stdout", "b.parquet")] == [
        "csv",
        "csv",
        "csv",
        "parquet",
    ]
    with pytest.raises(UsageError, match=r"with the suffix '\.xlsx'"):
        table_format(tmp_path / "f.xlsx")


def test_all_names_that_clash_are_reported() -> None:
    with pytest.raises(DataError) as caught:
        forecast_columns(
            ["yhat", "status", "store", "target"], ["u", "v"], time_column="q0.5", levels=[0.5]
        )
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert all(f"column {name!r}" in text for name in ("yhat", "status", "target", "q0.5"))
    assert forecast_columns(["target"], ["y"], time_column="t", levels=[]) == [
        "target",
        "t",
        "cutoff",
        "yhat",
        "status",
    ]


def test_rounding_agrees_with_a_hand_calculation() -> None:
    given_numbers = np.array([123456789.0, -0.000123456789, 99999999.0, 0.0, -0.0, np.nan, -np.inf])
    rounded = round_significant(given_numbers)
    expected = [123456800.0, -0.0001234568, 100000000.0, 0.0, 0.0, np.nan, -np.inf]
    np.testing.assert_array_equal(rounded, expected)
    assert not np.signbit(rounded[4])
    assert round_significant(np.array([[1234.5]]), 2).tolist() == [[1200.0]]


@given(st.floats(-1e308, 1e308), st.integers(1, 12))
@example(1e308, 7)
@example(5e-324, 7)
@example(1e-16, 7)
@example(1e23, 7)
def test_a_rounded_number_prints_with_no_more_digits_than_required(
    value: float, digits: int
) -> None:
    rounded = float(round_significant(np.array([value]), digits)[0])
    assert rounded == float(f"{rounded:.{digits - 1}e}")
    assert abs(rounded - value) <= 0.5000001 * 10.0 ** (1 - digits) * abs(value) or (
        abs(value) < 1e-300
    )
