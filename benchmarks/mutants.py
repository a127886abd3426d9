"""Mutation test: the share of small faults, inserted one at a time, that the tests detect.

`python benchmarks/mutants.py` runs the suite once with coverage, samples faults from the whole
package (seeded), and for each runs the tests that execute its line until one fails. Faults are
inserted into copies of the source tree only.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rnnforecast"
COPIED = ("rnnforecast", "tests", "sample_data", "docs", "benchmarks")
FILES = ("pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile")

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or,
    ast.Or: ast.And, ast.FloorDiv: ast.Mult,
}  # fmt: skip
"""The operator that replaces each operator."""

MAX_TESTS = 150
"""Most tests that are run for one fault, the quickest of those that execute its line."""

LIMIT = 240
"""Seconds for the tests of one fault; running past them counts as detected."""


@dataclass(frozen=True)
class Fault:
    """One changed expression."""

    file: Path
    line: int
    begin: int
    """Offset of the expression in the file, in bytes."""
    end: int
    old: str
    new: str
    kind: str

    def __str__(self) -> str:
        """The fault as one line."""
        where = f"{self.file.relative_to(ROOT)}:{self.line}"
        return f"{where} {self.kind}: {_short(self.old)} -> {_short(self.new)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."


def faults_of(file: Path) -> Iterator[Fault]:
    """All faults that could be inserted into a file."""
    source = file.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    skipped = {id(node) for part in _not_executed(tree) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in skipped or not isinstance(node, ast.expr):
            continue
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        old = source[begin:end].decode()
        for kind, new in _changed(node):
            if new != old:
                yield Fault(file, node.lineno, begin, end, old, f"({new})", kind)


def _not_executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Annotations, formatted texts and declarations, which tests would not detect."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            yield node.annotation
        if isinstance(node, ast.arg) and node.annotation:
            yield node.annotation
        if isinstance(node, ast.FunctionDef) and node.returns:
            yield node.returns
        if isinstance(node, ast.JoinedStr | ast.Starred | ast.Slice):
            yield node
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield from node.decorator_list
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("Field", "Option", "Argument", "TypeVar", "cast")
        ):
            yield node


def _changed(node: ast.expr) -> Iterator[tuple[str, str]]:
    """Pairs of the kind of a fault that an expression can have, and its text with it."""
    changed = copy.deepcopy(node)
    match changed:
        case ast.Compare(ops=[op]) if type(op) in SWAPPED:
            changed.ops = [SWAPPED[type(op)]()]  # type: ignore[list-item]
            yield "comparison", ast.unparse(changed)
        case ast.BinOp(op=op) if type(op) in SWAPPED:
            changed.op = SWAPPED[type(op)]()  # type: ignore[assignment]
            yield "arithmetic", ast.unparse(changed)
        case ast.BoolOp(op=op):
            changed.op = SWAPPED[type(op)]()  # type: ignore[assignment]
            yield "and/or", ast.unparse(changed)
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            yield "inverted", ast.unparse(changed.operand)
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            yield "off by one", str(value + 1)
        case ast.Constant(value=bool(value)):
            yield "inverted", str(not value)
        case ast.IfExp():
            changed.body, changed.orelse = changed.orelse, changed.body
            yield "branches swapped", ast.unparse(changed)
        case ast.Call(keywords=[*_, ast.keyword(arg=str())]):
            changed.keywords = changed.keywords[:-1]
            yield "argument dropped", ast.unparse(changed)


def sample_faults(count: int, seed: int) -> list[Fault]:
    """A random sample of `count` faults of the package, sorted by file and position."""
    files = sorted(PACKAGE.rglob("*.py"))
    everything = [fault for file in files for fault in faults_of(file)]
    chosen = random.Random(seed).sample(everything, count)
    return sorted(chosen, key=lambda fault: (str(fault.file), fault.begin))


def copy_tree(folder: Path) -> Path:
    """Copies what the tests need to `folder`."""
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", "results")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def run_tests(folder: Path, *arguments: str, limit: float | None = None) -> int:
    """The exit code of pytest in `folder`; 124 where it ran past `limit` seconds."""
    env = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=folder, env=env, timeout=limit, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 124
    return done.returncode


def measure(folder: Path, out: Path) -> dict[str, dict[int, list[str]]]:
    """The tests that execute each line, by file and line, the quickest first."""
    tree = copy_tree(folder)
    report = folder / "durations.json"
    (tree / "conftest.py").write_text(DURATIONS.format(report=str(report)), encoding="utf-8")
    run_tests(tree, "-n", "auto", "--cov=rnnforecast", "--cov-context=test", "--cov-report=")
    seconds: dict[str, float] = {}
    for part in sorted(folder.glob("durations*.json")):
        seconds |= json.loads(part.read_text(encoding="utf-8"))
    print(f"{len(seconds):,} tests pass as they are; the others are left out", flush=True)
    found: dict[str, dict[int, list[str]]] = {}
    base = sqlite3.connect(tree / ".coverage")
    rows = base.execute(
        "select path, context, numbits from line_bits join file on file.id = file_id"
        " join context on context.id = context_id where context != ''"
    )
    for path, context, bits in rows:
        test = context.removesuffix("|run").removesuffix("|setup").removesuffix("|teardown")
        lines = found.setdefault(str(Path(path).relative_to(tree)), {})
        for byte, value in enumerate(bits):
            for bit in range(8):
                if value & (1 << bit):
                    lines.setdefault(byte * 8 + bit, []).append(test)
    for lines in found.values():
        for line, tests in lines.items():
            passing = set(tests) & seconds.keys()
            lines[line] = sorted(passing, key=lambda test: (seconds[test], test))
    out.write_text(json.dumps(found), encoding="utf-8")
    return found


DURATIONS = """
# the seconds of each test that passes
import json, os
from pathlib import Path

