"""The scores of the issues of a ledger, by a panel of observed values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from rnnforecast.batch.ledger.ledger import (
    IssueInfo,
    Ledger,
)
from rnnforecast.batch.score.drift import DriftChart, DriftSums
from rnnforecast.batch.score.totals import ScoreTotals
from rnnforecast.batch.score.windows import IssuedWindows
from rnnforecast.data.panel.panel import Panel
from rnnforecast.errors import (
    DataError,
)
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.types import Ints


@dataclass
class LedgerScore:
    """The scores of the issues of a run, by a panel of observed values."""

    panel: Panel
    totals: ScoreTotals
    drift: DriftSums
    following: np.ndarray
    """`[1]` the first timestamp after the data."""
    awaiting: int = 0
    """Windows without any observed value as yet."""
    series: int = 0
    """Series with an observed value of a window."""
    issues: list[IssueInfo] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    cutoffs: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The first and the last cutoff of each training."""

    @property
    def charts(self) -> list[DriftChart]:
        """The charts of drift."""
        return self.drift.charts()

    def add(self, other: LedgerScore) -> None:
        """Adds the scores of other series by the same issues."""
        self.totals.add_totals(other.totals)
        self.drift.add_sums(other.drift)
        self.following = np.maximum(self.following, other.following)
        self.awaiting += other.awaiting
        self.series += other.series
        self.findings += [each for each in other.findings if each not in self.findings]
        for run_id, (first, last) in other.cutoffs.items():
            self._add_cutoffs(run_id, first, last)

    def add_windows(self, windows: EvaluatedWindows, fresh: Ints, run_id: str) -> None:
        """Adds windows of an issue; `fresh` as in `IssuedWindows.join`."""
        self.totals.add(windows, run_id)
        self.drift.add(windows, fresh, run_id)
        times = self.panel.window_timestamps(windows.origin - 1, 1, windows.series)
        limits = times.astype(np.int64)
        self._add_cutoffs(run_id, int(limits.min()), int(limits.max()))

    def _add_cutoffs(self, run_id: str, first: int, last: int) -> None:
        earliest, latest = self.cutoffs.get(run_id, (first, last))
        self.cutoffs[run_id] = min(earliest, first), max(latest, last)


def score_ledger(
    ledger: Ledger, name: str, panel: Panel, *, season: int, since: date | None = None
) -> LedgerScore:
    """The scores of the issues of the run `name`, one issue in memory at a time.

    An issue that cannot be read is a finding. Raises DataError if the ledger cannot be.
    """
    issues, findings = select_issues(ledger, name, since)
    windows = IssuedWindows(panel, season)
    found = _score(ledger, issues, windows)
    found.issues, found.findings = issues, [*findings, *found.findings]
    found.findings += not_in_data(windows.unknown)
    return found


def select_issues(
    ledger: Ledger, name: str, since: date | None
) -> tuple[list[IssueInfo], list[Finding]]:
    """The issues of the run `name`, and what is wrong with others. Raises DataError."""
    listing = ledger.issues(since)
    findings = [Finding("ledger_file", line) for line in listing.findings]
    issues = [each for each in listing.issues if each.run_name == name]
    others = {each.run_name for each in listing.issues if each.run_name != name}
    if others and not issues:
        message = f"{ledger.location} has no issue of the run {name}, but of {sorted(others)[0]}"
        findings.append(Finding("ledger_other_run", message, count=len(others)))
    return issues, findings


def score_issues(
    ledger: Ledger, issues: Sequence[IssueInfo], panel: Panel, *, season: int
) -> tuple[LedgerScore, list[Counter[int]]]:
    """The scores of some of the series of issues, and for each issue the windows that are in the
    data, by their cutoff."""
    windows = IssuedWindows(panel, season, known=[])
    found = _score(ledger, issues, windows)
    assert windows.known is not None
    return found, windows.known[::-1]


def not_in_data(unknown: int) -> list[Finding]:
    """The finding about forecasts that cannot be scored, if there are any."""
    if not unknown:
        return []
    message = (
        f"{unknown:,} earlier forecasts are not scored: the data have no such series or"
        " cutoff, or cannot be read there"
    )
    return [Finding("not_in_data", message, count=unknown)]


def _score(ledger: Ledger, issues: Sequence[IssueInfo], windows: IssuedWindows) -> LedgerScore:
    """The scores of issues, the newest first."""
    panel = windows.panel
    totals = ScoreTotals(panel, windows.baseline.name)
    following = panel.window_timestamps(panel.lengths, 1).max(keepdims=True)[0]
    found = LedgerScore(panel, totals, DriftSums(panel), following)
    for issue in reversed(issues):
        try:
            rows = ledger.read(issue)
        except DataError as error:
            found.findings.append(Finding("ledger_file", str(error)))
            rows = None
        joined = windows.join(rows)
        if joined is not None:
            found.add_windows(*joined, issue.run_id)
    found.awaiting = windows.awaiting
    found.series = int((totals.values("series") > 0).sum())
    return found
