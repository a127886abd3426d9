"""Mean seasonal changes against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.statistical.seasonal_changes import mean_seasonal_change, seasonal_moment

NAN = np.nan


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 2**31)
)
def test_seasonal_moments_agree_with_pandas(lengths: list[int], season: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    values = np.where(rng.random((offsets[-1], 2)) < 0.2, NAN, rng.normal(size=(offsets[-1], 2)))
    ends = rng.integers(offsets[:-1], offsets[1:] + 1)
    for power in (1, 2):
        ours = seasonal_moment(values, offsets, season=season, ends=ends, power=power)
        theirs = [
            (pd.DataFrame(values[a:b]).diff(season).abs() ** power).mean().to_numpy()
            for a, b in zip(offsets[:-1], ends, strict=True)
        ]
        np.testing.assert_allclose(ours, np.array(theirs, dtype=float), rtol=1e-12)
    change, count = mean_seasonal_change(values, offsets, season=season, ends=ends)
    for row, (a, b) in enumerate(zip(offsets[:-1], ends, strict=True)):
        theirs_change = pd.DataFrame(values[a:b]).diff(season)
        np.testing.assert_allclose(change[row], theirs_change.mean().to_numpy(float), rtol=1e-9)
        np.testing.assert_array_equal(count[row], theirs_change.count().to_numpy())
