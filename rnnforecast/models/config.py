"""Configuration of a forecaster, from which the same network is built again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig

NO_COVARIATES = CovariateSizes()


@dataclass(frozen=True)
class ForecasterConfig:
    """Plain values, stored with the run."""

    lookback: int
    horizon: int
    patch_length: int
    season: int
    backbone: BackboneConfig
    hidden_size: int
    dropout: float
    decoder: str
    normalize: str
    base_forecast: str
    """Name of a file in `base_forecast/`."""
    loss: str
    levels: tuple[float, ...]
    loss_options: Mapping[str, object] = field(default_factory=dict)
    bidirectional: bool = False
    attention: str = "additive"
    teacher_forcing: float = 1.0
    """Fraction of windows in which an autoregressive decoder reads true values at the end of
    training."""
    tbptt_steps: int | None = None
    """Patches of truncated backpropagation; None for all."""
    channels: int = 1
    """C, the targets that are read and forecast together."""
    difference_lag: int = 0
    """Lag of the differences that the network reads and forecasts, in steps; 0 for values."""
    covariates: CovariateSizes = NO_COVARIATES
    n_items: int = 0
    """Items with weights of their own in a learned window scaler, else 0."""
    smoothing_seasons: tuple[int, ...] = ()
    """Season lengths of exponential smoothing, in steps."""

    @property
    def input_length(self) -> int:
        """Past steps of a window: the lookback and the lag of differences."""
        return self.lookback + self.difference_lag

    def to_json(self) -> dict[str, object]:
        """Plain values, as `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ForecasterConfig:
        """The config that `to_json` wrote."""
        sizes: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored["covariates"].items()
        }
        backbone = {**stored["backbone"], "noise": Noise(**stored["backbone"]["noise"])}
        plain = {
            "backbone": BackboneConfig(**backbone),
            "levels": tuple(stored["levels"]),
            "smoothing_seasons": tuple(stored["smoothing_seasons"]),
            "covariates": CovariateSizes(**sizes),
        }
        return cls(**{**stored, **plain})
