"""A new model and the current one on the same held-out windows.

The new model has forecast its last horizon before its final fit, without having seen it. The
current one forecasts the same windows again, from the same data, unless the ledger has the forecast
that it issued then. Values up to its `trained_until` it has been trained on, in its final fit: they
are left out, or, where they are most of the values, the comparison is marked as in-sample.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from rnnforecast.batch.promotion.decision import CURRENT_MODEL, ComparedModels
from rnnforecast.data.cleaning_plan import CleanedData, build_inputs, read_table
from rnnforecast.data.io.memory_budget import KnownSample
from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.evaluation.verdict import compare_forecasts
from rnnforecast.pipeline.checks.context import CheckContext, CheckedData
from rnnforecast.pipeline.checks.run_checks import check_findings
from rnnforecast.pipeline.checks.series_changes import SERIES_CHECKS
from rnnforecast.pipeline.checks.values import VALUE_CHECKS
from rnnforecast.pipeline.evaluation_table import (
    SCALE_COLUMNS,
    evaluation_table,
    windows_of_table,
)
from rnnforecast.pipeline.forecasting import forecast
from rnnforecast.pipeline.run import Run
from rnnforecast.spec.checks import job_checks
from rnnforecast.training import device
from rnnforecast.types import Ints
from rnnforecast.workflow.backtest_data import BacktestData
from rnnforecast.workflow.compare import KEYS
from rnnforecast.workflow.train_output import TrainedRun

MIN_UNSEEN_SHARE = 0.5
"""Of the held-out values, those after the training data of the current model, from which they are
compared alone."""


def held_out_table(trained: TrainedRun) -> pd.DataFrame:
    """The held-out values of a new model: the columns of `KEYS`, ``y``, ``yhat`` and the scales."""
    windows = trained.fit_result.evaluation.windows
    table = evaluation_table(trained.session.panel, windows)
    if "target" not in table:
        table = table.assign(target="")
    return table[[*KEYS, *SCALE_COLUMNS, "y", "yhat"]]


def read_current_inputs(trained: TrainedRun, current: Run) -> CleanedData:
    """The data of the new model as the current one reads them; DataError if it cannot."""
    prepared = trained.session.prepared
    sampled = prepared.cleaned.table.sampled
    selection = None if sampled is None else KnownSample(sampled)
    read = read_table(current.plan, prepared.source, skip_invalid_series=True, selection=selection)
    aligned = BacktestData.align(current.plan, read, skip_invalid_series=True).aligned
    steps, own_steps = trained.session.horizon, current.config.horizon
    return build_inputs(current.plan, aligned, horizon=-(-steps // own_steps) * own_steps)


def implausible_data(current: Run, cleaned: CleanedData, now: datetime) -> str:
    """What a job would refuse the data for, by the checks of values and series with the profile of
    the current model: in words, "" for nothing."""
    context = CheckContext(current, CheckedData.of_cleaned(cleaned), current.config.horizon, now)
    codes = {check.key for check in (*SERIES_CHECKS, *VALUE_CHECKS)}
    found = check_findings(context, job_checks(current.spec.checks))
    errors = [str(each) for each in found if each.level == "error" and each.code in codes]
    return "; ".join(errors)


def compare_with_current(
    trained: TrainedRun,
    table: pd.DataFrame,
    current: Run,
    cleaned: CleanedData,
    issued: pd.DataFrame,
) -> ComparedModels | None:
    """The new model against the current one; None if they share no held-out value.

    Args:
        table: the `held_out_table` of the new model.
        cleaned: from `read_current_inputs`.
        issued: forecasts that the current model issued, with the columns of `KEYS` and ``yhat``;
            they take the place of those that it makes again.
    """
    again = _forecast_again(current, cleaned, trained)
    table = table.merge(again, on=KEYS, how="left")
    found = table[KEYS].merge(
        issued[[*KEYS, "yhat"]].drop_duplicates(KEYS, keep="last"), on=KEYS, how="left"
    )
    is_issued = found["yhat"].notna().to_numpy()
    table["current"] = np.where(is_issued, found["yhat"], table["current"])
    known = table["current"].notna().to_numpy()
    table, is_issued = table[known], is_issued[known]
    if not len(table):
        return None
    # what was issued was forecast before it was known, whatever it was trained on later
    seen = (table["ds"] <= current.trained_until).to_numpy() & ~is_issued
    in_sample = 1 - seen.mean() < MIN_UNSEEN_SHARE
    if not in_sample:
        table, is_issued = table[~seen], is_issued[~seen]
    compared = windows_of_table(table).windows
    other = {CURRENT_MODEL: compared.baselines["current"]}
    return ComparedModels(
        verdict=compare_forecasts(compared, other)[CURRENT_MODEL],
        in_sample=bool(in_sample),
        values=len(table),
        in_sample_values=int(seen.sum()),
        issued=int(is_issued.sum()),
    )


def _forecast_again(run: Run, cleaned: CleanedData, trained: TrainedRun) -> pd.DataFrame:
    """Forecasts of the windows of a new model by the current one, with the columns of `KEYS` and
    ``current``; of the series that both have, with the same end."""
    windows = trained.fit_result.evaluation.windows
    torch_device = device.select_device("cpu" if run.metadata["device"] == "cpu" else "auto")
    for member in run.members:
        member.net.to(torch_device)
    series, origins = _same_windows(cleaned.panel, trained.session.panel, windows)
    steps = windows.actual.shape[1]
    found = forecast(
        run.members,
        cleaned,
        origins,
        series=series,
        postprocessing=run.postprocessing,
        horizon=steps,
    )
    own = cleaned.panel
    timestamps = own.window_timestamps(origins - 1, steps + 1, series)
    targets = len(own.target_names)
    names = np.array(own.target_names if targets > 1 else [""], dtype=object)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(own.labels()[series], targets * steps),
            "target": np.tile(np.repeat(names, steps), len(series)),
            "cutoff": np.repeat(timestamps[:, 0], targets * steps),
            "step": np.tile(np.arange(1, steps + 1), len(series) * targets),
            "ds": np.repeat(timestamps[:, None, 1:], targets, axis=1).reshape(-1),
            "current": found.yhat.swapaxes(1, 2).reshape(-1),
        }
    )


def _same_windows(own: Panel, panel: Panel, windows: EvaluatedWindows) -> tuple[Ints, Ints]:
    """The series and origins in the panel of the current model, of windows of the new one, for
    series that both have with the same end."""
    mine = pd.Index(own.labels()).get_indexer(pd.Index(panel.labels()[windows.series]))
    has = mine >= 0
    series, theirs, origin = mine[has], windows.series[has], windows.origin[has]
    ends = [
        each.window_timestamps(each.lengths[chosen] - 1, 1, chosen)[:, 0]
        for each, chosen in ((own, series), (panel, theirs))
    ]
    if ends[0].dtype.kind != ends[1].dtype.kind:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    origins = own.lengths[series] - (panel.lengths[theirs] - origin)
    same = (ends[0] == ends[1]) & (origins > 0)
    return series[same], origins[same]
