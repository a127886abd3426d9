"""A corpus of faulty files: repairs with their counts, and refusals with their cures.

One fault a file in `tests/data_faults`, named by it; `expected.yaml` beside them says what becomes
of each: under `repaired` what is counted (all other repairs are none), under `y` the first series
after cleaning, under `refused` what the message has to say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rnnforecast.data.cleaning_plan import read_table
from rnnforecast.data.panel.changes import REPAIR_COUNTS
from rnnforecast.errors import DataError, SpecError
from rnnforecast.pipeline.prepare import PreparedData, build_cleaning_plan, prepare_table
from rnnforecast.spec.load import parse_spec

FOLDER = Path(__file__).parent.parent / "data_faults"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load(
    (FOLDER / "expected.yaml").read_text(encoding="utf-8")
)
REFUSED = [name for name, case in EXPECTED.items() if "refused" in case]
REPAIRED = [name for name, case in EXPECTED.items() if "refused" not in case]


def prepared(name: str) -> PreparedData:
    spec = parse_spec(
        f"data: {{path: {name}}}\nwindow: {{horizon: 1}}\n",
        name="spec.yaml",
        overrides=EXPECTED[name].get("set", []),
    )
    plan, source = build_cleaning_plan(spec), spec.data.source_paths(FOLDER / "spec.yaml")
    return prepare_table(spec, read_table(plan, source), source, FOLDER)


def test_every_file_is_expected_and_there_are_enough_of_them() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"expected.yaml"}
    assert files == set(EXPECTED)
    assert len(files) >= 60


@pytest.mark.parametrize("name", REPAIRED)
def test_it_is_repaired_as_declared_and_all_repairs_are_counted(name: str) -> None:
    case, found = EXPECTED[name], prepared(name)
    panel, changes = found.cleaned.panel, found.cleaned.changes
    counted = {key: changes.counts[key] for key in (*REPAIR_COUNTS, "resampled", "partial_periods")}
    wanted = dict.fromkeys(counted, 0) | case["repaired"]
    assert counted == wanted
    assert changes.skipped == case.get("skipped", {})
    assert int(found.cleaned.outliers.flags.sum()) == case.get("outliers", 0)
    if "y" in case:
        y = panel.targets[panel.offsets[0] : panel.offsets[1], 0]
        expected = np.array([np.nan if value is None else value for value in case["y"]])
        np.testing.assert_allclose(y, expected)
    if "keys" in case:
        assert panel.keys.iloc[0].tolist() == case["keys"]
    if "frequency" in case:
        assert panel.frequency.alias == case["frequency"]
    if "start" in case:
        first = panel.window_timestamps(np.zeros(panel.n_series, dtype=np.int64), 1)[0, 0]
        assert first == np.datetime64(case["start"])


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_its_place_and_a_cure(name: str) -> None:
    with pytest.raises((DataError, SpecError)) as caught:
        prepared(name)
    text = str(caught.value)
    for part in EXPECTED[name]["refused"]:
        assert part in text
    assert any(problem.cure for problem in caught.value.problems)
