"""`init`: a commented spec for a data file, ready for training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnnforecast.data.cleaning_plan import CleaningPlan, align_table, preview_table, read_table
from rnnforecast.data.features.checks import known_steps_ahead
from rnnforecast.data.io.input_files import fetch_urls
from rnnforecast.data.io.memory_budget import KEY as MEMORY_KEY
from rnnforecast.data.io.memory_budget import RowLimit
from rnnforecast.data.io.partitions import has_partitions
from rnnforecast.data.io.table import Table
from rnnforecast.data.io.target_columns import CANDIDATE
from rnnforecast.data.panel.changes import CleaningChanges
from rnnforecast.data.panel.panel import Panel, describe_size
from rnnforecast.data.profiling.cleaning_report import build_cleaning_report
from rnnforecast.errors import OutputPathError, Problem
from rnnforecast.output.atomic_files import write_text
from rnnforecast.pipeline.auto import resolve_season
from rnnforecast.pipeline.prepare import build_cleaning_plan
from rnnforecast.pipeline.training_memory import training_bytes
from rnnforecast.spec.load import parse_spec, spec_for_data
from rnnforecast.spec.locations import absolute_location, is_url
from rnnforecast.spec.reference import commented_yaml
from rnnforecast.spec.spec import Spec
from rnnforecast.wording import join_names
from rnnforecast.workflow.detection_words import (
    agreement_words,
    finding_line,
    layout_words,
    role_words,
    without_period,
)
from rnnforecast.workflow.init_covariates import (
    ROLE_REASONS,
    CovariateCandidates,
    find_covariate_candidates,
)
from rnnforecast.workflow.init_horizon import DetectedValue, describe_open_span, suggest_horizon

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
MAX_ROWS = 5_000_000
"""Of more rows those of a sample of the series are looked at."""
_LIST_MISSING = "set data.missing_values"


@dataclass(frozen=True)
class InitResult:
    """The text of the spec, and the findings it is based on, one per line."""

    text: str
    findings: list[str]
    by_partitions: bool = False
    """Whether a sample of the series of several Parquet files was looked at."""


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

    @property
    def found_no_season(self) -> bool:
        """Whether a season was looked for without success."""
        return self.season.value == 1 and "window.season" not in self.given


def init(
    data: str, path: Path, *, overrides: Sequence[str] = (), overwrite: bool = False
) -> InitResult:
    """Writes a commented spec for the data file to `path`.

    Args:
        data: the file, a URL, or ``-`` for standard input.
        overrides: values of keys, such as ``data.time_format=%d/%m/%Y``.
        overwrite: replace an existing file.

    Raises:
        SpecError, DataError; OutputPathError if `path` exists, OutputError if it cannot be written.
    """
    _check_target(path, overwrite=overwrite)
    relative = _location_from(data, path.resolve().parent)
    spec = spec_for_data(relative, overrides)
    given = frozenset(override.split("=", 1)[0].strip() for override in overrides)
    summary = _summarize(spec, path, given)
    values = _draft_values(relative, summary)
    keys = {*values, *COMMON_KEYS, *given}
    if summary.table.sampled:
        keys.add(MEMORY_KEY)
    sections = _section_values(spec, values, sorted(keys))
    text = f"# {_headline(summary)}\n\n{commented_yaml(sections, _draft_notes(summary))}"
    parse_spec(text, name=str(path))  # an invalid draft fails here, not in `train`
    write_text(path, text)
    sampled = summary.table.sampled is not None
    by_partitions = sampled and has_partitions(spec.data.source_paths(path))
    return InitResult(text, _findings(summary), by_partitions)


def _location_from(data: str, folder: Path) -> str:
    """The location of the data in a spec in `folder`: a relative path, or a URL."""
    if data == "-" or is_url(data):
        return absolute_location(data, Path.cwd())
    return os.path.relpath(data, folder)


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
    plan = build_cleaning_plan(spec)
    source = fetch_urls(spec.data.source_paths(path), spec.data)
    selection = RowLimit(MAX_ROWS)
    table = read_table(plan, source, selection=selection)
    candidates = find_covariate_candidates(plan, source, table, selection)
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
        found = DetectedValue(horizon, f"given{describe_open_span(panel.frequency, horizon)}")
    else:
        found = suggest_horizon(panel, season.value, future, known)
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
        # a 1 would rule out a season, which statistical methods may find in a single series
        "window.season": "auto" if summary.found_no_season else summary.season.value,
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
    notes = {f"data.{key}": without_period(reasons[key]) for key in ("time", "series", "targets")}
    closed = [str(note) for note in changes.notes if "closed" in note.decision.found]
    notes["clean.frequency"] = "; ".join([agreement_words(changes), *closed])
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
    if sampled := summary.table.sampled:
        n_columns = len(summary.table.roles.targets) + len(summary.table.covariates)
        size = training_bytes(
            summary.horizon.value,
            len(summary.spec.forecast.quantiles),
            summary.changes.n_rows / sampled.share,
            n_columns,
            sampled.of_series,
        )
        notes[MEMORY_KEY] = f"a training on all series takes about {size / 1e9:,.0f} GB"
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


def _headline(summary: DataSummary) -> str:
    n_series, n_targets = len(summary.changes.series), len(summary.panel.target_names)
    if summary.table.sampled:
        return (
            f"A spec for about {summary.table.sampled.of_series:,} series, of which "
            f"{n_series:,} were looked at; every key not written here is automatic."
        )
    size = "one series" if n_series == n_targets == 1 else describe_size(n_series, n_targets)
    return f"A spec for {size}; every key not written here is automatic."


def _findings(summary: DataSummary) -> list[str]:
    roles, selected = summary.table.roles, summary.candidates.selected
    lines = [finding_line("layout", layout_words(roles))]
    lines += [finding_line(role, words) for role, words in role_words(roles).items()]
    lines += [
        finding_line(role, f"{', '.join(names)}: {ROLE_REASONS[role]}")
        for role, names in selected.items()
        if names
    ]
    if summary.n_unknown_ahead:
        lines.append(
            f"future     {summary.n_unknown_ahead:,} of {summary.panel.n_series:,} series lack "
            f"{join_names(summary.future)} in a part of the horizon: the last value is taken "
            "(features.missing_future)"
        )
    used = {name for names in selected.values() for name in names}
    if others := [name for name in roles.unused if name not in used]:
        lines.append(f"not used   {_describe_unused(others, roles.unused_reasons)}")
    lines += [
        f"frequency  {summary.panel.frequency.alias}: {agreement_words(summary.changes)}",
        f"season     {summary.season}",
        f"horizon    {summary.horizon}",
    ]
    notes = tuple(note for note in summary.table.notes if note not in roles.notes)
    report = build_cleaning_report(replace(summary.table, notes=notes), summary.changes)
    lines += [f"data       {line}" for line in report.summary_lines()]
    lines += [f"not used   {problem}" for problem in summary.candidates.problems]
    return lines + [f"problem    {problem}" for problem in summary.changes.problems]


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
