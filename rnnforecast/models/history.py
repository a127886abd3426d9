"""What a net reads of a batch of windows: targets, their gaps, and covariates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class History:
    """B windows of L past steps, and what is known of the steps ahead; nothing else of them.

    Letters: C targets, P and F numbers that are known up to now and ahead, T steps ahead. What an
    architecture does not have is None.
    """

    values: Tensor
    """`[B, L, C]` original units, gaps filled."""
    visible: Tensor
    """`[B, L, C]` bool: a value; else the net is told that it is missing."""
    present: Tensor
    """`[B, L, C]` bool: the number may be read, if only as a stand-in for a missing one."""
    elapsed: Tensor | None = None
    """`[B, L, C]` steps since the last observation."""
    past: Tensor | None = None
    """`[B, L, P]` scaled."""
    past_codes: Tensor | None = None
    """`[B, L, Pc]` int64."""
    known: Tensor | None = None
    """`[B, L + T, F]` scaled."""
    known_codes: Tensor | None = None
    """`[B, L + T, Fc]` int64."""
    static: Tensor | None = None
    """`[B, R]` scaled."""
    static_codes: Tensor | None = None
    """`[B, Rc]` int64."""

    @property
    def steps(self) -> int:
        """L."""
        return self.values.shape[1]

    def after(self, forecast: Tensor) -> History:
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
            visible=append(self.visible, seen),
            present=append(self.present, seen),
            elapsed=None
            if self.elapsed is None
            else append(self.elapsed, torch.zeros_like(forecast)),
            past=stretch(self.past),
            past_codes=stretch(self.past_codes),
            known=ahead(self.known),
            known_codes=ahead(self.known_codes),
        )

    def differenced(self, lag: int) -> History:
        """`y_t - y_{t - lag}` in place of the values, of all steps but the first `lag`."""
        later, earlier = slice(lag, None), slice(None, -lag)

        def cut(old: Tensor | None) -> Tensor | None:
            return None if old is None else old[:, lag:]

        present = self.present[:, later] & self.present[:, earlier]
        change = self.values[:, later] - self.values[:, earlier]
        return replace(
            self,
            values=change * present,
            visible=self.visible[:, later] & self.visible[:, earlier],
            present=present,
            **{
                name: cut(getattr(self, name))
                for name in ("elapsed", "past", "past_codes", "known", "known_codes")
            },
        )

    def base(self, lag: int, horizon: int) -> Tensor:
        """`[B, H, C]` what differences of the future are taken from: the last `lag` values, again
        and again. They lie before the origin, however far ahead the step is."""
        repeats = -(-horizon // lag)
        return self.values[:, -lag:].repeat(1, repeats, 1)[:, :horizon]
