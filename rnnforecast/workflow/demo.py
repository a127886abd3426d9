"""`demo`: the bundled sample data."""

from __future__ import annotations

from pathlib import Path

from rnnforecast.errors import OutputError, Problem

SPEC_FILE = "co2.yaml"


def sample_data_folder() -> Path:
    """The folder of the sample data: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "sample_data", package.parent / "sample_data"):
        if (folder / SPEC_FILE).is_file():
            return folder
    raise OutputError(
        Problem(str(package), "the sample data are not installed", "install rnnforecast again")
    )
