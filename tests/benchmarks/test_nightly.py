"""Some nights of the simulated quarter, of each kind but those that are killed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.benchmarks.scripts import script

SPEC_CHANGES = ("max_steps: 80", "max_steps: 10")
NIGHTS = ("", "late", "later", "corrupt", "unit", "fewer", "zeros", "bad cell")
"""The clocks change in the night of `unit`."""


@pytest.fixture(scope="module")
def nightly() -> ModuleType:
    return script("nightly")


@pytest.fixture(scope="module")
def simulation(nightly: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Eight nights, simulated."""
    quarter = nightly.Quarter(
        first=date(2026, 3, 26),
        days=len(NIGHTS),
        series=4,
        history_days=14,
        drift=len(NIGHTS),
        events=tuple((number, event) for number, event in enumerate(NIGHTS) if event),
    )
    found = nightly.Simulation(
        quarter, tmp_path_factory.mktemp("nights"), spec=nightly.SPEC.replace(*SPEC_CHANGES)
    )
    assert len(list(found.run())) == len(NIGHTS)
    return found


def test_each_night_ends_as_it_must(nightly: ModuleType, simulation: Any) -> None:
    assert nightly.problems(simulation) == []
    assert [night.exit_code for night in simulation.nights] == [0, 0, 7, 4, 7, 7, 7, 0]
    assert simulation.nights[0].retrain == "first"
    cutoffs = simulation.ledger()["cutoff"].unique()
    assert sorted(map(str, cutoffs)) == ["2026-03-25 22:00:00", "2026-04-01 21:00:00"]


def test_what_is_not_as_it_must_be_is_told(nightly: ModuleType, simulation: Any) -> None:
    other = nightly.Quarter(first=date(2026, 3, 26), days=len(NIGHTS), series=4, events=())
    told = nightly.problems(nightly.Simulation(other, simulation.folder, nights=simulation.nights))
    assert len([line for line in told if "exit code" in line]) == 5
    assert len([line for line in told if "0 issues of" in line]) == 6


def test_the_page_shows_the_nights(nightly: ModuleType, simulation: Any, tmp_path: Path) -> None:
    page = tmp_path / "quarter.html"
    nightly.write_page(page, simulation, nightly.live_errors(simulation), [], 1.0)
    text = page.read_text(encoding="utf-8")
    assert "All nights ended as they must." in text
    assert "level_shift" in text
    assert "data:image/png;base64," in text
