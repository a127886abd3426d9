"""The section forecast: quantiles, totals, sample paths and plots."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from rnnforecast.spec.types import (
    Auto,
    Bool,
    NonNegativeInt,
    PositiveInts,
    Quantiles,
    SpecSection,
)


class ForecastSpec(SpecSection):
    """What is forecast and written."""

    quantiles: Quantiles = Field(
        (0.025, 0.1, 0.5, 0.9, 0.975),
        description="The quantiles to forecast, kept in increasing order.",
    )
    non_negative: Auto | Bool = Field(
        "auto",
        description="Whether forecasts are clipped at 0; auto: where no training value is"
        " negative.",
    )
    whole_numbers: Auto | Bool = Field(
        "auto",
        description="Whether forecasts are rounded to whole numbers; auto: where all training"
        " values are whole, except for losses whose forecast is a mean.",
    )
    calibrate: Bool = Field(
        True,
        description="Whether the intervals are calibrated: scaled so that they hold their share of"
        " the values on the validation part and the held-out horizon, as far as these say anything"
        " of the future.",
    )
    totals: PositiveInts = Field(
        (),
        description="Numbers of steps whose totals are forecast too, with intervals: 7 for the"
        " total of the first seven.",
    )
    sample_paths: NonNegativeInt = Field(
        0, description="The number of sample paths that are written for each series."
    )
    on_series_error: Literal["fallback", "skip", "fail"] = Field(
        "fallback",
        description="What is done about a series that the model cannot forecast, because it is too"
        " short, constant, ends early or has a cell that cannot be read: a simple forecast in its"
        " place, none, or no forecast of any series.",
    )
    fallback: Literal["seasonal_naive", "dot"] = Field(
        "seasonal_naive",
        description="The simple forecast: the values of a season before, or the dynamic optimized"
        " theta method.",
    )
    exit_on_failed: Literal["never", "skipped", "fallback"] = Field(
        "skipped",
        description="Whether `predict` ends with code 6: if a series has no forecast, or also if it"
        " has a simple one.",
    )
    plots: Auto | NonNegativeInt = Field(
        "auto",
        description="The largest number of plots, one per series; 0 for none; auto: 12, or 4 with"
        " the preset fast.",
    )

    @field_validator("quantiles")
    @classmethod
    def _sort_quantiles(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        for level in quantiles:
            if quantiles.count(level) > 1:
                raise ValueError(f"the quantile {level} is named twice")
        return tuple(sorted(quantiles))
