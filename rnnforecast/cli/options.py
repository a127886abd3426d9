"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="The YAML spec.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder that train wrote.")]
JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The YAML file of the job.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the spec: section.key=value."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace what the output's name has now, also what others have made."
    ),
]
LedgerLocation = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="PLACE",
        help="The ledger of issued forecasts: a folder, a database URL, or none; "
        "RUN.ledger beside the run if not given.",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print details and tracebacks.")]


def out_option(help_text: str, metavar: str = "FOLDER") -> Any:
    """The option -o of a command; `help_text` says where the output goes by default."""
    return typer.Option("-o", "--out", metavar=metavar, help=help_text)


def data_option(help_text: str) -> Any:
    """The option --data of a command on a run, which may be given several times."""
    return typer.Option("--data", metavar="FILE", help=help_text)
