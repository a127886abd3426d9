"""`init`: looks into a file and drafts a spec that trains as it stands."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning_plan import CleaningPlan, lay, read_table
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.changes import Changes
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.regularize import inspect
from rnnforecast.data.profiling.cleaning_report import describe, percent
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.errors import OutputError, Problem
from rnnforecast.output.atomic_files import write_text
from rnnforecast.pipeline.auto import resolve_season, shortened
from rnnforecast.pipeline.load_spec import source_of
from rnnforecast.pipeline.prepare import plan_of
from rnnforecast.spec.load import parse
from rnnforecast.spec.model import Spec
from rnnforecast.spec.reference import commented
from rnnforecast.workflow.init_candidates import REASONS, Candidates, covariates_of

USUAL_HORIZONS = {
    "h": 48,
    "D": 28,
    "B": 20,
    "W": 13,
    "MS": 12,
    "ME": 12,
    "QS": 4,
    "QE": 4,
    "YS": 4,
    "YE": 4,
}
"""Steps ahead to start from: two days, four weeks, four weeks, a quarter, a year …"""

USUALLY_CHANGED = (
    "clean.duplicates",
    "clean.missing",
    "window.lookback",
    "window.segment",
    "model.backbone",
    "model.hidden_size",
    "training.loss",
    "training.max_steps",
    "training.seed",
    "forecast.quantiles",
    "forecast.plots",
)
"""Keys that a draft shows besides what was found, since their readers come to change them."""


@dataclass(frozen=True)
class Draft:
    """The spec's text and what it was inferred from, a line each."""

    text: str
    findings: list[str]


def init(data: str, path: Path, *, overrides: Sequence[str] = (), overwrite: bool = False) -> Draft:
    """Writes a commented spec for the file `data` to `path`; returns it with the findings.

    `overrides` are keys already known (``data.time_format=%d/%m/%Y``). Raises DataError where the
    file cannot be read and OutputError where `path` exists, unless it may be replaced.
    """
    if path.exists() and not overwrite:
        raise OutputError(
            Problem(
                str(path), "the file exists already", "choose another name with -o, or add --force"
            )
        )
    if not path.resolve().parent.is_dir():
        where, cure = f"there is no folder '{path.parent}'", "make it, or choose another with -o"
        raise OutputError(Problem(str(path), where, cure))
    relative = data if data == "-" else os.path.relpath(data, path.resolve().parent)
    # the horizon is not known yet; any whole number makes the rest a valid spec
    seed = parse(
        f"data: {{path: {_quoted(relative)}}}\nwindow: {{horizon: 1}}\n",
        name="--set",
        overrides=overrides,
    )
    plan = plan_of(seed)
    table = read_table(plan, source_of(seed, path))
    changes = inspect(table, plan.rules)
    panel = _laid(plan, table)
    settled, choices = resolve_season(seed, panel)
    reasons = {choice.key: choice.reason for choice in choices}
    given = {override.split("=", 1)[0].strip() for override in overrides}
    horizon, why = _horizon(panel, int(settled.window.season))
    more = covariates_of(plan, source_of(seed, path), table)
    if more.future and more.ahead < horizon:
        horizon, why = max(more.ahead, 1), f"to start from: {more.future[0]} is known so far ahead"
    if "window.horizon" in given:
        horizon, why = seed.window.horizon, "given"
    roles = table.roles
    found: dict[str, object] = {
        "data.path": relative,
        "data.time": roles.time,
        "data.series": list(roles.series),
        "data.targets": list(roles.targets),
        "clean.frequency": panel.frequency.alias,
        "window.horizon": horizon,
        "window.season": settled.window.season,
    }
    found |= {f"features.{role}": list(names) for role, names in more.found.items() if names}
    notes = {
        "data.time": f"({_sentence(roles.reasons['time'])})",
        "data.series": f"({_sentence(roles.reasons['series'])})",
        "data.targets": f"({_sentence(roles.reasons['targets'])})",
        "clean.frequency": f"({_agreement(changes)})",
        "window.horizon": f"({why})",
        "window.season": f"({reasons.get('window.season', 'given')})",
    }
    notes |= {f"features.{role}": f"({why})" for role, why in more.reasons().items()}
    if more.past:  # a key to fill in, with what could stand in it
        found["features.past"] = []
    values = _values(seed, found, sorted({*found, *USUALLY_CHANGED, *given}))
    if changes.duplicates and plan.rules.duplicates == "error":
        notes["clean.duplicates"] = (
            f"(stamps that come again: {changes.duplicates:,}; choose a rule)"
        )
    text = f"# {_headline(len(changes.series), panel)}\n\n{commented(values, notes)}"
    parse(text, name=str(path))  # a draft that does not load would be a bug: fail here, not there
    write_text(path, text)
    findings = _findings(
        table,
        panel,
        changes,
        more,
        season=f"{settled.window.season}: {reasons.get('window.season', 'given')}",
        horizon=f"{horizon}: {why}",
    )
    return Draft(text, findings)


