"""Keys of a spec without an effect: those whose partner is off.

Such a key is no error, since a spec may be tried with a part of it turned off, but `check` and
`train` say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rnnforecast.errors import Problem
from rnnforecast.registry import DECODERS, FILE_FORMATS, IMPUTERS, WINDOW_SCALERS
from rnnforecast.spec.locations import is_url, names_table
from rnnforecast.spec.spec import SECTIONS, Spec


@dataclass(frozen=True)
class Dependency:
    """A key that has an effect only with certain values of another."""

    key: str
    is_used: Callable[[Spec], bool]
    """Whether the key has an effect, by a spec without `auto`."""
    reason: str
    cure: str


_WITHOUT_SHEETS = tuple(
    end
    for name in FILE_FORMATS.names()
    if "sheets" not in FILE_FORMATS.traits(name)
    for end in FILE_FORMATS.literal(name, "EXTENSIONS")
)
DEPENDENCIES = (
    Dependency(
        "data.sheet",
        lambda spec: not all(item.lower().endswith(_WITHOUT_SHEETS) for item in spec.data.path),
        "no file is an Excel workbook",
        "set data.path, for example to book.xlsx",
    ),
    Dependency(
        "data.query",
        lambda spec: any(is_url(item) and not names_table(item) for item in spec.data.path),
        "no database in data.path needs it, or each names its table",
        "set data.path, for example to sqlite:///sales.db",
    ),
    Dependency(
        "clean.tolerance",
        lambda spec: spec.clean.irregular == "snap",
        "it belongs to clean.irregular: snap",
        "set clean.irregular to snap",
    ),
    Dependency(
        "clean.partial_periods",
        lambda spec: spec.clean.resample is not None,
        "nothing is resampled",
        "set clean.resample, for example to sum",
    ),
    Dependency(
        "clean.ambiguous_hour",
        lambda spec: spec.data.timezone is not None,
        "without a time zone no hour occurs twice",
        "set data.timezone, for example to Europe/Berlin",
    ),
    Dependency(
        "clean.nonexistent_hour",
        lambda spec: spec.data.timezone is not None,
        "without a time zone no hour is skipped",
        "set data.timezone, for example to Europe/Berlin",
    ),
    Dependency(
        "clean.fill_value",
        lambda spec: _any_imputer(spec, lambda traits: "needs_value" in traits),
        "clean.missing is not constant",
        "set clean.missing to constant or masked_constant",
    ),
    Dependency(
        "clean.max_gap",
        lambda spec: _any_imputer(spec, lambda traits: "masks" not in traits),
        "clean.missing fills no gap",
        "set clean.missing to a method that does, for example linear",
    ),
    Dependency(
        "clean.outlier_action",
        lambda spec: spec.clean.outliers != "none",
        "no outliers are looked for",
        "set clean.outliers, for example to hampel",
    ),
    Dependency(
        "clean.outlier_threshold",
        lambda spec: spec.clean.outliers != "none",
        "no outliers are looked for",
        "set clean.outliers, for example to hampel",
    ),
    Dependency(
        "features.text_size",
        lambda spec: bool(spec.features.text),
        "no column is text",
        "list one under features.text",
    ),
    Dependency(
        "features.vector_size",
        lambda spec: _has_pattern(spec),
        "no columns are given by a pattern",
        "give them by one, such as emb_*, under features.past",
    ),
    Dependency(
        "features.holiday_window",
        lambda spec: spec.features.holidays is not None,
        "holidays are not an input",
        "set features.holidays, for example to DE",
    ),
    Dependency(
        "features.missing_future",
        lambda spec: bool(spec.features.future),
        "no column is known ahead",
        "list one under features.future",
    ),
    Dependency(
        "model.attention",
        lambda spec: "attention" in DECODERS.traits(spec.model.decoder),
        "the decoder has no attention",
        f"set model.decoder to {' or '.join(DECODERS.having('attention'))}",
    ),
    Dependency(
        "model.teacher_forcing",
        lambda spec: "autoregressive" in DECODERS.traits(spec.model.decoder),
        "the decoder does not read values of the horizon",
        f"set model.decoder to {' or '.join(DECODERS.having('autoregressive'))}",
    ),
    Dependency(
        "model.smoothing_seasons",
        lambda spec: "removes_season" in WINDOW_SCALERS.traits(spec.model.normalize),
        "model.normalize does not remove seasons",
        f"set model.normalize to {' or '.join(WINDOW_SCALERS.having('removes_season'))}",
    ),
    Dependency(
        "training.patience",
        lambda spec: spec.training.early_stopping,
        "training does not stop early",
        "set training.early_stopping to true",
    ),
    Dependency(
        "training.time_budget",
        lambda spec: int(spec.ensemble.members) > 1,
        "there is one network",
        "set ensemble.members to 2 or more",
    ),
    Dependency(
        "ensemble.combine",
        lambda spec: int(spec.ensemble.members) > 1,
        "there is one network",
        "set ensemble.members to 2 or more",
    ),
    Dependency(
        "backtest.warm_start",
        lambda spec: spec.backtest.refit != "never",
        "a backtest trains once",
        "set backtest.refit to always, or to a number of windows",
    ),
)


def find_unused_keys(given: Spec, resolved: Sequence[Spec]) -> Iterator[Problem]:
    """The keys of `given` that differ from their default and have no effect.

    `resolved` are the specs of the networks, without `auto`; a key is used if one of them uses it.
    """
    for dependency in DEPENDENCIES:
        section, name = dependency.key.split(".")
        default = SECTIONS[section].model_fields[name].default
        if getattr(getattr(given, section), name) == default:
            continue
        if not any(dependency.is_used(spec) for spec in resolved):
            found = f"has no effect: {dependency.reason}"
            yield Problem(dependency.key, found, f"{dependency.cure}, or leave it out")


def _any_imputer(spec: Spec, has: Callable[[tuple[str, ...]], bool]) -> bool:
    missing: Any = spec.clean.missing
    names = missing.values() if isinstance(missing, dict) else [missing]
    return any(has(IMPUTERS.traits(name)) for name in names)


def _has_pattern(spec: Spec) -> bool:
    features = spec.features
    names = (*features.past, *features.future, *features.static)
    return any(mark in name for name in names for mark in "*?[")
