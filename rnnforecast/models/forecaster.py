"""The forecaster: five plain parts in a row, from a window of history to quantiles of the future.

    history [B, L, C] → difference → normalise → embed [B, G, K] → backbone → decode [B, J, K]
        → head [B, H, C, Q]

A first forecast, see `first`, is what the recurrent part adds to; it is made of all targets alike.
Covariates are read with the history, and those known ahead once more for each forecast step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models import registry
from rnnforecast.models.base_forecast.linear import First
from rnnforecast.models.config import Architecture
from rnnforecast.models.decoders.decoders import FED_BACK, AtOnce, Encoded, decoder_of
from rnnforecast.models.decoders.feedback import Truth, feed, of_paths
from rnnforecast.models.decoders.forking import Change, forks
from rnnforecast.models.heads.heads import Frame, head_of, weighted_mean
from rnnforecast.models.inputs import History
from rnnforecast.models.layers.covariates import Covariates, StepsAhead
from rnnforecast.models.layers.embedding import LARGEST_INPUT, SegmentEmbedding
from rnnforecast.models.layers.stack import BothWays, Stack
from rnnforecast.models.scaling.exponential_smoothing import Smoothing
from rnnforecast.models.scaling.window_scaler import NORMALIZERS, Level, seasonal_change

PATHS = 200
"""Sample paths a window, where quantiles are those of drawn paths."""


class Forecaster(nn.Module):
    """Maps normalised history to the head's raw numbers; see `forward` and `forecast`."""

    unit: Tensor
    """The size of normalised values the net calls 1; set by `measure`, kept with the weights."""
    progress: float = 0.0
    """How much of the training is done, from 0 to 1; set by the training loop."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        a = config
        self.architecture = a
        self.head = head_of(a.loss, a.levels, a.loss_options)
        reads_gaps = "gaps" in registry.traits(a.recurrent.backbone)
        self.embed = SegmentEmbedding(
            a.channels,
            a.segment,
            a.hidden_size,
            covariate_sizes=a.covariates,
            dropout=a.dropout,
            use_input_decay=reads_gaps,
        )
        gaps = a.channels * a.segment if reads_gaps else 0
        self.backbone = (
            BothWays(a.recurrent, a.hidden_size)
            if a.bidirectional
            else Stack(a.recurrent, a.hidden_size, gap_size=gaps)
        )
        self.decoder = decoder_of(
            a.decoder,
            a.hidden_size,
            horizon=a.horizon,
            patch_length=a.segment,
            dropout=a.dropout,
            attention=a.attention,
        )
        outputs = a.channels * self.head.width
        self.unfold = nn.Linear(a.hidden_size, cast("int", self.decoder.steps) * outputs)
        # the recurrent part has nothing to say before it has learnt something
        nn.init.zeros_(self.unfold.weight)
        nn.init.zeros_(self.unfold.bias)
        self.first = First(a) if a.first != "none" else None
        self.known = Covariates(a.covariates.known, a.covariates.known_codes)
        self.ahead = (
            StepsAhead(self.known.width, a.hidden_size, outputs, dropout=a.dropout)
            if self.known.width
            else None
        )
        self.change = Change(a.channels, a.hidden_size) if a.decoder == "forking" else None
        smooth = a.normalize == "exponential_smoothing"
        self.smoothing = Smoothing(a.items, a.seasons) if smooth else None
        self.register_buffer("unit", torch.ones(()))

    def read(self, inputs: History) -> tuple[History, Frame]:
        """The history as the net reads it, differenced if it is to be, and how its values relate
        to original units, from its history alone."""
        a, base = self.architecture, None
        if a.difference:
            base = inputs.base(a.difference, a.horizon)
            inputs = inputs.differenced(a.difference)
        if self.smoothing is not None:
            level = self._smoothed(inputs)
        else:
            level = NORMALIZERS[a.normalize](inputs.values, inputs.visible, a.season)
        naive = None
        if a.loss == "mase":
            naive = seasonal_change(inputs.values, inputs.visible, a.season)
        return inputs, Frame(replace(level, base=base), self.unit, naive)

    def _smoothed(self, inputs: History) -> Level:
        """The last smoothed level, and the seasonal factors, of windows of one target."""
        assert self.smoothing is not None
        assert inputs.item is not None
        assert inputs.phase is not None
        found = self.smoothing(
            inputs.values[..., 0],
            inputs.visible[..., 0],
            inputs.item,
            inputs.phase,
            self.architecture.horizon,
        )
        scale = found.level[:, -1:, None]
        return Level(
            torch.zeros_like(scale),
            scale,
            log=True,
            seasonal=found.shape.unsqueeze(-1),
            seasonal_ahead=found.ahead.unsqueeze(-1),
        )

    def forward(
        self, z: Tensor, inputs: History, scaler: Frame, truth: Truth | None = None
    ) -> Tensor:
        """The net's values `[B, L, C]` of the history → raw head numbers `[B, H, C, P]`.

        A fed-back decoder is taught by `truth`, and answers by its own forecasts without.
        """
        encoded = self._encode(z, inputs)
        extra = self._extra(z, inputs, encoded.last)
        if self.architecture.decoder in FED_BACK:
            return feed(self, encoded, inputs, scaler, extra, truth)[0]
        pieces = cast("AtOnce", self.decoder)(encoded, self.causal)  # [B, J, K]
        return self.unfolded(pieces)[:, : self.architecture.horizon] + extra

    def _encode(self, z: Tensor, inputs: History) -> Encoded:
        """What the backbone reads of the whole lookback."""
        x = self.embed(z, inputs)  # [B, G, K]
        if isinstance(self.backbone, BothWays):
            out, last = self.backbone(x)
            return Encoded(out, (), last, x[:, -1])
        gaps = self.embed.gaps(inputs) if self.embed.decay is not None else None
        reach = self.architecture.truncate or x.shape[1]
        outs, state, begin = [], None, 0
        # the newest part is a whole one; the state is carried on, what led to it is not learnt
        for end in range(x.shape[1] % reach or reach, x.shape[1] + 1, reach):
            some = None if gaps is None else gaps[:, begin:end]
            out, state = self.backbone(x[:, begin:end], state, some)
            outs.append(out)
            if end < x.shape[1]:
                state = tuple(part.detach() for part in state)
            begin = end
        out = torch.cat(outs, 1) if len(outs) > 1 else outs[0]
        return Encoded(out, state or (), out[:, -1], x[:, -1])

    @property
    def causal(self) -> Stack | None:
        """The backbone, unless it reads the lookback both ways: a decoder may go on with it."""
        return self.backbone if isinstance(self.backbone, Stack) else None

    def unfolded(self, patches: Tensor) -> Tensor:
        """`[B, J, K]` → `[B, J * steps, C, P]`."""
        raw: Tensor = self.unfold(patches)
        return raw.reshape(patches.shape[0], -1, self.architecture.channels, self.head.width)

    def _extra(self, z: Tensor, inputs: History, last_output: Tensor) -> Tensor:
        """What the covariates ahead and the first forecast say, `[B, H, C, P]`, or zero for
        neither."""
        a = self.architecture
        extra = z.new_zeros(1, 1, 1, 1)
        if self.ahead is not None:
            known = self.known(inputs.known, inputs.known_codes)
            ahead = known[:, z.shape[1] : z.shape[1] + a.horizon].to(z.dtype)  # [B, H, X]
            told = self.ahead(ahead, last_output)
            extra = extra + told.reshape(z.shape[0], -1, a.channels, self.head.width)
        if self.first is not None:
            seen = self._seen(z, inputs)
            line = self.first(seen, inputs.present)  # [B, H, C]
            # only the middle of the forecast: the gaps to the other quantiles hang on it
            before, after = self.head.middle, self.head.width - 1 - self.head.middle
            extra = extra + functional.pad(line.unsqueeze(-1), (before, after))
        return extra.expand(-1, a.horizon, a.channels, self.head.width)

    @staticmethod
    def _seen(z: Tensor, inputs: History) -> Tensor:
        """What the first forecast is made of, `[B, L, C]`."""
        return z.clamp(-LARGEST_INPUT, LARGEST_INPUT) * inputs.present

    @torch.no_grad()
    def first_pair(self, inputs: History, future: Tensor) -> tuple[Tensor, Tensor]:
        """What the map of the first forecast reads, `[B, L, C]`, and what it is to say,
        `[B, H, C]`, in the net's values; arguments as for `loss`."""
        assert self.first is not None
        inputs, frame = self.read(inputs)
        seen = self._seen(frame.past(inputs.values), inputs)
        # no further off than what is read may be, or sums of squares would hang on little else
        truth = frame.normalised(future).clamp(-LARGEST_INPUT, LARGEST_INPUT)
        return seen, truth - self.first.theta_of(seen, inputs.present)

    def loss(self, inputs: History, future: Tensor, weight: Tensor) -> Tensor:
        """Scalar loss on the scale of the head.

        `future [B, H, C]` in original units, `weight [B, H, C]` zero where it was not observed.
        """
        if self.change is not None:
            inputs, future, weight = self._forks(inputs, future, weight)
        inputs, frame = self.read(inputs)
        z = frame.past(inputs.values)
        if self.change is not None:
            raw = self._forked(z, inputs, frame)
        else:
            fed_back = self.architecture.decoder in FED_BACK
            truth = Truth(frame.normalised(future), weight > 0) if fed_back else None
            raw = self(z, inputs, frame, truth)
        return self.head.loss(raw.float(), future, weight, frame)

    def _forks(
        self, inputs: History, future: Tensor, weight: Tensor
    ) -> tuple[History, Tensor, Tensor]:
        a = self.architecture
        shortest = max(a.season, a.segment)
        return forks(
            inputs, future, weight, patch_length=a.segment, extra_steps=a.difference, min_history=shortest
        )

    def _forked(self, z: Tensor, inputs: History, scaler: Frame) -> Tensor:
        """Raw numbers `[B * G, H, C, P]` of all forks, whose recurrent part is one run each of B.

        `z [B * G, L, C]`: of each fork only its last segment is new to that run.
        """
        a = self.architecture
        assert self.change is not None
        count = -(-a.lookback // a.segment)
        newest = inputs.last(a.segment)
        x = self.embed(z[:, -a.segment :], newest)  # [B * G, 1, K]
        x = x.reshape(-1, count, a.hidden_size) + self.change(scaler.level, self.unit, count)
        gaps = None
        if self.embed.decay is not None:
            gaps = self.embed.gaps(newest).reshape(*x.shape[:2], -1)
        out, _ = cast("Stack", self.backbone)(x, None, gaps)
        last = out.flatten(0, 1)  # [B * G, K]
        pieces = cast("AtOnce", self.decoder)(Encoded(out, (), last, last), None)
        return self.unfolded(pieces)[:, : a.horizon] + self._extra(z, inputs, last)

    @torch.no_grad()
    def measure(self, inputs: History, future: Tensor, weight: Tensor) -> None:
        """Sets the unit to the mean size of normalised futures in these windows.

        However little a series moves around its level, what the net reads and what it is asked
        for are then of the size its first weights are made for. Arguments as for `loss`.
        """
        if self.smoothing is not None:
            assert inputs.item is not None
            assert inputs.phase is not None
            values, visible = inputs.values[..., 0], inputs.visible[..., 0]
            self.smoothing.initialise(values, visible, inputs.item, inputs.phase)
        _, frame = self.read(inputs)
        size = weighted_mean(frame.level.apply_ahead(future).abs(), weight)
        if size > 0:
            self.unit.copy_(size)

    @torch.no_grad()
    def forecast(self, inputs: History, levels: Sequence[float]) -> tuple[Tensor, Level]:
        """Normalised quantiles `[B, H, C, Q]` at `levels`, Q = 1 from a point head, and the level
        to undo.

        Where a distribution is fed back they are the quantiles of sample paths.
        """
        if self.draws > 1:
            paths, level = self.paths(inputs, self.draws)
            return of_paths(paths, levels), level
        raw, frame = self.answer(inputs)
        return self.head.quantiles(raw.float(), frame, levels) * self.unit, frame.level

    @property
    def draws(self) -> int:
        """Futures the net goes through for each window: sample paths where it makes them, or 1."""
        return PATHS if self.architecture.decoder in FED_BACK and self.head.samples else 1

    def answer(self, inputs: History) -> tuple[Tensor, Frame]:
        """Raw head numbers `[B, H, C, P]`, and how the net's values relate to original units."""
        if self.change is None:
            inputs, frame = self.read(inputs)
            return self(frame.past(inputs.values), inputs, frame), frame
        windows, a = inputs.values.shape[0], self.architecture
        nothing = inputs.values.new_zeros(windows, a.horizon, a.channels)
        inputs, _, _ = self._forks(inputs, nothing, nothing)
        inputs, frame = self.read(inputs)
        raw = self._forked(frame.past(inputs.values), inputs, frame)
        forks = -(-a.lookback // a.segment)
        newest = slice(forks - 1, None, forks)
        return raw[newest], frame.of(newest)

    @torch.no_grad()
    def paths(self, inputs: History, n_paths: int) -> tuple[Tensor, Level]:
        """`count` drawn futures of each window, normalised `[B, count, H, C]`, and the level to
        undo. Only where a distribution is fed back: the steps of a path hang together."""
        inputs, frame = self.read(inputs)
        z = frame.past(inputs.values)
        encoded = self._encode(z, inputs)
        extra = self._extra(z, inputs, encoded.last)
        wide = extra.expand(len(z), -1, -1, -1).repeat_interleave(n_paths, 0)
        _, drawn = feed(
            self, encoded.repeated(n_paths), inputs.repeated(n_paths), frame.repeated(n_paths), wide
        )
        return drawn.reshape(len(z), n_paths, *drawn.shape[1:]) * self.unit, frame.level
