"""The architecture of a forecaster: all that is needed to build the same net again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.covariates import Sizes
from rnnforecast.models.layers.stack import Plan

NOTHING = Sizes()


@dataclass(frozen=True)
class Architecture:
    """Plain values, stored with the run."""

    lookback: int
    horizon: int
    segment: int
    season: int
    recurrent: Plan
    """The backbone."""
    hidden_size: int
    dropout: float
    decoder: str
    normalize: str
    first: str
    """The first forecast: `linear`, `theta` or `none`."""
    loss: str
    levels: tuple[float, ...]
    loss_options: Mapping[str, object] = field(default_factory=dict)
    bidirectional: bool = False
    attention: str = "additive"
    teacher_forcing: float = 1.0
    """The share of true values a fed-back decoder is still taught with at the end of training."""
    truncate: int | None = None
    """Segments that gradients reach back."""
    channels: int = 1
    """Targets that are read and forecast together."""
    difference: int = 0
    """The net reads and forecasts changes from so many steps before; 0: the values themselves."""
    covariates: Sizes = NOTHING
    items: int = 0
    """Series (or targets of series) whose smoothing is learnt, where it is."""
    seasons: tuple[int, ...] = ()
    """The seasons of that smoothing."""

    @property
    def steps_read(self) -> int:
        """How many past steps a window needs: the lookback, and what is taken from its first."""
        return self.lookback + self.difference

    def to_json(self) -> dict[str, object]:
        """Plain values, as `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Architecture:
        """The architecture that `to_json` wrote."""
        sizes: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored["covariates"].items()
        }
        recurrent = {**stored["recurrent"], "noise": Noise(**stored["recurrent"]["noise"])}
        plain = {
            "recurrent": Plan(**recurrent),
            "levels": tuple(stored["levels"]),
            "seasons": tuple(stored["seasons"]),
            "covariates": Sizes(**sizes),
        }
        return cls(**{**stored, **plain})
