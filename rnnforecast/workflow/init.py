"""`init`: a commented spec for a data file, ready for training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning_plan import CleaningPlan, align_table, preview_table, read_table
from rnnforecast.data.features.checks import known_steps_ahead
from rnnforecast.data.io.table import Table
from rnnforecast.data.io.target_columns import CANDIDATE
from rnnforecast.data.panel.changes import CleaningChanges
from rnnforecast.data.panel.panel import Panel, describe_size
from rnnforecast.data.profiling.cleaning_report import build_cleaning_report, format_share
from rnnforecast.data.time.frequency import DAY, Frequency
from rnnforecast.errors import OutputPathError, Problem
from rnnforecast.output.atomic_files import write_text
from rnnforecast.pipeline.auto import join_names, resolve_season
from rnnforecast.pipeline.prepare import build_cleaning_plan
from rnnforecast.spec.load import parse_spec, spec_for_data
from rnnforecast.spec.reference import commented_yaml
from rnnforecast.spec.spec import Spec
from rnnforecast.types import Ints
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
"""Suggested horizon in steps, by frequency without anchor."""
MAX_HORIZON_OF_A_DAY = 100
"""An open day of finer steps is suggested as horizon if it has at most so many."""

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
"""Keys that are often changed; the draft shows them besides the detected ones."""


_LIST_MISSING = "set data.missing_values"


@dataclass(frozen=True)
class InitResult:
    """The text of the spec, and the findings it is based on, one per line."""

    text: str
    findings: list[str]


@dataclass(frozen=True)
class DetectedValue:
    """A value for the draft and the reason for it."""

    value: int
    reason: str

    def __str__(self) -> str:
        return f"{self.value}: {self.reason}"


@dataclass(frozen=True)
class DataSummary:
    """The data of a spec that is to be drafted, and what was detected in them."""

    spec: Spec
    """The path and the overrides, with defaults for all other keys."""
    given: frozenset[str]
    """The keys of the overrides."""
    table: Table
    panel: Panel
    changes: CleaningChanges
    candidates: CovariateCandidates
    season: DetectedValue
    horizon: DetectedValue
    n_unknown_ahead: int = 0
    """Series without the future covariates in the whole horizon."""
    future: tuple[str, ...] = ()
    """The future covariates that the file has."""


def init(
    data: str, path: Path, *, overrides: Sequence[str] = (), overwrite: bool = False
) -> InitResult:
    """Writes a commented spec for the data file to `path`.

    Args:
        data: the file, or ``-`` for standard input.
        overrides: values of keys, such as ``data.time_format=%d/%m/%Y``.
        overwrite: replace an existing file.

    Raises:
        SpecError, DataError; OutputPathError if `path` exists, OutputError if it cannot be written.
    """
    _check_target(path, overwrite=overwrite)
    relative = data if data == "-" else os.path.relpath(data, path.resolve().parent)
    spec = spec_for_data(relative, overrides)
    given = frozenset(override.split("=", 1)[0].strip() for override in overrides)
    summary = _summarize(spec, path, given)
    values = _draft_values(relative, summary)
    sections = _section_values(spec, values, sorted({*values, *COMMON_KEYS, *given}))
    text = f"# {_headline(summary)}\n\n{commented_yaml(sections, _draft_notes(summary))}"
    parse_spec(text, name=str(path))  # an invalid draft fails here, not in `train`
    write_text(path, text)
    return InitResult(text, _findings(summary))


def _check_target(path: Path, *, overwrite: bool) -> None:
    """Raises OutputPathError if the file exists, or its folder does not."""
    # unlike methods of Path, these functions do not fail on a name that is too long
    if os.path.exists(path) and not overwrite:  # noqa: PTH110
        cure = "choose another name with -o, or add --force"
        raise OutputPathError(Problem(str(path), "the file exists already", cure))
    if not os.path.isdir(path.resolve().parent):  # noqa: PTH112
        found, cure = f"there is no folder '{path.parent}'", "make it, or choose another with -o"
        raise OutputPathError(Problem(str(path), found, cure))


def _summarize(spec: Spec, path: Path, given: frozenset[str]) -> DataSummary:
    """Reads the data of `spec`; its horizon is kept if it is `given`, else suggested."""
    plan, source = build_cleaning_plan(spec), spec.data.source_paths(path)
    table = read_table(plan, source)
    candidates = find_covariate_candidates(plan, source, table)
    if "features.future" in given:
        candidates = replace(candidates, future=(), table=None)
    future = [name for name in spec.features.future if name in table.covariates]
    if candidates.table is not None:
        # rows after the last target are the plan, and not a fault of the file
        future = list(candidates.future)
        features = spec.features.model_copy(update={"future": candidates.future})
        plan = build_cleaning_plan(spec.model_copy(update={"features": features}))
        table = replace(candidates.table, roles=table.roles, notes=table.notes)
    panel = _align(plan, table)
    resolved, choices = resolve_season(spec, panel)
    reason = choices[0].reason if choices else "given"
    season = DetectedValue(int(resolved.window.season), reason)
    known = None
    if future:
        known = known_steps_ahead(table, panel, future).min(axis=1)  # [S]
    if "window.horizon" in given:
        horizon = spec.window.horizon
        found = DetectedValue(horizon, f"given{_open_span(panel.frequency, horizon)}")
    else:
        found = _suggest_horizon(panel, season.value, future, known)
    return DataSummary(
        spec=spec,
        given=given,
        table=table,
        panel=panel,
        changes=preview_table(plan, table),
        candidates=candidates,
        season=season,
        horizon=found,
        n_unknown_ahead=int((known < found.value).sum())
        if known is not None and known.any() and "features.missing_future" not in given
        else 0,
        future=tuple(future),
    )


def _draft_values(relative_path: str, summary: DataSummary) -> dict[str, object]:
    """Values of the draft by key."""
    roles, candidates = summary.table.roles, summary.candidates
    values: dict[str, object] = {
        "data.path": relative_path,
        "data.time": list(roles.time_columns) or roles.time,
        "data.series": list(roles.series),
        "data.targets": list(roles.targets),
        "clean.frequency": summary.panel.frequency.alias,
        "window.horizon": summary.horizon.value,
        "window.season": summary.season.value,
    }
    if roles.time_format is not None:
        values["data.time_format"] = roles.time_format
    numbers = summary.table.number_format
    if numbers.thousands and not summary.given & {"data.decimal", "data.thousands"}:
        values |= {"data.decimal": numbers.decimal, "data.thousands": numbers.thousands}
    if _placeholder_note(summary.table):
        values["data.missing_values"] = list(summary.spec.data.missing_values)
    if roles.has_dates_as_columns:
        values["data.layout"] = "dates_as_columns"
    for role, names in candidates.selected.items():
        if names and f"features.{role}" not in summary.given:
            values[f"features.{role}"] = list(names)
    if candidates.past and "features.past" not in summary.given:  # left for the user to fill in
        values["features.past"] = []
    if summary.n_unknown_ahead:
        values["features.missing_future"] = "last"
    return values


def _placeholder_note(table: Table) -> str:
    """What to decide about texts that were taken as missing; "" if there are none."""
    texts = [note.decision for note in table.notes if note.decision.cure.startswith(_LIST_MISSING)]
    return f"{texts[0].found}; {texts[0].cure}" if texts else ""


def _draft_notes(summary: DataSummary) -> dict[str, str]:
    """Comments of the draft by key."""
    reasons, changes = summary.table.roles.reasons, summary.changes
    notes = {f"data.{key}": _without_period(reasons[key]) for key in ("time", "series", "targets")}
    closed = [str(note) for note in changes.notes if "closed" in note.decision.found]
    notes["clean.frequency"] = "; ".join([_agreement_note(changes), *closed])
    if placeholders := _placeholder_note(summary.table):
        notes["data.missing_values"] = placeholders
    sparse = [
        str(note.decision) for note in changes.notes if note.decision.where == "clean.missing"
    ]
    if sparse:
        notes["clean.missing"] = sparse[0].removeprefix("clean.missing: ")
    notes["window.horizon"] = summary.horizon.reason
    notes["window.season"] = summary.season.reason
    for role, reason in summary.candidates.reasons().items():
        notes[f"features.{role}"] = reason
    if summary.n_unknown_ahead:
        notes["features.missing_future"] = (
            f"{summary.n_unknown_ahead:,} of {summary.panel.n_series:,} series lack "
            f"a future covariate in a part of the horizon"
        )
    n_duplicates = changes.counts["duplicates"]
    if n_duplicates and summary.spec.clean.duplicates == "error":
        notes["clean.duplicates"] = f"repeated timestamps: {n_duplicates:,}; choose a rule"
    return {key: f"({note})" for key, note in notes.items()}


def _align(plan: CleaningPlan, table: Table) -> Panel:
    """The panel of the series without problems. Repeated timestamps are not one here: the draft has
    a note about them."""
    clean = plan.clean
    if clean.duplicates == "error":
        clean = clean.model_copy(update={"duplicates": "first"})
    return align_table(replace(plan, clean=clean), table, skip_invalid_series=True).panel


def _section_values(
    spec: Spec, values: dict[str, object], keys: list[str]
) -> dict[str, dict[str, object]]:
    """Sections of the draft: each key with its value in `values`, or else that of `spec`."""
    sections: dict[str, dict[str, object]] = {}
    for key in keys:
        # model.backbone_options.name is part of model.backbone_options
        section, name = key.split(".")[:2]
        default = getattr(getattr(spec, section), name)
        plain = list(default) if isinstance(default, tuple) else default
        sections.setdefault(section, {})[name] = values.get(key, plain)
    return sections


def _without_period(reason: str) -> str:
    return reason.rstrip(".")


def _headline(summary: DataSummary) -> str:
    n_series, n_targets = len(summary.changes.series), len(summary.panel.target_names)
    size = "one series" if n_series == n_targets == 1 else describe_size(n_series, n_targets)
    return f"A spec for {size}; every key not written here is automatic."


def _agreement_note(changes: CleaningChanges) -> str:
    if np.isnan(changes.agreement):
        return "given"
    return f"{format_share(changes.agreement)} of the steps in the file agree"


def _suggest_horizon(
    panel: Panel, season: int, future: Sequence[str], known: Ints | None
) -> DetectedValue:
    """The usual horizon of the frequency, or else a season, as far as the data allow.

    `known` [S] are the steps after the end of each series at which all of `future` are known; the
    horizon is at most that of the series that have any.
    """
    usual = _usual_horizon(panel.frequency)
    horizon, reason = usual or (season if season > 1 else 12), "usual for this frequency"
    longest = max(1, int(np.median(panel.lengths)) // 4)
    if horizon > longest:
        horizon, reason = longest, "a quarter of the usual length of a series"
    if known is not None and known.any():
        ahead = int(known[known > 0].min())
        if 2 * ahead < np.median(known):  # of a few series the last steps are unknown
            ahead = int(np.median(known))
        if ahead < horizon:
            verb = "is" if len(future) == 1 else "are"
            horizon, reason = ahead, f"{join_names(future)} {verb} known {ahead:,} steps ahead"
    return DetectedValue(horizon, f"to start from: {reason}{_open_span(panel.frequency, horizon)}")


def _usual_horizon(frequency: Frequency) -> int | None:
    """The usual horizon in steps; where steps are closed, the open ones of the same span."""
    if (calendar := frequency.calendar) is None:
        # business month ends are as far apart as month ends
        name = frequency.alias.split("-")[0]
        return DEFAULT_HORIZONS.get(name, DEFAULT_HORIZONS.get(name.removeprefix("B")))
    usual = DEFAULT_HORIZONS.get(frequency.base_alias)
    if calendar.unit == DAY:
        return usual and usual * len(calendar.open_slots) // calendar.slots_per_week
    per_day = round(len(calendar.open_slots) / (7 - len(calendar.closed_days())))
    if usual is None and per_day > MAX_HORIZON_OF_A_DAY:
        return None
    return max((usual or 0) // calendar.slots_per_day, 1) * per_day


def _open_span(frequency: Frequency, steps: int) -> str:
    """What open steps are in days: ``; 24 open days are 28 days``; empty where none is closed."""
    if (calendar := frequency.calendar) is None:
        return ""
    cycles = calendar.cycle_lengths()
    count = steps * frequency.step
    if len(cycles) > 1 and count % cycles[0] == 0 and count < cycles[-1]:
        open_days = count // cycles[0]
        return f"; {steps:,} open steps are {open_days} open day{'s' if open_days > 1 else ''}"
    days = 7 * count / cycles[-1]
    kind = "open days" if calendar.unit == DAY else "open steps"
    return f"; {count:,} {kind} are {'' if days == int(days) else 'about '}{days:.0f} days"


def _findings(summary: DataSummary) -> list[str]:
    roles, selected = summary.table.roles, summary.candidates.selected
    layouts = {
        "long": "a long table: one row per series and time",
        "wide": "a wide table: one row per time, one column per target",
        "single": "a single series",
    }
    layout = layouts[roles.layout]
    if roles.has_dates_as_columns:
        layout = "one row per series, one column per date"
    series = ", ".join(roles.series) or "none"
    lines = [
        f"layout     {layout}",
        f"time       {', '.join(roles.time_columns) or roles.time}: {_without_period(roles.reasons['time'])}",
        f"series     {series}: {_without_period(roles.reasons['series'])}",
        f"targets    {join_names(roles.targets)}: {_without_period(roles.reasons['targets'])}",
    ]
    lines += [
        f"{role:<10} {', '.join(names)}: {ROLE_REASONS[role]}"
        for role, names in selected.items()
        if names
    ]
    if summary.n_unknown_ahead:
        lines.append(
            f"future     {summary.n_unknown_ahead:,} of {summary.panel.n_series:,} series lack "
            f"{join_names(summary.future)} in a part of the horizon: the last value is taken (features.missing_future)"
        )
    used = {name for names in selected.values() for name in names}
    if others := [name for name in roles.unused if name not in used]:
        lines.append(f"not used   {_describe_unused(others, roles.unused_reasons)}")
    lines += [
        f"frequency  {summary.panel.frequency.alias}: {_agreement_note(summary.changes)}",
        f"season     {summary.season}",
        f"horizon    {summary.horizon}",
    ]
    notes = tuple(note for note in summary.table.notes if note not in roles.notes)
    report = build_cleaning_report(replace(summary.table, notes=notes), summary.changes)
    lines += [f"data       {line}" for line in report.summary_lines()]
    problems = (*summary.changes.problems, *summary.candidates.problems)
    return lines + [f"problem    {problem}" for problem in problems]


def _describe_unused(names: Sequence[str], reasons: Mapping[str, str]) -> str:
    """The columns without a role: those that could be targets, then others with the reason."""
    candidates = [name for name in names if reasons.get(name) == CANDIDATE]
    parts = [f"{join_names(candidates)} (candidates for data.targets or features)"] * bool(
        candidates
    )
    others = [
        f"{name} ({reasons[name]})" if name in reasons else name
        for name in names
        if name not in candidates
    ]
    return "; ".join([*parts, join_names(others)] if others else parts)
