"""Series and histories for tests of the statistical methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats


def histories_of(*series: Sequence[float] | Floats, padding: int = 0) -> Histories:
    """Right-aligned histories without gaps, after `padding` rows that belong to none."""
    steps = max(map(len, series)) + padding
    values = np.zeros((steps, len(series)))
    start = np.array([steps - len(each) for each in series])
    for column, each in enumerate(series):
        values[steps - len(each) :, column] = each
    return Histories(values, np.arange(steps)[:, None] >= start, start)


def noise(count: int, seed: int) -> Floats:
    """Uniform from -0.5 to 0.5, the same with every version of NumPy: a linear congruential
    generator with the constants of C's `rand`."""
    state, drawn = seed, []
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        drawn.append(state / 2**31 - 0.5)
    return np.array(drawn)
