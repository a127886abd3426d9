"""Rules on two or more keys of a spec: incompatible values, and what to set instead.

A rule names the keys that it reads and is skipped if one of them has no valid value. What a
component needs and can do is in its ``TRAITS``. A key that is auto is compatible with everything,
since its value is chosen to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TypeAlias

from rnnforecast.registry import (
    BACKBONES,
    BASE_FORECASTS,
    DECODERS,
    IMPUTERS,
    LOSSES,
    WINDOW_SCALERS,
    Registry,
)
from rnnforecast.spec.locations import is_database, mask_url, names_table
from rnnforecast.spec.search_space import candidate_problems, end_points, with_values
from rnnforecast.spec.spec import Spec

Finding: TypeAlias = tuple[str, str, str]
"""The key, what is wrong with its value, and what to set instead."""

NO_CURE = ""


@dataclass(frozen=True)
class Rule:
    """A check of several keys."""

    keys: tuple[str, ...]
    """The keys that the check reads, as ``section.key``."""
    check: Callable[[Spec], Iterator[Finding]]


_rules: list[Rule] = []


def _rule(*keys: str) -> Callable[[Callable[[Spec], Iterator[Finding]]], None]:
    """A decorator that registers a function as the rule on these keys."""
    return lambda check: _rules.append(Rule(keys, check))


def find_incompatibilities(
    specs: Sequence[Spec], rules: Iterable[Rule] | None = None
) -> list[Finding]:
    """The findings of `rules` (default: all) in the specs of the networks, without duplicates."""
    rules = RULES if rules is None else tuple(rules)
    found = [finding for spec in specs for rule in rules for finding in rule.check(spec)]
    return list(dict.fromkeys(found))


# data, clean and features


@_rule("data.time", "data.series", "data.targets")
def _column_roles(spec: Spec) -> Iterator[Finding]:
    roles = {"time": spec.data.time, "series": spec.data.series, "targets": spec.data.targets}
    given = {
        role: (value,) if isinstance(value, str) else value
        for role, value in roles.items()
        if value != "auto"
    }
    for first, second in (("time", "series"), ("time", "targets"), ("series", "targets")):
        for name in given.get(second, ()):
            if name in given.get(first, ()):
                yield f"data.{second}", f"'{name}' is already given as data.{first}", NO_CURE


@_rule("data.path", "data.query")
def _database_query(spec: Spec) -> Iterator[Finding]:
    databases = [item for item in spec.data.path if is_database(item)]
    if spec.data.query is None:
        for item in databases:
            if not names_table(item):
                found = f"'{mask_url(item)}' is a database; expected a query or a table, too"
                yield "data.path", found, "set data.query, or end the URL in ?table=NAME"
    elif spec.data.path and not databases and not any("${" in item for item in spec.data.path):
        found = "a query needs the URL of a database"
        yield "data.query", found, "set data.path, for example to sqlite:///sales.db"


@_rule("data.decimal", "data.separator")
def _decimal_mark(spec: Spec) -> Iterator[Finding]:
    if spec.data.decimal == spec.data.separator == ",":
        yield "data.decimal", "a comma cannot be both data.separator and data.decimal", NO_CURE


@_rule("clean.resample", "clean.irregular")
def _resampling(spec: Spec) -> Iterator[Finding]:
    if spec.clean.resample is not None and spec.clean.irregular == "keep":
        found = "clean.irregular: keep and resampling exclude each other"
        yield "clean.resample", found, "choose one"


@_rule("clean.missing", "clean.irregular")
def _values_by_rule(spec: Spec) -> Iterator[Finding]:
    if spec.clean.irregular != "interpolate":
        return
    for method in spec.clean.missing_methods:
        if "value" in IMPUTERS.traits(method):
            found = f"'{method}' gives a step without a row a value, and so does interpolation"
            yield "clean.missing", found, "set it to mask, or clean.irregular to snap"


@_rule("clean.start", "clean.end", "clean.irregular")
def _common_bounds(spec: Spec) -> Iterator[Finding]:
    for key, value in (("start", spec.clean.start), ("end", spec.clean.end)):
        if spec.clean.irregular == "keep" and value in ("earliest", "latest"):
            found = "with clean.irregular: keep no step is added to a series"
            yield f"clean.{key}", found, "set it to each"


@_rule("data.known_at", "clean.irregular", "data.layout")
def _vintages(spec: Spec) -> Iterator[Finding]:
    if spec.data.known_at is None:
        return
    if spec.clean.irregular == "keep":
        found = "with clean.irregular: keep the rows are the steps, which vintages would change"
        yield "data.known_at", found, "set clean.irregular to snap or interpolate"
    if spec.data.layout == "dates_as_columns":
        found = "with dates in the header a row has no time of its own"
        yield "data.known_at", found, "leave it out, or write a row for each time"


@_rule("features.past", "features.future", "features.static")
def _covariate_roles(spec: Spec) -> Iterator[Finding]:
    features = spec.features
    roles = {"past": features.past, "future": features.future, "static": features.static}
    for first, second in (("past", "future"), ("past", "static"), ("future", "static")):
        for name in roles[second]:
            if name in roles[first]:
                found = f"'{name}' is already given as features.{first}"
                yield f"features.{second}", found, NO_CURE


@_rule(
    "features.categorical", "features.text", "features.past", "features.future", "features.static"
)
def _covariate_types(spec: Spec) -> Iterator[Finding]:
    features = spec.features
    given = (*features.past, *features.future, *features.static)
    for key, names in (("categorical", features.categorical), ("text", features.text)):
        for name in names:
            if not any(name == pattern or fnmatch(name, pattern) for pattern in given):
                found = f"'{name}' is not among features.past, future and static"
                yield f"features.{key}", found, NO_CURE
    for name in features.text:
        if name in features.categorical:
            found = f"'{name}' is already given as features.categorical"
            yield "features.text", found, NO_CURE


# window and forecast


@_rule("window.patch_length", "window.lookback")
def _patch(spec: Spec) -> Iterator[Finding]:
    lookback, patch_length = spec.window.lookback, spec.window.patch_length
    if isinstance(lookback, int) and isinstance(patch_length, int) and patch_length > lookback:
        found = f"expected at most the lookback of {lookback} steps, found {patch_length}"
        yield "window.patch_length", found, "set it to less, or window.lookback to more"


@_rule("forecast.totals", "window.horizon")
def _totals(spec: Spec) -> Iterator[Finding]:
    horizon, longest = spec.window.horizon, max(spec.forecast.totals, default=0)
    if longest > horizon:
        found = f"a total of {longest} steps is asked for and {horizon} are forecast"
        yield "forecast.totals", found, f"set it to at most {horizon}, or window.horizon to more"


# backbone


@_rule("model.bidirectional", "model.backbone")
def _bidirectional_backbone(spec: Spec) -> Iterator[Finding]:
    name = spec.model.backbone
    if spec.model.bidirectional and "bidirectional" not in BACKBONES.traits(name):
        found = f"'{name}' does not read backwards"
        yield "model.bidirectional", found, _or_backbone("set it to false", "bidirectional")


@_rule("model.recurrent_dropout", "model.zoneout", "model.initial_state", "model.backbone")
def _recurrent_regularization(spec: Spec) -> Iterator[Finding]:
    model = spec.model
    if "noise" in BACKBONES.traits(model.backbone):
        return
    given = {
        "recurrent_dropout": (model.recurrent_dropout > 0, "0"),
        "zoneout": (model.zoneout > 0, "0"),
        "initial_state": (model.initial_state == "learned", "zero"),
    }
    for key, (is_set, default) in given.items():
        if is_set:
            found = f"'{model.backbone}' has no recurrence from step to step to apply it to"
            yield f"model.{key}", found, _or_backbone(f"set it to {default}", "noise")


@_rule("model.orthogonal_init", "model.backbone")
def _orthogonal_initialization(spec: Spec) -> Iterator[Finding]:
    if spec.model.orthogonal_init and "noise" not in BACKBONES.traits(spec.model.backbone):
        found = f"'{spec.model.backbone}' has no recurrent weights"
        yield "model.orthogonal_init", found, "set it to false"


def _or_backbone(cure: str, trait: str) -> str:
    usual = [name for name in ("gru", "lstm") if name in BACKBONES.having(trait)]
    return f"{cure}, or model.backbone to {' or '.join(usual)}"


# decoder


@_rule("model.decoder", "model.bidirectional")
def _bidirectional_decoder(spec: Spec) -> Iterator[Finding]:
    decoder, traits = spec.model.decoder, _traits(DECODERS, spec.model.decoder)
    if spec.model.bidirectional and "carries_state" in traits:
        found = f"'{decoder}' needs one final state, which a bidirectional network does not have"
        yield (
            "model.decoder",
            found,
            "set it to direct or seq2seq, or model.bidirectional to false",
        )
    if spec.model.bidirectional and "forks_windows" in traits:
        found = f"'{decoder}' forecasts inside the lookback, which a bidirectional network has read"
        yield "model.decoder", found, "set it to direct, or model.bidirectional to false"


@_rule("training.tbptt_steps", "model.bidirectional")
def _bidirectional_truncation(spec: Spec) -> Iterator[Finding]:
    if spec.model.bidirectional and spec.training.tbptt_steps:
        found = "a lookback that is read in both directions cannot be truncated"
        yield "training.tbptt_steps", found, "set it to null, or model.bidirectional to false"


@_rule("model.teacher_forcing", "model.decoder")
def _teacher_forcing(spec: Spec) -> Iterator[Finding]:
    decoder = spec.model.decoder
    reads_targets = decoder == "auto" or "autoregressive" in _traits(DECODERS, decoder)
    if spec.model.teacher_forcing < 1 and not reads_targets:
        others = " or ".join(DECODERS.having("autoregressive"))
        found = f"'{decoder}' does not read values of the horizon"
        yield "model.teacher_forcing", found, f"set it to 1, or model.decoder to {others}"


@_rule(
    "training.horizon_weight", "training.series_weight", "training.window_weight", "model.decoder"
)
def _loss_weights_of_decoder(spec: Spec) -> Iterator[Finding]:
    if "forks_windows" not in _traits(DECODERS, spec.model.decoder):
        return
    for key in ("horizon_weight", "series_weight", "window_weight"):
        if getattr(spec.training, key) not in ("equal", "auto"):
            found = f"the decoder {spec.model.decoder} weights all its forecasts equally"
            yield f"training.{key}", found, "set it to equal, or model.decoder to another"


# normalize


@_rule("model.normalize", "clean.transform")
def _differences_of_one_sign(spec: Spec) -> Iterator[Finding]:
    normalize = spec.model.normalize
    if spec.clean.difference_transforms and "one_sign" in _traits(WINDOW_SCALERS, normalize):
        found = f"'{normalize}' needs values of one sign, and clean.transform takes differences"
        yield "model.normalize", found, "set it to standard, robust or auto"


@_rule("training.loss", "clean.transform")
def _differences_and_loss(spec: Spec) -> Iterator[Finding]:
    loss = spec.training.loss
    if spec.clean.difference_transforms and "positive" in LOSSES.traits(loss):
        found = f"'{loss}' needs values of at least 0, and clean.transform takes differences"
        yield "training.loss", found, "set it to quantile, normal or student_t"


@_rule("model.normalize", "training.loss")
def _scaling_and_loss(spec: Spec) -> Iterator[Finding]:
    normalize, loss = spec.model.normalize, spec.training.loss
    traits = _traits(WINDOW_SCALERS, normalize)
    if normalize == "auto" or "positive" not in LOSSES.traits(loss):
        return
    if "amounts" in LOSSES.traits(loss):
        if "level_ratio" not in traits or "log" in traits:
            found = f"'{normalize}' cannot be used with '{loss}', which needs amounts of at least 0"
            yield "model.normalize", found, "set it to mean, none or auto"
    elif "level_ratio" not in traits:
        found = f"'{loss}' needs ratios to the level, which '{normalize}' does not give"
        yield "model.normalize", found, "set it to mean, log_mean, none or auto"


@_rule("model.base_forecast", "clean.transform", "model.normalize")
def _forecast_of_windows(spec: Spec) -> Iterator[Finding]:
    name = spec.model.base_forecast
    removes_season = "removes_season" in _traits(WINDOW_SCALERS, spec.model.normalize)
    if "window_forecast" not in _traits(BASE_FORECASTS, name) or not (
        spec.clean.difference_transforms or removes_season
    ):
        return
    reads = "values without level and season" if removes_season else "differences"
    found = f"'{name}' forecasts values, and the network reads {reads}"
    yield "model.base_forecast", found, "set it to linear or auto"


@_rule("model.channels", "model.normalize")
def _scaling_of_channels(spec: Spec) -> Iterator[Finding]:
    normalize = spec.model.normalize
    if spec.model.channels == "joint" and "per_target" in _traits(WINDOW_SCALERS, normalize):
        found = f"'{normalize}' scales each target on its own"
        yield "model.channels", found, "set it to independent, or model.normalize to auto"


@_rule("model.decoder", "model.normalize")
def _scaling_of_origins(spec: Spec) -> Iterator[Finding]:
    normalize, decoder = spec.model.normalize, spec.model.decoder
    if "single_origin" in _traits(WINDOW_SCALERS, normalize) and "forks_windows" in _traits(
        DECODERS, decoder
    ):
        found = f"'{normalize}' has one origin per window, and '{decoder}' forecasts from several"
        yield "model.decoder", found, "set it to direct, or model.normalize to auto"


@_rule("training.window_weight", "model.normalize")
def _weight_of_windows(spec: Spec) -> Iterator[Finding]:
    normalize = spec.model.normalize
    if spec.training.window_weight != "scale" or normalize == "auto":
        return
    if "divides_by_scale" not in _traits(WINDOW_SCALERS, normalize):
        found = f"'{normalize}' does not divide windows by a measure of spread"
        cure = "set it to equal or auto, or model.normalize to standard"
        yield "training.window_weight", found, cure


# training


@_rule("training.horizon_weight", "window.horizon")
def _weights_of_steps(spec: Spec) -> Iterator[Finding]:
    weights, horizon = spec.training.horizon_weight, spec.window.horizon
    if not isinstance(weights, str) and len(weights) != horizon:
        found = f"expected {horizon} numbers, one per step of the horizon, found {len(weights)}"
        yield "training.horizon_weight", found, "give one for each step, or set it to decreasing"


@_rule("training.freeze", "training.start_from")
def _freeze(spec: Spec) -> Iterator[Finding]:
    if spec.training.freeze and spec.training.start_from is None:
        found = "weights that were never trained would not be trained"
        yield "training.freeze", found, "set training.start_from to a run, or leave it out"


# backtest


@_rule("backtest.first_time", "backtest.last_time", "backtest.windows")
def _windows_by_dates(spec: Spec) -> Iterator[Finding]:
    backtest = spec.backtest
    if (
        backtest.first_time is not None
        and backtest.last_time is not None
        and backtest.windows != "auto"
    ):
        found = "backtest.first_time and backtest.last_time set the number of windows"
        yield "backtest.windows", found, "leave one of the three out"


@_rule("model.backbone_options", "model.backbone")
def _backbone_options(spec: Spec) -> Iterator[Finding]:
    model = spec.model
    for key, found in BACKBONES.option_problems(model.backbone, model.backbone_options):
        yield f"model.backbone_options.{key}", found, NO_CURE


@_rule("training.loss_options", "training.loss")
def _loss_options(spec: Spec) -> Iterator[Finding]:
    training = spec.training
    for key, found in LOSSES.option_problems(training.loss, training.loss_options):
        yield f"training.loss_options.{key}", found, NO_CURE


def _traits(registry: Registry, name: str) -> tuple[str, ...]:
    """The component's traits; none for auto."""
    return () if name == "auto" else registry.traits(name)


RULES = tuple(_rules)
"""All rules, in the order of their findings."""


def find_search_problems(spec: Spec, rules: Sequence[Rule]) -> Iterator[Finding]:
    """The findings in the candidates of `search.keys`, each also by `rules` in place of the spec's
    value."""
    yield from candidate_problems(spec)
    searched = set() if isinstance(spec.search.keys, str) else set(spec.search.keys)
    for key, value in end_points(spec):
        # where a rule reads two searched keys, another value of the second may fit
        its_rules = [
            rule
            for rule in rules
            if key in rule.keys and not (searched - {key}).intersection(rule.keys)
        ]
        for _, found, cure in find_incompatibilities([with_values(spec, {key: value})], its_rules):
            yield f"search.keys.{key}", f"{value}: {found}", cure
