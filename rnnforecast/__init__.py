"""Time series forecasting with recurrent neural networks, from a CSV file and a YAML spec.

In Python the same workflows take data frames:

>>> import rnnforecast as rf
>>> rf.predict(sales, horizon=7)  # doctest: +SKIP
>>> run = rf.train({"window": {"horizon": 7}}, sales)  # doctest: +SKIP
>>> run.predict()  # doctest: +SKIP

Every name is imported when it is first used: `import rnnforecast` itself loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnforecast.api.backtest import Backtest, backtest
    from rnnforecast.api.check import Check, check
    from rnnforecast.api.inputs import read_spec
    from rnnforecast.api.predict import predict
    from rnnforecast.api.run import Run, load_run
    from rnnforecast.api.train import train
    from rnnforecast.api.tune import Tuning, tune
    from rnnforecast.errors import (
        DataError,
        ForecastWarning,
        LockHeld,
        OutputError,
        RnnForecastError,
        RunFolderError,
        SpecError,
        TrainingDiverged,
        UsageError,
    )
    from rnnforecast.spec.spec import Spec

__version__ = "0.1.0"

__all__ = [
    "Backtest",
    "Check",
    "DataError",
    "ForecastWarning",
    "LockHeld",
    "OutputError",
    "RnnForecastError",
    "Run",
    "RunFolderError",
    "Spec",
    "SpecError",
    "TrainingDiverged",
    "Tuning",
    "UsageError",
    "backtest",
    "check",
    "load_run",
    "predict",
    "read_spec",
    "train",
    "tune",
]

_MODULES = {
    "Backtest": "api.backtest",
    "backtest": "api.backtest",
    "Check": "api.check",
    "check": "api.check",
    "read_spec": "api.inputs",
    "predict": "api.predict",
    "Run": "api.run",
    "load_run": "api.run",
    "train": "api.train",
    "Tuning": "api.tune",
    "tune": "api.tune",
    "Spec": "spec.spec",
}
"""Where each name is defined; the others are errors."""


def __getattr__(name: str) -> Any:
    """The public name `name`, imported now."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULES.get(name, 'errors')}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    """The public names and those of the module."""
    return sorted({*globals(), *__all__})
