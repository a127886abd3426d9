"""What a table is like and what cleaning changes in it, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.panel.changes import Changes
from rnnforecast.data.panel.problems import spoken
from rnnforecast.errors import Problem

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table

_SAID = {
    "out_of_order": ("row", "out of order: sorted"),
    "ambiguous": ("row", "at a local hour that comes twice: told apart by the rule"),
    "skipped_hour": ("row", "at a local hour that clocks skip: treated by the rule"),
    "duplicates": ("row", "with a stamp that was there already: see clean.duplicates"),
    "snapped": ("row", "moved to the nearest step"),
    "interpolated": ("row", "between two steps: drawn on to the steps"),
    "resampled": ("row", "joined with others of their period"),
    "partial": ("period", "that the rows do not fill: left out"),
    "incomplete": ("period", "of which some values were missing: made of the others"),
    "off_grid": ("row", "off the calendar's grid"),
    "gaps": ("step", "without a row: added as missing"),
    "missing": ("value", "blank"),
    "infinite": ("value", "infinite: taken as missing"),
    "leading": ("row", "before the first value of a series: dropped"),
    "trailing": ("row", "after the last value of a series: dropped"),
    "cut": ("row", "before the last steps that are used: left out"),
}
"""What is counted, and how it is told."""

REPAIRS = (
    "out_of_order", "ambiguous", "skipped_hour", "duplicates", "snapped", "interpolated", "gaps",
    "missing", "infinite", "leading", "trailing",
)  # fmt: skip
"""What mends something: not what a spec orders for all rows, as resampling."""


@dataclass(frozen=True)
class Report:
    """The findings for each series and in sum; see ``Changes`` for what the numbers count."""

    series: pd.DataFrame
    """[S] what `Changes.series` holds."""
    totals: dict[str, Any]
    """The same in sum, as plain values; ``constant`` and ``too_short`` count series."""
    faults: tuple[Problem, ...]
    """What keeps the table from being used; empty if nothing does."""

    def to_json(self) -> str:
        """One JSON object: ``totals``, ``faults`` and a list ``series`` of one object each."""
        table = self.series.copy()
        for name in ("start", "end"):
            table[name] = [_plain(stamp) for stamp in self.series[name].to_numpy()]
        records = table.astype(object).where(table.notna(), None).to_dict("records")
        faults = [
            {"where": fault.where, "found": fault.found, "cure": fault.cure}
            for fault in self.faults
        ]
        whole = {"totals": self.totals, "faults": faults, "series": records}
        return json.dumps(whole, ensure_ascii=False, allow_nan=False, default=_plain)

    def sentences(self) -> list[str]:
        """What was found and what cleaning changes, one clause a line, zeros left out."""
        total = self.totals
        size = f"{_count(total['series'], 'series', 'series')}, {_count(total['rows'], 'row')}"
        lines = [f"{size} from {total['start']} to {total['end']}", _frequency(total)]
        lines += changed(total)
        if total["constant"]:
            lines.append(f"{_count(total['constant'], 'series', 'series')} with a constant target")
        reasons: dict[str, int] = {}
        for reason in total["skipped"].values():
            reasons[reason] = reasons.get(reason, 0) + 1
        lines += [
            f"{_count(number, 'series', 'series')} left out: {reason}"
            for reason, number in reasons.items()
        ]
        kept = _count(total["kept"], "series", "series")
        return [*lines, f"after cleaning: {kept}, {_count(total['steps'], 'step')}"]


def describe(table: Table, changes: Changes) -> Report:
    """The findings of ``inspect`` or ``regularize`` on ``table``, set out to be read."""
    series = changes.series
    some = series[series["rows"] > 0]
    vote = changes.vote
    totals: dict[str, Any] = {
        "series": len(series),
        "kept": len(series) - len(changes.skipped),
        "rows": changes.rows,
        "steps": changes.steps,
        "time": table.roles.time,
        "targets": list(table.roles.targets),
        "start": _plain(some["start"].to_numpy().min()) if len(some) else None,
        "end": _plain(some["end"].to_numpy().max()) if len(some) else None,
        "timezone": table.timezone,
        "frequency": changes.frequency.alias,
        "votes": dict(vote.votes) if vote else {},
        "agreement": None if np.isnan(changes.agreement) else changes.agreement,
        **{name: getattr(changes, name) for name in _SAID},
        "constant": int((series["constant"] > 0).sum()),
        "too_short": int(series["too_short"].sum()),
        "skipped": dict(changes.skipped),
    }
    return Report(series, totals, changes.faults)


def changed(counts: Mapping[str, Any]) -> list[str]:
    """What cleaning changed, a clause each, zeros left out; the names are those of ``Changes``."""
    said = ((counts[name], noun, end) for name, (noun, end) in _SAID.items())
    return [f"{_count(number, noun)} {end}" for number, noun, end in said if number]


def _frequency(totals: dict[str, Any]) -> str:
    text = f"frequency {totals['frequency']}"
    if totals["agreement"] is not None:
        text += f", {percent(totals['agreement'])} of the steps agree"
    if len(totals["votes"]) > 1:
        first = ", ".join(f"{alias} {count:,}" for alias, count in list(totals["votes"].items())[:4])
        text += f" (votes of the series: {first})"
    return text


def percent(share: float) -> str:
    """Never 100 % where not all agree."""
    return f"{min(share, 0.999 if share < 1 else 1.0):.1%}".replace(".0%", "%")


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _plain(value: Any) -> Any:
    """A stamp as text, a numpy number as Python's."""
    if isinstance(value, np.datetime64):
        return spoken(value)
    return value.item() if isinstance(value, np.generic) else value
