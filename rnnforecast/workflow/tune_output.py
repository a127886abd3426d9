"""The files of `tune`: the best spec and its difference, the trials, the scores, and plots."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.json_files import write_json
from rnnforecast.output.tuning_plots import (
    SearchHistory,
    plot_importances,
    plot_search_history,
    plot_slices,
)
from rnnforecast.spec.locations import absolute_location, is_url
from rnnforecast.spec.search_space import with_values
from rnnforecast.spec.spec import SECTIONS, Spec
from rnnforecast.spec.yaml_edit import edited_spec

if TYPE_CHECKING:
    from rnnforecast.workflow.tune_study import TrialRecord  # imports Optuna

BEST_SPEC_FILE, DIFF_FILE, TRIALS_FILE = "best.yaml", "best.diff", "trials.csv"
RESULT_FILE = "tuning.json"


@dataclass(frozen=True)
class SpecText:
    """The text of a spec file."""

    text: str
    spec: Spec
    """The spec of the text, without `--set`."""
    name: str
    folder: Path | None = None
    """The folder that paths in it are relative to; None if they are not moved."""


def write_tuning(
    folder: Path,
    given: SpecText,
    best: Spec,
    values: Mapping[str, Any],
    records: Sequence[TrialRecord],
    importances: Mapping[str, float],
    result: Mapping[str, Any],
) -> None:
    """Writes all files to `folder`, each whole, `tuning.json` last.

    Raises OutputError as `atomic_file` does.
    """
    text = best_spec_text(given, best, values, folder)
    write_text(folder / BEST_SPEC_FILE, text)
    diff = difflib.unified_diff(
        given.text.splitlines(), text.splitlines(), given.name, BEST_SPEC_FILE, lineterm=""
    )
    write_text(folder / DIFF_FILE, "".join(f"{line}\n" for line in diff))
    write_text(folder / TRIALS_FILE, _trials_table(records))
    history = SearchHistory(
        np.array([record.number for record in records]),
        np.array([np.nan if record.score is None else record.score for record in records]),
        {key: [record.values[key] for record in records] for key in records[0].values},
        str(result["criterion"]),
    )
    plot_search_history(folder / "plots" / "history", history)
    plot_slices(folder / "plots" / "slices", history)
    if importances:
        plot_importances(folder / "plots" / "importance", importances)
    write_json(folder / RESULT_FILE, {**result, "importances": dict(importances)})


def best_spec_text(given: SpecText, best: Spec, values: Mapping[str, Any], folder: Path) -> str:
    """The text of the best spec in `folder`: the given one with the best values, those of `--set`,
    and with relative paths that lead to the same files."""
    changes = {**_overridden(given.spec, best), **values}
    if given.folder is not None:
        changes |= _moved_paths(best, given.folder, folder)
    return edited_spec(given.text, with_values(given.spec, changes), changes)


def _overridden(given: Spec, best: Spec) -> dict[str, Any]:
    """The keys that differ, in plain types; not those of the search."""
    found = {}
    for section in SECTIONS:
        if section == "search":
            continue
        before = getattr(given, section).model_dump(mode="json")
        for name, value in getattr(best, section).model_dump(mode="json").items():
            if value != before[name]:
                found[f"{section}.{name}"] = value
    return found


def _moved_paths(spec: Spec, before: Path, after: Path) -> dict[str, Any]:
    """The keys with relative paths, relative to another folder."""

    def moved(path: str) -> str:
        if path == "-" or Path(path).is_absolute() or is_url(path):
            return absolute_location(path, before.resolve())
        return Path(os.path.relpath(before.resolve() / path, after.resolve())).as_posix()

    paths = [moved(path) for path in spec.data.path]
    found: dict[str, Any] = {}
    if paths != list(spec.data.path):
        found["data.path"] = paths[0] if len(paths) == 1 else paths
    start = spec.training.start_from
    if start is not None and moved(start) != start:
        found["training.start_from"] = moved(start)
    return found


def _trials_table(records: Sequence[TrialRecord]) -> str:
    """A row for each trial: number, state, score, score of each fold, values, note."""
    n_folds = max((len(record.fold_scores) for record in records), default=0)
    rows = []
    for record in records:
        folds = [*record.fold_scores, *[None] * (n_folds - len(record.fold_scores))]
        rows.append(
            {
                "trial": record.number,
                "state": record.state,
                "untuned": record.is_untuned,
                "score": record.score,
                **{f"fold_{place}": score for place, score in enumerate(folds, start=1)},
                **record.values,
                "note": record.note,
            }
        )
    text: str = pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text
