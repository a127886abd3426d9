"""The note on counts that may be zero where they have no row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

NAN = float("nan")
DAILY = CleanSpec(frequency="D")


def notes_of(values: np.ndarray, clean: CleanSpec = DAILY) -> list[str]:
    """Notes on `clean.missing` of daily values; days without a value have no row."""
    time = pd.date_range("2024-01-01", periods=len(values), freq="D").to_numpy()
    has_row = ~np.isnan(values).reshape(len(values), -1).all(axis=1)
    changes = preview_changes(table(time[has_row], values[has_row]), clean)
    return [str(note) for note in changes.notes if note.decision.where == "clean.missing"]


def counts(rate: float = 0.5) -> np.ndarray:
    found = np.random.default_rng(0).poisson(rate, 200).astype(float)
    found[[0, -1]] = 1
    return np.where(found > 0, found, NAN)


def test_the_share_of_steps_without_a_row_and_the_key_are_said() -> None:
    values = counts()
    (note,) = notes_of(values)
    assert f"{np.isnan(values).mean():.0%} of the steps" in note
    assert "clean.missing to zero" in note


def test_what_the_note_proposes_ends_it() -> None:
    assert notes_of(counts(), CleanSpec(frequency="D", missing="zero")) == []


@pytest.mark.parametrize(
    "values",
    [counts() + 0.5, np.where(np.arange(200) == 7, 0, counts()), counts(5.0), -counts()],
    ids=["not whole", "a zero", "few gaps", "negative"],
)
def test_other_values_get_no_note(values: np.ndarray) -> None:
    assert notes_of(values) == []


def test_of_several_targets_the_counts_are_named() -> None:
    values = np.column_stack([counts(), np.random.default_rng(1).normal(size=200)])
    (note,) = notes_of(values)
    assert "of y," in note
    assert "{y: zero}" in note
    time = pd.date_range("2024-01-01", periods=200, freq="D").to_numpy()
    panel, _ = regularize(table(time, values), CleanSpec(missing={"y": "zero"}))
    assert panel.observed_mask.all()


def test_blank_cells_are_not_called_missing_rows_and_names_are_quoted() -> None:
    time = pd.date_range("2024-01-01", periods=200, freq="D").to_numpy()
    data = table(time, np.column_stack([counts(), np.zeros(200)]))
    data = replace(data, roles=replace(data.roles, targets=("a: b", "c")))
    (note,) = preview_changes(data, DAILY).notes
    assert "if a blank cell means none" in note.decision.cure
    setting = note.decision.cure.split("clean.missing to ")[1]
    assert yaml.safe_load(setting) == {"a: b": "zero"}
