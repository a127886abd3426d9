"""Generation of the pages that come from the code: keys, commands, and the list of modules.

`python docs/build.py` writes `docs/spec.md`, `docs/commands.md`, the list in `docs/architecture.md`
and the tables in `docs/checks.md` and `docs/pretrained.md`; with `--check` it writes nothing, and
exits with 1 if one of them is out of date.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import math
import os
import subprocess
import sys
from pathlib import Path

from safetensors import safe_open

from rnnforecast.pipeline.checks.run_checks import CHECKS
from rnnforecast.pretraining.synthetic.families import FAMILIES
from rnnforecast.spec.checks import JOB_CHECKS, ChecksSpec
from rnnforecast.spec.reference import reference_markdown

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "rnnforecast"
LAYERS = (
    "cli", "api", "batch", "workflow", "pipeline", "output", "evaluation", "inference",
    "pretraining", "training", "models", "data", "statistical", "spec", "parallel",
)  # fmt: skip
"""Packages from top to bottom, as `lint-imports` has them."""

MODULES_BEGIN = "<!-- written by docs/build.py from the first lines of the docstrings -->"
CHECKS_BEGIN = "<!-- written by docs/build.py from the list of checks -->"
CHECKS_END = "## What is compared"
WEIGHTS = PACKAGE / "models" / "pretrained" / "weights.safetensors"
WEIGHTS_BEGIN, FAMILIES_BEGIN = (
    f"<!-- written by docs/build.py from the {each} -->" for each in ("weights", "families")
)
WEIGHTS_END, FAMILIES_END = (
    f"<!-- end of what docs/build.py writes from the {each} -->" for each in ("weights", "families")
)
SPEC_HEAD = """# The spec, key by key

Only `data.path` and `window.horizon` must be given. Values of `auto` are chosen from the data,
printed, and stored with the run. `rnnforecast schema` prints the same as a JSON schema, for
editors.

"""


def spec() -> str:
    """Return the page with every key of the spec."""
    return SPEC_HEAD + reference_markdown().strip() + "\n"


def commands() -> str:
    """Return the page with every command, its arguments and options, as `--help` prints them."""
    typer = [sys.executable, "-m", "typer", "rnnforecast.cli.app", "utils", "docs"]
    page = subprocess.run(
        [*typer, "--name", "rnnforecast"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
    )
    return page.stdout.strip() + "\n"


def modules() -> str:
    """Return the table of each package's modules with the first line of their docstrings."""
    lines: list[str] = []
    for package in sorted(PACKAGE.rglob("__init__.py"), key=_place):
        name = package.parent.relative_to(PACKAGE.parent).as_posix()
        lines += [f"### `{name}/`", "", _first_line(package), "", "| module | what it holds |"]
        lines.append("| --- | --- |")
        files = [file for file in sorted(package.parent.glob("*.py")) if file != package]
        lines += [f"| `{file.name}` | {_first_line(file)} |" for file in files]
        if not files:
            lines = lines[:-2]
        lines.append("")
    return "\n".join(lines).strip() + "\n"


def _place(package: Path) -> tuple[int, str]:
    """Sorts packages as the layers lie, from the command line down."""
    parts = package.parent.relative_to(PACKAGE).parts
    return (LAYERS.index(parts[0]) if parts else -1, "/".join(parts))


def _first_line(file: Path) -> str:
    doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return (doc or "").split("\n")[0]


def architecture() -> str:
    """Return the page about the code, its list of modules made anew."""
    page = (HERE / "architecture.md").read_text(encoding="utf-8")
    head, _, _ = page.partition(MODULES_BEGIN)
    return f"{head}{MODULES_BEGIN}\n\n{modules()}"


def checks() -> str:
    """Return the page about checks, its table made anew."""
    page = (HERE / "checks.md").read_text(encoding="utf-8")
    head, _, rest = page.partition(CHECKS_BEGIN)
    rows = [
        "| code | what is measured | unit | warning | error | error of a job | look at |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for check in CHECKS:
        own, of_job = getattr(ChecksSpec(), check.key), getattr(JOB_CHECKS, check.key)
        limits = (
            each if isinstance(each, str) else f"{each:g}"
            for each in (own.warn, own.error, of_job.error)
        )
        meaning = str(ChecksSpec.model_fields[check.key].description).removesuffix(".")
        cells = (f"`{check.key}`", meaning, check.unit, *limits, check.cure)
        rows.append(f"| {' | '.join(cells)} |")
    table = "\n".join(rows)
    return f"{head}{CHECKS_BEGIN}\n\n{table}\n\n{CHECKS_END}{rest.partition(CHECKS_END)[2]}"


def pretrained() -> str:
    """Return the page about the pretrained network, its tables made anew."""
    page = (HERE / "pretrained.md").read_text(encoding="utf-8")
    for begin, end, table in (
        (WEIGHTS_BEGIN, WEIGHTS_END, _weights_table()),
        (FAMILIES_BEGIN, FAMILIES_END, _families_table()),
    ):
        head, _, rest = page.partition(begin)
        page = f"{head}{begin}\n\n{table}\n\n{end}{rest.partition(end)[2]}"
    return page


def _weights_table() -> str:
    """Sizes, origin and checksum of the weights."""
    with safe_open(WEIGHTS, "np") as stored:
        config = json.loads(stored.metadata()["config"])
        names = stored.keys()
        n_weights = sum(math.prod(stored.get_slice(name).get_shape()) for name in names)
    content = WEIGHTS.read_bytes()
    origin = config.get("pretraining", {})
    rows = [
        (
            "network",
            f"{config['n_layers']} {config['backbone'].upper()} layers of {config['hidden_size']}",
        ),
        ("weights", f"{n_weights:,} in half precision, {len(content) / 1e6:.1f} MB"),
        ("file", f"`rnnforecast/models/pretrained/{WEIGHTS.name}`"),
        ("SHA-256", f"`{hashlib.sha256(content).hexdigest()}`"),
    ]
    if origin:
        seen = f"{origin['windows']:,} series in {origin['step']:,} steps, seed {origin['seed']}"
        rows.append(("trained on", seen))
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def _families_table() -> str:
    """Families of synthetic series, with their shares."""
    rows = ["| family | what | of short series | of long ones |", "| --- | --- | ---: | ---: |"]
    for family, long, short in FAMILIES:
        what = inspect.cleandoc(family.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        what = what.removesuffix(".").removesuffix("; `[B, steps]`")
        name = family.__name__.replace("_", " ")
        rows.append(f"| {name} | {what} | {100 * short:.0f}% | {100 * long:.0f}% |")
    return "\n".join(rows)


def main() -> int:
    """Write the pages, or compare them with what is there; return the exit code."""
    pages = {
        HERE / "spec.md": spec(),
        HERE / "commands.md": commands(),
        HERE / "architecture.md": architecture(),
        HERE / "checks.md": checks(),
        HERE / "pretrained.md": pretrained(),
    }
    if "--check" not in sys.argv[1:]:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [
        path.name
        for path, text in pages.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if stale:
        print(f"out of date: {', '.join(stale)}; run: make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
