"""Keys of a run that a forecast may set anew: the sections checks and forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rnnforecast.errors import Problem, SpecError
from rnnforecast.pipeline.run import Run
from rnnforecast.spec.load import dump_spec, parse_spec

FITTED_KEYS = {
    "forecast.quantiles": "the quantiles are those that the networks were trained for",
    "forecast.non_negative": "the bounds were found in the training data",
    "forecast.whole_numbers": "the bounds were found in the training data",
    "forecast.calibrate": "intervals are calibrated by the training",
}
"""Keys of the section forecast that are decided by the training, and why."""


def with_overrides(run: Run, overrides: Sequence[str]) -> Run:
    """The run with other values of keys, each as ``section.key=value``.

    Raises SpecError for keys that are decided by the training, and for values that are not valid.
    """
    if not overrides:
        return run
    problems = [problem for each in overrides if (problem := _refusal(each)) is not None]
    if problems:
        raise SpecError(*problems)
    spec = parse_spec(
        dump_spec(run.spec), name="the run", overrides=overrides, rules=(), needs_path=False
    )
    forecast = spec.forecast
    return replace(
        run,
        spec=spec,
        totals=forecast.totals,
        n_paths=forecast.sample_paths,
        n_plots=run.n_plots if forecast.plots == "auto" else forecast.plots,
    )


def can_set(key: str) -> bool:
    """Whether a forecast may set `key`, such as ``checks.data_age``; the training has decided
    others."""
    return key.partition(".")[0] in ("checks", "forecast") and key not in FITTED_KEYS


def _refusal(override: str) -> Problem | None:
    """The problem of an override of a key that a forecast cannot set; None for others."""
    key = override.partition("=")[0].strip()
    if can_set(key):
        return None
    others = "the training has decided it: a forecast can set the sections checks and forecast"
    found = FITTED_KEYS.get(key, others)
    return Problem(f"--set {override}", found, f"train again with --set {override}")
