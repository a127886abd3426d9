"""The evaluation of a run on the held-out horizon, as reports show it."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.output.folder_snapshot import ReadableFolder
from rnnforecast.output.forecast_report.content import ReportSection, Statement
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import HOLDOUT_FILE, SERIES_METRICS_FILE
from rnnforecast.types import Floats
from rnnforecast.workflow.report_evaluation import (
    Accuracy,
    AccuracyClaim,
    accuracy_of_run,
    compare_with_best,
    coverage_statement,
    error_words,
    errors_by_item,
    evaluation_sections,
)
from rnnforecast.workflow.report_gallery import item_names
from rnnforecast.workflow.report_rows import EvaluationRows, read_rows

HELD_OUT = "the held-out horizon"


@dataclass(frozen=True)
class HoldoutEvaluation:
    """The rows of the held-out horizon with the accuracy that the run has stored."""

    rows: EvaluationRows
    names: list[str]
    """`[I]` of the items, as on the page."""
    accuracy: Accuracy

    @classmethod
    def read(
        cls, folder: ReadableFolder, run: Run, metrics: Mapping[str, Any]
    ) -> HoldoutEvaluation | None:
        """That of the run in `folder` with these `metrics`; None if no series was scored."""
        if not (folder.has(HOLDOUT_FILE) and metrics):
            return None
        rows = read_rows(folder, HOLDOUT_FILE, metrics["baseline_mase"])
        if rows is None:
            return None
        scale = _mase_scale(folder, rows)
        return cls(rows, _names(rows, run), accuracy_of_run(metrics, rows, scale))

    @cached_property
    def claim(self) -> AccuracyClaim | None:
        """The comparison with the best baseline."""
        return compare_with_best(self.accuracy, HELD_OUT)

    @cached_property
    def coverage(self) -> Statement | None:
        """How many values lay in the intervals."""
        return coverage_statement(self.rows)

    def sections(self) -> list[ReportSection]:
        """Accuracy, calibration and worst series."""
        return evaluation_sections(self.rows, self.names, self.accuracy, HELD_OUT)

    def words(self, wanted: Collection[str]) -> dict[str, str]:
        """The accuracy of items in words, by their names, which are among those `wanted`."""
        items = [item for item, name in enumerate(self.names) if name in wanted]
        words = error_words(errors_by_item(self.rows), HELD_OUT, items)
        return {self.names[item]: text for item, text in words.items()}


def _names(rows: EvaluationRows, run: Run) -> list[str]:
    """`[I]` names of the items, as `panel_item_names` has them."""
    columns = run.plan.read_options.data
    targets = rows.targets
    if not columns.series and not any(targets):
        targets = list(columns.targets) * len(rows.series)
    return item_names(rows.series, targets, has_ids=bool(columns.series))


def _mase_scale(folder: ReadableFolder, rows: EvaluationRows) -> Floats | None:
    """The divisor of MASE by item `[I]`, from the metrics by series; None if these are of other
    series."""
    if not folder.has(SERIES_METRICS_FILE):
        return None
    file = io.BytesIO(folder.read_bytes(SERIES_METRICS_FILE))
    table = pd.read_csv(file, usecols=["mae", "mase"])
    mae = rows.mean_by(rows.item, np.abs(rows.y - rows.yhat), len(rows.series))
    if len(table) != len(mae) or not np.allclose(table["mae"], mae, rtol=1e-3, equal_nan=True):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = table["mae"].to_numpy() / table["mase"].to_numpy()
    return np.where(scale > 0, scale, np.nan)
