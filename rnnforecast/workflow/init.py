"""`init`: looks into a file and drafts a spec that trains as it stands."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning_plan import CleaningPlan, align_table, preview_table, read_table
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.changes import CleaningChanges
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.cleaning_report import build_cleaning_report, format_percent
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.errors import OutputError, Problem
from rnnforecast.output.atomic_files import write_text
from rnnforecast.pipeline.auto import join_names, resolve_season
from rnnforecast.pipeline.prepare import build_cleaning_plan
from rnnforecast.spec.compatibility import RULES
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.reference import commented_yaml
from rnnforecast.spec.spec import Spec
from rnnforecast.workflow.init_covariates import (
    ROLE_REASONS,
    CovariateCandidates,
    find_covariate_candidates,
)

DEFAULT_HORIZONS = {
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

COMMON_KEYS = (
    "clean.duplicates",
    "clean.missing",
    "window.lookback",
    "window.patch_length",
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
class InitResult:
    """The spec's text and what it was inferred from, a line each."""

    text: str
    findings: list[str]


def init(
    data: str, path: Path, *, overrides: Sequence[str] = (), overwrite: bool = False
) -> InitResult:
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
    seed = parse_spec(
        f"data: {{path: {_quote_yaml(relative)}}}\nwindow: {{horizon: 1}}\n",
        name="--set",
        overrides=overrides,
        rules=[rule for rule in RULES if "window.horizon" not in rule.keys],
    )
    plan = build_cleaning_plan(seed)
    table = read_table(plan, seed.data.source_paths(path))
    changes = preview_table(plan, table)
    panel = _align(plan, table)
    settled, choices = resolve_season(seed, panel)
    reasons = {choice.key: choice.reason for choice in choices}
    given = {override.split("=", 1)[0].strip() for override in overrides}
    horizon, why = _suggest_horizon(panel, int(settled.window.season))
    more = find_covariate_candidates(plan, seed.data.source_paths(path), table)
    if more.future and more.known_steps_ahead < horizon:
        horizon, why = (
            max(more.known_steps_ahead, 1),
            f"to start from: {more.future[0]} is known so far ahead",
        )
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
    found |= {f"features.{role}": list(names) for role, names in more.selected.items() if names}
    notes = {
        "data.time": f"({_without_period(roles.reasons['time'])})",
        "data.series": f"({_without_period(roles.reasons['series'])})",
        "data.targets": f"({_without_period(roles.reasons['targets'])})",
        "clean.frequency": f"({_agreement_note(changes)})",
        "window.horizon": f"({why})",
        "window.season": f"({reasons.get('window.season', 'given')})",
    }
    notes |= {f"features.{role}": f"({why})" for role, why in more.reasons().items()}
    if more.past:  # a key to fill in, with what could stand in it
        found["features.past"] = []
    values = _section_values(seed, found, sorted({*found, *COMMON_KEYS, *given}))
    if changes.counts["duplicates"] and plan.clean.duplicates == "error":
        notes["clean.duplicates"] = (
            f"(repeated timestamps: {changes.counts['duplicates']:,}; choose a rule)"
        )
    text = f"# {_headline(len(changes.series), panel)}\n\n{commented_yaml(values, notes)}"
    parse_spec(
        text, name=str(path)
    )  # a draft that does not load would be a bug: fail here, not there
    write_text(path, text)
    findings = _findings(
        table,
        panel,
        changes,
        more,
        season=f"{settled.window.season}: {reasons.get('window.season', 'given')}",
        horizon=f"{horizon}: {why}",
    )
    return InitResult(text, findings)


def _align(plan: CleaningPlan, table: Table) -> Panel:
    """The series that can be laid out. Stamps that come again are a finding, with a rule to be
    chosen in the draft, and not a reason to leave the series out here."""
    clean = plan.clean
    if clean.duplicates == "error":
        clean = clean.model_copy(update={"duplicates": "first"})
    return align_table(
        dataclasses.replace(plan, clean=clean), table, skip_invalid_series=True
    ).panel


def _section_values(
    base_spec: Spec, detected: dict[str, object], keys: list[str]
) -> dict[str, dict[str, object]]:
    """The sections to write: `keys` with what was found, or else what the seed has."""
    values: dict[str, dict[str, object]] = {}
    for key in keys:
        section, name = key.split(".")[
            :2
        ]  # model.backbone_options.name is part of model.backbone_options
        held = getattr(getattr(base_spec, section), name)
        plain = list(held) if isinstance(held, tuple) else held
        values.setdefault(section, {})[name] = detected.get(key, plain)
    return values


def _quote_yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _without_period(reason: str) -> str:
    return reason.rstrip(".")


def _headline(n_series: int, panel: Panel) -> str:
    series = "one series" if n_series == 1 else f"{n_series:,} series"
    if len(panel.target_names) > 1:
        series += f" of {len(panel.target_names):,} targets"
    return f"A spec for {series}; every key not written here is automatic."


def _agreement_note(changes: CleaningChanges) -> str:
    if np.isnan(changes.agreement):
        return "given"
    return f"{format_percent(changes.agreement)} of the steps in the file agree"


def _suggest_horizon(panel: Panel, season: int) -> tuple[int, str]:
    """A horizon to start from: the usual one of the calendar, or a season, if the data allow it."""
    usual = _default_horizon(panel.frequency) or (season if season > 1 else 12)
    most = max(1, int(np.median(panel.lengths)) // 4)
    if usual > most:
        return most, "to start from: a quarter of the usual length of a series"
    return usual, "to start from: usual for this frequency"


def _default_horizon(frequency: Frequency) -> int | None:
    return DEFAULT_HORIZONS.get(frequency.alias.split("-")[0])


def _findings(
    table: Table,
    panel: Panel,
    changes: CleaningChanges,
    candidates: CovariateCandidates,
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
        f"time       {roles.time}: {_without_period(roles.reasons['time'])}",
        f"series     {series}: {_without_period(roles.reasons['series'])}",
        f"targets    {join_names(roles.targets)}: {_without_period(roles.reasons['targets'])}",
    ]
    for role, names in candidates.selected.items():
        if names:
            lines.append(f"{role:<10} {', '.join(names)}: {ROLE_REASONS[role]}")
    used = {name for names in candidates.selected.values() for name in names}
    if others := [name for name in roles.unused if name not in used]:
        lines.append(f"not used   {', '.join(others)}")
    lines += [
        f"frequency  {panel.frequency.alias}: {_agreement_note(changes)}",
        f"season     {season}",
        f"horizon    {horizon}",
    ]
    lines += [
        f"data       {sentence}"
        for sentence in build_cleaning_report(table, changes).summary_lines()
    ]
    return lines + [f"problem    {fault}" for fault in changes.problems]
