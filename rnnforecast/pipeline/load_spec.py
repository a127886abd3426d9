"""The spec as the workflows take it: read, checked against the networks there are, files found.

Light on purpose: a wrong spec is told before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnforecast.errors import Problem, SpecError
from rnnforecast.models.compatibility import SPREAD_NORMALIZERS, ModelChoices, incompatibilities
from rnnforecast.registry import BACKBONES
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.model import Spec


def load_spec(path: Path, overrides: Sequence[str] = ()) -> Spec:
    """The spec at `path`. SpecError with every problem, unknown networks and options included."""
    spec = read_spec(path, overrides, backbones=BACKBONES.names())
    problems = [Problem(f"{path}, model.backbone_options", line) for line in _option_errors(spec)]
    problems += [
        Problem(f"{path}, {key}", why, cure) for key, why, cure in find_incompatibilities(spec)
    ]
    if problems:
        raise SpecError(*problems)
    return spec


def _option_errors(spec: Spec) -> list[str]:
    """What is wrong with the options of the backbones, a line each."""
    lines: list[str] = []
    for one in expand_ensemble(spec):
        if one.model.backbone_options:
            try:
                BACKBONES.options(one.model.backbone, one.model.backbone_options)
            except ValueError as error:
                lines += str(error).splitlines()
    return list(dict.fromkeys(lines))


def find_incompatibilities(spec: Spec) -> list[tuple[str, str, str]]:
    """Key, reason and cure of each pair of parts that does not go together, of every network.

    What is still ``auto`` goes with everything: it is chosen so that it does.
    """
    return find_incompatibilities_among(expand_ensemble(spec))


def find_incompatibilities_among(member_specs: Sequence[Spec]) -> list[tuple[str, str, str]]:
    """As `refused`, of networks that each have a spec of their own."""
    found = [
        refusal
        for one in member_specs
        for refusal in (*incompatibilities(_model_choices(one)), *_invalid_values(one))
    ]
    return list(dict.fromkeys(found))


def _invalid_values(spec: Spec) -> Iterator[tuple[str, str, str]]:
    weights, horizon = spec.training.horizon_weight, spec.window.horizon
    if not isinstance(weights, str) and len(weights) != horizon:
        found = f"expected {horizon} numbers, one a step of the horizon, found {len(weights)}"
        yield "training.horizon_weight", found, "give one for each step, or set it to decreasing"
    lookback, segment = spec.window.lookback, spec.window.patch_length
    if isinstance(lookback, int) and isinstance(segment, int) and segment > lookback:
        found = f"expected at most the lookback of {lookback} steps, found {segment}"
        yield "window.patch_length", found, "set it to less, or window.lookback to more"
    longest = max(spec.forecast.totals, default=0)
    if longest > horizon:
        found = f"a total of {longest} steps is asked for and {horizon} are forecast"
        yield "forecast.totals", found, f"set it to at most {horizon}, or window.horizon to more"
    if spec.training.freeze and spec.training.start_from is None:
        found = "weights that were never trained would stay as they are"
        yield "training.freeze", found, "set training.start_from to a run, or leave it out"
    normalize = spec.model.normalize
    if spec.training.window_weight == "scale" and normalize not in ("auto", *SPREAD_NORMALIZERS):
        found = f"'{normalize}' does not divide windows by their spread"
        cure = "set it to equal or auto, or model.normalize to standard"
        yield "training.window_weight", found, cure
    if spec.model.decoder != "forking":
        return
    for key in ("horizon_weight", "series_weight", "window_weight"):
        if getattr(spec.training, key) not in ("equal", "auto"):
            found = "the decoder forking counts all that it forecasts on the way alike"
            yield f"training.{key}", found, "set it to equal, or model.decoder to another"


def _model_choices(spec: Spec) -> ModelChoices:
    model = spec.model
    return ModelChoices(
        backbone=model.backbone,
        traits=BACKBONES.traits(model.backbone),
        decoder=None if model.decoder == "auto" else model.decoder,
        normalize=None if model.normalize == "auto" else model.normalize,
        loss=spec.training.loss,
        base_forecast=model.base_forecast,
        bidirectional=model.bidirectional,
        recurrent_dropout=model.recurrent_dropout,
        zoneout=model.zoneout,
        learned_initial_state=model.initial_state == "learned",
        orthogonal=model.orthogonal_init,
        tbptt_steps=spec.training.tbptt_steps,
        teacher_forcing=model.teacher_forcing,
        joint_channels=model.channels == "joint",
        loss_options=tuple(spec.training.loss_options.items()),
        takes_differences=bool(difference_transforms(spec)),
    )


def difference_transforms(spec: Spec) -> tuple[str, ...]:
    """The transforms of the spec that take differences."""
    transform = spec.clean.transform
    methods = set(transform.values()) if isinstance(transform, dict) else {transform}
    return tuple(sorted(methods & {"difference", "seasonal_difference"}))


def expand_ensemble(spec: Spec) -> list[Spec]:
    """The spec of each network of an ensemble: they differ in seed, and in `ensemble.vary`.

    Each key goes through its values in turn; the second key moves on when the first has been
    through, and so on, so that all combinations come up before one is repeated.
    """
    ensemble = spec.ensemble
    count = 1 if ensemble.members == "auto" else int(ensemble.members)
    return [_member_spec(spec, number) for number in range(count)]


def _member_spec(spec: Spec, member_index: int) -> Spec:
    changes: dict[str, dict[str, Any]] = {"training": {"seed": spec.training.seed + member_index}}
    stride = 1
    vary = {} if isinstance(spec.ensemble.vary, str) else spec.ensemble.vary
    for key, values in vary.items():
        section, name = key.split(".")
        changes.setdefault(section, {})[name] = values[member_index // stride % len(values)]
        stride *= len(values)
    update = {name: getattr(spec, name).model_copy(update=keys) for name, keys in changes.items()}
    return spec.model_copy(update=update)


def source_paths(spec: Spec, path: Path) -> tuple[str, ...]:
    """The spec's files as absolute paths; a dash stays standard input."""
    base = path.resolve().parent
    return tuple(item if item == "-" else str(base / item) for item in spec.data.path)
