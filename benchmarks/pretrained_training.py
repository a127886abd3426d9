"""Parts of `pretrained.py` that train networks: series that are each alone, and the warm start."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import competition
import numpy as np
from alone import jobs_of, our_forecast, run_jobs
from alone_sets import Sample
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


def warm(samples: dict[str, Sample], comparison: Comparison) -> Part:
    """`fast` with and without the warm start, at the same steps, on whole sets."""
    part = Part("Warm start: `fast` on whole sets")
    lines = [table_head(["data", "pretrained network", "seeds"], WARM_COLUMNS)]
    for name, sample in samples.items():
        runs = {
            side: _fast_runs(sample, changes, comparison)
            for side, changes in comparison.sides.items()
        }
        lines += [format_row(name, side, found, WARM_COLUMNS) for side, found in runs.items()]
        without, found = _medians(runs)
        title = f"{name}, `fast`: OWA with / without warm start"
        part.rows.append(at_most(title, found["owa"] / without["owa"], OWA_WARM))
    part.text = "\n".join(lines)
    if not part.rows:
        part.rows = [not_measured(part.title, "none of the chosen sets is in DATA")]
    return part


def _fast_runs(sample: Sample, sets: Sequence[str], comparison: Comparison) -> list[Scores]:
    """The scores of each seed on all series of a sample together."""
    benchmark, changes = sample.benchmark, ("training.preset=fast", *sets)
    with tempfile.TemporaryDirectory(prefix="rnnforecast-pretrained-") as temporary:
        folder = Path(temporary)
        for table, file in zip((sample.train, sample.test), benchmark.files(folder), strict=True):
            table.to_csv(file, index=False)
        return [
            comparison.cache.get(
                run_key(benchmark.name, seed, changes),
                lambda seed=seed: competition.run(benchmark, folder, seed, changes),  # type: ignore[misc]
            )
            for seed in range(1, comparison.seeds + 1)
        ]


def _medians(runs: dict[str, list[Scores]]) -> tuple[Scores, Scores]:
    """The medians over seeds, without and with the pretrained network."""
    return _median(runs["without"]), _median(runs["with"])


def _median(runs: Sequence[Scores]) -> Scores:
    return {measure: float(np.median([run[measure] for run in runs])) for measure in COLUMNS}
