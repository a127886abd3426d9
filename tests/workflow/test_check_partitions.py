"""`check --partitions` and `init`: reports of a dataset without reading all of it at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from rnnforecast.cli.app import app
from rnnforecast.data.panel.changes import CHANGE_COUNTS
from rnnforecast.errors import DataError
from rnnforecast.parallel.local import LocalEngine
from rnnforecast.spec.load import read_spec
from rnnforecast.workflow import init as init_workflow
from rnnforecast.workflow.check import check
from rnnforecast.workflow.check_partitions import check_partitions

N_ROWS = 30
Write = Callable[..., Path]


def rows(*names: str) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=N_ROWS)
    values = np.arange(len(names) * N_ROWS) % 7 + 1.0
    return pd.DataFrame(
        {"store": np.repeat(names, N_ROWS), "day": np.tile(days, len(names)), "sales": values}
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a spec of the partitions, one frame each."""

    def write(*parts: pd.DataFrame, more: str = "") -> Path:
        (tmp_path / "data").mkdir(exist_ok=True)
        for number, part in enumerate(parts):
            part.to_parquet(tmp_path / "data" / f"p{number}.parquet", index=False)
        spec = tmp_path / "spec.yaml"
        spec.write_text(f"data: {{path: data, targets: sales}}\nwindow: {{horizon: 3}}\n{more}")
        return spec

    return write


def dirty() -> list[pd.DataFrame]:
    """Three partitions: rows out of order and missing, a blank value, a constant series."""
    first = rows("a", "b", "c").drop(index=[5, 6, 40])
    first.loc[10, "sales"] = np.nan
    return [first, rows("d", "e")[::-1], rows("f", "g").assign(sales=4.0)]


def test_the_report_is_that_of_all_files_at_once(write: Write) -> None:
    spec = write(*dirty())
    together, parts = check(spec), check_partitions(spec)
    assert parts.n_partitions == 3
    expected, found = dict(together.report.totals), dict(parts.report.totals)
    assert found.pop("agreement") == pytest.approx(expected.pop("agreement"))
    assert found == expected
    assert found["gaps"] == 3
    assert all(found[count.name] == expected[count.name] for count in CHANGE_COUNTS)
    assert parts.report.summary_lines() == together.report.summary_lines()
    assert parts.repairs == together.repairs > 0
    assert set(parts.report.per_series["label"]) == set("abcdefg")


def test_the_report_does_not_depend_on_the_engine(write: Write) -> None:
    spec = write(*dirty())
    assert (
        check_partitions(spec, engine=LocalEngine(2)).to_json() == check_partitions(spec).to_json()
    )


def test_problems_of_all_files_are_named_at_once(write: Write) -> None:
    twice = pd.concat([rows("a"), rows("a")[:4]])
    found = check_partitions(write(twice, rows("b"), pd.concat([rows("c"), rows("c")[:1]])))
    names = {problem.where.split(",")[0] for problem in found.problems}
    assert names == {"p0.parquet", "p2.parquet"}


def test_files_that_cannot_be_read_are_all_named(write: Write) -> None:
    text = rows("b").assign(sales="many")
    spec = write(rows("a"), text, rows("c").drop(columns="sales"), more="")
    with pytest.raises(DataError) as caught:
        check_partitions(spec, overrides=["data.targets=sales", "data.series=store"])
    assert "p1.parquet" in str(caught.value)
    assert "p2.parquet" in str(caught.value)


def test_a_series_in_two_files_is_refused(write: Write) -> None:
    with pytest.raises(DataError, match=r"p0.parquet and p2.parquet: both.*'b'"):
        check_partitions(write(rows("a", "b"), rows("c"), rows("b", "d")))


def test_times_of_two_kinds_are_refused(write: Write) -> None:
    other = rows("c", "d")
    other["day"] = other["day"].dt.tz_localize("UTC")
    with pytest.raises(DataError, match="without a time zone and at UTC offset Z"):
        check_partitions(write(rows("a", "b"), other))


def test_the_frequency_is_that_of_most_series(write: Write) -> None:
    weekly = rows("w").assign(day=pd.date_range("2024-01-01", periods=N_ROWS, freq="W-MON"))
    spec = write(rows("a", "b"), weekly)
    together, parts = check(spec).report.totals, check_partitions(spec).report.totals
    assert parts["frequency"] == together["frequency"] == "D"
    assert parts["gaps"] == together["gaps"] > 0


def test_covariates_that_are_not_known_ahead_are_a_problem(write: Write) -> None:
    first, second = rows("a").assign(price=1.0), rows("b").assign(price=1.0)
    first.loc[first.index[-3:], "sales"] = np.nan
    found = check_partitions(write(first, second, more="features: {future: price}\n"))
    assert found.problems
    assert all(problem.where.startswith("p1.parquet") for problem in found.problems)


def test_the_command_has_the_exit_codes_of_check(write: Write) -> None:
    spec = write(*dirty())
    call = CliRunner().invoke
    done = call(app, ["check", str(spec), "--partitions", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["totals"]["series"] == 7
    assert f"next: rnnforecast train {spec}" in done.stderr
    assert call(app, ["check", str(spec), "--partitions", "--strict"]).exit_code == 4
    assert call(app, ["check", str(spec), "--partitions", "--impute-report"]).exit_code == 2
    assert call(app, ["check", str(spec), "--workers", "2"]).exit_code == 2


def test_init_looks_at_a_sample_of_a_large_dataset_and_says_so(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"s{number}" for number in range(60)]
    spec = write(*(rows(*part).assign(price=1.5) for part in (names[:30], names[30:])))
    monkeypatch.setattr(init_workflow, "MAX_ROWS", 30 * N_ROWS)
    found = init_workflow.init(str(spec.parent / "data"), spec, overwrite=True)
    assert any("of about" in line and "looked at" in line for line in found.findings)
    assert "were looked at" in found.text.splitlines()[0]
    assert "memory_budget:" in found.text
    assert "takes about 1 GB" in found.text
    assert read_spec(spec).data.series == ("store",)
    assert found.by_partitions
