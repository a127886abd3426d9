"""`predict` reads and writes URLs and databases."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd

Run = Callable[..., Any]


def test_a_forecast_is_the_same_wherever_it_is_read_from_and_written_to(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    def done(*arguments: str) -> Any:
        result = rnnforecast(*arguments)
        assert result.exit_code == 0, result.stderr
        return result

    given()
    train()
    done("predict", "run", "-o", "plain.csv")
    plain = Path("plain.csv").read_text(encoding="utf-8")
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pipe("/in/data.csv", Path("data.csv").read_bytes())
    with closing(sqlite3.connect("sales.db")) as connection:
        pd.read_csv("data.csv").to_sql("sales", connection, index=False)

    result = done(*("predict", "run", "--data", "memory://in/data.csv", "-o", "memory://out/f.csv"))
    assert store.cat("/out/f.csv").decode() == plain
    assert "memory://out/f.csv" in result.stderr

    for _ in range(2):
        done(
            *("predict", "run", "--data", "sqlite:///sales.db?table=sales"),
            *("-o", "sqlite:///out.db?table=forecasts"),
        )
    with closing(sqlite3.connect("out.db")) as connection:
        rows = pd.read_sql("SELECT * FROM forecasts ORDER BY 1, 2", connection)
    pd.testing.assert_frame_equal(rows, pd.read_csv("plain.csv").astype({"ds": str}))

    done("predict", "run", "--data", "memory://in", "-o", "memory://out/folder/")
    summary = json.loads(store.cat("/out/folder/run.json"))
    assert summary["out"] == "memory://out/folder/"
    assert summary["data"] == ["memory://in"]
    assert store.cat("/out/folder/forecast.csv").decode() == plain
    done("predict", "run", "-o", f"file://{Path.cwd()}/by-url.csv")
    assert Path("by-url.csv").read_text(encoding="utf-8") == plain


def test_what_cannot_be_written_to_is_refused_before_the_work(rnnforecast: Run) -> None:
    Path("data.csv").write_text("no data", encoding="utf-8")
    for out, words in (
        ("https://example.com/f.csv", "reading only"),
        ("sqlite:///out.db", "table=forecasts"),
        ("memory://out/f.docx", "suffix"),
        ("s3://${NO_SUCH_BUCKET}/f.csv", "NO_SUCH_BUCKET is not set"),
    ):
        result = rnnforecast("predict", "data.csv", "-o", out)
        assert (result.exit_code, words in " ".join(result.stderr.split())) == (2, True)


def test_init_and_check_take_a_url(given: Run, rnnforecast: Run) -> None:
    given()
    store = fsspec.filesystem("memory")
    store.pipe("/in/data.csv", Path("data.csv").read_bytes())
    for data, out in (("data.csv", "plain.yaml"), ("memory://in/data.csv", "url.yaml")):
        assert rnnforecast("init", data, "-o", out).exit_code == 0

    plain, url = (Path(name).read_text(encoding="utf-8") for name in ("plain.yaml", "url.yaml"))
    assert url.replace("memory://in/data.csv", "data.csv") == plain
    assert rnnforecast("check", "url.yaml", "-q").exit_code == 0
