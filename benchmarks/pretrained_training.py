"""Parts of `pretrained.py` that train networks: series that are each alone, and the warm start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import competition
import numpy as np
from alone import jobs_of, our_forecast, run_jobs
from alone_sets import Sample
from competition import Benchmark
from measures import headings, score
from pretrained_accuracy import COLUMNS, compare
from pretrained_gate import OWA_ALONE, OWA_WARM, Part, at_most, not_measured
from score_tables import ResultCache, Scores, format_row, run_key, table_head

WARM_COLUMNS = COLUMNS | headings("train_s")


@dataclass(frozen=True)
class Comparison:
    """Overrides of the spec with and without the pretrained network."""

    with_it: tuple[str, ...]
    without: tuple[str, ...]
    seeds: int
    cache: ResultCache

    @property
    def sides(self) -> dict[str, tuple[str, ...]]:
        """The overrides, by the name of the side."""
        return {"without": self.without, "with": self.with_it}


def whole(
    samples: dict[str, Sample], gated: Sequence[str], comparison: Comparison, processes: int
) -> Part:
    """Series that are each alone, forecast by `init`, `train` and `predict` with `balanced`."""
    part = Part("Series alone: `init`, `train` and `predict` with `balanced`")
    lines = [table_head(["each series alone", "pretrained network", "seeds"], COLUMNS)]
    for name, sample in samples.items():
        runs: dict[str, list[Scores]] = {}
        for side, changes in comparison.sides.items():
            for seed in range(1, comparison.seeds + 1):
                jobs = jobs_of(sample, "balanced", seed, changes)
                run_jobs(list(jobs.values()), comparison.cache, processes)
                table = our_forecast(sample, jobs, comparison.cache)
                found = score(sample.train, sample.test, table, sample.benchmark.season)
                runs.setdefault(side, []).append(found)
        title = f"{sample.train['unique_id'].nunique()} of {name}"
        lines += [format_row(title, side, found, COLUMNS) for side, found in runs.items()]
        if name in gated:
            without, found = _medians(runs)
            part.rows += compare(f"{title}, each alone, `balanced`", without, found, OWA_ALONE)
    part.text = "\n".join(lines)
    if not part.rows:
        part.rows = [not_measured(part.title, f"none of {', '.join(gated)} was chosen")]
    return part


def warm(data: Path, benchmarks: Sequence[Benchmark], comparison: Comparison) -> Part:
    """`fast` with and without the warm start, at the same steps, on whole sets."""
    part = Part("Warm start: `fast` on whole sets")
    lines = [table_head(["data", "pretrained network", "seeds"], WARM_COLUMNS)]
    for benchmark in benchmarks:
        runs: dict[str, list[Scores]] = {}
        for side, sets in comparison.sides.items():
            changes = ("training.preset=fast", *sets)
            for seed in range(1, comparison.seeds + 1):
                found = comparison.cache.get(
                    run_key(benchmark.name, seed, changes),
                    lambda b=benchmark, s=seed, c=changes: competition.run(b, data, s, c),  # type: ignore[misc]
                )
                runs.setdefault(side, []).append(found)
        lines += [
            format_row(benchmark.name, side, found, WARM_COLUMNS) for side, found in runs.items()
        ]
        without, found = _medians(runs)
        name = f"{benchmark.name}, `fast`: OWA with / without warm start"
        part.rows.append(at_most(name, found["owa"] / without["owa"], OWA_WARM))
    part.text = "\n".join(lines)
    if not part.rows:
        part.rows = [not_measured(part.title, "none of the chosen sets is in DATA")]
    return part


def _medians(runs: dict[str, list[Scores]]) -> tuple[Scores, Scores]:
    """The medians over seeds, without and with the pretrained network."""
    return _median(runs["without"]), _median(runs["with"])


def _median(runs: Sequence[Scores]) -> Scores:
    return {measure: float(np.median([run[measure] for run in runs])) for measure in COLUMNS}
