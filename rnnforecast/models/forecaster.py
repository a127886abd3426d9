"""The forecaster: five plain parts in a row, from a window of history to quantiles of the future.

    history [B, L, C] → normalise → embed [B, G, K] → backbone → decode [B, J, K]
        → head [B, H, C, Q]

With `linear_first` a linear map from the lookback to the horizon gives the first forecast and the
recurrent part adds to it; the map is shared by all targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models import registry
from rnnforecast.models.decoders import DECODERS
from rnnforecast.models.embed import LARGEST_INPUT, SegmentEmbedding
from rnnforecast.models.heads import Head, PointHead, QuantileHead, weighted_mean
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

    def to_json(self) -> dict[str, object]:
        """Plain values, as `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Architecture:
        """The architecture that `to_json` wrote."""
        levels: Sequence[float] = stored["levels"]  # type: ignore[assignment]
        return cls(**{**stored, "levels": tuple(levels)})  # type: ignore[arg-type]


class Forecaster(nn.Module):
    """Maps normalised history to the head's raw numbers; see `forward` and `forecast`."""

    unit: Tensor
    """The size of normalised values the net calls 1; set by `measure`, kept with the weights."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        self.head: Head = QuantileHead(a.levels) if a.loss == "quantile" else PointHead(a.loss)
        self.embed = SegmentEmbedding(a.channels, a.segment, a.hidden_size, dropout=a.dropout)
        self.backbone = registry.load(a.backbone).build(
            a.hidden_size, a.layers, a.dropout, registry.options(a.backbone, a.options)
        )
        self.decoder = DECODERS[a.decoder](
            a.hidden_size, horizon=a.horizon, segment=a.segment, dropout=a.dropout
        )
        self.unfold = nn.Linear(a.hidden_size, self.decoder.steps * a.channels * self.head.width)
        # the recurrent part has nothing to say before it has learnt something
        nn.init.zeros_(self.unfold.weight)
        nn.init.zeros_(self.unfold.bias)
        self.first = _seasonal_naive(a) if a.linear_first else None
        self.register_buffer("unit", torch.ones(()))

    def normalize(self, history: Tensor, visible: Tensor) -> Level:
        """The level of each window, from its history alone."""
        a = self.architecture
        return NORMALIZERS[a.normalize](history, visible, a.season)

    def forward(self, z: Tensor, visible: Tensor) -> Tensor:
        """Normalised history and bool mask, both `[B, L, C]` → raw head numbers `[B, H, C, P]`."""
        a = self.architecture
        out, state = self.backbone(self.embed(z, visible))  # [B, G, K]
        pieces = self.decoder(out, state, self.backbone)  # [B, J, K]
        raw: Tensor = self.unfold(pieces)  # [B, J, steps * C * P]
        raw = raw.reshape(len(z), -1, a.channels, self.head.width)[:, : a.horizon]  # [B, H, C, P]
        if self.first is not None:
            seen = z.clamp(-LARGEST_INPUT, LARGEST_INPUT) * visible
            line = self.first(seen.transpose(1, 2)).transpose(1, 2)  # [B, H, C]
            # only the middle of the forecast: the gaps to the other quantiles hang on it
            before, after = self.head.middle, self.head.width - 1 - self.head.middle
            raw = raw + functional.pad(line.unsqueeze(-1), (before, after))
        return raw

    def loss(self, history: Tensor, visible: Tensor, future: Tensor, weight: Tensor) -> Tensor:
        """Scalar loss on the normalised scale.

        `history [B, L, C]`, `visible [B, L, C]`, `future [B, H, C]` in original units,
        `weight [B, H, C]` zero where the future was not observed.
        """
        level = self.normalize(history, visible)
        raw = self(level.apply(history) / self.unit, visible)
        return self.head.loss(raw.float(), level.apply(future) / self.unit, weight)

    @torch.no_grad()
    def measure(self, history: Tensor, visible: Tensor, future: Tensor, weight: Tensor) -> None:
        """Sets the unit to the mean size of normalised futures in these windows.

        However little a series moves around its level, what the net reads and what it is asked
        for are then of the size its first weights are made for. Arguments as for `loss`.
        """
        size = weighted_mean(self.normalize(history, visible).apply(future).abs(), weight)
        if size > 0:
            self.unit.copy_(size)

    @torch.no_grad()
    def forecast(self, history: Tensor, visible: Tensor) -> tuple[Tensor, Level]:
        """Normalised quantiles `[B, H, C, Q]`, Q = 1 from a point head, and the level to undo."""
        level = self.normalize(history, visible)
        raw = self(level.apply(history) / self.unit, visible)
        return self.head.quantiles(raw.float()) * self.unit, level


@torch.no_grad()
def _seasonal_naive(a: Architecture) -> nn.Linear:
    """The linear map from lookback to horizon, started as the seasonal naive forecast.

    So training starts from what the forecast is to beat, and few data cannot lead it far astray.
    """
    linear = nn.Linear(a.lookback, a.horizon)
    linear.weight.zero_()
    linear.bias.zero_()
    step = torch.arange(a.horizon)
    season = min(a.season, a.lookback)
    linear.weight[step, a.lookback - season + step % season] = 1.0
    return linear
