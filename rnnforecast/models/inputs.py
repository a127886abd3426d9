"""Inputs of a network for a batch of windows: targets, masks and covariates.

Masks of targets, everywhere in the package; True means:

| mask | the cell |
| --- | --- |
| `observed_mask` | has a value in the data |
| `target_mask` | counts in the loss and in scores: observed, and not an outlier |
| `train_mask` | is in the training part, which fits may read |
| `value_mask` | is presented to the network as a value; else as missing |
| `input_mask` | may be read by the network, if only as a substitute for a missing value |
| `filled_mask` | was missing and has been filled |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

PAST_COVARIATES = ("past", "past_codes")
"""Fields of the L past steps."""

FUTURE_COVARIATES = ("future", "future_codes")
"""Fields of the past steps and of T steps ahead."""

STATIC_COVARIATES = ("static", "static_codes")
"""Fields of a series."""

COVARIATES = (*PAST_COVARIATES, *FUTURE_COVARIATES, *STATIC_COVARIATES)

STEP_FIELDS = (
    "values", "value_mask", "input_mask", "elapsed", "target_mask",
    *PAST_COVARIATES, *FUTURE_COVARIATES,
)  # fmt: skip
"""Fields with an axis of steps."""


@dataclass(frozen=True)
class ModelInputs:
    """B windows of L past steps of C targets, and covariates of T steps ahead.

    Fields that the network does not read are None.
    """

    values: Tensor
    """`[B, L, C]` original units, gaps filled."""
    value_mask: Tensor
    """`[B, L, C]` bool."""
    input_mask: Tensor
    """`[B, L, C]` bool."""
    elapsed: Tensor | None = None
    """`[B, L, C]` steps since the last observation."""
    past: Tensor | None = None
    """`[B, L, P]` scaled."""
    past_codes: Tensor | None = None
    """`[B, L, Pc]` int64."""
    future: Tensor | None = None
    """`[B, L + T, F]` scaled."""
    future_codes: Tensor | None = None
    """`[B, L + T, Fc]` int64."""
    static: Tensor | None = None
    """`[B, R]` scaled."""
    static_codes: Tensor | None = None
    """`[B, Rc]` int64."""
    item: Tensor | None = None
    """`[B]` int64: index among the training items; their number for a new item."""
    phase: Tensor | None = None
    """`[B]` int64: calendar position of the first step, in steps."""
    target_mask: Tensor | None = None
    """`[B, L, C]` bool, for decoders that are trained on forecasts from inside the lookback."""

    @property
    def steps(self) -> int:
        """L."""
        return self.values.shape[1]

    def append_forecast(self, forecast: Tensor) -> ModelInputs:
        """Windows moved ahead by T steps, with `forecast [B, T, C]` as their observations.

        Past covariates keep their last value.
        """
        steps = forecast.shape[1]
        is_observed = torch.ones_like(forecast, dtype=torch.bool)

        def append(old: Tensor, new: Tensor) -> Tensor:
            return torch.cat([old, new.to(old.dtype)], 1)[:, -self.steps :]

        return replace(
            self,
            values=append(self.values, forecast),
            value_mask=append(self.value_mask, is_observed),
            input_mask=append(self.input_mask, is_observed),
            **self._map(["elapsed"], lambda old: append(old, torch.zeros_like(forecast))),
            **self._map(PAST_COVARIATES, lambda old: append(old, _repeat_last(old, steps))),
            **self._map(FUTURE_COVARIATES, lambda old: old[:, steps:]),
            **self._moved_phase(steps),
            target_mask=None,
        )

    def decoder_inputs(self, value_mask: Tensor, begin: int) -> ModelInputs:
        """The steps `begin .. begin + T` after the origin, for an autoregressive decoder.

        `value_mask [B, T, C]` marks the steps whose values are fed; the values are not included.
        """
        steps = value_mask.shape[1]
        first = self.steps + begin
        elapsed = self.elapsed
        if elapsed is not None:
            count = torch.arange(1, steps + 1, device=value_mask.device)[:, None]
            last = torch.where(value_mask, count, 0).cummax(1).values
            before = torch.where(last == 0, elapsed[:, -1:], 0.0)
            elapsed = (count - last + before).to(elapsed.dtype)
        return replace(
            self,
            values=self.values[:, :0],
            value_mask=value_mask,
            input_mask=value_mask,
            elapsed=elapsed,
            **self._map(PAST_COVARIATES, lambda old: _repeat_last(old, steps)),
            **self._map(FUTURE_COVARIATES, lambda old: old[:, first : first + steps]),
            target_mask=None,
        )

    def last_steps(self, count: int) -> ModelInputs:
        """The last `count` past steps, without steps ahead."""
        first = self.steps - count
        changes = self._map(STEP_FIELDS, lambda old: old[:, first : self.steps])
        return replace(self, **changes, **self._moved_phase(first))

    def repeat_windows(self, times: int) -> ModelInputs:
        """Each window repeated `times` times; copies are adjacent."""
        names = [field.name for field in fields(self)]
        return replace(self, **self._map(names, lambda old: old.repeat_interleave(times, 0)))

    def diff(self, lag: int) -> ModelInputs:
        """`y_t - y_{t - lag}` in place of the values, without the first `lag` steps."""
        shifted = replace(
            self,
            **self._map(STEP_FIELDS, lambda old: old[:, lag:]),
            **self._moved_phase(lag),
        )
        input_mask = shifted.input_mask & self.input_mask[:, :-lag]
        return replace(
            shifted,
            values=(shifted.values - self.values[:, :-lag]) * input_mask,
            value_mask=shifted.value_mask & self.value_mask[:, :-lag],
            input_mask=input_mask,
        )

    def difference_base(self, lag: int, horizon: int) -> Tensor:
        """`[B, H, C]` the values that future differences are added to: the last `lag`, repeated.

        All of them lie before the origin.
        """
        repeats = -(-horizon // lag)
        return self.values[:, -lag:].repeat(1, repeats, 1)[:, :horizon]

    def _map(self, names: Sequence[str], function: Callable[[Tensor], Tensor]) -> dict[str, Any]:
        """`function` of the named fields that are not None, by name."""
        return {
            name: function(value) for name in names if (value := getattr(self, name)) is not None
        }

    def _moved_phase(self, steps: int) -> dict[str, Any]:
        return self._map(["phase"], lambda phase: phase + steps)


def _repeat_last(values: Tensor, steps: int) -> Tensor:
    """The last step of `values [B, L, X]`, repeated: `[B, steps, X]`."""
    return values[:, -1:].expand(-1, steps, -1)
