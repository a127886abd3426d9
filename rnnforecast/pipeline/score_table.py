"""The table of scores: a row for each group of windows, target and model, a column for each metric.

| column | what |
| --- | --- |
| `by` | what the windows are grouped by: all, target, series, group, step, cutoff |
| `value` | which group: label of the series, name of the group, step from 1, cutoff or its number |
| `target` | the target; empty for all targets |
| `model` | rnnforecast, or a baseline as the evaluation table names it |
| `windows` | windows with an observed value |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.evaluation.baselines import baseline_column
from rnnforecast.evaluation.scores import MODEL_NAME, GroupScores, Scores
from rnnforecast.output.forecast_frame import round_significant
from rnnforecast.output.forecast_table import write_forecast

FIRST_METRICS = (
    "mae", "rmse", "bias", "relative_bias", "mape", "smape", "wape", "mase", "rmsse", "owa", "wql",
    "crps",
)  # fmt: skip
"""The order of the columns; metrics of intervals follow."""


def score_table(
    scores: Scores,
    *,
    targets: Sequence[str],
    labels: npt.NDArray[np.object_],
    groups: Sequence[str] = (),
    cutoffs: Sequence[str] | None = None,
) -> pd.DataFrame:
    """All scores as one table.

    Args:
        labels: `[S]` the label of each series of the panel.
        groups: the name of each group of series.
        cutoffs: the name of each window of a backtest, where all series have the same cutoffs;
            their numbers from 1 without.
    """
    names = [*targets, ""] if len(targets) > 1 else list(targets)
    by_target = _rows("target", scores.overall, [""], names, list(range(len(targets))))
    parts = [
        _rows("all", scores.overall, [""], names, [len(names) - 1]),
        by_target.assign(value=by_target["target"]),
    ]
    named = {"series": (scores.by_series, labels[scores.by_series.groups].tolist())}
    if scores.by_group is not None:
        named["group"] = (scores.by_group, [groups[index] for index in scores.by_group.groups])
    named["step"] = (scores.by_step, scores.by_step.groups.tolist())
    numbers = scores.by_window.groups.tolist()
    windows = [number + 1 if cutoffs is None else cutoffs[number] for number in numbers]
    named["cutoff"] = (scores.by_window, windows)
    every = list(range(len(names)))
    parts += [_rows(by, found, values, names, every) for by, (found, values) in named.items()]
    return pd.concat(parts, ignore_index=True)


def write_score_table(path: Path, table: pd.DataFrame) -> None:
    """Writes the table as CSV; numbers have seven significant digits. Raises OutputError."""
    rounded = table.copy()
    for name in table.columns[5:]:
        rounded[name] = round_significant(table[name].to_numpy())
    write_forecast(path, rounded)


def _rows(
    by: str,
    scores: GroupScores,
    values: Sequence[object],
    targets: Sequence[str],
    chosen: list[int],
) -> pd.DataFrame:
    """The rows of one dimension, ordered by group, target and model.

    `values` are the names of the groups; `chosen` are indices of `targets`, those of the last axis
    of the scores.
    """
    models = list(scores.metrics)
    first = scores.metrics[models[0]]
    metrics = [name for name in FIRST_METRICS if name in first]
    metrics += [name for name in first if name not in metrics]
    size, width = len(scores.groups), len(chosen)
    columns: dict[str, object] = {
        "by": by,
        "value": np.repeat(_texts(values), width * len(models)),
        "target": np.tile(np.repeat(_texts([targets[c] for c in chosen]), len(models)), size),
        "model": np.tile(_texts([_model_column(name) for name in models]), size * width),
        "windows": np.repeat(scores.windows[:, chosen].reshape(-1), len(models)),
    }
    for name in metrics:
        stacked = np.stack([scores.metrics[model][name][:, chosen] for model in models], -1)
        columns[name] = stacked.reshape(-1)  # [G, targets, models]
    return pd.DataFrame(columns)


def _texts(values: Sequence[object]) -> npt.NDArray[np.object_]:
    return np.array([str(value) for value in values], dtype=object)


def _model_column(name: str) -> str:
    return name if name == MODEL_NAME else baseline_column(name)
