"""What a table is like and what cleaning changes in it, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.panel.changes import CHANGE_COUNTS, CleaningChanges
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import Problem

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


@dataclass(frozen=True)
class CleaningReport:
    """The findings for each series and in sum; see ``Changes`` for what the numbers count."""

    per_series: pd.DataFrame
    """[S] what `Changes.series` holds."""
    totals: dict[str, Any]
    """The same in sum, as plain values; ``constant`` and ``too_short`` count series."""
    problems: tuple[Problem, ...]
    """What keeps the table from being used; empty if nothing does."""

    def to_json(self) -> str:
        """One JSON object: ``totals``, ``faults`` and a list ``series`` of one object each."""
        table = self.per_series.copy()
        for name in ("start", "end"):
            table[name] = [_to_plain(stamp) for stamp in self.per_series[name].to_numpy()]
        records = table.astype(object).where(table.notna(), None).to_dict("records")
        faults = [
            {"where": fault.where, "found": fault.found, "cure": fault.cure}
            for fault in self.problems
        ]
        whole = {"totals": self.totals, "faults": faults, "series": records}
        return json.dumps(whole, ensure_ascii=False, allow_nan=False, default=_to_plain)

    def summary_lines(self) -> list[str]:
        """What was found and what cleaning changes, one clause a line, zeros left out."""
        total = self.totals
        size = f"{_format_count(total['series'], 'series', 'series')}, {_format_count(total['rows'], 'row')}"
        lines = [f"{size} from {total['start']} to {total['end']}", _describe_frequency(total)]
        lines += describe_changes(total)
        if total["constant"]:
            lines.append(
                f"{_format_count(total['constant'], 'series', 'series')} with a constant target"
            )
        reasons: dict[str, int] = {}
        for reason in total["skipped"].values():
            reasons[reason] = reasons.get(reason, 0) + 1
        lines += [
            f"{_format_count(number, 'series', 'series')} left out: {reason}"
            for reason, number in reasons.items()
        ]
        kept = _format_count(total["kept"], "series", "series")
        return [*lines, f"after cleaning: {kept}, {_format_count(total['steps'], 'step')}"]


def build_cleaning_report(table: Table, changes: CleaningChanges) -> CleaningReport:
    """The findings of ``inspect`` or ``regularize`` on ``table``, set out to be read."""
    series = changes.series
    some = series[series["rows"] > 0]
    vote = changes.frequency_vote
    totals: dict[str, Any] = {
        "series": len(series),
        "kept": len(series) - len(changes.skipped),
        "rows": changes.n_rows,
        "steps": changes.n_steps,
        "time": table.roles.time,
        "targets": list(table.roles.targets),
        "start": _to_plain(some["start"].to_numpy().min()) if len(some) else None,
        "end": _to_plain(some["end"].to_numpy().max()) if len(some) else None,
        "timezone": table.utc_offset,
        "frequency": changes.frequency.alias,
        "votes": dict(vote.votes) if vote else {},
        "agreement": None if np.isnan(changes.agreement) else changes.agreement,
        **changes.counts,
        "constant": int((series["constant"] > 0).sum()),
        "too_short": int(series["too_short"].sum()),
        "skipped": dict(changes.skipped),
    }
    return CleaningReport(series, totals, changes.problems)


def describe_changes(counts: Mapping[str, int]) -> list[str]:
    """What cleaning changed, a clause each, zeros left out; the names are those of ``Changes``."""
    return [count.describe(counts[count.name]) for count in CHANGE_COUNTS if counts[count.name]]


def _describe_frequency(totals: dict[str, Any]) -> str:
    text = f"frequency {totals['frequency']}"
    if totals["agreement"] is not None:
        text += f", {format_percent(totals['agreement'])} of the steps agree"
    if len(totals["votes"]) > 1:
        first = ", ".join(
            f"{alias} {count:,}" for alias, count in list(totals["votes"].items())[:4]
        )
        text += f" (votes of the series: {first})"
    return text


def format_percent(share: float) -> str:
    """Never 100 % where not all agree."""
    return f"{min(share, 0.999 if share < 1 else 1.0):.1%}".replace(".0%", "%")


def _format_count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _to_plain(value: Any) -> Any:
    """A stamp as text, a numpy number as Python's."""
    if isinstance(value, np.datetime64):
        return format_timestamp(value)
    return value.item() if isinstance(value, np.generic) else value
