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


def training_bytes(
    horizon: int, n_quantiles: int, n_rows: float, n_columns: int, n_series: int
) -> float:
    """The memory of a training on so many rows with so many targets and covariates each."""
    rows = n_rows * (ROW_BYTES + n_columns * CELL_BYTES)
    return BASE_BYTES + rows + n_series * _series_bytes(horizon, n_quantiles)


def memory_budget(spec: Spec) -> MemoryBudget | None:
    """The budget of `training.memory_budget`; None without one.

    Raises SpecError if it is less than any training needs.
    """
    text = spec.training.memory_budget
    if text is None:
        return None
    available = memory_bytes(text) - BASE_BYTES
    if available <= 0:
        least = f"{BASE_BYTES / 1e6:.0f}"
        found = f"any training needs {least} MB before it has read a row"
        cure = f"set it to more than {least}MB, such as 1GB"
        raise SpecError(Problem(f"{KEY}: {text}", found, cure))
    return MemoryBudget(
        text=text,
        available=available,
        row_bytes=ROW_BYTES,
        cell_bytes=CELL_BYTES,
        series_bytes=_series_bytes(spec.window.horizon, len(spec.forecast.quantiles)),
        seed=spec.training.seed,
    )


def _series_bytes(horizon: int, n_quantiles: int) -> float:
    return SERIES_BYTES + FORECAST_BYTES * horizon * (n_quantiles + 1)
