"""`auto` in the spec becomes a number, from the calendar, the season, the horizon and the data.

Rules of thumb, each with its reason; what they chose is printed and stored in `resolved.yaml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnforecast.data.cleaning.seasonality import detect_seasonality
from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.panel import Panel
from rnnforecast.pipeline.presets import Preset, build_preset
from rnnforecast.registry import LOSSES, WINDOW_SCALERS
from rnnforecast.spec.spec import Spec, expand_ensemble

MAX_AUTO_LOOKBACK = 2048
"""Steps: an automatic lookback is never longer."""

MIN_LOG_RATIO = 1e-3
"""Logs are taken where even the smallest value is at least this share of its series' median."""

LONG_SERIES_LOOKBACKS = 20
"""So many lookbacks make a series long: it has windows enough to learn a longer one. A series of
twice or three times as many is read twice or three times as far back."""

MAX_LOOKBACK_FACTOR = 3
"""The most of such times."""

SEASONS_IN_LOOKBACK = {4: 8, 5: 8, 7: 8, 12: 8, 24: 7, 52: 3}
"""Seasons of history that are read, by season length; others: as many as fit in about 168 steps."""


def join_names(names: Sequence[str]) -> str:
    """The names in one line, at most six of them."""
    more = f" … and {len(names) - 5:,} more" if len(names) > 6 else ""
    return (", ".join(names[:5] if more else names) or "none") + more


@dataclass(frozen=True)
class AutoChoice:
    """One resolved key and why it is so."""

    key: str
    value: object
    reason: str

    def __str__(self) -> str:
        """One line for people."""
        value = join_names(self.value) if isinstance(self.value, list) else self.value
        return f"{self.key}: {value}  ({self.reason})"


def resolve_season(spec: Spec, panel: Panel) -> tuple[Spec, list[AutoChoice]]:
    """The spec with its season settled, which cleaning needs to know before all else.

    Looks only at rows before the held-out horizon.
    """
    if spec.window.season != "auto":
        return spec, []
    length, reason = _choose_season(panel, spec.window.horizon)
    window = spec.window.model_copy(update={"season": length})
    return spec.model_copy(update={"window": window}), [AutoChoice("window.season", length, reason)]


def resolve_auto(spec: Spec, cleaned: CleanedData) -> tuple[Spec, list[AutoChoice]]:
    """The spec with every `auto` of windows, model and training replaced, and the choices made.

    The season is settled by `resolve_season`, the data section by the cleaning plan.
    """
    choices: list[AutoChoice] = []
    panel = cleaned.panel

    def choose(section: str, key: str, value: object, reason: str) -> object:
        given = getattr(getattr(spec, section), key)
        if given != "auto":
            return given
        choices.append(AutoChoice(f"{section}.{key}", value, reason))
        return value

    horizon = spec.window.horizon
    season = int(spec.window.season)
    segment = int(
        str(
            choose(
                "window",
                "patch_length",
                *_choose_patch_length(season, horizon, spec.window.lookback),
            )
        )
    )
    lookback = int(
        str(choose("window", "lookback", *_choose_lookback(panel, season, segment, horizon)))
    )
    values = int(cleaned.target_mask.sum())
    normalize = choose("model", "normalize", *_choose_normalize(spec, cleaned))
    preset = build_preset(
        spec.training.preset,
        lookback=lookback,
        stride=_lookback_stride(season, segment, lookback),
        patch_length=segment,
        available_steps=max(_available_steps(panel, horizon), 1),
        normalize=str(normalize),
        loss=spec.training.loss,
    )
    steps = int(
        np.clip(round(1500 * (values / 100_000) ** 0.5, -2), 400, 3000) * preset.steps_factor
    )
    model = {
        "layers": choose("model", "layers", *_choose_layers(spec.model.backbone)),
        "smoothing_seasons": (season,)
        if spec.model.smoothing_seasons == "auto"
        else spec.model.smoothing_seasons,
        "residual": spec.model.backbone == "dilated"
        if spec.model.residual == "auto"
        else spec.model.residual,
        "hidden_size": choose("model", "hidden_size", *_choose_hidden_size(values)),
        "decoder": choose(
            "model", "decoder", "direct", "the whole horizon at once from the last state"
        ),
        "normalize": normalize,
        "base_forecast": spec.model.base_forecast
        if _base_forecast_is_open(spec, str(normalize))
        else choose("model", "base_forecast", "linear", "theta is of values as they are"),
    }
    vary = spec.ensemble.vary
    if vary == "auto":  # networks asked for by number differ in what was asked for
        vary = _only_auto_keys(spec, preset.vary) if spec.ensemble.members == "auto" else {}
        if vary:
            choices.append(AutoChoice("ensemble.vary", vary, preset.reason))
    members = choose("ensemble", "members", preset.members, preset.reason or "enough for most")
    ensemble = {"members": members, "vary": vary}
    training = {
        "max_steps": choose("training", "max_steps", steps, f"for {values:,} observed values"),
        "batch_size": choose("training", "batch_size", *_choose_batch_size(values, preset)),
        "learning_rate": choose(
            "training", "learning_rate", preset.learning_rate, preset.reason or "the usual one"
        ),
        "window_weight": choose(
            "training", "window_weight", *_choose_window_weight(spec, str(normalize))
        ),
    }
    window = {"season": season, "patch_length": segment, "lookback": lookback}
    plots = spec.forecast.plots
    sections = {
        "window": window,
        "model": model,
        "training": training,
        "ensemble": ensemble,
        "forecast": {"plots": preset.plots if plots == "auto" else plots},
    }
    update = {name: getattr(spec, name).model_copy(update=keys) for name, keys in sections.items()}
    return spec.model_copy(update=update), choices


