"""All checks before a forecast, and the findings of those beyond their limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from rnnforecast.pipeline.checks.context import Check, CheckContext
from rnnforecast.pipeline.checks.covariates import COVARIATE_CHECKS
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.checks.freshness import FRESHNESS_CHECKS
from rnnforecast.pipeline.checks.series_changes import SERIES_CHECKS
from rnnforecast.pipeline.checks.values import VALUE_CHECKS
from rnnforecast.spec.checks import ChecksSpec, Limits, job_checks

CHECKS: tuple[Check, ...] = (
    *FRESHNESS_CHECKS,
    *SERIES_CHECKS,
    *VALUE_CHECKS,
    *COVARIATE_CHECKS,
)


@dataclass(frozen=True)
class CheckOptions:
    """How a forecast is checked."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """The time that counts as now, with a time zone."""
    strict: bool = False
    """Whether each finding of a check is an error."""
    for_job: bool = False
    """Whether the limits are those of a job, see `job_checks`."""

    def limits(self, checks: ChecksSpec) -> ChecksSpec:
        """The limits that count."""
        return job_checks(checks) if self.for_job else checks


def check_findings(
    context: CheckContext, limits: ChecksSpec, *, strict: bool = False
) -> Iterator[Finding]:
    """What the checks find beyond their limits; with `strict` all are errors."""
    for check in CHECKS:
        own: Limits = getattr(limits, check.key)
        warn, error = _limit(check, context, own, "warn"), _limit(check, context, own, "error")
        lower = min(warn, error)
        if lower == math.inf:
            continue
        found = check.measure(context, lower)
        if found is None or not found.value > lower:
            continue
        is_error = strict or found.value > error
        limit = error if found.value > error else lower
        level: Literal["warn", "error"] = "error" if is_error else "warn"
        yield Finding(
            check.key,
            found.message,
            "error" if is_error else "warning",
            found.count,
            round(found.value, 6),
            limit,
            found.series,
            f"{check.cure}; if it is right, raise checks.{check.key}.{level}, now {limit:g}, or set"
            f" checks.{check.key} to off",
        )


def _limit(
    check: Check, context: CheckContext, limits: Limits, level: Literal["warn", "error"]
) -> float:
    """The limit of a level; infinity where it is off."""
    given = limits.warn if level == "warn" else limits.error
    if given == "off":
        return math.inf
    if given != "auto":
        return given
    found = None if check.auto is None else check.auto(context, level)
    return math.inf if found is None else found
