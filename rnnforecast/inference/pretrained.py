"""Forecasts of the pretrained network, which needs no training on the series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rnnforecast.models.pretrained.context import MAX_CONTEXT, PATCH_LENGTH, build_context
from rnnforecast.models.pretrained.network import PretrainedNetwork
from rnnforecast.models.pretrained.weights import load_pretrained_network
from rnnforecast.parallel.cores import available_cores
from rnnforecast.statistical.histories import Histories
from rnnforecast.training.device import one_thread
from rnnforecast.types import Floats, Ints

CONTEXT_PATCHES = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, MAX_CONTEXT // PATCH_LENGTH)
"""Patches of a context: as few of these as hold the history, alone or among others."""
BATCH_SIZE = 64
"""Histories that are forecast at once, always as many: matrix products of other sizes round
differently, and more are no faster."""


@cache
def pretrained_network() -> PretrainedNetwork:
    """The network with the weights of this package, read once."""
    return load_pretrained_network()


@one_thread()
def pretrained_quantiles(
    histories: Histories,
    *,
    seasons: Sequence[int],
    horizon: int,
    levels: Sequence[float],
    net: PretrainedNetwork | None = None,
) -> Floats:
    """Quantiles `[M, H, Q]` of M histories; NaN only for a history without a value.

    The forecast of a history does not depend on the others, not even in its last bit.

    Args:
        histories: in the units of the forecast; bounds of the values are left to the caller.
        seasons: steps a season, the main one first; two are read. Others are found in the values.
        horizon: steps to forecast, H.
        levels: Q increasing levels between 0 and 1; beyond those of the network on its tails.
        net: the network of the package by default.
    """
    net = net or pretrained_network()
    recent, unit = histories.last(MAX_CONTEXT).in_own_units()
    given = torch.tensor(([each for each in seasons if each > 1] + [0, 0])[:2])
    found = np.full((len(recent.start), horizon, len(levels)), np.nan)

    def forecast_batch(batch: tuple[int, Ints]) -> None:
        steps, rows = batch
        values, observed = (
            _last_rows(each, rows, steps) for each in (recent.values, recent.observed)
        )
        with torch.no_grad():  # of this thread alone
            context = build_context(values.double(), observed, given.expand(len(observed), 2))
            trained = net(context, -(-horizon // PATCH_LENGTH))[:, :horizon]
            quantiles = net.head.at_levels(context.denormalize(trained.double()), levels)
        found[rows] = quantiles[: len(rows)].numpy()

    # torch releases the lock of Python: a batch a core, each on one thread of torch
    with ThreadPoolExecutor(
        available_cores(), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        list(pool.map(forecast_batch, _batches(recent)))
    return np.asarray(found * unit[:, None, None])


def _batches(histories: Histories) -> Iterator[tuple[int, Ints]]:
    """Steps of the context and histories of each batch; histories without a value are in none."""
    known = histories.observed.any(0)
    patches = np.searchsorted(CONTEXT_PATCHES, -(-histories.lengths // PATCH_LENGTH))
    for size in np.unique(patches[known]).tolist():
        chosen = np.flatnonzero(known & (patches == size))
        for begin in range(0, len(chosen), BATCH_SIZE):
            yield CONTEXT_PATCHES[size] * PATCH_LENGTH, chosen[begin : begin + BATCH_SIZE]


def _last_rows(table: npt.NDArray[Any], chosen: Ints, steps: int) -> Tensor:
    """The last `steps` rows of the chosen columns of `table [T, M]`, as `[BATCH_SIZE, steps]` with
    zeros before the first row and in further columns."""
    last = table[-steps:, chosen]
    found = np.zeros((BATCH_SIZE, steps), dtype=table.dtype)
    found[: len(chosen), steps - len(last) :] = last.T
    return torch.from_numpy(found)
