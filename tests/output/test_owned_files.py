"""Files named by -o: those that this program wrote may be replaced, others not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rnnforecast.errors import OutputPathError
from rnnforecast.output.forecast_table import write_forecast
from rnnforecast.output.owned_files import check_page_replaceable, check_table_replaceable
from rnnforecast.output.rendering import render_template

FORECAST = pd.DataFrame(
    {
        "unique_id": ["a"],
        "ds": pd.to_datetime(["2024-01-02"]),
        "cutoff": pd.to_datetime(["2024-01-01"]),
        "yhat": [1.0],
        "status": ["model"],
    }
)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_forecast_of_ours_may_be_replaced(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"f.{suffix}"
    check_table_replaceable(path)
    path.touch()
    check_table_replaceable(path)
    write_forecast(path, FORECAST)
    check_table_replaceable(path)


@pytest.mark.parametrize(
    "content",
    [
        b"unique_id,ds,y\na,2024-01-01,1\n",
        b"yhat\n1\n",
        b"\x00\xff\xfe",
        b"PAR1 and nothing more",
        b'"' + b"x" * 200_000,
    ],
)
def test_what_someone_else_wrote_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(content)
    with pytest.raises(OutputPathError, match="--force"):
        check_table_replaceable(path)
    check_table_replaceable(path, force=True)
    assert path.read_bytes() == content


def test_a_parquet_file_of_someone_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    FORECAST.to_parquet(path)
    with pytest.raises(OutputPathError, match="not a table of forecasts"):
        check_table_replaceable(path)


def test_a_device_needs_no_force() -> None:
    check_table_replaceable(Path("/dev/null"))


def test_a_page_is_known_by_its_generator(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><title>mine</title>")
    with pytest.raises(OutputPathError, match="not a page"):
        check_page_replaceable(path)
    page = render_template("page.html", title="ours", subtitle_lines=(), css="")
    path.write_text(page, encoding="utf-8")
    check_page_replaceable(path)
