"""The cleaning report: what cleaning found and changed in a table, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.data.io.reading_notes import ReadingNote, combine_notes
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.changes import CHANGE_COUNTS, CleaningChanges
from rnnforecast.data.panel.panel import describe_size
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import Problem
from rnnforecast.wording import count_of

MAX_SHOWN_FREQUENCIES = 4
"""Frequencies that the summary lists with their votes."""


@dataclass(frozen=True)
class CleaningReport:
    """Changes and other properties of a table, per series and in total."""

    per_series: pd.DataFrame
    """`CleaningChanges.series`."""
    totals: dict[str, Any]
    """Totals as plain values; ``constant`` and ``too_short`` count series."""
    problems: tuple[Problem, ...]
    """Problems that must be resolved before the table can be used."""
    notes: tuple[ReadingNote, ...] = ()
    """How the files were read, and what was decided about the steps."""

    def to_json(self) -> str:
        """A JSON object with ``totals``, ``problems``, ``notes`` and ``series``, all series."""
        table = self.per_series.copy()
        for name in ("start", "end"):
            table[name] = [to_plain(end) for end in self.per_series[name].to_numpy()]
        values = {
            "totals": self.totals,
            "problems": [
                {"where": one.where, "found": one.found, "cure": one.cure} for one in self.problems
            ],
            "notes": [
                {
                    "where": note.decision.where,
                    "found": note.decision.found,
                    "cure": note.decision.cure,
                    "doubtful": note.is_doubtful,
                }
                for note in self.notes
            ],
            "series": table.astype(object).where(table.notna(), None).to_dict("records"),
        }
        return json.dumps(values, ensure_ascii=False, allow_nan=False, default=to_plain)

    def summary_lines(self) -> list[str]:
        """The size of the table, its frequency, nonzero counts, and what is left; a clause each."""
        total = self.totals
        n_targets = len(total["targets"])
        size = describe_size(total["series"], n_targets)
        size = f"{size}, {count_of(total['rows'], 'row')}"
        lines = [f"{size} from {total['start']} to {total['end']}", _describe_frequency(total)]
        lines += [*map(str, self.notes), *describe_changes(total)]
        if total["constant"]:
            lines.append(f"{total['constant']:,} series with a constant target")
        lines += [
            f"{count:,} series left out: {reason}"
            for reason, count in total["skipped_by_reason"].items()
        ]
        steps = count_of(total["steps"], "step")
        kept = describe_size(total["kept"], n_targets)
        return [*lines, f"after cleaning: {kept}, {steps}"]


def build_cleaning_report(table: Table, changes: CleaningChanges) -> CleaningReport:
    """The report of the `changes` that `regularize` or `preview_changes` returned for `table`."""
    series = changes.series
    nonempty = series[series["rows"] > 0]
    vote = changes.frequency_vote
    totals: dict[str, Any] = {
        "series": len(series),
        "kept": len(series) - len(changes.skipped),
        "rows": changes.n_rows,
        "steps": changes.n_steps,
        "time": table.roles.time,
        "targets": list(table.roles.targets),
        "start": to_plain(nonempty["start"].to_numpy().min()) if len(nonempty) else None,
        "end": to_plain(nonempty["end"].to_numpy().max()) if len(nonempty) else None,
        "timezone": table.utc_offset,
        "frequency": changes.frequency.alias,
        "votes": dict(vote.votes) if vote else {},
        "agreement": None if np.isnan(changes.agreement) else changes.agreement,
        **changes.counts,
        "constant": int((series["constant"] > 0).sum()),
        "too_short": int(series["too_short"].sum()),
        "skipped": dict(changes.skipped),
        "skipped_by_reason": dict(Counter(changes.skipped.values())),
    }
    return CleaningReport(series, totals, changes.problems, (*table.notes, *changes.notes))


def merge_reports(reports: Sequence[CleaningReport]) -> CleaningReport:
    """The report of a dataset from those of its partitions, whose series are all different.

    `per_series` and ``skipped`` are those of the reports, one behind the other.
    """
    totals = [report.totals for report in reports]
    merged: dict[str, Any] = {}
    for name, first in totals[0].items():
        if isinstance(first, dict):
            merged[name] = _merge_counts([total[name] for total in totals])
        elif isinstance(first, int):
            merged[name] = sum(total[name] for total in totals)
        else:
            merged[name] = first
    ends = [total for total in totals if total["start"] is not None]
    merged["start"] = min((total["start"] for total in ends), default=None)
    merged["end"] = max((total["end"] for total in ends), default=None)
    known = [total for total in totals if total["agreement"] is not None]
    steps = [total["rows"] - total["series"] for total in known]  # between two rows of a series
    agreed = sum(total["agreement"] * count for total, count in zip(known, steps, strict=True))
    merged["agreement"] = agreed / sum(steps) if any(steps) else None
    return CleaningReport(
        pd.concat([report.per_series for report in reports], ignore_index=True),
        merged,
        tuple(problem for report in reports for problem in report.problems),
        combine_notes((note for report in reports for note in report.notes), "partitions"),
    )


def _merge_counts(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers added up by key; of texts the first."""
    found: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            found[key] = found.get(key, 0) + value if isinstance(value, int) else value
    return found


def doubtful_readings(table: Table, changes: CleaningChanges) -> list[str]:
    """A clause for each doubtful reading of the files and their steps."""
    return [str(note) for note in (*table.notes, *changes.notes) if note.is_doubtful]


def describe_changes(counts: Mapping[str, int], *, requested: bool | None = None) -> list[str]:
    """A clause for each nonzero count of `CHANGE_COUNTS` that no note names; with `requested` only
    for those that a key of the spec requests, or that none does."""
    return [
        count.describe(counts[count.name])
        for count in CHANGE_COUNTS
        if count.phrase and counts[count.name] and requested in (None, count.is_requested)
    ]


def _describe_frequency(totals: dict[str, Any]) -> str:
    text = f"frequency {totals['frequency']}"
    if totals["agreement"] is not None:
        text += f", {format_share(totals['agreement'])} of the steps agree"
    votes = list(totals["votes"].items())
    if len(votes) > 1:
        shown = ", ".join(f"{alias} {count:,}" for alias, count in votes[:MAX_SHOWN_FREQUENCIES])
        text += f" (votes of the series: {shown})"
    return text


def format_share(share: float) -> str:
    """`share` in percent with one decimal; 100 % only if it is 1, 0 % only if it is 0."""
    near = min(share, 0.999) if share < 1 else share
    near = max(near, 0.001) if share > 0 else near
    return f"{near:.1%}".replace(".0%", "%")


def to_plain(value: Any) -> Any:
    """A timestamp as text, another NumPy scalar as a Python number."""
    if isinstance(value, np.datetime64):
        return format_timestamp(value)
    return value.item() if isinstance(value, np.generic) else value
