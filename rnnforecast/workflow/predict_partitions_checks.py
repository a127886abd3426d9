"""Findings about a dataset, from what its partitions left: those of all series together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnnforecast.data.io.partitions import Partition
from rnnforecast.data.panel.rules import has_common_bounds
from rnnforecast.errors import DataError, Problem
from rnnforecast.pipeline.checks.context import CheckContext
from rnnforecast.pipeline.checks.data_counts import DataCounts
from rnnforecast.pipeline.checks.data_findings import data_findings
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.checks.run_checks import check_findings
from rnnforecast.pipeline.checks.series_ends import PanelKind, merge_samples
from rnnforecast.pipeline.run import Run
from rnnforecast.types import Bools
from rnnforecast.workflow.predict_forecast import IN_SAMPLE
from rnnforecast.workflow.predict_partitions_record import PartRecord, read_known, read_sample
from rnnforecast.workflow.predict_partitions_task import PartsForecast
from rnnforecast.workflow.predict_request import ForecastRequest

EXACT_CHECKS = (
    "data_age",
    "model_age",
    "ends_before_training",
    "unchanged_data",
    "vanished_series",
)
"""Checks that are exact where the others look at a sample of the series."""


def parts_findings(
    run: Run,
    parts: PartsForecast,
    partitions: Sequence[Partition],
    records: Sequence[PartRecord],
    counts: DataCounts,
    request: ForecastRequest,
    data_sha256: str,
) -> list[Finding]:
    """What a forecast of all partitions in one file would find.

    Of a dataset with very many rows, most checks look at a sample of the series and say so. Raises
    DataError if the partitions are of different kinds, such as with different time zones.
    """
    used = [
        (each, record)
        for each, record in zip(partitions, records, strict=True)
        if record.series is not None
    ]
    kind = _common_kind(used)
    findings = list(data_findings(run, counts, parts.steps))
    if parts.origin is not None:
        is_in_sample = any(record.series and record.series.is_in_sample for _, record in used)
        return [*findings, IN_SAMPLE] if is_in_sample else findings
    if (checks := request.checks) is None:
        return findings
    tables = [read_sample(parts.work, each) for each, _ in used]
    is_sample = parts.checked is not None
    found = _found_series(run, parts, [each for each, _ in used]) if is_sample else None
    data = merge_samples(tables, kind, found)
    context = CheckContext(run, data, parts.steps, checks.now, data_sha256, request.previous)
    checked = check_findings(context, checks.limits(run.spec.checks), strict=checks.strict)
    if not is_sample:
        return [*findings, *checked]
    words = f"in a sample of {data.panel.n_series:,} of {counts.series:,} series: "
    return findings + [
        each if each.code in EXACT_CHECKS else replace(each, message=words + each.message)
        for each in checked
    ]


def check_common_bounds(
    run: Run, partitions: Sequence[Partition], records: Sequence[PartRecord]
) -> None:
    """Raises DataError if series begin and end together, and each partition for itself has another
    first or last step than the whole dataset."""
    if not has_common_bounds(run.plan.clean, run.plan.read_options.data.targets):
        return
    spans = {
        record.series.span: each
        for each, record in zip(partitions, records, strict=True)
        if record.series is not None
    }
    if len(spans) > 1:
        one, other, *_ = (each.name for each in spans.values())
        found = (
            "do not begin and end at the same time, and with clean.missing zero or constant, and "
            "with clean.resample, the first and the last step of a series are those of all files"
        )
        cure = "leave out --partitions, or train with clean.start and clean.end set to each"
        raise DataError(Problem(f"{one} and {other}", found, cure))


def _common_kind(used: Sequence[tuple[Partition, PartRecord]]) -> PanelKind:
    """The kind of the panels of all partitions; DataError if they differ."""
    kinds = {record.series.kind: each for each, record in reversed(used) if record.series}
    if len(kinds) > 1:
        (first, one), (second, other), *_ = kinds.items()
        differing = [
            f"{name} {getattr(first, name)!r} and {getattr(second, name)!r}"
            for name in PanelKind.__dataclass_fields__
            if getattr(first, name) != getattr(second, name)
        ]
        found = f"are read differently: {', '.join(differing)}"
        cure = "write all files of the dataset in one form"
        raise DataError(Problem(f"{one.name} and {other.name}", found, cure))
    return next(iter(kinds))


def _found_series(run: Run, parts: PartsForecast, partitions: Sequence[Partition]) -> Bools:
    """[series of the profile] whether a series is in any partition."""
    found = np.zeros(len(run.profile.labels), dtype=np.bool_)
    for partition in partitions:
        found[read_known(parts.work, partition)] = True
    return found