def _only_auto_keys(spec: Spec, vary: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What a preset varies, but for keys that the spec sets itself."""
    keys = {key: key.split(".") for key in vary}
    return {
        key: vary[key]
        for key, (section, name) in keys.items()
        if getattr(getattr(spec, section), name) == "auto"
    }


def _choose_season(panel: Panel, horizon: int) -> tuple[int, str]:
    steps = np.arange(len(panel.observed_mask)) - np.repeat(panel.offsets[:-1], panel.lengths)
    told = steps < np.repeat(np.maximum(panel.lengths - horizon, panel.lengths // 2), panel.lengths)
    candidates = panel.frequency.season_lengths()
    found = detect_seasonality(
        panel.targets, panel.observed_mask & told[:, None], panel.offsets, candidates
    )
    if found.length > 1:
        return (
            found.length,
            f"found in the data, explains {found.strength:.0%} of the variance around the trend",
        )
    tried = ", ".join(str(length) for length in found.candidate_strengths)
    return 1, f"no season found{f' (tried {tried})' if tried else ''}"


def _choose_patch_length(season: int, horizon: int, lookback: int | str) -> tuple[int, str]:
    length, reason = (
        (season, "one season") if season > 1 else (horizon, "one horizon: there is no season")
    )
    if isinstance(lookback, int) and length > lookback:
        return lookback, "the lookback"
    return length, reason


def _choose_lookback(panel: Panel, season: int, patch_length: int, horizon: int) -> tuple[int, str]:
    if season > 1:
        seasons = _seasons_in_lookback(season)
        # many windows can teach a longer look back
        seasons *= int(
            np.clip(
                np.median(panel.lengths) // (LONG_SERIES_LOOKBACKS * seasons * season),
                1,
                MAX_LOOKBACK_FACTOR,
            )
        )
        wanted, reason = max(seasons * season, horizon), f"{seasons} seasons, at least a horizon"
    else:
        # what lies far back cannot be learnt from short series: few windows have it
        third = int(np.median(panel.lengths)) // 3
        wanted = int(np.clip(third, 2 * horizon, 8 * horizon))
        reason = "a third of the median length, but two to eight horizons"
    if wanted > max(MAX_AUTO_LOOKBACK, horizon):
        wanted, reason = max(MAX_AUTO_LOOKBACK, horizon), "the most that is chosen automatically"
    room = _available_steps(panel, horizon)
    if wanted > room:
        wanted, reason = max(room, 1), "all but the horizon of the longest series"
    segments = max(1, round(wanted / patch_length))
    return segments * patch_length, f"{reason}, in whole segments"


def _seasons_in_lookback(season: int) -> int:
    """How many seasons are read of series that are not very long."""
    return SEASONS_IN_LOOKBACK.get(season, int(np.clip(168 // season, 2, 8)))


def _lookback_stride(season: int, patch_length: int, lookback: int) -> int:
    """By how much the lookbacks of an ensemble differ."""
    if season > 1:
        return _seasons_in_lookback(season) * season
    return max(patch_length, lookback // 2 // patch_length * patch_length)


def _choose_layers(backbone: str) -> tuple[int, str]:
    usual = {"dilated": (3, "each one reads twice as far back"), "transformer": (2, "the usual")}
    return usual.get(backbone, (1, "one is enough for most"))


def _available_steps(panel: Panel, horizon: int) -> int:
    """Steps of the longest series before its held-out horizon."""
    return int(panel.lengths.max()) - horizon


def _choose_hidden_size(n_values: int) -> tuple[int, str]:
    return (128, "the usual width") if n_values >= 5_000 else (64, "few observed values")


def _choose_batch_size(n_values: int, preset: Preset) -> tuple[int, str]:
    if preset.batch_size:
        return preset.batch_size, preset.reason
    return (128, "the usual size") if n_values >= 5_000 else (64, "few observed values")


def _base_forecast_is_open(spec: Spec, normalize: str) -> bool:
    """Whether the data are to decide on the first forecast, see `workflow.first`."""
    return normalize != "exponential_smoothing" and not difference_lag(spec)


def _choose_window_weight(spec: Spec, normalize: str) -> tuple[str, str]:
    on_normalized = "on_normalized_values" in LOSSES.traits(spec.training.loss)
    counted = on_normalized and spec.model.decoder != "forking"
    if "divides_by_scale" in WINDOW_SCALERS.traits(normalize) and counted:
        return "scale", "errors count in the units of the series"
    return "equal", "errors count relative to the level"


def _choose_normalize(spec: Spec, cleaned: CleanedData) -> tuple[str, str]:
    offsets, counted = cleaned.panel.offsets, cleaned.target_mask
    traits = LOSSES.traits(spec.training.loss)
    if "amounts" in traits:
        return "mean", f"{spec.training.loss} is of values, not of logs"
    if difference_lag(spec):
        return "standard", "changes rise and fall around zero"
    known = cleaned.values[counted]
    positive = "positive" in traits
    ratios = "mean", f"{spec.training.loss} is of ratios to the level"
    if not len(known) or known.min() <= 0:
        return ratios if positive else ("standard", "some values are zero or negative")
    values = np.where(counted, cleaned.values, 0.0)
    smallest = np.where(counted, values, np.inf)
    total = np.add.reduceat(values, offsets[:-1])
    count = np.add.reduceat(counted.astype(np.int64), offsets[:-1])
    level = total / np.maximum(count, 1)  # [S, C]
    share = np.minimum.reduceat(smallest, offsets[:-1]) / np.where(count > 0, level, 1.0)
    if np.quantile(share, 0.05) < MIN_LOG_RATIO:
        return ratios if positive else ("standard", "some values are very close to zero")
    return "log_mean", "all values are positive"


def difference_lag(spec: Spec) -> int:
    """How many steps before the value lies that the network's values are differences from; 0:
    they are none."""
    found = spec.clean.difference_transforms
    return int(spec.window.season) if "seasonal_difference" in found else int(bool(found))


def resolve_member_specs(given: Spec, resolved: Spec, cleaned: CleanedData) -> list[Spec]:
    """The resolved spec of each network: what `given` leaves open is chosen for each on its own."""
    window = given.window.model_copy(update={"season": resolved.window.season})
    sections = {"window": window, "model": given.model, "training": given.training}
    return [
        resolve_auto(member, cleaned)[0]
        for member in expand_ensemble(resolved.model_copy(update=sections))
    ]
