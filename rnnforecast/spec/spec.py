"""The complete spec: its sections, and the spec of each network of an ensemble."""

from __future__ import annotations

from typing import Any

from rnnforecast.spec.backtest import BacktestSpec
from rnnforecast.spec.checks import ChecksSpec
from rnnforecast.spec.data import CleanSpec, DataSpec
from rnnforecast.spec.ensemble import EnsembleSpec
from rnnforecast.spec.features import FeaturesSpec
from rnnforecast.spec.forecast import ForecastSpec
from rnnforecast.spec.model import ModelSpec, WindowSpec
from rnnforecast.spec.search import SearchSpec
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.spec.types import SpecSection


class Spec(SpecSection):
    """A complete spec; only data.path and window.horizon have no default."""

    data: DataSpec
    clean: CleanSpec = CleanSpec()
    features: FeaturesSpec = FeaturesSpec()
    window: WindowSpec
    model: ModelSpec = ModelSpec()
    training: TrainingSpec = TrainingSpec()
    ensemble: EnsembleSpec = EnsembleSpec()
    forecast: ForecastSpec = ForecastSpec()
    checks: ChecksSpec = ChecksSpec()
    backtest: BacktestSpec = BacktestSpec()
    search: SearchSpec = SearchSpec()


SECTIONS: dict[str, type[SpecSection]] = {
    "data": DataSpec,
    "clean": CleanSpec,
    "features": FeaturesSpec,
    "window": WindowSpec,
    "model": ModelSpec,
    "training": TrainingSpec,
    "ensemble": EnsembleSpec,
    "forecast": ForecastSpec,
    "checks": ChecksSpec,
    "backtest": BacktestSpec,
    "search": SearchSpec,
}


def expand_ensemble(spec: Spec) -> list[Spec]:
    """The spec of each network of an ensemble: they differ in seed and in the keys of
    `ensemble.vary`.

    The first key varies fastest; all combinations occur before one is repeated.
    """
    count = 1 if spec.ensemble.members == "auto" else int(spec.ensemble.members)
    return [_member_spec(spec, index) for index in range(count)]


def _member_spec(spec: Spec, member_index: int) -> Spec:
    changes: dict[str, dict[str, Any]] = {"training": {"seed": spec.training.seed + member_index}}
    stride = 1
    vary = {} if isinstance(spec.ensemble.vary, str) else spec.ensemble.vary
    for key, values in vary.items():
        section, name = key.split(".")
        changes.setdefault(section, {})[name] = values[member_index // stride % len(values)]
        stride *= len(values)
    update = {name: getattr(spec, name).model_copy(update=keys) for name, keys in changes.items()}
    return spec.model_copy(update=update)
