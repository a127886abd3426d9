"""Invariances of cleaning: repetition, and the order of rows and series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.cleaning_plan import align_table, read_table
from rnnforecast.data.panel.changes import REPAIR_COUNTS, CleaningChanges
from rnnforecast.data.panel.panel import Panel
from rnnforecast.pipeline.prepare import build_cleaning_plan
from rnnforecast.spec.load import parse_spec

RULES: dict[str, list[str]] = {
    "duplicates": ["clean.duplicates=mean", "clean.frequency=h", "clean.irregular=snap"],
    "interpolated": ["clean.irregular=interpolate", "clean.frequency=h", "clean.duplicates=last"],
    "resampled": ["clean.resample=sum", "clean.frequency=3h", "clean.duplicates=first"],
    "a group of rules": [
        "clean.resample={y: mean, z: max}",
        "clean.frequency=2h",
        "clean.duplicates=last",
    ],
    "truncated": [
        "clean.max_length=20",
        "clean.frequency=h",
        "clean.irregular=snap",
        "clean.duplicates=last",
        "clean.tolerance=0.5",
    ],
    "in a zone": [
        "data.timezone=Europe/Berlin",
        "clean.frequency=D",
        "clean.resample=mean",
        "clean.duplicates=last",
        "clean.ambiguous_hour=earlier",
        "clean.nonexistent_hour=shift_forward",
    ],
}


def messy() -> pd.DataFrame:
    """Two series of two targets around a change of the clocks, with all that goes wrong."""
    rng = np.random.default_rng(1)
    frames = []
    for name in ("a", "b"):
        minutes = np.arange(150) * 60 + rng.integers(-12, 13, 150)
        time = pd.Timestamp("2024-03-28") + pd.to_timedelta(minutes, unit="min")
        frame = pd.DataFrame(
            {"id": name, "ds": time, "y": rng.normal(size=150), "z": rng.normal(size=150)}
        )
        frame.loc[rng.random(150) < 0.1, "y"] = np.nan
        frame = frame[rng.random(150) > 0.1]
        frames += [frame, frame.sample(5, random_state=2)]
    return pd.concat(frames, ignore_index=True)


def cleaned(frame: pd.DataFrame, path: Path, rules: list[str]) -> tuple[Panel, CleaningChanges]:
    frame.to_csv(path, index=False)
    spec = parse_spec(
        f"data: {{path: {path.name}, time: ds, series: [id], targets: [y, z]}}\n"
        "window: {horizon: 1}\n",
        name="spec.yaml",
        overrides=rules,
    )
    plan = build_cleaning_plan(spec)
    laid = align_table(plan, read_table(plan, [str(path)]))
    return laid.panel, laid.changes


def as_frame(panel: Panel) -> pd.DataFrame:
    frame = pd.DataFrame({"ds": panel.flat_timestamps()})
    frame.insert(0, "id", np.repeat(panel.keys["id"].to_numpy(), panel.lengths))
    frame[list(panel.target_names)] = panel.targets
    return frame


def same(one: Panel, two: Panel) -> None:
    pd.testing.assert_frame_equal(one.keys, two.keys)
    np.testing.assert_array_equal(one.flat_timestamps(), two.flat_timestamps())
    np.testing.assert_allclose(one.targets, two.targets, rtol=1e-12)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_cleaning_twice_changes_nothing_more(rules: list[str], tmp_path: Path) -> None:
    panel, first = cleaned(messy(), tmp_path / "data.csv", rules)
    assert sum(first.counts[name] for name in REPAIR_COUNTS) > 0
    again, second = cleaned(as_frame(panel), tmp_path / "again.csv", rules)
    same(panel, again)
    mended = {name: second.counts[name] for name in REPAIR_COUNTS if name != "missing"}
    assert not any(mended.values()), mended


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_the_order_of_rows_and_series_does_not_matter(rules: list[str], tmp_path: Path) -> None:
    # which of two rows of one time comes first does matter to first and last
    by_mean = [rule.replace("=first", "=mean").replace("=last", "=mean") for rule in rules]
    panel, _ = cleaned(messy(), tmp_path / "data.csv", by_mean)
    other, _ = cleaned(messy().sample(frac=1, random_state=3), tmp_path / "other.csv", by_mean)
    same(panel, other)
