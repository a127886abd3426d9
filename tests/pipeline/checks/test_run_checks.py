"""Checks before a forecast: silent on ordinary nights, each with its code on others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.cleaning_plan import prepare_data
from rnnforecast.pipeline.checks.context import CheckContext, CheckedData, PreviousForecast
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.checks.run_checks import CHECKS, check_findings
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.spec.checks import JOB_CHECKS, ChecksSpec, Limits
from tests.pipeline.checks.nights import (
    END,
    HORIZON,
    N_SERIES,
    NIGHT,
    NIGHTS,
    rows,
    train_run,
)

Checked = Callable[..., list[Finding]]


@pytest.fixture(scope="module")
def run() -> Run:
    return load_run(train_run())


@pytest.fixture(scope="module")
def context_of(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., CheckContext]:
    """Reads a table, or that of a night, as the run does."""
    path, nights = tmp_path_factory.mktemp("new") / "new.csv", dict[str, CheckContext]()

    def read(data: pd.DataFrame | str, now: str = NIGHT) -> CheckContext:
        if isinstance(data, str) and data in nights:
            return nights[data]
        table = NIGHTS[data].make() if isinstance(data, str) else data
        moment = NIGHTS[data].now if isinstance(data, str) else now
        table.to_csv(path, index=False)
        cleaned = prepare_data(run.plan, [str(path)], horizon=HORIZON)
        instant = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        found = CheckContext(run, CheckedData.of_cleaned(cleaned), HORIZON, instant, "hash")
        if isinstance(data, str):
            nights[data] = found
        return found

    return read


@pytest.fixture
def checked(run: Run, context_of: Callable[..., CheckContext]) -> Checked:
    """The findings of the checks of a table, or of a night."""

    def check(
        data: pd.DataFrame | str,
        now: str = NIGHT,
        limits: ChecksSpec | None = None,
        *,
        strict: bool = False,
        **changes: Any,
    ) -> list[Finding]:
        context = context_of(data, now)
        context = replace(context, **changes) if changes else context
        return list(check_findings(context, limits or run.spec.checks, strict=strict))

    return check


def _codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}


def test_each_key_of_the_section_has_a_check() -> None:
    assert {check.key for check in CHECKS} == set(ChecksSpec.model_fields)
    found_at_night = {night.code for night in NIGHTS.values()} | {"unchanged_data"}
    assert found_at_night == set(ChecksSpec.model_fields)


def test_the_data_of_the_training_are_fine_at_any_time_for_a_historic_file(
    checked: Checked, run: Run
) -> None:
    assert not checked(rows())
    later = replace(run, metadata={**run.metadata, "trained_at": "2026-11-27T02:15:00+00:00"})
    assert not checked(rows(), "2026-12-03", run=later)


@pytest.mark.parametrize("days", [1, 7, 20, 60])
def test_ordinary_nights_are_silent(context_of: Callable[..., CheckContext], days: int) -> None:
    table = rows(days_later=days, n_days=98 + days)
    grown = table["y"] * np.where(table["ds"] > END, 1.3, 1)
    holiday = table["ds"] == table["ds"].max() - pd.Timedelta(days=HORIZON)
    table["y"] = grown.where(~holiday, grown * 0.2)
    table = table[table["unique_id"] != "s03"]
    names = {"s01": "new"}
    fresh = table[(table["unique_id"] == "s01") & (table["ds"] > END - pd.Timedelta("30D"))]
    fresh = fresh.assign(y=fresh["y"] + 3).replace({"unique_id": names})
    context = context_of(pd.concat([table, fresh]))
    for late in (1, 3):
        night = END + pd.Timedelta(days=days + late, hours=2)
        on_time = replace(context, now=night.to_pydatetime().replace(tzinfo=UTC))
        assert not list(check_findings(on_time, context.run.spec.checks))


@pytest.mark.parametrize("name", NIGHTS)
def test_a_night_tells_its_code(checked: Checked, name: str) -> None:
    code, found = NIGHTS[name].code, checked(name)
    assert code in _codes(found)
    assert _codes(found) <= {code, *NIGHTS[name].others}
    own = next(finding for finding in found if finding.code == code)
    assert own.count is not None
    assert own.value is not None
    assert own.threshold is not None
    assert own.value > own.threshold
    assert f"checks.{code}" in own.cure
    silent = ChecksSpec.model_validate({code: "off"})
    assert code not in _codes(checked(name, limits=silent))
    strict = ChecksSpec.model_validate({code: {"error": 0}})
    assert (code, "error", 0) in {
        (each.code, each.level, each.threshold) for each in checked(name, limits=strict)
    }


def test_by_default_only_what_no_one_can_want_is_an_error(checked: Checked) -> None:
    errors = {name for name in NIGHTS if any(finding.level == "error" for finding in checked(name))}
    assert errors <= {"times 1000", "divided by 1000"}
    assert "times 1000" in errors


@pytest.mark.parametrize(
    "name", ["stale", "fewer series", "all new", "times 1000", "zeros", "no plan"]
)
def test_a_job_is_stricter(checked: Checked, name: str) -> None:
    found = checked(name, limits=JOB_CHECKS)
    assert any(finding.level == "error" for finding in found)


def test_strict_makes_all_findings_errors(checked: Checked) -> None:
    found = checked("stale", strict=True)
    assert {finding.level for finding in found} == {"error"}


def test_the_same_data_a_day_later_are_told(checked: Checked) -> None:
    first = datetime.fromisoformat(NIGHT).replace(tzinfo=UTC)
    previous = PreviousForecast("hash", first)
    assert not checked(rows(), previous=previous)
    assert not checked(rows(), "2024-04-08T20:15", previous=previous)
    early = (first + timedelta(hours=23, minutes=59)).isoformat()[:16]
    assert _codes(checked(rows(), early, previous=previous)) == {"unchanged_data"}
    other = PreviousForecast("another", first)
    assert not checked(rows(), "2024-04-09T02:15", previous=other)


def test_a_finding_names_the_series(checked: Checked) -> None:
    (found,) = checked("fewer series")
    assert found.count == N_SERIES - 8
    assert found.series[:2] == ("s08", "s09")
    assert "16 of 24 series" in found.message
    (renamed,) = checked("one renamed")
    assert "s5, which was s05" in renamed.message


def test_limits_that_are_off_leave_nothing(checked: Checked) -> None:
    off = ChecksSpec.model_validate(dict.fromkeys(ChecksSpec.model_fields, "off"))
    assert off.level_shift == Limits()
    assert not checked("times 1000", limits=off)
