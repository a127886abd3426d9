"""What a net reads of a batch of windows: targets, their gaps, and covariates."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

STEP_FIELDS = (
    "values", "value_mask", "input_mask", "elapsed", "past", "past_codes", "future", "future_codes",
    "target_mask",
)  # fmt: skip
"""What a history has for each of its steps."""


@dataclass(frozen=True)
class ModelInputs:
    """B windows of L past steps, and what is known of the steps ahead; nothing else of them.

    Letters: C targets, P and F numbers that are known up to now and ahead, T steps ahead. What an
    architecture does not have is None.
    """

    values: Tensor
    """`[B, L, C]` original units, gaps filled."""
    value_mask: Tensor
    """`[B, L, C]` bool: a value; else the net is told that it is missing."""
    input_mask: Tensor
    """`[B, L, C]` bool: the number may be read, if only as a stand-in for a missing one."""
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
    """`[B]` int64: which of the items of the training it is, their number for a new one."""
    phase: Tensor | None = None
    """`[B]` int64: the place of the first step on the calendar, in steps."""
    target_mask: Tensor | None = None
    """`[B, L, C]` bool: what was observed, where the past is asked for too."""

    @property
    def steps(self) -> int:
        """L."""
        return self.values.shape[1]

    def append_forecast(self, forecast: Tensor) -> ModelInputs:
        """The windows moved on by the steps of `forecast [B, T, C]`, which become their history.

        What was known up to now only keeps its last value.
        """
        moved = forecast.shape[1]
        seen = torch.ones_like(forecast, dtype=torch.bool)

        def append(old: Tensor | None, new: Tensor) -> Tensor:
            assert old is not None
            return torch.cat([old, new.to(old.dtype)], 1)[:, -self.steps :]

        def stretch(old: Tensor | None) -> Tensor | None:
            return None if old is None else append(old, old[:, -1:].expand(-1, moved, -1))

        def ahead(old: Tensor | None) -> Tensor | None:
            return None if old is None else old[:, moved:]

        return replace(
            self,
            values=append(self.values, forecast),
            value_mask=append(self.value_mask, seen),
            input_mask=append(self.input_mask, seen),
            elapsed=None
            if self.elapsed is None
            else append(self.elapsed, torch.zeros_like(forecast)),
            past=stretch(self.past),
            past_codes=stretch(self.past_codes),
            future=ahead(self.future),
            future_codes=ahead(self.future_codes),
            phase=None if self.phase is None else self.phase + moved,
            target_mask=None,
        )

    def decoder_inputs(self, value_mask: Tensor, begin: int) -> ModelInputs:
        """The steps `begin .. begin + T` after the origin, of which `seen [B, T, C]` says what is
        known; for a net that is fed them. It holds no values."""
        moved = value_mask.shape[1]
        begins = self.steps + begin

        def last(old: Tensor | None) -> Tensor | None:
            return None if old is None else old[:, -1:].expand(-1, moved, -1)

        def cut(old: Tensor | None) -> Tensor | None:
            return None if old is None else old[:, begins : begins + moved]

        elapsed = self.elapsed
        if elapsed is not None:
            count = torch.arange(1, moved + 1, device=value_mask.device)[:, None]
            at = torch.where(value_mask, count, 0).cummax(1).values
            elapsed = (count - at + torch.where(at == 0, elapsed[:, -1:], 0.0)).to(elapsed.dtype)
        return replace(
            self,
            values=self.values[:, :0],
            value_mask=value_mask,
            input_mask=value_mask,
            elapsed=elapsed,
            past=last(self.past),
            past_codes=last(self.past_codes),
            future=cut(self.future),
            future_codes=cut(self.future_codes),
            target_mask=None,
        )

    def last_steps(self, count: int) -> ModelInputs:
        """The last `steps` of the past alone."""

        def cut(old: Tensor | None) -> Tensor | None:
            return None if old is None else old[:, self.steps - count : self.steps]

        cuts: dict[str, Any] = {name: cut(getattr(self, name)) for name in STEP_FIELDS}
        phase = None if self.phase is None else self.phase + self.steps - count
        return replace(self, **cuts, phase=phase)

    def repeat_windows(self, times: int) -> ModelInputs:
        """Each window `times` times, one behind the other."""
        all_of: dict[str, Any] = {
            field.name: value.repeat_interleave(times, 0)
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        return replace(self, **all_of)

    def diff(self, lag: int) -> ModelInputs:
        """`y_t - y_{t - lag}` in place of the values, of all steps but the first `lag`."""
        later, earlier = slice(lag, None), slice(None, -lag)

        def cut(old: Tensor | None) -> Tensor | None:
            return None if old is None else old[:, lag:]

        present = self.input_mask[:, later] & self.input_mask[:, earlier]
        change = self.values[:, later] - self.values[:, earlier]
        return replace(
            self,
            values=change * present,
            value_mask=self.value_mask[:, later] & self.value_mask[:, earlier],
            input_mask=present,
            **{
                name: cut(getattr(self, name))
                for name in (
                    "elapsed",
                    "past",
                    "past_codes",
                    "future",
                    "future_codes",
                    "target_mask",
                )
            },
            phase=None if self.phase is None else self.phase + lag,
        )

    def difference_base(self, lag: int, horizon: int) -> Tensor:
        """`[B, H, C]` what differences of the future are taken from: the last `lag` values, again
        and again. They lie before the origin, however far ahead the step is."""
        repeats = -(-horizon // lag)
        return self.values[:, -lag:].repeat(1, repeats, 1)[:, :horizon]
