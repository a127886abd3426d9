"""Automatic values: rules of thumb for the keys of the spec that are `auto`.

Each rule chooses the value of one key and gives a reason; both are printed, and the value is stored
in `resolved.yaml`. Rules run in the order of this file, and each reads the values of earlier ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.panel import Panel
from rnnforecast.pipeline.auto_season import choose_season
from rnnforecast.pipeline.presets import Preset, build_preset
from rnnforecast.registry import BACKBONES, DECODERS, LOSSES, WINDOW_SCALERS
from rnnforecast.spec.spec import Spec, expand_ensemble
from rnnforecast.wording import join_names

MAX_AUTO_LOOKBACK = 2048
"""Longest automatic lookback in steps, unless the horizon is longer."""
MIN_LOG_RATIO = 1e-3
"""Logs are taken if the smallest value is at least this share of the mean in 95 % of the series."""
LONG_SERIES_LOOKBACKS = 20
"""Usual lookbacks that the median series must have for each one that is read."""
MAX_LOOKBACK_FACTOR = 3
"""Most usual lookbacks that are read."""
SEASONS_IN_LOOKBACK = {4: 8, 5: 8, 7: 8, 12: 8, 24: 7, 52: 3}
"""Seasons in a usual lookback by season length; for others as many as fit into 168 steps, two to
eight."""
SMALL_DATA = 5_000
"""Observed values below which a smaller network and smaller batches are used."""
VERY_SMALL_DATA = 400
"""Observed values below which the network is the smallest, and the base forecast is not chosen."""
MIN_STEPS, STEPS_PER_VALUE = 20, 0.2
"""Steps of small data without covariates: these, and as many more for each observed value. More of
them fit what one series alone happened to do."""


@dataclass(frozen=True)
class AutoChoice:
    """A resolved key with the reason for its value."""

    key: str
    value: object
    reason: str

    def __str__(self) -> str:
        """The choice as one line."""
        value = join_names(self.value) if isinstance(self.value, list) else self.value
        return f"{self.key}: {value}  ({self.reason})"


@dataclass(frozen=True)
class AutoContext:
    """What the rules read: the spec and the cleaned data."""

    given: Spec
    """The spec before the first rule."""
    spec: Spec
    """The spec with the values of all earlier rules."""
    cleaned: CleanedData

    @property
    def panel(self) -> Panel:
        """The cleaned series."""
        return self.cleaned.panel

    @property
    def horizon(self) -> int:
        """The horizon in steps."""
        return self.spec.window.horizon

    @property
    def season(self) -> int:
        """The season in steps; 1 without a season."""
        return int(self.spec.window.season)

    @cached_property
    def n_values(self) -> int:
        """Observed target values."""
        return int(self.cleaned.target_mask.sum())

    @property
    def has_covariates(self) -> bool:
        """Whether the network reads more than the targets."""
        return any(table.shape[1] for table in self.cleaned.features.tables())

    @property
    def available_steps(self) -> int:
        """Steps of the longest series before its held-out horizon."""
        return int(self.panel.lengths.max()) - self.horizon

    @cached_property
    def preset(self) -> Preset:
        """The preset of the spec; lookback, patch length and normalization must be resolved."""
        window = self.spec.window
        return build_preset(
            self.spec.training.preset,
            lookback=int(window.lookback),
            stride=_lookback_stride(self.season, int(window.patch_length), int(window.lookback)),
            patch_length=int(window.patch_length),
            available_steps=max(self.available_steps, 1),
            normalize=self.spec.model.normalize,
            loss=self.spec.training.loss,
        )


Rule = Callable[[AutoContext], tuple[object, str]]
"""A value and its reason; with an empty reason the choice is not reported."""
RULES: dict[str, Rule] = {}
"""The rules by key, in the order in which they run."""


def rule(key: str) -> Callable[[Rule], Rule]:
    """Registers the decorated function as the rule of the key ``section.name``."""

    def register(function: Rule) -> Rule:
        RULES[key] = function
        return function

    return register


def resolve_season(
    spec: Spec, panel: Panel, *, held_out: int | None = None
) -> tuple[Spec, list[AutoChoice]]:
    """The spec with its season resolved, and the choice; cleaning needs the season.

    The last `held_out` steps are left out of the detection, by default a horizon.
    """
    if spec.window.season != "auto":
        return spec, []
    length, reason = choose_season(panel, spec.window.horizon if held_out is None else held_out)
    choice = AutoChoice("window.season", length, reason)
    return _with_value(spec, choice.key, length), [choice]


def resolve_auto(spec: Spec, cleaned: CleanedData) -> tuple[Spec, list[AutoChoice]]:
    """The spec with a value for every `auto` that has a rule, and the choices with a reason.

    The season is resolved before, by `resolve_season`, and the data section by the cleaning plan.
    """
    context, choices = AutoContext(spec, spec, cleaned), []
    for key, choose in RULES.items():
        if _value_of(context.spec, key) != "auto":
            continue
        value, reason = choose(context)
        if reason:
            choices.append(AutoChoice(key, value, reason))
        context = replace(context, spec=_with_value(context.spec, key, value))
    return context.spec, choices


def resolve_member_specs(given: Spec, resolved: Spec, cleaned: CleanedData) -> list[Spec]:
    """The resolved spec of each network; what is `auto` in `given` is chosen for each alone."""
    window = given.window.model_copy(update={"season": resolved.window.season})
    sections = {"window": window, "model": given.model, "training": given.training}
    return [
        resolve_auto(member, cleaned)[0]
        for member in expand_ensemble(resolved.model_copy(update=sections))
    ]


def _value_of(spec: Spec, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(spec, section), name)


def _with_value(spec: Spec, key: str, value: object) -> Spec:
    section, name = key.split(".")
    changed = getattr(spec, section).model_copy(update={name: value})
    return spec.model_copy(update={section: changed})


@rule("window.patch_length")
def choose_patch_length(context: AutoContext) -> tuple[int, str]:
    """One season, or one horizon without a season; at most a lookback that the spec sets."""
    length, reason = context.season, "one season"
    if length == 1:
        length, reason = context.horizon, "one horizon: there is no season"
    lookback = context.spec.window.lookback
    if isinstance(lookback, int) and length > lookback:
        return lookback, "the lookback"
    return length, reason


@rule("window.lookback")
def choose_lookback(context: AutoContext) -> tuple[int, str]:
    """Several seasons, or a share of the median length: whole patches, as the data allow."""
    horizon, available = context.horizon, context.available_steps
    usual_lookback = _seasonal_lookback if context.season > 1 else _trend_lookback
    lookback, reason = usual_lookback(context)
    longest = max(MAX_AUTO_LOOKBACK, horizon)
    if lookback > longest:
        lookback, reason = longest, "the most that is chosen automatically"
    if lookback > available:
        lookback, reason = max(available, 1), "all but the horizon of the longest series"
    patch_length = int(context.spec.window.patch_length)
    patches = max(1, round(lookback / patch_length))
    return patches * patch_length, f"{reason}, in whole patches"


def _seasonal_lookback(context: AutoContext) -> tuple[int, str]:
    """Several seasons; more for long series."""
    season, seasons = context.season, _seasons_in_lookback(context.season)
    factor = np.median(context.panel.lengths) // (LONG_SERIES_LOOKBACKS * seasons * season)
    seasons *= int(np.clip(factor, 1, MAX_LOOKBACK_FACTOR))
    return max(seasons * season, context.horizon), f"{seasons} seasons, at least a horizon"


def _trend_lookback(context: AutoContext) -> tuple[int, str]:
    """A share of the median length: few windows of short series have a long history."""
    third, horizon = int(np.median(context.panel.lengths)) // 3, context.horizon
    lookback = int(np.clip(third, 2 * horizon, 8 * horizon))
    return lookback, "a third of the median length, but two to eight horizons"


def _seasons_in_lookback(season: int) -> int:
    """Seasons in a usual lookback; see `SEASONS_IN_LOOKBACK`."""
    return SEASONS_IN_LOOKBACK.get(season, int(np.clip(168 // season, 2, 8)))


def _lookback_stride(season: int, patch_length: int, lookback: int) -> int:
    """The difference between the lookbacks of an ensemble, in steps."""
    if season > 1:
        return _seasons_in_lookback(season) * season
    return max(patch_length, lookback // 2 // patch_length * patch_length)


@rule("model.normalize")
def choose_normalize(context: AutoContext) -> tuple[str, str]:
    """Logs if all values are positive and the loss allows it, else the mean or standard scaling."""
    loss = context.spec.training.loss
    if "amounts" in LOSSES.traits(loss):
        return "mean", f"{loss} is a loss of values, not of logs"
    if difference_lag(context.spec):
        return "standard", "changes rise and fall around zero"
    found = _obstacle_to_logs(context.cleaned)
    if not found:
        return "log_mean", "all values are positive"
    if "positive" in LOSSES.traits(loss):
        return "mean", f"{loss} is a loss of ratios to the level"
    return "standard", found


def _obstacle_to_logs(cleaned: CleanedData) -> str:
    """Why logs cannot be taken; empty if they can."""
    mask, starts = cleaned.target_mask, cleaned.panel.offsets[:-1]
    if not cleaned.values.min(where=mask, initial=np.inf) > 0 or not mask.any():
        return "some values are zero or negative"
    count = np.add.reduceat(mask, starts, dtype=np.int64)  # [S, C]
    total = np.add.reduceat(np.where(mask, cleaned.values, 0.0), starts)
    smallest = np.minimum.reduceat(np.where(mask, cleaned.values, np.inf), starts)
    mean = total / np.maximum(count, 1)
    ratio = smallest / np.where(count > 0, mean, 1.0)
    return "some values are very close to zero" if np.quantile(ratio, 0.05) < MIN_LOG_RATIO else ""


@rule("model.layers")
def choose_layers(context: AutoContext) -> tuple[int, str]:
    """The default of the backbone."""
    layers: tuple[int, str] = _backbone_defaults(context).get(
        "layers", (1, "one is enough for most")
    )
    return layers


@rule("model.residual")
def choose_residual(context: AutoContext) -> tuple[bool, str]:
    """The default of the backbone."""
    return _backbone_defaults(context).get("residual", False), ""


def _backbone_defaults(context: AutoContext) -> dict[str, Any]:
    defaults: dict[str, Any] = BACKBONES.literal(context.spec.model.backbone, "DEFAULTS", {})
    return defaults


@rule("model.smoothing_seasons")
def choose_smoothing_seasons(context: AutoContext) -> tuple[tuple[int, ...], str]:
    """The season."""
    return (context.season,), ""


@rule("model.hidden_size")
def choose_hidden_size(context: AutoContext) -> tuple[int, str]:
    """Smaller for small data."""
    if context.n_values >= SMALL_DATA:
        return 128, "the usual width"
    return 64 if context.n_values >= VERY_SMALL_DATA else 32, "few observed values"


@rule("model.decoder")
def choose_decoder(context: AutoContext) -> tuple[str, str]:
    """Always the direct decoder."""
    return "direct", "the whole horizon at once from the last state"


@rule("model.base_forecast")
def choose_base_forecast(context: AutoContext) -> tuple[str, str]:
    """The linear map if Theta cannot be used, Theta where there are too few windows to fit a map,
    else `auto`: training compares both on validation windows."""
    removes_season = "removes_season" in WINDOW_SCALERS.traits(context.spec.model.normalize)
    if removes_season or difference_lag(context.spec):
        return "linear", "theta needs values that are neither differenced nor deseasonalized"
    if context.n_values < VERY_SMALL_DATA:
        return "theta", "few observed values: a linear map would have few windows to be fitted to"
    return "auto", ""


@rule("ensemble.vary")
def choose_vary(context: AutoContext) -> tuple[dict[str, list[Any]], str]:
    """The variation of the preset, without keys that the spec sets; none if it sets the members."""
    given, preset = context.given, context.preset
    if given.ensemble.members != "auto":
        return {}, ""
    vary = {key: values for key, values in preset.vary.items() if _value_of(given, key) == "auto"}
    return vary, preset.reason if vary else ""


@rule("ensemble.members")
def choose_members(context: AutoContext) -> tuple[int, str]:
    """The preset's; at least one for each combination of the values that the spec varies."""
    given, preset = context.given.ensemble.vary, context.preset
    combinations = 1 if isinstance(given, str) else math.prod(len(each) for each in given.values())
    if combinations > preset.members:
        return combinations, "one for each combination of ensemble.vary"
    return preset.members, preset.reason or "enough for most"


