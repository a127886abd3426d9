"""Values so far beyond all others of their series that they must be errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.io.columns import NumericColumn
from rnnforecast.data.panel.implausible import (
    MAX_RATIO,
    MISSING_CODES,
    ImplausibleCells,
    largest_usual_sizes,
)
from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

NAN = float("nan")
SIZES = st.floats(0, 1e6, allow_subnormal=False).filter(lambda size: size not in MISSING_CODES)


def sorted_rows(*series: list[float]) -> SortedRows:
    """Rows of series of one column, one day after the other."""
    values = np.concatenate([np.array(one, dtype=np.float64) for one in series])[:, None]
    codes = np.repeat(np.arange(len(series)), [len(one) for one in series])
    offsets = np.r_[0, np.cumsum([len(one) for one in series])]
    row = np.arange(len(values))
    return SortedRows(row, codes, row, values, offsets)


def implausible(*series: list[float]) -> list[tuple[int, int]]:
    """Series and position of each implausible value."""
    rows = sorted_rows(*series)
    found = ImplausibleCells.find(rows, [0]).row
    return [(int(rows.codes[row]), int(row - rows.offsets[rows.codes[row]])) for row in found]


@pytest.mark.parametrize("value", [99999999, 2147483647, 1e30, 3.4028235e38, 1e60, 1e308])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("position", [0, 20, 39])
def test_an_absurd_value_is_found_wherever_it_stands(value, sign, position):
    usual = (100 + 10 * np.random.default_rng(1).standard_normal(40)).tolist()
    spoiled = [*usual[:position], sign * value, *usual[position + 1 :]]
    assert implausible(usual, spoiled, usual) == [(1, position)]


def test_large_codes_of_missing_values_are_found_among_large_values():
    usual = np.random.default_rng(1).uniform(50_000, 100_000, 60).round(2).tolist()
    assert implausible([*usual, 99999999.0]) == [(0, 60)]
    assert implausible([*usual, 80000000.0]) == []
    assert implausible([99999999.0] * 20 + usual) == [(0, at) for at in range(20)]


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 300 + [5.0],  # a single sale
        [0.0] * 50 + [1.0, 0, 0, 250.0] + [0.0] * 40 + [30.0],
        [0.01] * 200 + [5000.0] * 8,  # a new level
        [20.0] * 30 + [15_000.0, 9_000.0, 3_000.0, 400.0] + [25.0] * 30,  # a burst
        [1e60 * value for value in range(1, 40)],
        [1e-60 * value for value in range(1, 40)],
        [5.0] * 40,
        [NAN] * 40,
        [99999999.0] * 30 + [3.0] * 10,
        [],
    ],
)
def test_sparse_bursty_and_tiny_series_are_plausible(values):
    ordinary = np.random.default_rng(2).uniform(1, 40, 100).tolist()
    assert implausible(values, ordinary) == []


def test_short_series_are_compared_with_the_others():
    assert implausible([3.0, 1e12], [5.0, 7.0, 4.0, 6.0, 5.0, 5.0]) == [(0, 1)]
    assert implausible([3.0, 1e12]) == []


@given(
    st.lists(
        st.lists(SIZES | st.just(NAN), max_size=60),
        min_size=1,
        max_size=4,
    )
)
def test_the_largest_usual_size_is_that_without_a_few_cells(series):
    """By hand, series by series; a series is only sorted if a value could be implausible."""
    rows = sorted_rows(*series)
    found = largest_usual_sizes(np.abs(rows.values[:, 0]), rows.codes, rows.offsets)
    for values, usual in zip(series, found, strict=True):
        known = sorted(value for value in values if not np.isnan(value))
        if len(known) < 5:
            continue
        expected = known[-1 - max(1, min(3, len(known) // 10))]
        if usual == np.inf and expected > 0:
            assert known[-1] <= MAX_RATIO * expected
        elif expected > 0:
            assert usual == expected


def test_a_target_becomes_missing_and_is_named_with_line_and_distance():
    values = np.arange(100.0, 140.0)
    values[20] = 1e9
    given_table = table(np.arange(40), values)
    panel, changes = regularize(given_table, CleanSpec(frequency="1"))
    assert np.isnan(panel.targets[20, 0])
    assert np.isfinite(np.delete(panel.targets[:, 0], 20)).all()
    assert (changes.counts["implausible"], changes.counts["missing"]) == (1, 0)
    (note,) = changes.notes
    assert note.is_doubtful
    for part in (
        "line 22",
        "column 'y'",
        "1000000000",
        "at 20",
        "value of 137",
        "clean.implausible",
    ):
        assert part in str(note)


def test_kept_values_are_named_without_a_doubt():
    values = np.r_[np.arange(100.0, 139.0), -1e9]
    panel, changes = regularize(
        table(np.arange(40), values), CleanSpec(frequency="1", implausible="keep")
    )
    assert panel.targets[-1, 0] == -1e9
    assert changes.counts["implausible"] == 0
    assert [note.is_doubtful for note in changes.notes] == [False]


def test_a_covariate_takes_the_largest_usual_value():
    price = np.tile([3.0, 4.0, 5.0, -6.0], 10)
    price[[12, 13]] = [-1e30, 1e30]
    given_table = replace(
        table(np.arange(40), np.arange(40.0)), covariates={"price": NumericColumn(price)}
    )
    panel, changes = regularize(given_table, CleanSpec(frequency="1"))
    assert panel.covariates is not None
    assert panel.covariates[[12, 13], 0].tolist() == [-6.0, 6.0]
    assert [("price" in str(note), "taken as" in str(note)) for note in changes.notes] == [
        (True, True)
    ] * 2


def test_an_implausible_value_does_not_spoil_the_mean_of_duplicates():
    time, values = [*range(30), 29], [*np.arange(30.0), 1e30]
    panel, _ = regularize(table(time, values), CleanSpec(frequency="1", duplicates="mean"))
    assert panel.targets[-1, 0] == 29.0


def test_many_values_are_named_in_part():
    values = np.arange(1.0, 101.0)
    values[10:20] = 99999999
    changes = preview_changes(table(np.arange(100), values), CleanSpec(frequency="1"))
    assert len(changes.notes) == 6
    assert "5 more" in str(changes.notes[-1])
