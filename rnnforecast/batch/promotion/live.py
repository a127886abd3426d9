"""How forecasts that the current model issued compare with the held-out values of a new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from rnnforecast.batch.issue import id_of_run
from rnnforecast.batch.ledger.ledger import Ledger, open_ledger, panel_timestamps
from rnnforecast.batch.promotion.decision import LiveRecord
from rnnforecast.batch.score.drift import drift_alarms
from rnnforecast.batch.score.ledger_score import score_ledger
from rnnforecast.data.panel.panel import Panel
from rnnforecast.errors import RnnForecastError
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.spec.locations import NO_LEDGER
from rnnforecast.workflow.compare import KEYS

OF_THE_MODEL = ("model", "cold_start")
"""The `status` of rows that the model has forecast itself."""


@dataclass(frozen=True)
class LiveForecasts:
    """Where the forecasts are that the current model issued, and the alarms about it."""

    name: str
    """That of the run, or of the store of its versions, in the ledger."""
    ledger: str
    """A folder, a URL, or ``none``."""
    alarms: tuple[str, ...] | None
    """Codes of drift alarms; None if they are not known yet."""
    listener: ProgressListener

    def find_alarms(self, run: Run, panel: Panel) -> tuple[str, ...]:
        """The drift alarms of the current model; found by the values of `panel` if not known."""
        if self.alarms is not None or self.ledger == NO_LEDGER:
            return self.alarms or ()
        try:
            ledger = open_ledger(self.ledger)
            charts = score_ledger(ledger, self.name, panel, season=run.plan.season).charts
        except RnnForecastError as error:
            self.listener.warning(f"without the drift alarms of the current model: {error}")
            return ()
        found = drift_alarms(charts, id_of_run(run))
        return tuple(sorted({each.statistic for each in found if each.is_current}))

    def read(self, run_id: str, panel: Panel, table: pd.DataFrame) -> pd.DataFrame:
        """Forecasts of the held-out timestamps that a run issued, with the columns of `KEYS` and
        ``yhat``; without rows where there are none. A ledger that cannot be read is a warning.

        Args:
            panel, table: of the new model, see `comparison.held_out_table`.
        """
        found = [table[[*KEYS, "yhat"]].iloc[:0]]
        if self.ledger != NO_LEDGER and len(table):
            try:
                found += _read_issues(open_ledger(self.ledger), run_id, panel, table)
            except RnnForecastError as error:
                self.listener.warning(f"without the live forecasts of the current model: {error}")
        return found[0] if len(found) == 1 else pd.concat(found[1:], ignore_index=True)


def _read_issues(
    ledger: Ledger, run_id: str, panel: Panel, table: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """The rows of each issue of a run with a held-out timestamp, in the time of the panel."""
    timestamps = table["ds"].unique()
    for issue in ledger.issues(_first_day(table)).issues:
        if issue.run_id != run_id:
            continue
        rows = ledger.read(issue)
        rows = rows.loc[rows["status"].isin(OF_THE_MODEL), [*KEYS, "yhat"]].copy()
        for name in ("ds", "cutoff"):
            rows[name] = panel_timestamps(rows[name].to_numpy(), panel)
        if len(panel.target_names) == 1:
            rows["target"] = ""
        yield rows[rows["ds"].isin(timestamps)]


def score_issued(
    issued: pd.DataFrame, table: pd.DataFrame, alarms: tuple[str, ...] = ()
) -> LiveRecord:
    """The MASE of issued forecasts of the held-out values, at whatever step they were issued."""
    keys = ["unique_id", "target", "ds"]
    rows = issued[[*keys, "yhat"]].merge(table[[*keys, "y", "mase_scale"]], on=keys)
    errors = (rows["y"] - rows["yhat"]).abs().to_numpy() / rows["mase_scale"].to_numpy()
    known = np.isfinite(errors)
    mase = float(errors[known].mean()) if known.any() else float("nan")
    return LiveRecord(mase, int(known.sum()), alarms)


def _first_day(table: pd.DataFrame) -> date | None:
    """A day before all issues with a forecast of held-out values; None where timestamps are whole
    numbers."""
    if table["ds"].dtype.kind != "M":
        return None
    first, last = table["ds"].min(), table["ds"].max()
    day: date = (first - (last - first) - pd.Timedelta(days=2)).date()
    return day
