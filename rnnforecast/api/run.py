"""A trained run in Python: forecasts, scores and plots; `rnnforecast.Run` and `load_run`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.api.inputs import DataLike, TimeLike, read_data, whole_number
from rnnforecast.api.progress import ApiListener, Progress
from rnnforecast.errors import Problem, UsageError
from rnnforecast.output.folder_snapshot import FolderFiles
from rnnforecast.output.forecast_table import with_timezone
from rnnforecast.output.json_files import parse_json
from rnnforecast.pipeline import run_folder
from rnnforecast.pipeline.evaluation_table import evaluation_table, evaluation_table_in
from rnnforecast.pipeline.run import Run as FittedRun
from rnnforecast.pipeline.run_folder import HOLDOUT_FILE, METRICS_FILE, STATE_FILE
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.wording import join_names
from rnnforecast.workflow.predict_forecast import Prediction, forecast_data
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.predict_totals import NO_EXTRA_TABLES
from rnnforecast.workflow.train import save_trained
from rnnforecast.workflow.train_output import TrainedRun

if TYPE_CHECKING:
    from rnnforecast.batch.score.score import ScoreResult
    from rnnforecast.data.io.frame_source import DataSource
    from rnnforecast.data.panel.panel import Panel
    from rnnforecast.output.line_plots import LineFigure

KEPT_FILES = (run_folder.RESOLVED_SPEC_FILE, STATE_FILE, METRICS_FILE, HOLDOUT_FILE)
"""Files of a run folder that a loaded run has in memory."""


class Run:
    """A trained run: what `train` returns, and `load_run` reads.

    Attributes:
        spec: the spec with every ``auto`` resolved.
        metrics: the content of ``metrics.json``: accuracy on the held-out horizon, of the model
            and of the baselines, over all targets and by target.
        holdout: the forecasts of the held-out horizon beside the observed values, a row for each
            series, target and step: ``unique_id``, ``cutoff``, ``ds``, ``step``, ``y``, ``yhat``,
            a column for each quantile (``q0.1``) and for the forecast of each baseline.
        folder: the run folder; None until the run is saved.
        messages: what was reported in training; empty for a loaded run.
    """

    def __init__(
        self,
        fitted: FittedRun,
        spec: Spec,
        *,
        stored: FolderFiles | None = None,
        trained: TrainedRun | None = None,
        source: Sequence[DataSource] = (),
        messages: Sequence[str] = (),
        log: str = "",
    ) -> None:
        """Made by `train` and `load_run`: `trained` is a training in memory, else `stored` are the
        files of the run; `source` are the data that it was trained on, if they are at hand."""
        self.spec, self.messages = spec, tuple(messages)
        self.folder = None if stored is None else stored.path
        self._stored = stored or FolderFiles(Path(), {})
        self._fitted, self._trained, self._source, self._log = fitted, trained, source, log

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Accuracy on the held-out horizon, of the model and of the baselines."""
        if self._trained is None:
            return parse_json(self._stored.read_bytes(METRICS_FILE))
        found = asdict(self._trained.result)
        del found["folder"]
        return dict(found)

    @cached_property
    def holdout(self) -> pd.DataFrame:
        """The forecasts of the held-out horizon beside the observed values and the baselines."""
        if self._trained is None:
            return evaluation_table_in(self._stored, HOLDOUT_FILE)
        panel = self._trained.session.panel
        table = evaluation_table(panel, self._trained.fit_result.evaluation.windows)
        return _with_timezone(table, panel)

    def predict(
        self,
        data: DataLike | None = None,
        *,
        horizon: int | None = None,
        origin: TimeLike | None = None,
        progress: Progress = "auto",
    ) -> pd.DataFrame:
        """Forecasts every series from its end on.

        Args:
            data: the history to forecast from, in the columns of the training data: a data frame,
                a path, or a list of these (such as the history, and covariates known ahead); the
                data of the training if not given.
            horizon: steps ahead; as trained if not given.
            origin: the first timestamp to forecast, from what was known before it: as text, a
                date, a `pandas.Timestamp`, or a whole number for steps that are counted; the end
                of each series if not given.
            progress: see `train`.

        Returns:
            A row for each series, target and step: the columns of the ids, ``target`` if there are
            several, the time, ``cutoff``, ``yhat``, a column for each quantile, and ``status``.

        Raises:
            DataError: the data cannot be used, or there are none.
            StaleInput: the data are beyond an error limit of the section checks of the spec.

        Warns:
            ForecastWarning: what cleaning changed; findings of the checks; series
                without a forecast, which are left out.

        Examples:
            >>> import pandas as pd
            >>> import rnnforecast as rf
            >>> days = pd.date_range("2024-01-01", periods=60)
            >>> sales = pd.DataFrame({"ds": days, "y": [10.0 + day % 7 for day in range(60)]})
            >>> run = rf.train({"window": {"horizon": 7}, "training": {"max_steps": 2}}, sales)
            >>> run.predict(sales, horizon=3)["ds"].dt.strftime("%Y-%m-%d").tolist()
            ['2024-03-01', '2024-03-02', '2024-03-03']
        """
        prediction = self._predict(data, horizon, origin, progress)
        return forecast_frame(prediction)

    def plot(
        self,
        series: str | None = None,
        data: DataLike | None = None,
        *,
        horizon: int | None = None,
        origin: TimeLike | None = None,
    ) -> LineFigure:
        """The plot of the forecast of one series, as `predict` draws it: a matplotlib figure.

        Args:
            series: label of the series, its ids joined by a slash; the first one if not given.
            data, horizon, origin: see `predict`.

        Raises:
            DataError, UsageError.
        """
        from rnnforecast.pipeline.series_plots import draw_series_forecast

        prediction = self._predict(data, horizon, origin, progress=False)
        labels = list(prediction.cleaned.panel.labels())
        if series is not None and series not in labels:
            found = f"there is no series {series!r}"
            raise UsageError(Problem("series", found, f"the series are {join_names(labels)}"))
        index = 0 if series is None else labels.index(series)
        return draw_series_forecast(
            self._fitted,
            prediction.cleaned.panel,
            index,
            prediction.forecasts.select(np.array([index])),
        )

    def score(
        self,
        data: DataLike | None = None,
        *,
        ledger: str | None = None,
        since: date | str | None = None,
        progress: Progress = "auto",
    ) -> ScoreResult:
        """Scores what the run has issued by ``rnnforecast predict``, by the values since.

        Args:
            data: the values; the data of the training, as they are now, if not given.
            ledger: a folder or the URL of a database; ``RUN.ledger`` beside the run if not given.
            since: the first day of the issues that count.
            progress: see `train`.

        Returns:
            What ``rnnforecast score`` writes as ``score.json``: ``metrics`` and
            ``baseline_metrics``, ``alarms``, ``drift``, ``worse_than_baseline`` …

        Raises:
            DataError: the data or the ledger cannot be read.
            UsageError: the run is in memory only.
        """
        from rnnforecast.batch.score.score import score

        if self.folder is None:
            found = "a run in memory has issued nothing"
            raise UsageError(Problem("score", found, "save it, and forecast from the folder"))
        first_day = date.fromisoformat(since) if isinstance(since, str) else since
        result, _ = score(
            self.folder,
            data=self.read_source(data),
            ledger=ledger,
            since=first_day,
            calibrate=False,
            listener=ApiListener(progress),
        )
        return result

    def save(self, folder: str | os.PathLike[str], *, force: bool = False) -> None:
        """Writes the run folder, as ``rnnforecast train`` does; an earlier run there is replaced.

        Args:
            folder: the folder to write.
            force: replace whatever has that name, as ``--force`` does.

        Raises:
            OutputError: the folder cannot be written, or is something else than a run.
        """
        path = Path(folder)
        if self._trained is not None:
            save_trained(path, self._trained, self._log, force=force)
        else:
            state = self._stored.read_bytes(STATE_FILE)
            run_folder.copy_run(self._file("."), path, state=state, force=force)
        self.folder = self.folder or path

    def stored_in(self, folder: Path) -> Path:
        """The run folder: that of the run, or a new one inside `folder` without reports."""
        if self._trained is None or self.folder is not None:
            return self._file(".")
        path = folder / "run"
        save_trained(path, self._trained, "", reports=False)
        return path

    def read_source(self, data: DataLike | None) -> Sequence[DataSource]:
        """The inputs that `data` names; the data of the training for None."""
        return (self._source or self._fitted.source) if data is None else read_data(data)

    def _predict(
        self,
        data: DataLike | None,
        horizon: int | None,
        origin: TimeLike | None,
        progress: Progress,
    ) -> Prediction:
        horizon = whole_number(horizon, "horizon")
        listener = ApiListener(progress)
        origin = None if origin is None else str(origin)
        request = ForecastRequest(horizon, origin, NO_EXTRA_TABLES, listener=listener)
        prediction = forecast_data(self._fitted, self.read_source(data), request)
        if prediction.failed:
            listener.warning(str(prediction.part_failed_error()))
        return prediction

    def _file(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / name

    def __repr__(self) -> str:
        plan, metrics = self._fitted.plan, self.metrics
        n_series = metrics["series"]
        mase, baseline = metrics["model_metrics"]["mase"], metrics["baseline_metrics"]["mase"]
        return (
            f"Run({join_names(plan.read_options.data.targets)} of {n_series:,} series, "
            f"horizon {self._fitted.horizon} at {plan.clean.frequency}, MASE {mase:.3g} "
            f"beside {baseline:.3g} of {metrics['baseline_name']})"
        )


def load_run(folder: str | os.PathLike[str]) -> Run:
    """The run in a folder that ``rnnforecast train`` or `Run.save` wrote.

    Raises:
        RunFolderError: the folder is no run, is damaged, or is of another version.

    Examples:
        >>> import rnnforecast as rf
        >>> rf.load_run("runs/none")
        Traceback (most recent call last):
        ...
        rnnforecast.errors.RunFolderError: runs/none: there is no such folder — give the folder \
that 'rnnforecast train' wrote
    """
    return read_run(Path(folder))


def read_run(folder: Path, source: Sequence[DataSource] = (), messages: Sequence[str] = ()) -> Run:
    """As `load_run`, with the data and the messages of a training that has just ended."""
    fitted, files = run_folder.read_run_folder(
        folder, lambda found: (run_folder.parse_run(found), found.load(KEPT_FILES))
    )
    name = run_folder.RESOLVED_SPEC_FILE
    spec = parse_spec(files.read_text(name), name=name, rules=(), needs_path=False)
    return Run(fitted, spec, stored=files, source=source, messages=messages)


def forecast_frame(prediction: Prediction) -> pd.DataFrame:
    """The table of a forecast, in the time zone of the data."""
    return _with_timezone(prediction.tables["forecast"], prediction.cleaned.panel)


def _with_timezone(table: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    return with_timezone(table, panel.utc_offset, panel.display_timezone).reset_index(drop=True)
