"""Forecasts from past origins in Python: `rnnforecast.backtest`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.api.inputs import DataLike, SpecLike, read_inputs, read_spec
from rnnforecast.api.progress import ApiListener, Progress
from rnnforecast.errors import Problem, UsageError
from rnnforecast.spec.spec import Spec

if TYPE_CHECKING:
    from rnnforecast.api.run import Run
    from rnnforecast.workflow.backtest_output import BacktestResult
    from rnnforecast.workflow.backtest_subject import BacktestSubject


@dataclass(frozen=True, repr=False)
class Backtest:
    """The result of `rnnforecast.backtest`; it prints as scores and verdicts."""

    result: BacktestResult
    """The content of ``backtest.json``: windows, metrics, verdicts."""
    forecasts: pd.DataFrame
    """A row for each window, series, target and step with an observed value: ``unique_id``,
    ``cutoff``, ``ds``, ``step``, ``y``, ``yhat``, a column for each quantile (``q0.1``) and for
    each baseline, as utilsforecast names them."""
    scores: pd.DataFrame
    """A row for each metric of all windows, by target, series, group, step and cutoff (``by`` and
    ``value``), of the forecasts and of each baseline (``model``)."""

    @property
    def metrics(self) -> pd.DataFrame:
        """A row for the forecasts and each baseline, a column for each metric, over all windows."""
        return pd.DataFrame({"rnnforecast": self.result.metrics, **self.result.baselines}).T

    @property
    def verdicts(self) -> dict[str, str]:
        """In words, whether the forecasts are better than each baseline."""
        return {name: each.words for name, each in self.result.verdicts.items()}

    def __repr__(self) -> str:
        found = self.result
        own, best = found.metrics["mase"], found.baselines[found.best_baseline]["mase"]
        return (
            f"Backtest({found.windows} windows of {found.series:,} series, {found.horizon} steps, "
            f"MASE {own:.3g} beside {best:.3g} of {found.best_baseline}; "
            f"{self.verdicts[found.best_baseline]})"
        )


def backtest(
    spec: SpecLike | Run,
    data: DataLike | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: Progress = "auto",
    **keys: Any,
) -> Backtest:
    """Forecasts from past origins, and scores the forecasts beside baselines.

    A spec is trained on what was known before the first window (or more often, see `refit`); a
    `Run` forecasts with its networks as they are.

    Args:
        spec: a spec as in `train`, or a `Run`.
        data: a data frame, a path, or a list of these; the data of the spec or run if not given.
        folder: where to write the results, if anywhere; a backtest that was ended goes on there.
        workers: processes that work at the same time, at most; as many as there are cores if not
            given. The result does not depend on it.
        progress: see `train`.
        keys: keys of the section backtest, which replace those of the spec: ``windows``,
            ``step``, ``first_time``, ``last_time``, ``gap``, ``history``, ``refit``, ``group`` and
            others.

    Raises:
        SpecError, DataError, UsageError, TrainingDiverged, OutputError, LockHeld.

    Warns:
        ForecastWarning: windows that the networks may have seen in training.

    Examples:
        >>> import pandas as pd
        >>> import rnnforecast as rf
        >>> days = pd.date_range("2024-01-01", periods=90)
        >>> sales = pd.DataFrame({"ds": days, "y": [10.0 + day**2 % 23 for day in range(90)]})
        >>> spec = {"window": {"horizon": 7}, "training": {"max_steps": 2}}
        >>> found = rf.backtest(spec, sales, windows=3, step=7)
        >>> found.forecasts["cutoff"].dt.strftime("%Y-%m-%d").unique().tolist()
        ['2024-03-09', '2024-03-16', '2024-03-23']
        >>> found.metrics.index[0]
        'rnnforecast'
    """
    with tempfile.TemporaryDirectory(prefix="rnnforecast-") as place:
        subject = _read_subject(spec, data, Path(place), {**keys, **_times_as_text(keys)})
        from rnnforecast.batch.lock import output_lock
        from rnnforecast.parallel.engine import open_engine
        from rnnforecast.pipeline.evaluation_table import read_evaluation_table
        from rnnforecast.workflow.backtest import backtest_subject
        from rnnforecast.workflow.backtest_output import SCORES_FILE, TABLE_FILE

        path = Path(place, "results") if folder is None else Path(folder)
        with output_lock(path, "backtest"):
            result = backtest_subject(
                subject,
                path,
                engine=open_engine(workers=workers),
                listener=ApiListener(progress),
            )
        scores = pd.read_csv(  # a series may be called NA
            path / SCORES_FILE,
            dtype={"value": str, "target": str},
            keep_default_na=False,
            na_values=[""],
        )
        scores = scores.fillna({"value": "", "target": ""})
        return Backtest(result, read_evaluation_table(path / TABLE_FILE), scores)


def _times_as_text(keys: Mapping[str, Any]) -> dict[str, str]:
    """The dates and times among the keys as text."""
    return {
        name: str(keys[name])
        for name in ("first_time", "last_time")
        if isinstance(keys.get(name), date | np.datetime64)
    }


def _read_subject(
    spec: SpecLike | Run, data: DataLike | None, place: Path, keys: Mapping[str, Any]
) -> BacktestSubject:
    """What is tested; a run in memory is written to the folder `place`."""
    if isinstance(spec, str | os.PathLike | Mapping | Spec):
        inputs = read_inputs(spec, data, backtest=keys)
        from rnnforecast.workflow.backtest_subject import subject_of_source

        return subject_of_source(inputs.spec, inputs.source, inputs.folder)
    from rnnforecast.api.run import Run
    from rnnforecast.workflow.backtest_subject import check_keys, subject_of_folder

    if not isinstance(spec, Run):
        found = f"expected a path, a dict, a Spec or a Run, found {type(spec).__name__}"
        raise UsageError(Problem("spec", found))
    check_keys(keys)
    changed = read_spec(spec.spec, backtest=keys)
    return subject_of_folder(spec.stored_in(place), changed, spec.read_source(data))
