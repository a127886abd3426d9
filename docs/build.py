"""Write the reference pages that come from the code: `docs/spec.md` and `docs/commands.md`.

`python docs/build.py` writes them; with `--check` it writes nothing, and exits with 1 if one of
them is out of date.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rnnforecast.spec import reference as explain

HERE = Path(__file__).parent
SPEC_HEAD = """# The spec, key by key

Only `data.path` and `window.horizon` must be given. What is `auto` is chosen from the data,
printed, and stored with the run. `rnnforecast schema` prints the same as a JSON Schema, for
editors.

"""


def spec() -> str:
    """Return the page with every key of the spec."""
    return SPEC_HEAD + explain.reference_markdown().strip() + "\n"


def commands() -> str:
    """Return the page with every command, its arguments and options, as `--help` tells them."""
    typer = [sys.executable, "-m", "typer", "rnnforecast.cli.app", "utils", "docs"]
    page = subprocess.run(
        [*typer, "--name", "rnnforecast"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
    )
    return page.stdout.strip() + "\n"


def main() -> int:
    """Write the pages, or compare them with what is there; return the exit code."""
    pages = {HERE / "spec.md": spec(), HERE / "commands.md": commands()}
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
