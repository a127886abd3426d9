"""The architecture of a forecaster: all that is needed to build the same net again."""

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
    """The backbone."""
    hidden_size: int
    dropout: float
    decoder: str
    normalize: str
    base_forecast: str
    """The first forecast: `linear`, `theta` or `none`."""
    loss: str
    levels: tuple[float, ...]
    loss_options: Mapping[str, object] = field(default_factory=dict)
    bidirectional: bool = False
    attention: str = "additive"
    teacher_forcing: float = 1.0
    """The share of true values a fed-back decoder is still taught with at the end of training."""
    tbptt_steps: int | None = None
    """Segments that gradients reach back."""
    channels: int = 1
    """Targets that are read and forecast together."""
    difference_lag: int = 0
    """The net reads and forecasts changes from so many steps before; 0: the values themselves."""
    covariates: CovariateSizes = NO_COVARIATES
    n_items: int = 0
    """Series (or targets of series) whose smoothing is learnt, where it is."""
    smoothing_seasons: tuple[int, ...] = ()
    """The seasons of that smoothing."""

    @property
    def input_length(self) -> int:
        """How many past steps a window needs: the lookback, and what is taken from its first."""
        return self.lookback + self.difference_lag

    def to_json(self) -> dict[str, object]:
        """Plain values, as `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ForecasterConfig:
        """The architecture that `to_json` wrote."""
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
