"""The documentation of the Python API: its blocks, the notebook and the examples all run."""

from __future__ import annotations

import doctest
import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

import rnnforecast as rf
from rnnforecast.api import backtest, check, inputs, run, train, tune

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "rnnforecast.ipynb"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.filterwarnings("ignore::rnnforecast.errors.ForecastWarning"),
    pytest.mark.usefixtures("without_pictures"),
]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder with the sample data, and a spec with a short training."""
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    with Path("sample_data/messy.yaml").open("a", encoding="utf-8") as spec:
        spec.write("training: {max_steps: 2}\n")


def _cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def _blocks(page: str) -> list[str]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("source", ["README.md", "docs/python.md", "docs/rnnforecast.ipynb"])
def test_the_code_of_a_page_runs_from_top_to_bottom(source: str) -> None:
    blocks = _cells() if source.endswith(".ipynb") else _blocks(source)
    assert blocks
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, start=1):
        block = block.replace('"max_steps": 50', '"max_steps": 2')
        exec(compile(block, f"{source}, block {number}", "exec"), names)
    assert isinstance(names["run"], rf.Run)


@pytest.mark.parametrize(
    "module", [backtest, check, inputs, run, train, tune], ids=lambda module: module.__name__
)
def test_the_examples_of_a_docstring_give_what_they_say(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_every_public_function_has_an_example() -> None:
    functions = [getattr(rf, name) for name in rf.__all__ if name[0].islower()]
    for function in (*functions, rf.Run.predict):
        assert ">>> " in function.__doc__, function