@rule("training.max_steps")
def choose_max_steps(context: AutoContext) -> tuple[int, str]:
    """Grows with the square root of the number of values: 1,500 steps for 100,000 values; few
    values without covariates have fewer steps still, see `STEPS_PER_VALUE`."""
    steps = np.clip(round(1500 * (context.n_values / 100_000) ** 0.5, -2), 400, 3000)
    steps *= context.preset.steps_factor
    if context.n_values < SMALL_DATA and not context.has_covariates:
        steps = min(steps, MIN_STEPS + STEPS_PER_VALUE * context.n_values)
    return int(steps), f"for {context.n_values:,} observed values"


@rule("training.batch_size")
def choose_batch_size(context: AutoContext) -> tuple[int, str]:
    """The preset's if it has one, else smaller for small data."""
    if context.preset.batch_size:
        return context.preset.batch_size, context.preset.reason
    if context.n_values >= SMALL_DATA:
        return 128, "the usual size"
    return 64, "few observed values"


@rule("training.learning_rate")
def choose_learning_rate(context: AutoContext) -> tuple[float, str]:
    """The preset's."""
    rate = context.preset.learning_rate
    usual = rate == Preset.learning_rate
    return rate, "the usual one" if usual else context.preset.reason


@rule("training.window_weight")
def choose_window_weight(context: AutoContext) -> tuple[str, str]:
    """By the scale of each window if errors are divided by it: they count in original units."""
    model = context.spec.model
    if (
        "on_normalized_values" in LOSSES.traits(context.spec.training.loss)
        and "divides_by_scale" in WINDOW_SCALERS.traits(model.normalize)
        and "forks_windows" not in DECODERS.traits(model.decoder)
    ):
        return "scale", "errors count in the units of the series"
    return "equal", "errors count relative to the level"


@rule("forecast.plots")
def choose_plots(context: AutoContext) -> tuple[int, str]:
    """The preset's."""
    return context.preset.plots, ""


def difference_lag(spec: Spec) -> int:
    """The lag in steps of the differences that the network reads; 0 if it reads values."""
    transforms = spec.clean.difference_transforms
    return int(spec.window.season) if "seasonal_difference" in transforms else int(bool(transforms))
