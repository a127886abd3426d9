"""Windows gathered from the flat panel on the training device.

Every target of every series (or every series, if targets are forecast jointly) is an *item*. A
window is an item and an origin: the number of steps of the item before the forecast. Its history
does not depend on observations from the origin on, whatever the imputation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnforecast.data.cleaning.imputation import FilledValues
from rnnforecast.data.features.features import FeatureTables
from rnnforecast.models.inputs import (
    COVARIATES,
    FUTURE_COVARIATES,
    STATIC_COVARIATES,
    ModelInputs,
)
from rnnforecast.types import Bools, Ints

GATHER_BATCH_SIZE = 2048
"""Windows in a batch of `WindowDataset.iter_batches`."""


@dataclass(frozen=True)
class Batch:
    """B windows: inputs of the network, and targets with their weights."""

    history: ModelInputs
    targets: Tensor
    """`[B, H, C]` original units, 0 where the weight is 0."""
    weight: Tensor
    """`[B, H, C]` weight of each target in the loss, 0 outside the target mask."""


@dataclass(frozen=True)
class PanelArrays:
    """The arrays that windows are gathered from; C targets, N steps of S series."""

    filled: FilledValues
    """Values in original units, with imputations, and their masks."""
    target_mask: Bools
    """`[N, C]`."""
    offsets: Ints
    """`[S + 1]` the row at which each series begins, and N."""
    features: FeatureTables | None = None
    """Covariates; tables without columns are left out of the windows."""
    item_index: Ints | None = None
    """`[items]` index of each item among the training items; their number for a new item."""
    phase: Ints | None = None
    """`[S]` calendar position of the first step of each series, in steps."""
    include_elapsed: bool = False
    """Whether windows hold the steps since the last observation."""
    include_past_target_mask: bool = False
    """Whether windows hold the target mask of their past steps."""


class WindowDataset:
    """The panel on the device, from which windows are gathered.

    Item `s * C + c` is target c of series s; if `joint`, item s is series s.
    """

    def __init__(
        self,
        arrays: PanelArrays,
        *,
        lookback: int,
        horizon: int,
        device: torch.device,
        joint: bool = False,
    ) -> None:
        filled, (rows, channels) = arrays.filled, arrays.filled.inputs.shape
        self.horizon, self.lookback, self.device, self.joint = horizon, lookback, device, joint
        # Apple's GPU has no float64; elsewhere levels and large counters keep their precision
        real = torch.float32 if device.type == "mps" else torch.float64
        self.values = self._column_major(filled.inputs, real)
        self.value_mask = self._column_major(filled.value_mask)
        # one tensor if the masks are the same
        is_same_mask = filled.input_mask is filled.value_mask
        self.input_mask = self.value_mask if is_same_mask else self._column_major(filled.input_mask)
        self.target_mask = self._column_major(arrays.target_mask)
        self.elapsed = self._column_major(filled.elapsed) if arrays.include_elapsed else None
        self.causal_inputs = self.known_from = None
        if filled.known_from is not None:
            self.causal_inputs = self._column_major(filled.causal_inputs, real)
            shift = rows * np.arange(channels)  # rows become positions in the flat tensor
            self.known_from = self._column_major(filled.known_from + shift)
        features = arrays.features
        self.covariates = {
            name: torch.from_numpy(table).to(device)
            for name in COVARIATES
            if features is not None and (table := getattr(features, name)).shape[1]
        }
        self.future_steps = 0 if features is None else features.horizon
        self.include_past_target_mask = arrays.include_past_target_mask
        self.item_index, self.phase = (
            None if array is None else torch.from_numpy(array).to(device)
            for array in (arrays.item_index, arrays.phase)
        )
        self.series_starts = torch.from_numpy(arrays.offsets[:-1]).to(device)  # [S]
        column = rows * torch.arange(channels, device=device)  # [C]
        self.column_offsets = column if joint else column[:1]
        self.item_starts = (
            self.series_starts
            if joint
            else (self.series_starts[:, None] + column).reshape(-1)  # [S * C]
        )
        self.items_per_series = 1 if joint else channels
        self.n_targets = channels

    def _column_major(self, table: NDArray[np.generic], dtype: torch.dtype | None = None) -> Tensor:
        """`[N, C]` → `[C * N]` on the device."""
        flat = torch.from_numpy(np.ascontiguousarray(table.T).reshape(-1))
        return flat.to(self.device, dtype)

    def with_lookback(self, lookback: int) -> WindowDataset:
        """The same panel with windows of another lookback."""
        other = object.__new__(WindowDataset)
        vars(other).update(vars(self), lookback=lookback)
        return other

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, with arrays in place of tensors: pickle can pass them on uncopied."""
        arrays: dict[int, NDArray[Any]] = {}  # one array for a tensor with several names

        def convert(value: Any) -> Any:
            if isinstance(value, Tensor):
                return arrays.setdefault(id(value), value.cpu().numpy())
            if isinstance(value, dict):
                return {key: convert(each) for key, each in value.items()}
            return value

        return {name: convert(value) for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Sets the attributes, with tensors on the device again."""
        tensors: dict[int, Tensor] = {}

        def convert(value: Any) -> Any:
            if isinstance(value, np.ndarray):
                if id(value) not in tensors:
                    tensors[id(value)] = torch.from_numpy(value).to(state["device"])
                return tensors[id(value)]
            if isinstance(value, dict):
                return {key: convert(each) for key, each in value.items()}
            return value

        vars(self).update({name: convert(value) for name, value in state.items()})

    def gather(
        self, item: Tensor, origin: Tensor, target_end: Tensor, *, steps: int | None = None
    ) -> Batch:
        """The windows of the items `[B]` at the origins `[B]`.

        Targets from `target_end [B]` on have no weight. Origins and ends count steps of the item.
        Steps before the first of an item are masked and 0. `steps` is the number of steps ahead; by
        default the horizon.
        """
        horizon = steps or self.horizon
        ahead = torch.arange(-self.lookback, horizon, device=self.device)
        step = origin.unsqueeze(1) + ahead  # [B, L + H]
        start = self.item_starts[item].unsqueeze(1)  # [B, 1]
        cell = (start + step).unsqueeze(-1) + self.column_offsets  # [B, L + H, C]
        cell = cell.clamp_(0, len(self.values) - 1)
        past_step, future_step = step[:, : self.lookback], step[:, self.lookback :]
        past, future = cell[:, : self.lookback], cell[:, self.lookback :]
        inside = (past_step >= 0).unsqueeze(-1)
        target_mask = self.target_mask[future] & (future_step < target_end.unsqueeze(1)).unsqueeze(
            -1
        )
        values, value_mask = self.values[past], self.value_mask[past] & inside
        if self.known_from is not None and self.causal_inputs is not None:
            end = (start + origin.unsqueeze(1)).unsqueeze(-1) + self.column_offsets
            is_known = self.known_from[past] < end
            values = torch.where(is_known, values, self.causal_inputs[past])
            value_mask = value_mask & (is_known | ~self.target_mask[past])
        is_same_mask = self.input_mask is self.value_mask
        series = item // self.items_per_series
        history = ModelInputs(
            values=values * inside,
            value_mask=value_mask,
            input_mask=value_mask if is_same_mask else self.input_mask[past] & inside,
            elapsed=None if self.elapsed is None else self.elapsed[past] * inside,
            target_mask=self.target_mask[past] & inside if self.include_past_target_mask else None,
            item=None if self.item_index is None else self.item_index[item],
            phase=None if self.phase is None else self.phase[series] + step[:, 0],
            **self._gather_covariates(series, step),
        )
        # cells without weight may be of another item, and an infinite loss times 0 is NaN
        return Batch(history, self.values[future] * target_mask, target_mask.to(torch.float32))

    def iter_batches(
        self,
        item: Ints,
        origin: Ints,
        target_end: Ints,
        *,
        steps: int | None = None,
        batch_size: int = GATHER_BATCH_SIZE,
        is_padded: bool = False,
    ) -> Iterator[tuple[Batch, Tensor, slice]]:
        """W windows in batches, see `gather`; with each batch, its items and its slice of the
        windows. Without windows there is one empty batch.

        If `is_padded`, the last batch is as long as the others: copies of its first window follow.
        """
        columns = [
            torch.from_numpy(column).to(self.device) for column in (item, origin, target_end)
        ]
        for begin in range(0, max(len(item), 1), batch_size):
            part = slice(begin, min(begin + batch_size, len(item)))
            rows = torch.arange(begin, part.stop, device=self.device)
            if is_padded and 0 < len(rows) < batch_size:
                rows = torch.cat([rows, rows[:1].expand(batch_size - len(rows))])
            items, origins, ends = (column[rows] for column in columns)
            yield self.gather(items, origins, ends, steps=steps), items, part

    def _gather_covariates(self, series: Tensor, step: Tensor) -> dict[str, Tensor]:
        """Covariates of the series `[B]` at the steps `[B, L + H]`, past covariates at the first L
        only; zeros before the series begins."""
        gathered = {}
        start = self.series_starts[series].unsqueeze(1)
        for name, table in self.covariates.items():
            if name in STATIC_COVARIATES:
                gathered[name] = table[series]
                continue
            is_future = name in FUTURE_COVARIATES
            # each series has `future_steps` more rows in tables of future covariates
            first_row = start + (series.unsqueeze(1) * self.future_steps if is_future else 0)
            steps = step if is_future else step[:, : self.lookback]
            rows = table[(first_row + steps).clamp_(0, len(table) - 1)]  # [B, T, X]
            gathered[name] = rows * (steps >= 0).unsqueeze(-1)
        return gathered
