"""Configuration of a forecaster, stored with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.covariates import NO_COVARIATES, CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig


@dataclass(frozen=True)
class ForecasterConfig:
    """Sizes and choices of components; lengths are in steps."""

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
    """Patches that gradients flow back through; None for all."""
    channels: int = 1
    """C, the number of targets that are read and forecast together."""
    difference_lag: int = 0
    """Lag of the differences that the network reads and forecasts; 0 without differencing."""
    covariates: CovariateSizes = NO_COVARIATES
    n_items: int = 0
    """Number of items with their own weights in a learned window scaler; 0 for other scalers."""
    smoothing_seasons: tuple[int, ...] = ()
    """Season lengths of exponential smoothing."""

    @property
    def input_length(self) -> int:
        """Past steps of a window: the lookback and the lag of differences."""
        return self.lookback + self.difference_lag

    @property
    def n_patches(self) -> int:
        """G, the number of patches of the lookback; the first may be padded."""
        return -(-self.lookback // self.patch_length)

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
