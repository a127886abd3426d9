"""The forecaster, a chain of modules that maps a window of history to quantiles of its future.

    history [B, L, C] → difference → scale → embed [B, G, K] → backbone → decode [B, J, K]
        → head [B, H, C, Q]

The output of the recurrent part is added to a base forecast of the same values. Covariates are read
with the history; known-future covariates are read again at each step of the horizon.

Axes besides those of the glossary: J patches of the horizon, P raw outputs of the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models.base_forecast.base_forecast import BaseForecast
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.decoders.autoregressive import (
    GroundTruth,
    decode_autoregressively,
    path_quantiles,
)
from rnnforecast.models.decoders.encoder_output import EncoderOutput, NonAutoregressiveDecoder
from rnnforecast.models.decoders.window_forks import ScaleChangeEmbedding, fork_windows
from rnnforecast.models.heads.head import build_head, weighted_mean
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.covariates import CovariateEmbedding, LocalDecoder
from rnnforecast.models.layers.embedding import MAX_NORMALIZED_INPUT, PatchEmbedding
from rnnforecast.models.layers.stack import BidirectionalStack, RecurrentStack
from rnnforecast.models.scaling.window_scaler import (
    ScaleStats,
    WindowScaler,
    seasonal_naive_error,
)
from rnnforecast.registry import BACKBONES, BASE_FORECASTS, DECODERS, WINDOW_SCALERS

N_SAMPLE_PATHS = 200
"""Number of sample paths from which quantiles of a window are estimated."""


class Forecaster(nn.Module):
    """A network of embedding, backbone, decoder and head, with window scaling and base forecast."""

    global_scale: Tensor
    """Scalar that normalized values are divided by; set by `initialize_scales`, stored with the
    weights."""
    training_progress: float = 0.0
    """Fraction of the training steps that are done; set by the training loop."""

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
        gap_size = a.channels * a.patch_length if reads_gaps else 0
        self.backbone = (
            BidirectionalStack(a.backbone, a.hidden_size)
            if a.bidirectional
            else RecurrentStack(a.backbone, a.hidden_size, gap_size=gap_size)
        )
        decoder_traits = DECODERS.traits(a.decoder)
        self.is_autoregressive = "autoregressive" in decoder_traits
        self.decoder: nn.Module = DECODERS.load(a.decoder).build(
            a.hidden_size,
            horizon=a.horizon,
            patch_length=a.patch_length,
            dropout=a.dropout,
            attention=a.attention,
        )
        n_outputs = a.channels * self.head.n_params
        self.output_layer = nn.Linear(
            a.hidden_size, cast("int", self.decoder.steps_per_patch) * n_outputs
        )
        # training starts from the base forecast
        nn.init.zeros_(self.output_layer.weight)
        nn.init.zeros_(self.output_layer.bias)
        self.base_forecast: BaseForecast | None = BASE_FORECASTS.load(a.base_forecast).build(a)
        self.known_covariates = CovariateEmbedding(a.covariates.future, a.covariates.future_codes)
        n_known = self.known_covariates.output_size
        self.local_decoder = (
            LocalDecoder(n_known, a.hidden_size, n_outputs, dropout=a.dropout) if n_known else None
        )
        self.scale_change = (
            ScaleChangeEmbedding(a.channels, a.hidden_size)
            if "forks_windows" in decoder_traits
            else None
        )
        self.scaling: nn.Module = WINDOW_SCALERS.load(a.normalize).build(
            season=a.season, n_items=a.n_items, seasons=a.smoothing_seasons
        )
        self.register_buffer("global_scale", torch.ones(()))

    @property
    def causal_backbone(self) -> RecurrentStack | None:
        """The backbone, for decoders that continue it beyond the origin; None if bidirectional."""
        return self.backbone if isinstance(self.backbone, RecurrentStack) else None

    def per_item_weights(self) -> list[str]:
        """Names of the weights with one row for each training item."""
        return [f"scaling.{name}" for name in self.scaling.per_item_weights()]  # type: ignore[operator]

    def prepare_inputs(self, inputs: ModelInputs) -> tuple[ModelInputs, WindowScaler]:
        """The history, differenced if there is a `difference_lag`, and its scaler."""
        a, base = self.config, None
        if a.difference_lag:
            base = inputs.difference_base(a.difference_lag, a.horizon)
            inputs = inputs.diff(a.difference_lag)
        stats: ScaleStats = self.scaling(inputs, a.horizon)
        mase_scale = None
        if self.head.uses_mase_scale:
            mase_scale = seasonal_naive_error(inputs.values, inputs.value_mask, a.season)
        stats = replace(stats, difference_base=base)
        return inputs, WindowScaler(stats, self.global_scale, mase_scale)

    def forward(
        self, z: Tensor, inputs: ModelInputs, scaler: WindowScaler, truth: GroundTruth | None = None
    ) -> Tensor:
        """Normalized history `[B, L, C]` → raw outputs `[B, H, C, P]`.

        An autoregressive decoder reads `truth` if given, else its own forecasts.
        """
        encoded = self.encode(z, inputs)
        terms = self.additive_terms(z, inputs, encoded.last_output)
        if self.is_autoregressive:
            return decode_autoregressively(self, encoded, inputs, scaler, terms, truth)[0]
        patches = cast("NonAutoregressiveDecoder", self.decoder)(
            encoded, self.causal_backbone
        )  # [B, J, K]
        return self.project_output(patches)[:, : self.config.horizon] + terms

    def encode(self, z: Tensor, inputs: ModelInputs) -> EncoderOutput:
        """Output and state of the backbone for normalized history `[B, L, C]`."""
        x = self.embedding(z, inputs)  # [B, G, K]
        if isinstance(self.backbone, BidirectionalStack):
            out, last = self.backbone(x)
            return EncoderOutput(out, (), last, x[:, -1])
        gaps = self.embedding.gaps(inputs) if self.embedding.input_decay is not None else None
        length = self.config.tbptt_steps or x.shape[1]
        outs, state, begin = [], None, 0
        # truncated backpropagation: the state is detached between parts; the first may be shorter
        for end in range(x.shape[1] % length or length, x.shape[1] + 1, length):
            part_gaps = None if gaps is None else gaps[:, begin:end]
            out, state = self.backbone(x[:, begin:end], state, part_gaps)
            outs.append(out)
            if end < x.shape[1]:
                state = tuple(part.detach() for part in state)
            begin = end
        out = torch.cat(outs, 1) if len(outs) > 1 else outs[0]
        return EncoderOutput(out, state or (), out[:, -1], x[:, -1])

    def project_output(self, patches: Tensor) -> Tensor:
        """`[B, J, K]` → raw outputs `[B, J * steps_per_patch, C, P]`."""
        raw: Tensor = self.output_layer(patches)
        return raw.reshape(patches.shape[0], -1, self.config.channels, self.head.n_params)

    def sample_steps(self, raw: Tensor, scaler: WindowScaler, n_paths: int) -> Tensor:
        """Raw outputs `[B, T, C, P]` → random normalized values `[B, T, C]`.

        Of `n_paths` rows for each window, all windows draw the same random numbers, so that the
        paths of one do not depend on the others.
        """
        if n_paths == 1:
            return self.head.sample(raw, scaler)
        seed, parts = int(torch.randint(2**62, ())), []
        for begin in range(0, len(raw), n_paths):
            rows = slice(begin, begin + n_paths)
            torch.manual_seed(seed)
            parts.append(self.head.sample(raw[rows], scaler.select_windows(rows)))
        torch.manual_seed(seed)  # how many numbers a window draws may depend on its values
        return torch.cat(parts)

    def additive_terms(self, z: Tensor, inputs: ModelInputs, last_output: Tensor) -> Tensor:
        """Raw outputs `[B, H, C, P]` of the known covariates and of the base forecast."""
        a = self.config
        terms = z.new_zeros(1, 1, 1, 1)
        if self.local_decoder is not None:
            known = self.known_covariates(inputs.future, inputs.future_codes)
            ahead = known[:, z.shape[1] : z.shape[1] + a.horizon].to(z.dtype)  # [B, H, X]
            local = self.local_decoder(ahead, last_output)
            terms = terms + local.reshape(z.shape[0], -1, a.channels, self.head.n_params)
        if self.base_forecast is not None:
            values = self._base_forecast_values(z, inputs)
            base = self.base_forecast(values, inputs.input_mask)  # [B, H, C]
            # added to the location; other parameters are relative to it
            before = self.head.location_index
            after = self.head.n_params - 1 - before
            terms = terms + functional.pad(base.unsqueeze(-1), (before, after))
        return terms.expand(-1, a.horizon, a.channels, self.head.n_params)

    @staticmethod
    def _base_forecast_values(z: Tensor, inputs: ModelInputs) -> Tensor:
        """Clipped values `[B, L, C]` that the base forecast reads."""
        return z.clamp(-MAX_NORMALIZED_INPUT, MAX_NORMALIZED_INPUT) * inputs.input_mask

    @torch.no_grad()
    def base_forecast_data(self, inputs: ModelInputs, future: Tensor) -> tuple[Tensor, Tensor]:
        """Regressors `[B, L, C]` and targets `[B, H, C]` of the linear map of the base forecast,
        normalized; arguments as for `loss`."""
        assert self.base_forecast is not None
        inputs, scaler = self.prepare_inputs(inputs)
        values = self._base_forecast_values(scaler.normalize_past(inputs.values), inputs)
        # clipped like the regressors, so that a few targets cannot dominate the sum of squares
        truth = scaler.normalize_future(future).clamp(-MAX_NORMALIZED_INPUT, MAX_NORMALIZED_INPUT)
        return values, truth - self.base_forecast.forecast_windows(values, inputs.input_mask)

    def loss(self, inputs: ModelInputs, future: Tensor, weight: Tensor) -> Tensor:
        """The scalar loss of the head.

        `future [B, H, C]` in original units, `weight [B, H, C]` zero outside the target mask.
        """
        if self.scale_change is not None:
            inputs, future, weight = self.fork_windows(inputs, future, weight)
        inputs, scaler = self.prepare_inputs(inputs)
        z = scaler.normalize_past(inputs.values)
        if self.scale_change is not None:
            raw = self.forward_forks(z, inputs, scaler)
        else:
            truth = (
                GroundTruth(scaler.normalize_future(future), weight > 0)
                if self.is_autoregressive
                else None
            )
            raw = self(z, inputs, scaler, truth)
        return self.head.loss(raw.float(), future, weight, scaler)

    def fork_windows(
        self, inputs: ModelInputs, future: Tensor, weight: Tensor
    ) -> tuple[ModelInputs, Tensor, Tensor]:
        """Windows that end at each patch of the lookback, see `window_forks`."""
        a = self.config
        return fork_windows(
            inputs,
            future,
            weight,
            patch_length=a.patch_length,
            extra_steps=a.difference_lag,
            min_history=max(a.season, a.patch_length),
        )

    def forward_forks(self, z: Tensor, inputs: ModelInputs, scaler: WindowScaler) -> Tensor:
        """Raw outputs `[B * G, H, C, P]` of all forks; the backbone runs once for the G forks of a
        window, on the last patch of each of `z [B * G, L, C]`."""
        a = self.config
        assert self.scale_change is not None
        newest = inputs.last_steps(a.patch_length)
        x = self.embedding(z[:, -a.patch_length :], newest)  # [B * G, 1, K]
        x = x.reshape(-1, a.n_patches, a.hidden_size)
        x = x + self.scale_change(scaler.stats, self.global_scale, a.n_patches)
        gaps = None
        if self.embedding.input_decay is not None:
            gaps = self.embedding.gaps(newest).reshape(*x.shape[:2], -1)
        out, _ = cast("RecurrentStack", self.backbone)(x, None, gaps)
        last = out.flatten(0, 1)  # [B * G, K]
        patches = cast("NonAutoregressiveDecoder", self.decoder)(
            EncoderOutput(out, (), last, last), None
        )
        return self.project_output(patches)[:, : a.horizon] + self.additive_terms(z, inputs, last)

    @torch.no_grad()
    def initialize_scales(self, inputs: ModelInputs, future: Tensor, weight: Tensor) -> None:
        """Initializes the window scaler from these windows, and sets `global_scale` to their mean
        absolute normalized future; arguments as for `loss`."""
        self.scaling.initialize(inputs)  # type: ignore[operator]
        _, scaler = self.prepare_inputs(inputs)
        size = weighted_mean(scaler.stats.normalize_future(future).abs(), weight)
        if size > 0:
            self.global_scale.copy_(size)

    @torch.no_grad()
    def forecast(self, inputs: ModelInputs, levels: Sequence[float]) -> tuple[Tensor, ScaleStats]:
        """Quantiles `[B, H, C, Q]` at `levels`, and the statistics that denormalize them.

        Q is 1 for a point head. Quantiles of an autoregressive distribution are estimated from
        sample paths.
        """
        if self.n_sample_paths > 1:
            paths, stats = self.sample_paths(inputs, self.n_sample_paths)
            return path_quantiles(paths, levels), stats
        raw, scaler = self.predict_raw(inputs)
        return self.head.quantiles(raw.float(), scaler, levels) * self.global_scale, scaler.stats

    @property
    def n_sample_paths(self) -> int:
        """Number of sample paths that a forecast draws for each window; 1 without sampling."""
        return N_SAMPLE_PATHS if self.is_autoregressive and self.head.can_sample else 1

    def predict_raw(self, inputs: ModelInputs) -> tuple[Tensor, WindowScaler]:
        """Raw outputs `[B, H, C, P]` and the scaler of the windows."""
        if self.scale_change is None:
            inputs, scaler = self.prepare_inputs(inputs)
            return self(scaler.normalize_past(inputs.values), inputs, scaler), scaler
        a = self.config
        zeros = inputs.values.new_zeros(inputs.values.shape[0], a.horizon, a.channels)
        inputs, _, _ = self.fork_windows(inputs, zeros, zeros)
        inputs, scaler = self.prepare_inputs(inputs)
        raw = self.forward_forks(scaler.normalize_past(inputs.values), inputs, scaler)
        newest = slice(a.n_patches - 1, None, a.n_patches)
        return raw[newest], scaler.select_windows(newest)

    @torch.no_grad()
    def sample_paths(self, inputs: ModelInputs, n_paths: int) -> tuple[Tensor, ScaleStats]:
        """Random futures `[B, n_paths, H, C]` of an autoregressive distribution, and the statistics
        that denormalize them."""
        inputs, scaler = self.prepare_inputs(inputs)
        z = scaler.normalize_past(inputs.values)
        encoded = self.encode(z, inputs)
        terms = self.additive_terms(z, inputs, encoded.last_output)
        _, samples = decode_autoregressively(
            self,
            encoded.repeat_windows(n_paths),
            inputs.repeat_windows(n_paths),
            scaler.repeat_windows(n_paths),
            terms.expand(len(z), -1, -1, -1).repeat_interleave(n_paths, 0),
            n_paths=n_paths,
        )
        paths = samples.reshape(len(z), n_paths, *samples.shape[1:])
        return paths * self.global_scale, scaler.stats
