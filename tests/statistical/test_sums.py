"""Sums in the order of the rows, whatever stands beside them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rnnforecast.statistical.sums import sum_rows
from rnnforecast.types import Floats

NUMBERS = st.floats(-1e8, 1e8, width=32)
TABLES = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 40), st.integers(1, 9)), elements=NUMBERS
)


@given(TABLES)
def test_the_sum_of_a_column_is_that_of_the_column_alone(values: Floats) -> None:
    values = values / 3
    whole = sum_rows(values)
    for column in range(values.shape[1]):
        alone = 0.0
        for value in values[:, column]:
            alone += value
        assert whole[column] == alone
        assert sum_rows(values[:, [column]])[0] == alone


@given(TABLES)
def test_the_layout_in_memory_does_not_matter(values: Floats) -> None:
    values = values / 7
    turned = np.asfortranarray(values)
    np.testing.assert_array_equal(sum_rows(turned), sum_rows(values))


def test_no_rows_have_a_sum_of_zero() -> None:
    np.testing.assert_array_equal(sum_rows(np.zeros((0, 3))), np.zeros(3))
