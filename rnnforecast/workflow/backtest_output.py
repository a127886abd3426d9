"""What a backtest leaves: scores and verdicts, and the files of its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from rnnforecast import __version__
from rnnforecast.data.io.columns import CategoricalColumn
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import Problem, SpecError, UsageError, WorseThanBaseline
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.evaluation.metrics import has_units, ranking_key
from rnnforecast.evaluation.scores import MODEL_NAME, GroupScores, compute_scores
from rnnforecast.evaluation.verdict import Verdict, compare_forecasts
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.folder_snapshot import read_folder
from rnnforecast.output.forecast_report.page import render_forecast_report
from rnnforecast.output.json_files import write_json
from rnnforecast.pipeline.evaluation_table import evaluation_table, write_evaluation_table
from rnnforecast.pipeline.score_table import score_table, write_score_table
from rnnforecast.spec.backtest import BaselineName
from rnnforecast.spec.load import dump_spec
from rnnforecast.training import device
from rnnforecast.types import Ints
from rnnforecast.wording import join_names
from rnnforecast.workflow.backtest_subject import BacktestSubject
from rnnforecast.workflow.predict_output import REPORT_FILE
from rnnforecast.workflow.report_windows_page import backtest_report

if TYPE_CHECKING:
    from rnnforecast.workflow.backtest import BacktestedWindows

RESULT_FILE = "backtest.json"
"""Marks a folder as a backtest, which another one may replace."""
TABLE_FILE = "backtest.parquet"
"""The evaluation table of all windows."""
SCORES_FILE = "scores.csv"


@dataclass(frozen=True)
class BacktestVerdict:
    """The comparison with one baseline."""

    outcome: str
    """``better``, ``worse`` or ``not shown``."""
    words: str
    comparison: dict[str, Any]
    """The fields of `Verdict`."""


@dataclass(frozen=True)
class BacktestResult:
    """The content of `backtest.json`."""

    windows: int
    series: int
    """Series with a window."""
    forecasts: int
    """Windows of all series."""
    horizon: int
    gap: int
    trainings: int
    """0 for a run."""
    cutoffs: tuple[str, ...]
    """The latest cutoff of each window."""
    series_by_window: tuple[int, ...]
    trained_until: str | None
    """Of a run, the end of its training data."""
    in_sample_windows: tuple[int, ...]
    """Numbers, from 1, of windows with steps that the run was trained on."""
    metrics: dict[str, float]
    """Of the forecasts in all windows, see `evaluation.metrics`."""
    baselines: dict[str, dict[str, float]]
    """The same of each baseline, by name."""
    best_baseline: str
    """The one with the lowest MASE."""
    groups: dict[str, dict[str, dict[str, float]]]
    """By `backtest.group`: the metrics of the forecasts (``rnnforecast``) and of each baseline."""
    verdicts: dict[str, BacktestVerdict]
    """Against each baseline, by name."""
    metadata: dict[str, Any]
    """Versions, the hash of the data, and of about how many series they are a sample."""

    def check_not_worse_than(self, name: str) -> None:
        """Raises WorseThanBaseline if the mean error is above that of the baseline with this name,
        whether or not that may be chance."""
        baseline = find_baseline(name, list(self.baselines))
        verdict = self.verdicts[baseline]
        if verdict.comparison["difference"] > 0:
            found = f"the forecasts have a larger error than {baseline}: {verdict.words}"
            raise WorseThanBaseline(Problem("", found))


def find_baseline(name: str, baselines: Sequence[str]) -> str:
    """The baseline with this name, in which ``_`` is a space; UsageError if there is none."""
    wanted = name.strip().lower().replace("_", " ")
    for each in baselines:
        if each.lower() == wanted:
            return each
    found = f"there is no baseline '{name}'"
    cure = f"there are {join_names(baselines, len(baselines))}"
    if wanted.replace(" ", "_") in get_args(BaselineName):
        cure += f", and with --baselines {wanted.replace(' ', '_')} this one"
    raise UsageError(Problem("--fail-if-worse-than", found, cure))


def score_backtest(found: BacktestedWindows) -> tuple[BacktestResult, pd.DataFrame]:
    """Scores and verdicts of the windows of a backtest, and the table of all scores."""
    subject, plan, windows = found.subject, found.plan, found.windows
    panel = subject.data.panel
    group, names = series_groups(subject)
    scores = compute_scores(windows, None if group is None else group[windows.series])
    overall = {model: _metrics(scores.overall, model) for model in scores.overall.metrics}
    metrics = overall.pop(MODEL_NAME)
    timestamps = [
        panel.window_timestamps(plan.origins[number] - 1, 1)[plan.series(number), 0]
        for number in range(plan.n_windows)
    ]
    cutoffs = [format_timestamp(each.max(), panel.display_timezone) for each in timestamps]
    table = score_table(
        scores,
        targets=panel.target_names,
        labels=panel.labels(),
        groups=names,
        cutoffs=cutoffs if all((each == each[0]).all() for each in timestamps) else None,
    )
    sampled = subject.data.table.sampled
    result = BacktestResult(
        windows=plan.n_windows,
        series=int(plan.is_used.any(0).sum()),
        forecasts=len(windows.series),
        horizon=plan.horizon,
        gap=plan.gap,
        trainings=0 if subject.run is not None else len(plan.fits),
        cutoffs=tuple(cutoffs),
        series_by_window=tuple(plan.is_used.sum(1).tolist()),
        trained_until=subject.describe_training_end() or None,
        in_sample_windows=tuple(number + 1 for number in plan.in_sample),
        metrics=metrics,
        baselines=overall,
        best_baseline=min(overall, key=lambda name: ranking_key(overall[name])),
        groups={} if scores.by_group is None else _by_group(scores.by_group, names),
        verdicts=judge(windows, plan.in_sample),
        metadata={
            "versions": {"rnnforecast": __version__, "torch": device.TORCH_VERSION},
            "seed": subject.spec.training.seed,
            "data_sha256": subject.data.sha256(),
            "sampled_from": None if sampled is None else sampled.of_series,
        },
    )
    return result, table


def series_groups(subject: BacktestSubject) -> tuple[Ints | None, tuple[str, ...]]:
    """The group `[S]` of each series by `backtest.group`, and the names of the groups; None without
    the key. Raises SpecError for a column that is neither an id nor a static covariate."""
    column, panel = subject.spec.backtest.group, subject.data.panel
    if column is None:
        return None, ()
    if column in panel.keys.columns:
        values = panel.keys[column].to_numpy(dtype=object)
    elif column in subject.spec.features.static and panel.covariates is not None:
        values = panel.covariates[panel.wide_offsets[:-1], panel.covariate_names.index(column)]
        held = subject.data.table.covariates[column]
        if isinstance(held, CategoricalColumn):
            words = (*held.vocabulary, "")
            values = np.array([words[-1 if np.isnan(each) else int(each)] for each in values])
    else:
        known = [*panel.keys.columns, *subject.spec.features.static]
        found = f"'{column}' is neither a column of ids nor a static covariate"
        cure = f"there are {join_names(known)}" if known else "list it under features.static"
        raise SpecError(Problem("backtest.group", found, cure))
    names, index = np.unique(np.array([str(value) for value in values]), return_inverse=True)
    return index.astype(np.int64), tuple(names.tolist())


def _metrics(scores: GroupScores, model: str, row: int = 0) -> dict[str, float]:
    """The metrics of a model in a group of windows; of several targets without those in units."""
    several = scores.windows.shape[1] > 1
    return {
        name: float(values[row, -1])
        for name, values in scores.metrics[model].items()
        if not (several and has_units(name))
    }


def _by_group(scores: GroupScores, names: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        names[index]: {model: _metrics(scores, model, row) for model in scores.metrics}
        for row, index in enumerate(scores.groups)
    }


def judge(windows: EvaluatedWindows, in_sample: tuple[int, ...]) -> dict[str, BacktestVerdict]:
    """The verdict against each baseline, from windows that the networks were not trained on.

    If there are none, no forecast is called better.
    """
    fair = ~np.isin(windows.window, in_sample)
    has_fair = bool(fair.any())
    found = compare_forecasts(windows.select(fair) if has_fair else windows)
    return {name: _to_verdict(each, is_fair=has_fair) for name, each in found.items()}


def _to_verdict(verdict: Verdict, *, is_fair: bool) -> BacktestVerdict:
    outcome, words = verdict.outcome, verdict.words()
    if not is_fair:
        reason = "all windows lie in the training data of the run"
        words = f"{words}, although {reason}"
        if outcome != "worse":
            outcome, words = "not shown", f"not shown against {verdict.other}: {reason}"
    return BacktestVerdict(outcome, words, asdict(verdict))


def write_backtest(
    out: Path,
    found: BacktestedWindows,
    result: BacktestResult,
    scores: pd.DataFrame,
    *,
    report: bool = True,
    force: bool = False,
) -> None:
    """Writes the folder of a backtest, with a page about it unless `report` is false; `force`
    replaces any folder. Raises OutputError."""
    panel = found.subject.data.panel
    with atomic_folder(out, "backtest", force=force) as folder:
        table = evaluation_table(panel, found.windows)
        write_evaluation_table(folder / TABLE_FILE, table, panel)
        write_score_table(folder / SCORES_FILE, scores)
        write_text(folder / "spec.yaml", dump_spec(found.subject.spec))
        write_text(folder / "resolved.yaml", dump_spec(found.resolved_spec))
        write_json(folder / RESULT_FILE, asdict(result))
        if report:
            name = out.resolve().name
            content = read_folder(folder, lambda files: backtest_report(files, name))
            page = render_forecast_report(content)
            write_text(folder / REPORT_FILE, page)
