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

from rnnforecast.models.base_forecast.linear import BaseForecast
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.decoders.autoregressive import (
    GroundTruth,
    decode_autoregressively,
    path_quantiles,
)
from rnnforecast.models.decoders.decoders import (
    AUTOREGRESSIVE_DECODERS,
    EncoderOutput,
    NonAutoregressiveDecoder,
    build_decoder,
)
from rnnforecast.models.decoders.forking import ScaleChangeEmbedding, fork_windows
from rnnforecast.models.heads.heads import build_head, weighted_mean
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.covariates import CovariateEmbedding, LocalDecoder
from rnnforecast.models.layers.embedding import MAX_NORMALIZED_INPUT, PatchEmbedding
from rnnforecast.models.layers.stack import BidirectionalStack, RecurrentStack
from rnnforecast.models.scaling.exponential_smoothing import ExponentialSmoothing
from rnnforecast.models.scaling.window_scaler import (
    NORMALIZERS,
    ScaleStats,
    WindowScaler,
    seasonal_naive_error,
)
from rnnforecast.registry import BACKBONES

N_SAMPLE_PATHS = 200
"""Sample paths a window, where quantiles are those of drawn paths."""


class Forecaster(nn.Module):
    """Maps normalised history to the head's raw numbers; see `forward` and `forecast`."""

    global_scale: Tensor
    """The size of normalised values the net calls 1; set by `measure`, kept with the weights."""
    training_progress: float = 0.0
    """How much of the training is done, from 0 to 1; set by the training loop."""

    def __init__(self, config: ForecasterConfig) -> None:
        super().__init__()
        a = config
        self.config = a
        self.head = build_head(a.loss, a.levels, a.loss_options)
        reads_gaps = "gaps" in BACKBONES.traits(a.backbone.name)
        self.embedding = PatchEmbedding(
            a.channels,
            a.patch_length,
            a.hidden_size,
            covariate_sizes=a.covariates,
            dropout=a.dropout,
            use_input_decay=reads_gaps,
        )
        gaps = a.channels * a.patch_length if reads_gaps else 0
        self.backbone = (
            BidirectionalStack(a.backbone, a.hidden_size)
            if a.bidirectional
            else RecurrentStack(a.backbone, a.hidden_size, gap_size=gaps)
        )
        self.decoder = build_decoder(
            a.decoder,
            a.hidden_size,
            horizon=a.horizon,
            patch_length=a.patch_length,
            dropout=a.dropout,
            attention=a.attention,
        )
        outputs = a.channels * self.head.n_params
        self.output_layer = nn.Linear(
            a.hidden_size, cast("int", self.decoder.steps_per_patch) * outputs
        )
        # the recurrent part has nothing to say before it has learnt something
        nn.init.zeros_(self.output_layer.weight)
        nn.init.zeros_(self.output_layer.bias)
        self.base_forecast = BaseForecast(a) if a.base_forecast != "none" else None
        self.known_covariates = CovariateEmbedding(a.covariates.future, a.covariates.future_codes)
        self.local_decoder = (
            LocalDecoder(
                self.known_covariates.output_size, a.hidden_size, outputs, dropout=a.dropout
            )
            if self.known_covariates.output_size
            else None
        )
        self.scale_change = (
            ScaleChangeEmbedding(a.channels, a.hidden_size) if a.decoder == "forking" else None
        )
        smooth = a.normalize == "exponential_smoothing"
        self.exponential_smoothing = (
            ExponentialSmoothing(a.n_items, a.smoothing_seasons) if smooth else None
        )
        self.register_buffer("global_scale", torch.ones(()))

    def prepare_inputs(self, inputs: ModelInputs) -> tuple[ModelInputs, WindowScaler]:
        """The history as the net reads it, differenced if it is to be, and how its values relate
        to original units, from its history alone."""
        a, base = self.config, None
        if a.difference_lag:
            base = inputs.difference_base(a.difference_lag, a.horizon)
            inputs = inputs.diff(a.difference_lag)
        if self.exponential_smoothing is not None:
            level = self._smoothing_stats(inputs)
        else:
            level = NORMALIZERS[a.normalize](inputs.values, inputs.value_mask, a.season)
        naive = None
        if a.loss == "mase":
            naive = seasonal_naive_error(inputs.values, inputs.value_mask, a.season)
        return inputs, WindowScaler(replace(level, difference_base=base), self.global_scale, naive)

    def _smoothing_stats(self, inputs: ModelInputs) -> ScaleStats:
        """The last smoothed level, and the seasonal factors, of windows of one target."""
        assert self.exponential_smoothing is not None
        assert inputs.item is not None
        assert inputs.phase is not None
        found = self.exponential_smoothing(
            inputs.values[..., 0],
            inputs.value_mask[..., 0],
            inputs.item,
            inputs.phase,
            self.config.horizon,
        )
        scale = found.level[:, -1:, None]
        return ScaleStats(
            torch.zeros_like(scale),
            scale,
            is_log=True,
            seasonal_factors=found.seasonal_factors.unsqueeze(-1),
            future_seasonal_factors=found.future_seasonal_factors.unsqueeze(-1),
        )

    def forward(
        self, z: Tensor, inputs: ModelInputs, scaler: WindowScaler, truth: GroundTruth | None = None
    ) -> Tensor:
        """The net's values `[B, L, C]` of the history → raw head numbers `[B, H, C, P]`.

        A fed-back decoder is taught by `truth`, and answers by its own forecasts without.
        """
        encoded = self._encode(z, inputs)
        extra = self._additive_terms(z, inputs, encoded.last_output)
        if self.config.decoder in AUTOREGRESSIVE_DECODERS:
            return decode_autoregressively(self, encoded, inputs, scaler, extra, truth)[0]
        pieces = cast("NonAutoregressiveDecoder", self.decoder)(
            encoded, self.causal_backbone
        )  # [B, J, K]
        return self.project_output(pieces)[:, : self.config.horizon] + extra

    def _encode(self, z: Tensor, inputs: ModelInputs) -> EncoderOutput:
        """What the backbone reads of the whole lookback."""
        x = self.embedding(z, inputs)  # [B, G, K]
        if isinstance(self.backbone, BidirectionalStack):
            out, last = self.backbone(x)
            return EncoderOutput(out, (), last, x[:, -1])
        gaps = self.embedding.gaps(inputs) if self.embedding.input_decay is not None else None
        reach = self.config.tbptt_steps or x.shape[1]
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
        return EncoderOutput(out, state or (), out[:, -1], x[:, -1])

    @property
    def causal_backbone(self) -> RecurrentStack | None:
        """The backbone, unless it reads the lookback both ways: a decoder may go on with it."""
        return self.backbone if isinstance(self.backbone, RecurrentStack) else None

    def project_output(self, patches: Tensor) -> Tensor:
        """`[B, J, K]` → `[B, J * steps, C, P]`."""
        raw: Tensor = self.output_layer(patches)
        return raw.reshape(patches.shape[0], -1, self.config.channels, self.head.n_params)

    def _additive_terms(self, z: Tensor, inputs: ModelInputs, last_output: Tensor) -> Tensor:
        """What the covariates ahead and the first forecast say, `[B, H, C, P]`, or zero for
        neither."""
        a = self.config
        extra = z.new_zeros(1, 1, 1, 1)
        if self.local_decoder is not None:
            known = self.known_covariates(inputs.future, inputs.future_codes)
            ahead = known[:, z.shape[1] : z.shape[1] + a.horizon].to(z.dtype)  # [B, H, X]
            told = self.local_decoder(ahead, last_output)
            extra = extra + told.reshape(z.shape[0], -1, a.channels, self.head.n_params)
        if self.base_forecast is not None:
            seen = self._base_forecast_values(z, inputs)
            line = self.base_forecast(seen, inputs.input_mask)  # [B, H, C]
            # only the middle of the forecast: the gaps to the other quantiles hang on it
            before, after = (
                self.head.location_index,
                self.head.n_params - 1 - self.head.location_index,
            )
            extra = extra + functional.pad(line.unsqueeze(-1), (before, after))
        return extra.expand(-1, a.horizon, a.channels, self.head.n_params)

    @staticmethod
    def _base_forecast_values(z: Tensor, inputs: ModelInputs) -> Tensor:
        """What the first forecast is made of, `[B, L, C]`."""
        return z.clamp(-MAX_NORMALIZED_INPUT, MAX_NORMALIZED_INPUT) * inputs.input_mask

    @torch.no_grad()
    def base_forecast_data(self, inputs: ModelInputs, future: Tensor) -> tuple[Tensor, Tensor]:
        """What the map of the first forecast reads, `[B, L, C]`, and what it is to say,
        `[B, H, C]`, in the net's values; arguments as for `loss`."""
        assert self.base_forecast is not None
        inputs, frame = self.prepare_inputs(inputs)
        seen = self._base_forecast_values(frame.normalize_past(inputs.values), inputs)
        # no further off than what is read may be, or sums of squares would hang on little else
        truth = frame.normalize_future(future).clamp(-MAX_NORMALIZED_INPUT, MAX_NORMALIZED_INPUT)
        return seen, truth - self.base_forecast.theta_forecast(seen, inputs.input_mask)

    def loss(self, inputs: ModelInputs, future: Tensor, weight: Tensor) -> Tensor:
        """Scalar loss on the scale of the head.

        `future [B, H, C]` in original units, `weight [B, H, C]` zero where it was not observed.
        """
        if self.scale_change is not None:
            inputs, future, weight = self._fork_windows(inputs, future, weight)
        inputs, frame = self.prepare_inputs(inputs)
        z = frame.normalize_past(inputs.values)
        if self.scale_change is not None:
            raw = self._forward_forks(z, inputs, frame)
        else:
            fed_back = self.config.decoder in AUTOREGRESSIVE_DECODERS
            truth = GroundTruth(frame.normalize_future(future), weight > 0) if fed_back else None
            raw = self(z, inputs, frame, truth)
        return self.head.loss(raw.float(), future, weight, frame)

    def _fork_windows(
        self, inputs: ModelInputs, future: Tensor, weight: Tensor
    ) -> tuple[ModelInputs, Tensor, Tensor]:
        a = self.config
        shortest = max(a.season, a.patch_length)
        return fork_windows(
            inputs,
            future,
            weight,
            patch_length=a.patch_length,
            extra_steps=a.difference_lag,
            min_history=shortest,
        )

    def _forward_forks(self, z: Tensor, inputs: ModelInputs, scaler: WindowScaler) -> Tensor:
        """Raw numbers `[B * G, H, C, P]` of all forks, whose recurrent part is one run each of B.

        `z [B * G, L, C]`: of each fork only its last segment is new to that run.
        """
        a = self.config
        assert self.scale_change is not None
        count = -(-a.lookback // a.patch_length)
        newest = inputs.last_steps(a.patch_length)
        x = self.embedding(z[:, -a.patch_length :], newest)  # [B * G, 1, K]
        x = x.reshape(-1, count, a.hidden_size) + self.scale_change(
            scaler.stats, self.global_scale, count
        )
        gaps = None
        if self.embedding.input_decay is not None:
            gaps = self.embedding.gaps(newest).reshape(*x.shape[:2], -1)
        out, _ = cast("RecurrentStack", self.backbone)(x, None, gaps)
        last = out.flatten(0, 1)  # [B * G, K]
        pieces = cast("NonAutoregressiveDecoder", self.decoder)(
            EncoderOutput(out, (), last, last), None
        )
        return self.project_output(pieces)[:, : a.horizon] + self._additive_terms(z, inputs, last)

    @torch.no_grad()
    def initialize_scales(self, inputs: ModelInputs, future: Tensor, weight: Tensor) -> None:
        """Sets the unit to the mean size of normalised futures in these windows.

        However little a series moves around its level, what the net reads and what it is asked
        for are then of the size its first weights are made for. Arguments as for `loss`.
        """
        if self.exponential_smoothing is not None:
            assert inputs.item is not None
            assert inputs.phase is not None
            values, visible = inputs.values[..., 0], inputs.value_mask[..., 0]
            self.exponential_smoothing.initialize_factors(
                values, visible, inputs.item, inputs.phase
            )
        _, frame = self.prepare_inputs(inputs)
        size = weighted_mean(frame.stats.normalize_future(future).abs(), weight)
        if size > 0:
            self.global_scale.copy_(size)

    @torch.no_grad()
    def forecast(self, inputs: ModelInputs, levels: Sequence[float]) -> tuple[Tensor, ScaleStats]:
        """Normalised quantiles `[B, H, C, Q]` at `levels`, Q = 1 from a point head, and the level
        to undo.

        Where a distribution is fed back they are the quantiles of sample paths.
        """
        if self.n_sample_paths > 1:
            paths, level = self.sample_paths(inputs, self.n_sample_paths)
            return path_quantiles(paths, levels), level
        raw, frame = self.predict_raw(inputs)
        return self.head.quantiles(raw.float(), frame, levels) * self.global_scale, frame.stats

    @property
    def n_sample_paths(self) -> int:
        """Futures the net goes through for each window: sample paths where it makes them, or 1."""
        return (
            N_SAMPLE_PATHS
            if self.config.decoder in AUTOREGRESSIVE_DECODERS and self.head.can_sample
            else 1
        )

    def predict_raw(self, inputs: ModelInputs) -> tuple[Tensor, WindowScaler]:
        """Raw head numbers `[B, H, C, P]`, and how the net's values relate to original units."""
        if self.scale_change is None:
            inputs, frame = self.prepare_inputs(inputs)
            return self(frame.normalize_past(inputs.values), inputs, frame), frame
        windows, a = inputs.values.shape[0], self.config
        nothing = inputs.values.new_zeros(windows, a.horizon, a.channels)
        inputs, _, _ = self._fork_windows(inputs, nothing, nothing)
        inputs, frame = self.prepare_inputs(inputs)
        raw = self._forward_forks(frame.normalize_past(inputs.values), inputs, frame)
        forks = -(-a.lookback // a.patch_length)
        newest = slice(forks - 1, None, forks)
        return raw[newest], frame.select_windows(newest)

    @torch.no_grad()
    def sample_paths(self, inputs: ModelInputs, n_paths: int) -> tuple[Tensor, ScaleStats]:
        """`count` drawn futures of each window, normalised `[B, count, H, C]`, and the level to
        undo. Only where a distribution is fed back: the steps of a path hang together."""
        inputs, frame = self.prepare_inputs(inputs)
        z = frame.normalize_past(inputs.values)
        encoded = self._encode(z, inputs)
        extra = self._additive_terms(z, inputs, encoded.last_output)
        wide = extra.expand(len(z), -1, -1, -1).repeat_interleave(n_paths, 0)
        _, drawn = decode_autoregressively(
            self,
            encoded.repeat_windows(n_paths),
            inputs.repeat_windows(n_paths),
            frame.repeat_windows(n_paths),
            wide,
        )
        return drawn.reshape(len(z), n_paths, *drawn.shape[1:]) * self.global_scale, frame.stats