def _laid(plan: CleaningPlan, table: Table) -> Panel:
    """The series that can be laid out. Stamps that come again are a finding, with a rule to be
    chosen in the draft, and not a reason to leave the series out here."""
    rules = plan.rules
    if rules.duplicates == "error":
        rules = dataclasses.replace(rules, duplicates="first")
    return lay(dataclasses.replace(plan, rules=rules), table, skip_faulty=True).panel


def _values(base_spec: Spec, detected: dict[str, object], keys: list[str]) -> dict[str, dict[str, object]]:
    """The sections to write: `keys` with what was found, or else what the seed has."""
    values: dict[str, dict[str, object]] = {}
    for key in keys:
        section, name = key.split(".")[:2]  # model.options.name is part of model.options
        held = getattr(getattr(base_spec, section), name)
        plain = list(held) if isinstance(held, tuple) else held
        values.setdefault(section, {})[name] = detected.get(key, plain)
    return values


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sentence(reason: str) -> str:
    return reason.rstrip(".")


def _headline(n_series: int, panel: Panel) -> str:
    series = "one series" if n_series == 1 else f"{n_series:,} series"
    if len(panel.targets_names) > 1:
        series += f" of {len(panel.targets_names):,} targets"
    return f"A spec for {series}; every key not written here is automatic."


def _agreement(changes: Changes) -> str:
    if np.isnan(changes.agreement):
        return "given"
    return f"{percent(changes.agreement)} of the steps in the file agree"


def _horizon(panel: Panel, season: int) -> tuple[int, str]:
    """A horizon to start from: the usual one of the calendar, or a season, if the data allow it."""
    usual = _usual(panel.frequency) or (season if season > 1 else 12)
    most = max(1, int(np.median(panel.lengths)) // 4)
    if usual > most:
        return most, "to start from: a quarter of the usual length of a series"
    return usual, "to start from: usual for this frequency"


def _usual(frequency: Frequency) -> int | None:
    return USUAL_HORIZONS.get(frequency.alias.split("-")[0])


def _findings(
    table: Table,
    panel: Panel,
    changes: Changes,
    candidates: Candidates,
    *,
    season: str,
    horizon: str,
) -> list[str]:
    roles = table.roles
    layouts = {
        "long": "a long table: one row a series and time",
        "wide": "a wide table: one row a time, one column a target",
        "single": "a single series",
    }
    series = ", ".join(roles.series) or "none, the whole table is one series"
    lines = [
        f"layout     {layouts[roles.layout]}",
        f"time       {roles.time}: {_sentence(roles.reasons['time'])}",
        f"series     {series}: {_sentence(roles.reasons['series'])}",
        f"targets    {shortened(roles.targets)}: {_sentence(roles.reasons['targets'])}",
    ]
    for role, names in candidates.found.items():
        if names:
            lines.append(f"{role:<10} {', '.join(names)}: {REASONS[role]}")
    used = {name for names in candidates.found.values() for name in names}
    if others := [name for name in roles.others if name not in used]:
        lines.append(f"not used   {', '.join(others)}")
    lines += [
        f"frequency  {panel.frequency.alias}: {_agreement(changes)}",
        f"season     {season}",
        f"horizon    {horizon}",
    ]
    lines += [f"data       {sentence}" for sentence in describe(table, changes).sentences()]
    return lines + [f"problem    {fault}" for fault in changes.faults]