spent, failed = {{}}, set()

def pytest_runtest_logreport(report):
    spent[report.nodeid] = spent.get(report.nodeid, 0.0) + report.duration
    if report.failed:
        failed.add(report.nodeid)

def pytest_sessionfinish(session):
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    file = Path({report!r})
    file.with_name(file.stem + name + ".json").write_text(
        json.dumps({{test: s for test, s in spent.items() if test not in failed}})
    )
"""


def is_detected(fault: Fault, folder: Path, tests: list[str]) -> bool:
    """Whether one of the tests fails with the fault in the copy of the tree in `folder`."""
    if not tests:
        return False
    file = folder / fault.file.relative_to(ROOT)
    source = file.read_bytes()
    file.write_bytes(source[: fault.begin] + fault.new.encode() + source[fault.end :])
    try:
        return run_tests(folder, "-x", "-n", "0", *tests[:MAX_TESTS], limit=LIMIT) != 0
    finally:
        file.write_bytes(source)


def main() -> int:
    """Prints each fault that no test detects, and the number of detected ones."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=70)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options.add_argument(
        "--coverage", type=Path, help="file of the tests by line; written if missing"
    )
    arguments = options.parse_args()
    faults, begun = sample_faults(arguments.count, arguments.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        kept = arguments.coverage or place / "coverage.json"
        if kept.is_file():
            lines = {
                file: {int(line): tests for line, tests in found.items()}
                for file, found in json.loads(kept.read_text(encoding="utf-8")).items()
            }
        else:
            print("running the suite once with coverage", flush=True)
            lines = measure(place / "measured", kept)
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(arguments.workers):
            free.put(copy_tree(place / str(number)))

        def judge(fault: Fault) -> tuple[Fault, int, bool]:
            # a line outside of functions runs on import, before any test: take all of the file
            of_file = lines.get(str(fault.file.relative_to(ROOT)), {})
            tests = of_file.get(fault.line) or sorted(
                {t for each in of_file.values() for t in each}
            )
            folder = free.get()
            try:
                return fault, len(tests), is_detected(fault, folder, tests)
            finally:
                free.put(folder)

        found = 0
        with ThreadPoolExecutor(arguments.workers) as pool:
            for number, (fault, count, seen) in enumerate(pool.map(judge, faults), 1):
                found += seen
                word = "noticed" if seen else f"NOT NOTICED by {count} tests"
                print(f"{number}/{len(faults)} {word}: {fault}", flush=True)
    minutes = (time.monotonic() - begun) / 60
    print(f"{found} of {len(faults)} detected, seed {arguments.seed}, {minutes:.0f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())
