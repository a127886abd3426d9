"""The messy table: its reproducibility, and agreement with its README."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "make_messy.py"))


def test_the_script_makes_the_committed_bytes(script: dict[str, Any]) -> None:
    random = np.random.default_rng(7)
    long = script["long_table"](pd.read_csv(FOLDER / "employment.csv"))
    text = script["as_delivered"](script["with_faults"](long, random), random)
    assert text.encode("utf-8-sig") == (FOLDER / "messy.csv").read_bytes()


def test_the_mean_of_its_duplicates_gives_back_the_clean_numbers(script: dict[str, Any]) -> None:
    clean = script["long_table"](pd.read_csv(FOLDER / "employment.csv"))
    clean["month"] = pd.to_datetime(clean["month"])
    messy = pd.read_csv(
        FOLDER / "messy.csv", sep=";", decimal=",", dtype={"sector": str}, encoding="utf-8-sig"
    )
    messy["month"] = pd.to_datetime(messy["month"], format="%d/%m/%Y")
    assert messy.duplicated(["sector", "month"]).sum() == 81

    repaired = messy.groupby(["sector", "month"])["jobs"].mean().dropna()
    truth = clean.set_index(["sector", "month"])["jobs"].loc[repaired.index]
    np.testing.assert_allclose(repaired, truth, rtol=0, atol=1e-9)
