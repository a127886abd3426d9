"""Rows of covariates: those of the panel, and those of the horizon after each series."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnforecast.data.cleaning.imputation import ImputerOptions, impute
from rnnforecast.data.features.covariates import Covariate, raw_covariates
from rnnforecast.data.panel.panel import Panel
from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class CovariateRows:
    """Row numbers of covariates in three tables: as read (M rows), of the panel alone (N), and of
    the panel with `horizon` more steps per series (`size`)."""

    wide_offsets: Ints  # [S + 1] as read
    horizon_offsets: Ints  # [S + 1] with the horizon
    lengths: Ints  # [S]
    horizon: int

    @classmethod
    def from_panel(cls, panel: Panel, horizon: int) -> CovariateRows:
        """The rows of the covariates of `panel`."""
        horizon_offsets = np.r_[0, np.cumsum(panel.lengths + horizon)]
        return cls(panel.wide_offsets, horizon_offsets, panel.lengths, horizon)

    @cached_property
    def series(self) -> Ints:
        """[size] the series of each row with the horizon."""
        return np.repeat(np.arange(len(self.lengths)), np.diff(self.horizon_offsets))

    @cached_property
    def step(self) -> Ints:
        """[size] the step of each row with the horizon."""
        steps: Ints = np.arange(self.size) - self.horizon_offsets[self.series]
        return steps

    @property
    def size(self) -> int:
        """The number of rows with the horizon."""
        return int(self.horizon_offsets[-1])

    @property
    def has_row(self) -> Bools:
        """[size] whether the file has the row."""
        stop = self.wide_offsets[self.series + 1]
        result: Bools = self.wide_offsets[self.series] + self.step < stop
        return result

    def expand_to_horizon(self, raw: Floats) -> Floats:
        """`raw [M, D]` at the rows with the horizon, NaN where the file has no row."""
        row, has_row = self.wide_offsets[self.series] + self.step, self.has_row
        return np.where(has_row[:, None], raw[np.where(has_row, row, 0)], np.nan)

    def gather(
        self,
        covariate: Covariate,
        panel: Panel,
        season: int,
        missing_future: str,
        blank_is_value: bool,
    ) -> tuple[Floats, Ints]:
        """The raw rows of a covariate, and the row at which each series begins.

        Missing values beyond the series' end are filled by `missing_future`; if a blank is a value
        (no event, no text), only missing rows are.
        """
        raw = raw_covariates(panel, covariate.columns)
        if covariate.role == "static":
            last = impute(raw, ~np.isnan(raw), self.wide_offsets, "ffill")
            end = self.wide_offsets[1:] - 1
            value = np.where(last.value_mask[end], last.inputs[end], np.nan)
            return value, np.arange(len(end) + 1)
        raw = self.expand_to_horizon(raw)
        beyond = self.step >= self.lengths[self.series]
        if covariate.role == "past":
            return raw[~beyond], panel.offsets
        known = ~np.isnan(raw)
        if blank_is_value:
            known = np.broadcast_to(self.has_row[:, None], raw.shape)
        missing = beyond[:, None] & ~known
        if missing.any():
            method = "seasonal" if missing_future == "seasonal" and season > 1 else "ffill"
            filled = impute(
                raw, known, self.horizon_offsets, method, options=ImputerOptions(season=season)
            )
            raw = np.where(missing & filled.value_mask, filled.inputs, raw)
        return raw, self.horizon_offsets
