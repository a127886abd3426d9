"""The section backtest: its windows, and when networks are trained again."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from rnnforecast.spec.types import (
    Auto,
    Bool,
    NonEmptyStr,
    NonNegativeInt,
    PositiveInt,
    SpecSection,
)

BaselineName = Literal["theta", "dot", "exponential_smoothing", "auto_ets", "auto_arima", "mstl"]


def _split_names(value: object) -> object:
    """Converts ``a,b`` to a list."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


BaselineNames = Annotated[
    tuple[BaselineName, ...],
    BeforeValidator(_split_names, json_schema_input_type=str | list[BaselineName]),
    "a list of theta, dot, exponential_smoothing, auto_ets, auto_arima, mstl",
]


class BacktestSpec(SpecSection):
    """Forecasts from past origins, compared to what was observed afterwards."""

    windows: Auto | PositiveInt = Field(
        "auto",
        description="The number of windows, counted back from the end of each series, or from"
        " backtest.last_time; auto: up to 5 that leave half of a usual series before them, for a"
        " run all after its training data, and with backtest.first_time all up to the end.",
    )
    step: Auto | PositiveInt = Field(
        "auto", description="The steps from one window to the next; auto: the horizon."
    )
    first_time: NonEmptyStr | None = Field(
        None,
        description="The first time that is forecast, the same for all series, such as 2024-01-01;"
        " null: windows are counted from the end.",
        examples=["2024-01-01"],
    )
    last_time: NonEmptyStr | None = Field(
        None,
        description="The last time that is forecast, the same for all series; null: the end of each"
        " series, or with backtest.first_time of the data.",
        examples=["2024-12-31"],
    )
    gap: NonNegativeInt = Field(
        0,
        description="The steps between the last known value and the first that is forecast, for"
        " data that arrive late.",
    )
    history: Annotated[
        Literal["expanding"] | PositiveInt, "expanding or a whole number of at least 1"
    ] = Field(
        "expanding",
        description="The steps before a window that a training uses: all, or so many last ones.",
    )
    refit: Annotated[
        Literal["never", "always"] | PositiveInt,
        "never, always or a whole number of at least 1",
    ] = Field(
        "never",
        description="Whether networks are trained again on the data before a window: before the"
        " first only, before each, or before every so-many-th.",
    )
    warm_start: Bool = Field(
        True,
        description="Whether a training after the first starts from the weights of the one before"
        " and takes a quarter of the steps.",
    )
    group: NonEmptyStr | None = Field(
        None,
        description="A column of ids or a static covariate by whose values scores are listed too.",
        examples=["region"],
    )
    baselines: BaselineNames = Field(
        (),
        description="Baselines beside those that are computed anyway: theta, dot and"
        " exponential_smoothing, which many forecasts go without, and auto_ets, auto_arima and mstl"
        " of statsforecast (pip install 'rnnforecast[baselines]').",
        examples=[["auto_ets", "auto_arima"]],
    )
