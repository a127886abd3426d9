"""The ledger of a dataset has the rows that were published, an issue for each partition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.batch.test_issue import read_ledger
from tests.pipeline.checks.nights import NIGHT, rows, train_run

Command = Callable[..., Any]
NOW = ("--now", NIGHT)


def test_the_ledger_has_the_rows_of_a_forecast_of_one_file(
    rnnforecast: Command, tmp_path: Path
) -> None:
    run, data = str(train_run()), rows()
    Path("data").mkdir()
    data.to_parquet("all.parquet", index=False)
    for number, part in enumerate(np.array_split(data["unique_id"].unique(), 3)):
        data[data["unique_id"].isin(part)].to_parquet(f"data/{number}.parquet", index=False)
    whole = ("--data", "all.parquet", "-o", "f.parquet", "--ledger", "whole.ledger")
    parts = ("--data", "data", "-o", "out", "--ledger", "parts.ledger", "--partitions")
    for arguments in (whole, parts, parts):
        result = rnnforecast("predict", run, *arguments, *NOW)
        assert result.exit_code == 0, result.stderr
    found, expected = (
        read_ledger(f"{name}.ledger")
        .drop(columns=["issue_id", "issued_at", "issued"])
        .sort_values(["unique_id", "ds"], ignore_index=True)
        for name in ("parts", "whole")
    )
    pd.testing.assert_frame_equal(found, expected)
    assert len(list(Path("parts.ledger").rglob("*.parquet"))) == 3


def test_options_that_belong_to_partitions_are_refused_without(rnnforecast: Command) -> None:
    result = rnnforecast("predict", str(train_run()), "-o", "out", "--resume")
    assert result.exit_code == 2
    assert "--partitions" in result.stderr
