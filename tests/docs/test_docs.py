"""The documentation: its commands, specs and links."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import typer.main
from typer.testing import CliRunner

from rnnforecast.cli.app import app
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.load_job import parse_job

ROOT = Path(__file__).parents[2]
DATA = ROOT / "sample_data"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", DATA / "README.md"]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
QUICK = ["--set", "training.max_steps=2", "--set", "forecast.plots=1"]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _blocks(page: Path, language: str) -> list[str]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def _commands(page: Path) -> Iterator[list[str]]:
    """The arguments of each `rnnforecast ...` line, without what the shell would do with them.

    Commands that need more machines are in blocks of ``bash``, others in those of ``sh``.
    """
    for block in _blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["rnnforecast"]:
                yield words[1 : words.index(">") if ">" in words else None]


def _write_files(page: Path) -> None:
    """Writes the blocks that begin with a comment of a file's name."""
    for block in _blocks(page, "yaml"):
        if name := re.match(r"# ([\w-]+\.yaml)\n", block):
            Path(name[1]).write_text(block, encoding="utf-8")


def _run(*arguments: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, f"rnnforecast {shlex.join(arguments)}\n{result.stderr}"


def _builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def workplace(tmp_path: Path, without_pictures: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of the sample data, as a reader of the pages has it, and with a dataset
    `data/` of two Parquet files."""
    shutil.copytree(DATA, tmp_path / "sample_data")
    (tmp_path / "data").mkdir()
    days = pd.date_range("2024-01-01", periods=90)
    for name in ("000", "001"):
        sales = {"id": f"shop {name}", "day": days, "sales": 50.0 + days.day_of_week}
        pd.DataFrame(sales).to_parquet(tmp_path / "data" / f"{name}.parquet", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if any(_commands(page))], ids=_name)
def test_every_command_of_a_page_runs_in_the_order_given(workplace: Path, page: Path) -> None:
    _write_files(page)
    with Path("sample_data/co2.yaml").open("a", encoding="utf-8") as spec:
        spec.write("training: {max_steps: 2}\n")  # a job takes no --set
    for arguments in _commands(page):
        assert arguments[0] != "demo", "the demo has a test of its own"
        trains = arguments[0] in ("train", "backtest") and arguments[1].endswith(".yaml")
        _run(*arguments, *(QUICK if trains else []))


def test_the_readme_has_the_tour() -> None:
    verbs = [arguments[0] for arguments in _commands(ROOT / "README.md")]
    assert verbs[:5] == ["predict", "init", "check", "train", "predict"]


@pytest.mark.pictures
def test_the_demo_leaves_a_forecast_and_a_picture(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = workplace / "sample_data" / "co2.yaml"
    short = spec.read_text(encoding="utf-8") + "\ntraining:\n  max_steps: 2\n"
    spec.write_text(short, encoding="utf-8")
    monkeypatch.setattr("rnnforecast.workflow.demo.sample_data_folder", lambda: spec.parent)
    _run("demo")
    assert (workplace / "demo" / "first-forecast" / "forecast.csv").is_file()
    assert (workplace / "demo" / "forecast" / "forecast.csv").is_file()
    assert (workplace / "demo" / "forecast" / "plots" / "co2.png").is_file()


@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page, "yaml")], ids=_name)
def test_every_spec_of_a_page_is_valid(page: Path) -> None:
    for block in _blocks(page, "yaml"):
        parse = parse_job if re.search("^spec: ", block, re.MULTILINE) else parse_spec
        parse(block, name=page.name)


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.yaml")))
def test_every_sample_spec_trains_and_predicts(workplace: Path, name: str) -> None:
    overrides = ["--set", "training.max_steps=2", "--set", "forecast.plots=0"]
    _run("train", f"sample_data/{name}", "-o", "run", *overrides)
    _run("predict", "run", "-o", "forecast.csv")
    lines = (workplace / "forecast.csv").read_text(encoding="utf-8").splitlines()
    assert "yhat" in lines[0]
    assert len(lines) > 1


@pytest.mark.parametrize("page", ["spec", "commands", "architecture", "checks", "pretrained"])
def test_a_generated_page_is_up_to_date(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert text == getattr(_builder(), page)(), "run: make docs"


@pytest.mark.parametrize("page", LINKED, ids=_name)
def test_every_relative_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        place = target.partition("#")[0]
        if place and "://" not in place:
            assert (page.parent / place).exists(), target


def test_every_command_is_named_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name in names if f"rnnforecast {name}" not in text] == []
