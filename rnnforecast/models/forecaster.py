"""The forecaster: five plain parts in a row, from a window of history to quantiles of the future.

    history [B, L, C] → difference → normalise → embed [B, G, K] → backbone → decode [B, J, K]
        → head [B, H, C, Q]

With `linear_first` a linear map from the lookback to the horizon gives the first forecast and the
recurrent part adds to it; the map is shared by all targets. Covariates are read with the history,
and those known ahead once more for each forecast step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models import registry
from rnnforecast.models.covariates import Covariates, Sizes, StepsAhead
from rnnforecast.models.decoders import DECODERS
from rnnforecast.models.embed import LARGEST_INPUT, NOTHING, SegmentEmbedding
from rnnforecast.models.heads import Head, PointHead, QuantileHead, weighted_mean
from rnnforecast.models.history import History
from rnnforecast.models.normalize import NORMALIZERS, Level


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build the same net again; plain values, stored with the run."""

    lookback: int
    horizon: int
    segment: int
    season: int
    backbone: str
    hidden_size: int
    layers: int
    dropout: float
    decoder: str
    normalize: str
    linear_first: bool
    loss: str
    levels: tuple[float, ...]
    options: Mapping[str, object]
    channels: int = 1
    """Targets that are read and forecast together."""
    difference: int = 0
    """The net reads and forecasts changes from so many steps before; 0: the values themselves."""
    covariates: Sizes = NOTHING

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
        levels = tuple(stored["levels"])
        return cls(**{**stored, "levels": levels, "covariates": Sizes(**sizes)})


class Forecaster(nn.Module):
    """Maps normalised history to the head's raw numbers; see `forward` and `forecast`."""

    unit: Tensor
    """The size of normalised values the net calls 1; set by `measure`, kept with the weights."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        self.head: Head = QuantileHead(a.levels) if a.loss == "quantile" else PointHead(a.loss)
        self.embed = SegmentEmbedding(
            a.channels, a.segment, a.hidden_size, sizes=a.covariates, dropout=a.dropout
        )
        self.backbone = registry.load(a.backbone).build(
            a.hidden_size, a.layers, a.dropout, registry.options(a.backbone, a.options)
        )
        self.decoder = DECODERS[a.decoder](
            a.hidden_size, horizon=a.horizon, segment=a.segment, dropout=a.dropout
        )
        outputs = a.channels * self.head.width
        self.unfold = nn.Linear(a.hidden_size, self.decoder.steps * outputs)
        # the recurrent part has nothing to say before it has learnt something
        nn.init.zeros_(self.unfold.weight)
        nn.init.zeros_(self.unfold.bias)
        self.first = _seasonal_naive(a) if a.linear_first else None
        self.known = Covariates(a.covariates.known, a.covariates.known_codes)
        self.ahead = (
            StepsAhead(self.known.width, a.hidden_size, outputs, dropout=a.dropout)
            if self.known.width
            else None
        )
        self.register_buffer("unit", torch.ones(()))

    def read(self, history: History) -> tuple[History, Level]:
        """The history as the net reads it, differenced if it is to be, and the level of each
        window, from its history alone."""
        a, base = self.architecture, None
        if a.difference:
            base = history.base(a.difference, a.horizon)
            history = history.differenced(a.difference)
        level = NORMALIZERS[a.normalize](history.values, history.visible, a.season)
        return history, replace(level, base=base)

    def forward(self, z: Tensor, history: History) -> Tensor:
        """Normalised values `[B, L, C]` of the history → raw head numbers `[B, H, C, P]`."""
        a = self.architecture
        out, state = self.backbone(self.embed(z, history))  # [B, G, K]
        pieces = self.decoder(out, state, self.backbone)  # [B, J, K]
        raw: Tensor = self.unfold(pieces)  # [B, J, steps * C * P]
        raw = raw.reshape(len(z), -1, a.channels, self.head.width)[:, : a.horizon]  # [B, H, C, P]
        if self.ahead is not None:
            known = self.known(history.known, history.known_codes)
            ahead = known[:, z.shape[1] : z.shape[1] + a.horizon].to(z.dtype)  # [B, H, X]
            raw = raw + self.ahead(ahead, out[:, -1]).reshape(raw.shape)
        if self.first is not None:
            seen = z.clamp(-LARGEST_INPUT, LARGEST_INPUT) * history.present
            line = self.first(seen.transpose(1, 2)).transpose(1, 2)  # [B, H, C]
            # only the middle of the forecast: the gaps to the other quantiles hang on it
            before, after = self.head.middle, self.head.width - 1 - self.head.middle
            raw = raw + functional.pad(line.unsqueeze(-1), (before, after))
        return raw

    def loss(self, history: History, future: Tensor, weight: Tensor) -> Tensor:
        """Scalar loss on the normalised scale.

        `future [B, H, C]` in original units, `weight [B, H, C]` zero where it was not observed.
        """
        history, level = self.read(history)
        raw = self(level.apply(history.values) / self.unit, history)
        return self.head.loss(raw.float(), level.apply_ahead(future) / self.unit, weight)

    @torch.no_grad()
    def measure(self, history: History, future: Tensor, weight: Tensor) -> None:
        """Sets the unit to the mean size of normalised futures in these windows.

        However little a series moves around its level, what the net reads and what it is asked
        for are then of the size its first weights are made for. Arguments as for `loss`.
        """
        _, level = self.read(history)
        size = weighted_mean(level.apply_ahead(future).abs(), weight)
        if size > 0:
            self.unit.copy_(size)

    @torch.no_grad()
    def forecast(self, history: History) -> tuple[Tensor, Level]:
        """Normalised quantiles `[B, H, C, Q]`, Q = 1 from a point head, and the level to undo."""
        history, level = self.read(history)
        raw = self(level.apply(history.values) / self.unit, history)
        return self.head.quantiles(raw.float()) * self.unit, level


@torch.no_grad()
def _seasonal_naive(a: Architecture) -> nn.Linear:
    """The linear map from lookback to horizon, started as the seasonal naive forecast.

    So training starts from what the forecast is to beat, and few data cannot lead it far astray.
    Of differences it starts with none at all: then the base repeats itself.
    """
    linear = nn.Linear(a.lookback, a.horizon)
    linear.weight.zero_()
    linear.bias.zero_()
    if a.difference:
        return linear
    step = torch.arange(a.horizon)
    season = min(a.season, a.lookback)
    linear.weight[step, a.lookback - season + step % season] = 1.0
    return linear
