"""The data of a backtest: all of them, and what was known of them at a cutoff."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.cleaning_plan import AlignedData, CleaningPlan, align_table
from rnnforecast.data.io.columns import CategoricalColumn
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.vintages import panel_series, rows_known_by
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Ints


@dataclass(frozen=True)
class KnownData:
    """What was known of some series at a cutoff."""

    aligned: AlignedData
    """Of S' series, up to the cutoff or the last value that was known."""
    series: Ints
    """`[S']` their indices in the panel of all data."""
    shift: Ints
    """`[S']` the step of all data at which each of them begins."""


@dataclass(frozen=True)
class BacktestData:
    """The data of a backtest, with their vintages if there are any."""

    plan: CleaningPlan
    """How the rows become a panel."""
    table: Table
    """Its rows are needed with `data.known_at` only."""
    aligned: AlignedData
    """Of the latest vintages."""

    @classmethod
    def align(
        cls,
        plan: CleaningPlan,
        table: Table,
        *,
        skip_invalid_series: bool = False,
        repair_invalid_series: bool = False,
    ) -> BacktestData:
        """The data of a table; arguments and errors are those of `align_table`."""
        aligned = align_table(
            plan,
            table,
            skip_invalid_series=skip_invalid_series,
            repair_invalid_series=repair_invalid_series,
        )
        clean = plan.clean.model_copy(update={"frequency": aligned.panel.frequency.alias})
        return cls(
            replace(plan, clean=clean),
            table if table.known_at is not None else aligned.table,
            aligned,
        )

    @property
    def panel(self) -> Panel:
        """The panel of the latest vintages."""
        return self.aligned.panel

    @property
    def has_vintages(self) -> bool:
        """Whether what is known of a time depends on the cutoff."""
        return self.table.known_at is not None

    def known_before(self, origins: Ints) -> KnownData:
        """What was known before the steps `origins [S]`, of series of which anything was.

        Raises DataError if nothing was known of any series.
        """
        if not self.has_vintages:
            ends = np.clip(origins, 0, self.panel.lengths)
            if not (ends > 0).any():
                raise _nothing_known_error()
            series = np.flatnonzero(ends > 0)
            return KnownData(self.aligned.before(ends), series, np.zeros_like(series))
        panel, timezone = self.panel, self.plan.read_options.data.timezone
        cutoffs = panel.window_timestamps(origins - 1, 1)[:, 0]
        table = rows_known_by(self.table, panel, cutoffs, timezone)
        if np.isnan(table.values).all():
            raise _nothing_known_error()
        aligned = align_table(self.plan, table, skip_invalid_series=True)
        series = panel_series(aligned.panel.keys, panel)
        shift = aligned.panel.start - panel.start[series]
        ends = np.clip(origins[series] - shift, 0, aligned.panel.lengths)
        known = ends > 0
        if not known.any():
            raise _nothing_known_error()
        return KnownData(aligned.before(ends), series[known], shift[known])

    def sha256(self) -> str:
        """The hash of all values and vintages."""
        panel, table = self.panel, self.table
        names = (panel.frequency.alias, panel.target_names, panel.covariate_names)
        digest = hashlib.sha256(repr(names).encode())
        parts = [panel.offsets, panel.start, panel.phase, panel.targets, panel.covariates]
        parts += [panel.irregular_timestamps, panel.future_steps]
        for column in table.covariates.values():
            if isinstance(column, CategoricalColumn):
                digest.update("\0".join(column.vocabulary).encode())
        if self.has_vintages:
            parts += [table.codes, table.time, table.values, table.known_at]
            parts += [column.to_floats() for column in table.covariates.values()]
        for part in parts:
            if part is not None:
                digest.update(np.ascontiguousarray(part).view(np.uint8).data)
        digest.update("\0".join(panel.labels()).encode())
        return digest.hexdigest()


def _nothing_known_error() -> DataError:
    found = "nothing was known before the first window"
    cure = "set backtest.first_time to a later time, or backtest.windows to fewer"
    return DataError(Problem("backtest", found, cure))
