"""The section features: covariates, calendar and holidays."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from rnnforecast.spec.types import (
    Bool,
    CalendarCycles,
    ColumnNames,
    NonEmptyStr,
    NonNegativeInt,
    PositiveInt,
    SpecSection,
    check_unique,
)


class FeaturesSpec(SpecSection):
    """The inputs of the network besides the past of the targets."""

    past: ColumnNames = Field(
        (),
        description="Columns known up to the present only; a pattern such as emb_* stands for all"
        " columns that match it.",
    )
    future: ColumnNames = Field(
        (), description="Columns whose future values are known, such as prices."
    )
    static: ColumnNames = Field(
        (), description="Columns with one value per series, such as its region."
    )
    categorical: ColumnNames = Field(
        (), description="Those of the columns above whose numbers are categories, not quantities."
    )
    text: ColumnNames = Field((), description="Those of the columns above that hold free text.")
    text_size: PositiveInt = Field(
        8, description="The number of components that a free text is reduced to."
    )
    vector_size: PositiveInt = Field(
        16,
        description="The number of components that the columns of a pattern are reduced to, if"
        " there are more.",
    )
    calendar: Literal["none", "auto"] | CalendarCycles = Field(
        "auto",
        description="Cycles of the calendar as inputs, such as day_of_week; auto: those that suit"
        " the frequency, if they make simple forecasts of the training part better.",
    )
    age: Bool = Field(
        False, description="Whether the time since the start of a series is an input."
    )
    holidays: NonEmptyStr | None = Field(
        None,
        description="A country such as DE, or a region such as DE-BY, whose public holidays are an"
        " input.",
    )
    holiday_window: NonNegativeInt = Field(
        1, description="The number of days before and after a holiday that are marked as well."
    )
    missing_future: Literal["error", "last", "seasonal"] = Field(
        "error",
        description="What replaces a missing future value at predict: nothing, the last value, or"
        " the value one season before.",
    )

    @field_validator("past", "future", "static")
    @classmethod
    def _check_unique(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        check_unique(columns)
        return columns
