"""Checks of covariates that are known ahead: a plan that is missing, or the same at all steps."""

from __future__ import annotations

import numpy as np

from rnnforecast.pipeline.checks.context import Check, CheckContext, Measured
from rnnforecast.pipeline.panel_statistics import constant_share, covariate_windows, filled_share
from rnnforecast.types import Floats
from rnnforecast.wording import join_names


def _ahead(context: CheckContext) -> Floats | None:
    """[F, S, horizon] the covariates over the horizon; None without any."""
    columns = context.run.plan.features.future_columns
    if not columns:
        return None
    return covariate_windows(
        context.panel, columns, context.data.text_columns, context.horizon, context.horizon
    )


def _missing_covariates(context: CheckContext, limit: float) -> Measured | None:
    windows, usual = _ahead(context), context.profile.covariate_share
    if windows is None:
        return None
    share = filled_share(windows)
    with np.errstate(divide="ignore", invalid="ignore"):
        lacking = np.where(usual > 0, 1 - share / usual, np.nan)
    return _measured(context, lacking, limit, "zero or blank over the horizon, which is unusual")


def _constant_covariates(context: CheckContext, limit: float) -> Measured | None:
    windows, usual = _ahead(context), context.profile.covariate_constant
    if windows is None or context.horizon == 1:
        return None
    is_missing = filled_share(windows) == 0  # found by the check of missing covariates
    beyond = np.where(is_missing, np.nan, constant_share(windows) - usual)
    return _measured(context, beyond, limit, "constant over the horizon, which is unusual")


def _measured(context: CheckContext, values: Floats, limit: float, what: str) -> Measured | None:
    """The highest of the values by covariate [F]; None if there is none."""
    if not np.isfinite(values).any():
        return None
    names = np.array(context.run.plan.features.future_columns)[values > limit]
    verb = "is" if len(names) == 1 else "are"
    message = f"{join_names(names.tolist())} {verb} {what}"
    return Measured(float(np.nanmax(values)), message, len(names))


COVARIATE_CHECKS = (
    Check(
        "missing_covariates",
        _missing_covariates,
        "share of values",
        "see whether the plan of the coming steps was delivered",
    ),
    Check(
        "constant_covariates",
        _constant_covariates,
        "share of series",
        "see whether the plan of the coming steps was delivered",
    ),
)
