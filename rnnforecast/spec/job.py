"""The job file: what is forecast, where it is published, and when a model is trained again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from rnnforecast.spec.checks import ChecksSpec
from rnnforecast.spec.types import (
    Auto,
    Bool,
    Duration,
    NonEmptyStr,
    NonNegativeFloat,
    PositiveInt,
    SpecSection,
    TextList,
)

Command = Annotated[
    Literal["none"] | NonEmptyStr | Annotated[tuple[NonEmptyStr, ...], Field(min_length=1)],
    "a command, as one text or a list of its words, or none",
]
NoOrDuration = Annotated[Literal["never"] | Duration, "never, or a time such as 12h, 7d or 4w"]


Days = Annotated[
    int, Field(strict=True, ge=1, le=36_500), "a whole number of days, from 1 to 36500"
]
MAX_HOOK_TIMEOUT = timedelta(days=1)


class RetrainSpec(SpecSection):
    """When a new model is trained, after the forecast is out."""

    every: NoOrDuration = Field(
        timedelta(days=7),
        description="The age at which the model is replaced; never trains once, and after alarms.",
    )
    on_alarm: Bool = Field(
        True, description="Whether an alarm of the live scores (drift) makes a training due."
    )
    promote_if: Literal["better", "always"] = Field(
        "better",
        description="Whether the new model must beat the current one and the baseline to replace"
        " it; one that does not is kept aside.",
    )
    margin: NonNegativeFloat = Field(
        0.01, description="By how much it must be better: 0.02 is 2 % of the error."
    )


class HooksSpec(SpecSection):
    """Commands that the job starts at its end, without a shell.

    A command reads the summary (JSON) from its standard input; `RNNFORECAST_JOB`,
    `RNNFORECAST_RUN_ID`, `RNNFORECAST_STATUS`, `RNNFORECAST_EXIT_CODE` and `RNNFORECAST_MESSAGE`
    are in its environment. Whatever it does, the result of the job stays.
    """

    on_failure: Command = Field(
        "none", description="Started if the exit code is not 0.", examples=["./alert.sh failed"]
    )
    on_warning: Command = Field(
        "none", description="Started if all is done, but there are warnings or alarms."
    )
    on_success: Command = Field(
        "none", description="Started if all is done and nothing is to be said."
    )
    timeout: Duration = Field(
        timedelta(minutes=1), description="After this time a command is ended."
    )

    @field_validator("timeout")
    @classmethod
    def _check_timeout(cls, timeout: timedelta) -> timedelta:
        if not timedelta(0) < timeout <= MAX_HOOK_TIMEOUT:
            raise ValueError("expected a time above 0, of at most 1d")
        return timeout


class LogSpec(SpecSection):
    """The log of all runs of the job."""

    file: Auto | Literal["none"] | NonEmptyStr = Field(
        "auto",
        description="The file that lines are appended to; auto: RUN.log beside the run.",
        examples=["/var/log/forecast.log"],
    )
    format: Literal["plain", "json"] = Field(
        "json", description="JSON objects, or plain text; each line has the time and the run id."
    )


class JobSpec(SpecSection):
    """A job for `rnnforecast run`; only `spec` has no default.

    Relative paths start at the folder of the job file. `${NAME}` in `data`, `out` and `ledger` is
    the environment variable NAME, put in when it is used and never printed.
    """

    name: Auto | NonEmptyStr = Field(
        "auto", description="The name in messages; auto: that of the job file.", examples=["shop"]
    )
    spec: NonEmptyStr = Field(
        description="The spec that models are trained from.", examples=["spec.yaml"]
    )
    run: Auto | NonEmptyStr = Field(
        "auto", description="The folder of models, one a version; auto: runs/NAME."
    )
    data: TextList = Field(
        (), description="Files, patterns, URLs or queries in place of the spec's `data.path`."
    )
    out: TextList = Field(
        ("auto",),
        description="Where the forecast goes, one place or several: a folder, a .csv or .parquet"
        " file, a URL, a table of a database; auto: the folder forecasts/NAME.",
        examples=["forecasts/shop"],
    )
    ledger: Auto | Literal["none"] | NonEmptyStr = Field(
        "auto",
        description="Where issued forecasts are kept for scores; auto: RUN.ledger beside the run.",
    )
    checks: ChecksSpec = Field(
        ChecksSpec(),
        description="Limits of the checks in place of those of the spec; a job is stricter where"
        " neither names a limit.",
    )
    retrain: RetrainSpec = RetrainSpec()
    keep: Literal["all"] | PositiveInt = Field(
        7, description="The number of versions of the model that are kept."
    )
    keep_days: Literal["none"] | Days = Field(
        "none",
        description="Versions that are no older than so many days are kept too; with keep: all"
        " older ones are deleted, but the current one and the one before.",
    )
    wait: Duration = Field(
        timedelta(0),
        description="How long to wait for another process that holds the run or a place of `out`.",
    )
    score: Bool = Field(
        True, description="Whether earlier forecasts are scored by the values that have come since."
    )
    hooks: HooksSpec = HooksSpec()
    log: LogSpec = LogSpec()
    metrics: Literal["none"] | NonEmptyStr = Field(
        "none",
        description="A file of metrics for the textfile collector of Prometheus's node_exporter.",
        examples=["/var/lib/node_exporter/forecast.prom"],
    )

    @field_validator("name", "spec", "run", "data", "out", "ledger", "metrics")
    @classmethod
    def _check_texts(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for text in (value,) if isinstance(value, str) else value:
            if any(ord(each) < 32 or 0xD800 <= ord(each) < 0xE000 for each in text):
                raise ValueError("the text has a control character, which no name can have")
        return value

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if "/" in name or name in (".", ".."):
            raise ValueError("a name has no slash: set the folder of the models with 'run'")
        return name

    @field_validator("data")
    @classmethod
    def _check_data(cls, data: tuple[str, ...]) -> tuple[str, ...]:
        if "-" in data:
            raise ValueError("a job reads its data more than once: name files, not standard input")
        return data

    @field_validator("out")
    @classmethod
    def _check_out(cls, out: tuple[str, ...]) -> tuple[str, ...]:
        for place in out:
            if place == "-":
                raise ValueError("standard output has the summary; name a folder, file or table")
            if out.count(place) > 1:
                raise ValueError(f"'{place}' is named twice")
        if not out:
            raise ValueError("expected one place or several, found an empty list")
        return out

    @field_validator("metrics")
    @classmethod
    def _check_metrics(cls, metrics: str) -> str:
        if metrics != "none" and Path(metrics).suffix != ".prom":
            raise ValueError("the collector reads files that end in .prom only")
        return metrics


GROUPS: dict[str, type[SpecSection]] = {
    "checks": ChecksSpec,
    "retrain": RetrainSpec,
    "hooks": HooksSpec,
    "log": LogSpec,
}
"""The groups of a job, each with keys of its own."""


def job_json_schema() -> dict[str, object]:
    """The JSON schema of a job file, for completion and validation in editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **JobSpec.model_json_schema(),
    }
