"""Negative codes of missing values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

TIME = pd.date_range("2024-01-01", periods=60, freq="D").to_numpy()
USUAL = 1000 + 300 * np.sin(np.arange(60))


def with_codes(values: np.ndarray, code: float) -> np.ndarray:
    return np.where(np.isin(np.arange(60), [7, 8, 30]), code, values)


@pytest.mark.parametrize("code", [-999, -9999, -99999])
def test_codes_among_values_above_zero_are_missing_and_noted_once(code: float) -> None:
    data = table(TIME, with_codes(USUAL, code))
    panel, changes = regularize(data, CleanSpec(frequency="D"))
    np.testing.assert_array_equal(np.flatnonzero(~panel.observed_mask.ravel()), [7, 8, 30])
    (note,) = changes.notes
    assert note.is_doubtful
    assert f"{code} at 2024-01-08 and in 2 more cells" in note.decision.found


def test_codes_are_kept_by_rule() -> None:
    data = table(TIME, with_codes(USUAL, -9999))
    panel, changes = regularize(data, CleanSpec(frequency="D", implausible="keep"))
    assert panel.observed_mask.all()
    assert "kept" in changes.notes[0].decision.found


@pytest.mark.parametrize(
    "values",
    [with_codes(USUAL - 1000, -999), with_codes(USUAL, -998), np.full(60, -999.0)],
    ids=["negative values", "no code", "nothing else"],
)
def test_other_negative_values_are_kept(values: np.ndarray) -> None:
    data = table(TIME, values)
    assert preview_changes(data, CleanSpec(frequency="D")).notes == ()
