"""The ends of the series of a partition, for checks of all partitions of a dataset together.

A row is a series: its label, its last steps, and its last row in the file. Of a dataset with very
many rows only a sample of the series is kept: those whose hash is small, and those of each
partition that stand out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io.series_hash import Hashes
from rnnforecast.data.io.series_sample import SeriesSample
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.pipeline.checks.context import CheckContext, CheckedData
from rnnforecast.pipeline.checks.values import level_factors
from rnnforecast.pipeline.panel_statistics import HASHED_VALUES
from rnnforecast.types import Bools, Ints

MAX_ROWS = 20_000_000
"""Rows of a dataset of which the checks look at all series."""
MAX_STEPS = 400
"""Most last steps of a new series that are kept, to recognize a renamed one."""
N_OUTSTANDING = 20
"""Series of a partition that are kept because they end last, or have changed most."""
TARGETS, OBSERVED, COVARIATES, TIMES = "targets", "observed", "covariates", "times"
EXPECTED = "expected"


@dataclass(frozen=True)
class PanelKind:
    """What the panels of all partitions have in common."""

    frequency: str
    utc_offset: str
    display_timezone: str
    is_irregular: bool
    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    text_columns: tuple[str, ...]
    """See `CheckedData`."""

    @classmethod
    def of_data(cls, data: CheckedData) -> PanelKind:
        """That of the panel of a partition."""
        panel = data.panel
        return cls(
            panel.frequency.alias,
            panel.utc_offset,
            panel.display_timezone,
            panel.irregular_timestamps is not None,
            panel.target_names,
            panel.covariate_names,
            data.text_columns,
        )


def checked_sample(rows: int) -> SeriesSample | None:
    """The series that checks look at in a dataset with so many rows; None for all of them."""
    return SeriesSample(MAX_ROWS / rows, seed=0) if rows > MAX_ROWS else None


def sample_series(
    context: CheckContext,
    places: Ints,
    hashes: Hashes,
    sample: SeriesSample | None,
) -> pa.Table:
    """The table of the series of a partition that are sampled; those that are not in the panel,
    because no value can be read, have no steps.

    Args:
        places: [S] the place of each series of the panel in `context.data.series`.
        hashes: [S] those of `hash_keys`.
        sample: see `checked_sample`.
    """
    chosen = _is_sampled(context, places, hashes, sample)
    panel = _last_steps(context, chosen)
    every = context.data.series
    left_out = np.ones(len(every), dtype=np.bool_)
    left_out[places] = False
    rows = np.r_[places[chosen], np.flatnonzero(left_out)]
    own = every.take(rows)
    n_blank = len(rows) - panel.n_series
    blank = np.zeros(n_blank, dtype=np.int64)
    columns: dict[str, Any] = {
        "label": pa.array(own["label"].to_numpy(dtype=object), pa.string()),
        "start": np.r_[panel.start, blank],
        "phase": np.r_[panel.phase, blank],
        "row_end": own["end"].to_numpy(),
        "trailing": own["trailing"].to_numpy(),
        EXPECTED: np.r_[context.is_expected[chosen], np.ones(n_blank, dtype=np.bool_)],
        TARGETS: _as_lists(panel.targets, panel.offsets, n_blank),
        OBSERVED: _as_lists(panel.observed_mask, panel.offsets, n_blank),
    }
    if panel.irregular_timestamps is not None:
        columns[TIMES] = _as_lists(panel.irregular_timestamps, panel.offsets, n_blank)
    if panel.future_steps is not None:
        columns["future_steps"] = np.r_[panel.future_steps, blank]
    if panel.covariates is not None:
        columns[COVARIATES] = _as_lists(panel.covariates, panel.wide_offsets, n_blank)
    return pa.table(columns)


def merge_samples(tables: Sequence[pa.Table], kind: PanelKind, found: Bools | None) -> CheckedData:
    """The samples of all partitions as data that checks look at; `found` as in `CheckedData`, None
    if the tables are of all series."""
    every = pa.concat_tables(tables).sort_by("label")
    series = pd.DataFrame(
        {
            "label": every["label"].to_pandas().to_numpy(dtype=object),
            "end": every["row_end"].to_numpy(),
            "trailing": every["trailing"].to_numpy(),
        }
    )
    table = every.filter(pc.greater(pc.list_value_length(every[TARGETS]), 0))
    targets, lengths = _from_lists(table[TARGETS], len(kind.targets))
    observed, _ = _from_lists(table[OBSERVED], len(kind.targets))
    names = table.column_names
    merged = Panel(
        keys=pd.DataFrame({"label": table["label"].to_pandas().to_numpy(dtype=object)}),
        offsets=np.r_[0, np.cumsum(lengths)],
        start=table["start"].to_numpy(),
        phase=table["phase"].to_numpy(),
        frequency=parse_frequency(kind.frequency),
        utc_offset=kind.utc_offset,
        target_names=kind.targets,
        targets=targets,
        observed_mask=observed,
        display_timezone=kind.display_timezone,
        irregular_timestamps=_from_lists(table[TIMES], 1)[0][:, 0] if TIMES in names else None,
        future_steps=table["future_steps"].to_numpy() if "future_steps" in names else None,
        covariates=_from_lists(table[COVARIATES], len(kind.covariates))[0]
        if COVARIATES in names
        else None,
        covariate_names=kind.covariates,
    )
    expected = table[EXPECTED].to_numpy()
    return CheckedData(merged, series, kind.text_columns, found, expected)


def _is_sampled(
    context: CheckContext,
    places: Ints,
    hashes: Hashes,
    sample: SeriesSample | None,
) -> Bools:
    """[S] whether a series is kept."""
    if sample is None:
        return np.ones(len(hashes), dtype=np.bool_)
    chosen = sample.select(hashes)
    row_ends = context.data.series["end"].to_numpy()[places]
    factors = np.nan_to_num(np.abs(level_factors(context))).max(axis=1)
    for values in (context.ends, row_ends, factors):
        chosen[np.argsort(values, kind="stable")[-N_OUTSTANDING:]] = True
    return chosen


def _last_steps(context: CheckContext, chosen: Bools) -> Panel:
    """The panel of the chosen series, with the last steps that checks look at."""
    width = max(context.profile.width, HASHED_VALUES) + 1
    since = np.maximum(context.ends - context.profile.data_end, 0)
    back = np.where(context.is_known, 0, np.minimum(since + width + HASHED_VALUES, MAX_STEPS))
    panel = context.panel.filter_series(chosen)
    dropped = np.maximum(panel.lengths - (width + back[chosen]), 0)
    rows = panel.step >= dropped[panel.series]
    covariates = panel.covariates
    if covariates is not None:
        lengths = np.diff(panel.wide_offsets)
        step = np.arange(len(covariates)) - np.repeat(panel.wide_offsets[:-1], lengths)
        covariates = covariates[step >= np.repeat(dropped, lengths)]
    times = panel.irregular_timestamps
    return replace(
        panel,
        offsets=np.r_[0, np.cumsum(panel.lengths - dropped)],
        start=panel.start + dropped if times is None else panel.start,
        targets=panel.targets[rows],
        observed_mask=panel.observed_mask[rows],
        irregular_timestamps=None if times is None else times[rows],
        available_after=None,
        covariates=covariates,
    )


def _as_lists(values: npt.NDArray[Any], offsets: Ints, n_blank: int) -> pa.Array:
    """[S + n_blank] lists of the rows of `values` [N, …] of each series, and empty ones."""
    width = 1 if values.ndim == 1 else values.shape[1]
    ends = np.r_[offsets, np.repeat(offsets[-1:], n_blank)] * width
    return pa.LargeListArray.from_arrays(ends, pa.array(values.reshape(-1)))


def _from_lists(column: pa.ChunkedArray, width: int) -> tuple[Any, Ints]:
    """The values [N, width] of the lists of a column, and the rows [S] of each."""
    array = pa.concat_arrays(column.chunks)
    flat = array.flatten().to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False).astype(np.int64)
    return flat.reshape(-1, width), lengths // width
