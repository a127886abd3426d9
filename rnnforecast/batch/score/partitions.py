"""`score --partitions`: issued forecasts beside a dataset, one of its partitions at a time.

Each worker reads a partition, and of each issue the rows of its series. What it returns adds up:
sums of metrics by training, cutoff and step, of errors by day, and the worst series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from rnnforecast.batch.ledger.ledger import (
    IssueInfo,
    Ledger,
    default_location,
    ledger_timestamps,
    open_ledger,
    recorded_name,
)
from rnnforecast.batch.score.ledger_score import (
    LedgerScore,
    not_in_data,
    score_issues,
    select_issues,
)
from rnnforecast.batch.score.page import MAX_WORST
from rnnforecast.batch.score.score import ScoreResult, build_result
from rnnforecast.batch.score.totals import ScoreTotals
from rnnforecast.batch.score.windows import cutoff_numbers, distinct_windows, valid_rows
from rnnforecast.data.cleaning_plan import CleaningPlan, align_table, read_table
from rnnforecast.data.io.distinct_series import DistinctSeries
from rnnforecast.data.io.partitions import Partition, list_partitions, of_partition
from rnnforecast.data.io.series_hash import Hashes, hash_keys
from rnnforecast.errors import DataError, Problem
from rnnforecast.parallel.engine import Engine, TaskContext
from rnnforecast.parallel.in_process import InProcessEngine
from rnnforecast.pipeline.partition_tasks import PartitionFailure, run_partitions
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.run_versions import resolve_run


@dataclass(frozen=True)
class ScoredIssues:
    """What all tasks share."""

    ledger: str
    issues: tuple[IssueInfo, ...]
    plan: CleaningPlan
    season: int

    def open(self) -> Ledger:
        """The ledger. Raises UsageError."""
        return open_ledger(self.ledger)


@dataclass(frozen=True)
class PartScore:
    """The scores of the series of a partition."""

    score: LedgerScore
    """With the panel of one series, and the totals of the worst."""
    hashes: Hashes
    """[S] see `hash_keys`."""
    known: list[Counter[int]]
    """For each issue, the windows that the partition has, by their cutoff."""
    start: np.ndarray
    """`[1]` the first timestamp of all series, as in the ledger."""


def score_partitions(
    folder: Path,
    *,
    data: Sequence[str] | None = None,
    ledger: str | None = None,
    since: date | None = None,
    engine: Engine | None = None,
    listener: ProgressListener | None = None,
) -> tuple[ScoreResult, LedgerScore]:
    """As `score.score`, by the values of a dataset of Parquet files with whole series each.

    Memory is one partition and one issue in each worker, and 8 bytes a series. Nothing is
    calibrated, and of the series only the worst are listed.

    Raises:
        RunFolderError, UsageError, WorkerLost; DataError if a partition cannot be read, or a series
        is in two of them.
    """
    listener, engine = listener or NullListener(), engine or InProcessEngine()
    run = load_run(resolve_run(folder))
    opened = open_ledger(ledger or default_location(folder))
    issues, findings = select_issues(opened, recorded_name(folder), since)
    partitions = [each for each in list_partitions(data or run.source) if each.rows != 0]
    if not partitions:
        raise DataError(Problem("", "no partition has any rows", "see what wrote them"))
    location = ledger or default_location(folder)
    shared = ScoredIssues(location, tuple(issues), run.plan, run.plan.season)
    paths = [partitions[0].path, partitions[-1].path]
    engine.check_files(paths if "://" in location else [*paths, location])
    merged = _Merged(partitions)
    run_partitions(
        engine, score_part, shared, partitions, merged.receive, phase="score", listener=listener
    )
    score = merged.score_or_error()
    score.issues, score.findings = issues, [*findings, *score.findings]
    totals = dict(engine.run(count_windows, shared, issues))
    score.findings += not_in_data(merged.unknown([totals[each] for each in range(len(issues))]))
    result = build_result(run, recorded_name(folder), opened.location, score)
    result = replace(result, findings=tuple(score.findings))
    for finding in result.findings:
        listener.warning(str(finding))
    return result, score


def score_part(
    shared: ScoredIssues, partition: Partition, context: TaskContext
) -> PartScore | PartitionFailure:
    """Scores the series of a partition."""
    try:
        table = read_table(shared.plan, [partition.path], skip_invalid_series=True)
        panel = align_table(shared.plan, table, skip_invalid_series=True).panel
    except DataError as error:
        return PartitionFailure(of_partition(error.problems, partition))
    score, known = score_issues(shared.open(), shared.issues, panel, season=shared.season)
    start = ledger_timestamps(panel.start_timestamps().min(keepdims=True), panel)
    return PartScore(_without_series(score), hash_keys(panel.keys), known, np.asarray(start))


def count_windows(shared: ScoredIssues, issue: IssueInfo, context: TaskContext) -> Counter[int]:
    """All windows of an issue by their cutoff; none if it cannot be read, which is a finding."""
    try:
        rows = valid_rows(shared.open().read(issue))
    except DataError:
        return Counter()
    return distinct_windows(rows)


def _without_series(score: LedgerScore) -> LedgerScore:
    """The scores without the panel, and with the totals of the worst series alone."""
    panel, totals = score.panel, score.totals
    one = panel.filter_series(np.arange(panel.n_series) == 0)
    totals = _with_worst(replace(totals, panel=one, labels=list(totals.names("series"))))
    return replace(score, panel=one, totals=totals, drift=replace(score.drift, panel=one))


def _with_worst(totals: ScoreTotals) -> ScoreTotals:
    """The totals without all but the worst series."""
    worst = totals.worst_series(MAX_WORST)
    labels = [totals.names("series")[index] for index in worst.tolist()]
    kept = {
        key: each.take(worst) if key[1] == "series" else each for key, each in totals.totals.items()
    }
    return replace(totals, totals=kept, labels=labels)


class _Merged:
    """The scores of partitions, added up one after the other."""

    def __init__(self, partitions: Sequence[Partition]) -> None:
        self.partitions = partitions
        self.count = 0
        self._waiting: dict[int, PartScore] = {}
        self.score: LedgerScore | None = None
        self.known: list[Counter[int]] = []
        self.start: np.ndarray | None = None
        self.distinct = DistinctSeries()
        self.problems: list[Problem] = []

    def receive(self, index: int, part: PartScore) -> None:
        """Adds a partition once those before it are added: sums have one order."""
        self._waiting[index] = part
        while self.count in self._waiting:
            self._add(self._waiting.pop(self.count))

    def _add(self, part: PartScore) -> None:
        name = self.partitions[self.count].name
        self.count += 1
        if len(self.distinct.add(part.hashes)):
            found, cure = "has series that an earlier file has, too", "write each into one file"
            self.problems.append(Problem(name, found, cure))
        if self.score is None or self.start is None:
            self.score, self.known, self.start = part.score, part.known, part.start
            return
        self.score.add(part.score)
        self.score.totals = _with_worst(self.score.totals)
        self.known = [a + b for a, b in zip(self.known, part.known, strict=True)]
        self.start = np.minimum(self.start, part.start)

    def score_or_error(self) -> LedgerScore:
        """The scores of all partitions. Raises DataError."""
        if self.problems or self.score is None:
            raise DataError(*self.problems)
        return self.score

    def unknown(self, totals: Sequence[Counter[int]]) -> int:
        """Windows in issues, `totals` by cutoff, that no partition has; those before all data do
        not count, see `IssuedWindows`."""
        assert self.start is not None
        first = int(cutoff_numbers(self.start)[0])
        return sum(
            count
            for total, known in zip(totals, self.known, strict=True)
            for cutoff, count in (total - known).items()
            if cutoff >= first
        )
