"""The memory of a training: what rows, values and series cost, as measured of `train`."""

from __future__ import annotations

from rnnforecast.data.io.memory_budget import KEY, MemoryBudget
from rnnforecast.errors import Problem, SpecError
from rnnforecast.spec.spec import Spec
from rnnforecast.spec.types import memory_bytes

BASE_BYTES = 650e6
"""The interpreter, its libraries, a small network and its batches."""
ROW_BYTES, CELL_BYTES = 30.0, 30.0
"""Of a row with its time and id, and of each value of a target or covariate in it: at the peak of
reading, cleaning, training and evaluation."""
FORECAST_BYTES = 70.0
"""Of each step of the horizon and each quantile of a series: the forecasts of the network and the
statistical methods for its held-out horizon."""
SERIES_BYTES = 6_000.0
"""Of a series, whatever its length and horizon."""


def memory_budget(spec: Spec) -> MemoryBudget | None:
    """The budget of `training.memory_budget`; None without one.

    Raises SpecError if it is less than any training needs.
    """
    text = spec.training.memory_budget
    if text is None:
        return None
    available = memory_bytes(text) - BASE_BYTES
    if available <= 0:
        found = f"any training needs {BASE_BYTES / 1e6:,.0f} MB"
        raise SpecError(Problem(f"{KEY}: {text}", found, "set it to 1GB or more"))
    n_forecasts = spec.window.horizon * (len(spec.forecast.quantiles) + 1)
    return MemoryBudget(
        text=text,
        available=available,
        row_bytes=ROW_BYTES,
        cell_bytes=CELL_BYTES,
        series_bytes=SERIES_BYTES + FORECAST_BYTES * n_forecasts,
        seed=spec.training.seed,
    )
