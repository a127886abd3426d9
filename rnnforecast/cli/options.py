"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from rnnforecast.datetimes import parse_duration
from rnnforecast.errors import Problem, UsageError
from rnnforecast.parallel.engine import LOCAL

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC", help="The YAML spec.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder that train wrote.")]
JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="The YAML file of the job.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the spec: section.key=value."),
]


def parse_seconds(text: object) -> float:
    """Seconds of a duration such as ``30s``, ``10m``, ``2h`` or ``90``."""
    try:
        return parse_duration(str(text), "s").total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_time(text: object) -> datetime:
    """A time as in ISO 8601; without an offset it is of the machine's time zone."""
    try:
        return datetime.fromisoformat(str(text).strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(f"{text!r} is no time such as 2026-11-27T02:15+01:00") from None


Now = Annotated[
    datetime | None,
    typer.Option(
        "--now",
        metavar="TIME",
        parser=parse_time,
        help="The time that counts as now; the clock's if not given.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace what is at the output's path, whatever it is."),
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
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        show_default="the cores that this process may use",
        help="Run at most this many processes at once; the result does not depend on it.",
    ),
]
EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="ENGINE",
        help="Where the processes run: local, or ray[://ADDRESS] for a Ray cluster.",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print details and tracebacks.")]


def _wait_option(default: str) -> Any:
    return typer.Option(
        "--wait",
        metavar="TIME",
        parser=parse_seconds,
        show_default=default,
        help="Wait this long (30s, 10m, 2h) for another process that has the lock.",
    )


Wait = Annotated[float, _wait_option("not at all")]
JobWait = Annotated[float | None, _wait_option("as in the job file")]


def out_option(help_text: str, metavar: str = "FOLDER") -> Any:
    """The option -o of a command; `help_text` says where the output goes by default."""
    return typer.Option(
        "-o", "--out", metavar=metavar, help=help_text, callback=_refuse_urls_as_paths
    )


def _refuse_urls_as_paths(out: object) -> object:
    """BadParameter for a URL where a path is needed, which would be the name of a folder."""
    if isinstance(out, Path) and re.match(r"[A-Za-z][\w+.-]+:/", str(out)):
        raise typer.BadParameter("only forecasts can be written to a URL (predict, run)")
    return out


def data_option(help_text: str) -> Any:
    """The option --data of a command on a run, which may be given several times."""
    return typer.Option("--data", metavar="FILE", help=help_text)


def refuse_workers(command: str, workers: int | None, engine: str) -> None:
    """UsageError for options of a command that only works by ``--partitions`` in parallel."""
    if workers is not None or engine != LOCAL:
        found = "--workers and --engine belong to --partitions"
        raise UsageError(Problem(command, found, "add it, or leave these out"))
