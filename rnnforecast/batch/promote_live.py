"""How forecasts that the current model issued compare with the held-out values of a new one."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from rnnforecast.batch.ledger import NO_LEDGER, open_ledger, panel_timestamps
from rnnforecast.batch.promote_decision import LiveRecord
from rnnforecast.data.panel.panel import Panel
from rnnforecast.workflow.compare import KEYS

OF_THE_MODEL = ("model", "cold_start")
"""The `status` of rows that the model has forecast itself."""


def issued_forecasts(
    ledger: str | None, run_id: str, panel: Panel, table: pd.DataFrame
) -> pd.DataFrame:
    """Forecasts of the held-out timestamps that a run issued, with the columns of `KEYS` and
    ``yhat``; without rows where there is no ledger.

    Args:
        panel, table: of the new model, see `promote_comparison.held_out_table`.

    Raises DataError if the ledger cannot be read.
    """
    found = []
    if ledger is not None and ledger != NO_LEDGER and len(table):
        opened = open_ledger(ledger)
        for issue in opened.issues(_first_day(table)).issues:
            if issue.run_id != run_id:
                continue
            rows = opened.read(issue)
            rows = rows[rows["status"].isin(OF_THE_MODEL)].sort_values("step", kind="stable")
            found.append(rows[[*KEYS, "yhat"]])
    if not found:
        return table[[*KEYS, "yhat"]].iloc[:0]
    issued = pd.concat(found, ignore_index=True)
    for name in ("ds", "cutoff"):
        issued[name] = panel_timestamps(issued[name].to_numpy(), panel)
    if len(panel.target_names) == 1:
        issued["target"] = ""
    return issued[issued["ds"].isin(table["ds"].unique())]


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
