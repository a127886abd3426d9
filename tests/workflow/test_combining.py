"""What is learnt of forecasts from windows that were not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data.window import Index
from rnnforecast.workflow.combining import _apart


@pytest.mark.parametrize(
    ("origins", "expected"),
    [([[40]], 1), ([[40, 49]], 1), ([[40, 50]], 2), ([[50, 40, 45], [7], [0, 29]], 2 + 1 + 3)],
)
def test_windows_that_overlap_count_once(origins: list[list[int]], expected: int) -> None:
    item = np.repeat(np.arange(len(origins)), [len(each) for each in origins])
    origin = np.concatenate(origins)
    assert _apart(Index(item, origin, origin + 10), horizon=10) == expected
