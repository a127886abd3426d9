"""The choice of `clean.deseasonalize`: whether the yearly season is removed before the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.data.cleaning.weekly_means import (
    MIN_YEARS,
    has_enough_years,
    is_year,
    steps_per_week,
    weekly_means,
)
from rnnforecast.data.cleaning.yearly_season import fit_season
from rnnforecast.data.cleaning.yearly_season_choice import MAX_ITEMS, SeasonChoice, choose_season
from rnnforecast.data.cleaning_plan import CleaningPlan, TransformedTargets
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.windows.split import Split
from rnnforecast.errors import DataError, Problem
from rnnforecast.pipeline.auto import AutoChoice
from rnnforecast.registry import LOSSES
from rnnforecast.spec.spec import Spec
from rnnforecast.types import Ints

KEY = "clean.deseasonalize"


def fit_yearly_season(
    spec: Spec, plan: CleaningPlan, panel: Panel, transformed: TransformedTargets, split: Split
) -> tuple[CleaningPlan, list[AutoChoice]]:
    """The plan with the yearly season if it is to be removed, and the choice if it is automatic.

    Both read everything before the held-out horizon: of two or three years, each week counts.
    DataError if the spec asks for a season that the data cannot have.
    """
    requested = spec.clean.deseasonalize
    values, mask = transformed.values, transformed.target_mask
    is_multiplicative = bool((values[mask] >= 0).all())
    obstacle = _find_obstacle(spec, panel, split, is_multiplicative=is_multiplicative)
    if obstacle and requested == "year":
        raise DataError(Problem(f"{KEY}: year", obstacle, "set it to none"))
    if requested == "none" or obstacle:
        # without weeks in a step there is nothing to say about the year
        is_open = requested == "auto" and steps_per_week(panel.frequency) > 0
        choices = [AutoChoice(KEY, "none", obstacle)] if is_open else []
        return _with_choice(plan, "none"), choices
    ends = np.maximum(split.test_origin, 0)
    series = np.flatnonzero(has_enough_years(panel.frequency, ends))
    weeks = weekly_means(
        panel,
        values,
        mask,
        ends,
        _evenly_spaced(series, max(1, MAX_ITEMS // values.shape[1])),
        is_multiplicative=is_multiplicative,
    )
    horizon = max(1, round(spec.window.horizon / steps_per_week(panel.frequency)))
    choice = choose_season(weeks, horizon)
    if requested == "auto" and not choice.is_worthwhile:
        reason = "a course of the year makes simple forecasts of the training part no better"
        return _with_choice(plan, "none"), [AutoChoice(KEY, "none", reason)]
    season = fit_season(
        panel,
        values,
        mask,
        ends,
        replace(choice, harmonics=max(choice.harmonics, 1)),
        is_multiplicative=is_multiplicative,
    )
    plan = replace(_with_choice(plan, "year"), yearly_season=season)
    return plan, [AutoChoice(KEY, "year", _reason(choice))] if requested == "auto" else []


def _find_obstacle(spec: Spec, panel: Panel, split: Split, *, is_multiplicative: bool) -> str:
    """Why there is no yearly season to remove; empty if there may be one."""
    traits = LOSSES.traits(spec.training.loss)
    if not steps_per_week(panel.frequency):
        return f"steps are '{panel.frequency.alias}', not weeks, days or shorter"
    if steps_per_week(panel.frequency) == 1 and is_year(int(spec.window.season), panel.frequency):
        return "the lookback has several years"
    if panel.irregular_timestamps is not None:
        return "steps are rows, of any distance in time"
    if not has_enough_years(panel.frequency, split.test_origin).any():
        return f"a year cannot be seen in less than {MIN_YEARS:g} years before the held-out horizon"
    if "amounts" in traits or ("positive" in traits and not is_multiplicative):
        return f"{spec.training.loss} is a loss of the values themselves"
    return ""


def _reason(choice: SeasonChoice) -> str:
    return f"in the training part it lowers the error of simple forecasts by {1 - choice.error:.0%}"


def _with_choice(plan: CleaningPlan, value: str) -> CleaningPlan:
    return replace(plan, clean=plan.clean.model_copy(update={"deseasonalize": value}))


def _evenly_spaced(series: Ints, count: int) -> Ints:
    """At most `count` of the series, evenly spaced."""
    size = len(series)
    return series[np.arange(min(size, count)) * size // min(size, count)]
