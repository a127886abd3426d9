"""The parts of a report about the run: inputs, data, the resolved spec, how to reproduce it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnnforecast.errors import Problem
from rnnforecast.output.folder_snapshot import FolderFiles, FolderSnapshot, ReadableFolder
from rnnforecast.output.forecast_report.content import ReportSection, ReportTable, Statement
from rnnforecast.output.json_files import parse_json
from rnnforecast.output.style import format_percent
from rnnforecast.pipeline.data_report import JSON_FILE as DATA_REPORT_FILE
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import (
    HOLDOUT_FILE,
    METRICS_FILE,
    RESOLVED_SPEC_FILE,
    SERIES_METRICS_FILE,
    parse_run,
)
from rnnforecast.pipeline.run_versions import run_name
from rnnforecast.spec.locations import mask_url
from rnnforecast.wording import count_of, join_names, join_words

REPORT_SOURCES = (
    METRICS_FILE,
    DATA_REPORT_FILE,
    RESOLVED_SPEC_FILE,
    HOLDOUT_FILE,
    SERIES_METRICS_FILE,
)
"""Files of a run that a report is made of, besides those of `load_run`."""

SPEC_LINES = {
    True: "Every key with its value; those that were automatic are resolved.",
    False: "The keys that were given, and what was resolved of columns, frequency and season.",
}
"""By whether networks were trained."""
MAX_NOTES = 12
GRADE_ORDER = ("bad", "look", "good")


@dataclass(frozen=True)
class RunFiles:
    """The files of a run folder that a report quotes; empty where one is missing."""

    folder: ReadableFolder
    metrics: Mapping[str, Any]
    data_report: Mapping[str, Any]
    resolved_spec: str

    @classmethod
    def read(cls, folder: ReadableFolder) -> RunFiles:
        """The files of `folder`."""
        metrics = _read_text(folder, METRICS_FILE)
        return cls(
            folder,
            parse_json(metrics) if metrics else {},
            json.loads(_read_text(folder, DATA_REPORT_FILE) or "{}"),
            _read_text(folder, RESOLVED_SPEC_FILE),
        )

    @property
    def run_name(self) -> str:
        """The name of the run; of a version, that of all."""
        return run_name(self.folder.path)


def read_run_and_files(folder: FolderSnapshot) -> tuple[Run, FolderFiles]:
    """A run, and its `REPORT_SOURCES` in memory, for `read_run_folder`."""
    return parse_run(folder), folder.load(REPORT_SOURCES)


def data_statement(files: RunFiles) -> Statement | None:
    """The headline of the data report; None without one."""
    profile = files.data_report.get("profile", {})
    grades = profile.get("quality_grades", [])
    if not grades:
        return None
    worst = min(grades, key=lambda each: GRADE_ORDER.index(each["grade"]))["grade"]
    return Statement(f"The data: {profile['headline']['message']}.", worst)


def run_sections(run: Run, files: RunFiles, command: str, methods: str = "") -> list[ReportSection]:
    """The sections after those on accuracy; `command` made the page's folder, and `methods` are
    those of a run without networks."""
    return [
        _dependence_section(run, files.run_name, methods),
        *_data_section(files),
        ReportSection(
            "spec",
            "Spec",
            (SPEC_LINES[run.is_trained],),
            files=((RESOLVED_SPEC_FILE, files.resolved_spec),),
        ),
        _reproduction_section(run, files.run_name, command),
    ]


def _network_lines(run: Run) -> list[str]:
    """What the networks read, and their weight."""
    lookback = max(member.net.config.lookback for member in run.members)
    networks = count_of(len(run.members), "network")
    lines = [
        (
            f"The forecast is computed from the last {lookback:,} steps of a series by {networks} "
            f"({join_words(list(dict.fromkeys(m.net.config.backbone.name for m in run.members)))})."
        )
    ]
    weight = run.network_weight
    if not weight.is_networks_only:
        lines.append(
            f"The networks have a weight of {format_percent(weight.median)}; statistical methods, "
            "fitted to each series by itself, have the rest."
        )
    return lines


def _dependence_section(run: Run, name: str, methods: str) -> ReportSection:
    """What a forecast is computed from."""
    features = run.plan.features
    lines = _network_lines(run) if run.is_trained else [methods]
    if run.season > 1:
        lines.append(f"The season has {run.season:,} steps.")
    spec = features.spec
    inputs = {
        "Known up to the present": spec.past,
        "Known ahead": spec.future,
        "Of each series": spec.static,
        "Calendar": features.calendar,
    }
    lines += [
        f"{title}: {join_names(list(names), 12)}." for title, names in inputs.items() if names
    ]
    if not any(inputs.values()):
        lines.append("It uses no other inputs than the past of the series.")
    if run.is_trained:
        lines.append(
            "How much each input and each stretch of the past matters to a forecast is measured "
            f"by: rnnforecast inspect {name}"
        )
    return ReportSection("dependence", "What the forecast depends on", tuple(lines))


def _data_section(files: RunFiles) -> list[ReportSection]:
    report = files.data_report
    if not report:
        return []
    totals, profile = report.get("totals", {}), report.get("profile", {})
    facts = {
        "series": f"{totals.get('kept', 0):,} of {totals.get('series', 0):,}",
        "rows": f"{totals.get('rows', 0):,}",
        "period": f"{totals.get('start', '')} to {totals.get('end', '')}",
        "frequency": str(totals.get("frequency", "")),
        "season": _season_words(profile.get("season")),
    }
    graded = [
        Statement(f"{each['message'][0].upper()}{each['message'][1:]}.", each["grade"])
        for each in profile.get("quality_grades", [])
    ]
    notes = report.get("notes", [])
    graded += [
        Statement(f"{Problem(each['where'], each['found'], each['cure'])}.", _grade(each))
        for each in notes[:MAX_NOTES]
    ]
    lines = ["At training; plots and all changes are in data_report.html in the run folder."]
    return [
        ReportSection(
            "data",
            "State of the data",
            tuple(lines),
            graded=tuple(graded),
            table=ReportTable((), [list(each) for each in facts.items()]),
        )
    ]


def _reproduction_section(run: Run, name: str, command: str) -> ReportSection:
    metadata = run.metadata
    versions = [f"{name} {version}" for name, version in metadata["versions"].items()]
    facts = {
        "versions": join_words(versions),
        "seed": str(metadata["seed"]),
        "device": str(metadata["device"]),
        "parameters": f"{metadata['parameters']:,}",
        "SHA-256 of the data": str(metadata["data_sha256"]),
        "fingerprint of spec and data": str(metadata["fingerprint"]),
        "data files": join_names([mask_url(item) for item in run.source], 5),
    }
    commands = f"{command}\n"
    explanation = "The same data, spec and versions give the same forecasts."
    if run.is_trained:
        commands = f"rnnforecast train spec.yaml -o {name}\n{commands}"
        explanation = (
            "The same spec, data, versions and number of threads give the same forecasts. "
            "spec.yaml is in the run folder."
        )
    return ReportSection(
        "reproduce",
        "How to reproduce it",
        (explanation,),
        table=ReportTable((), [list(each) for each in facts.items()]),
        files=(("Commands", commands),),
    )


def _read_text(folder: ReadableFolder, name: str) -> str:
    return folder.read_text(name) if folder.has(name) else ""


def _grade(note: Mapping[str, Any]) -> str:
    return "look" if note["doubtful"] else ""


def _season_words(season: Mapping[str, Any] | None) -> str:
    length = (season or {}).get("length") or 0
    return f"{length:,} steps" if length > 1 else "none"
