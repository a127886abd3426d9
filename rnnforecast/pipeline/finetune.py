"""Fine-tuning of an earlier run: `training.start_from` and `training.freeze`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rnnforecast.errors import Problem, SpecError
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.pipeline.run_folder import (
    RESOLVED_SPEC_FILE,
    WEIGHTS_FILE,
    parse_run,
    read_run_folder,
)
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.training.fit_state import StateDict
from rnnforecast.wording import join_names

START_FROM_KEY = "training.start_from"
"""Most weights that a message names."""


def inherit_spec(spec: Spec, spec_folder: Path) -> Spec:
    """The spec with values of the run of `training.start_from`, unchanged if there is none.

    Keys of `window` and `model`, the calendar, the loss and the quantiles are taken from the run if
    the spec does not set them. A relative path is relative to `spec_folder`. Raises SpecError,
    RunFolderError.
    """
    if spec.training.start_from is None:
        return spec
    folder = spec_folder / spec.training.start_from
    name = RESOLVED_SPEC_FILE
    text = read_run_folder(folder, lambda found: (parse_run(found), found.read_text(name)))[1]
    run = parse_spec(text, name=name, rules=(), needs_path=False)
    if run.window.horizon != spec.window.horizon:
        problem = f"the run was trained for {run.window.horizon} steps, not {spec.window.horizon}"
        raise SpecError(Problem("window.horizon", problem, f"set it to {run.window.horizon}"))
    sections: dict[str, Any] = {
        name: _inherit_section(getattr(spec, name), getattr(run, name))
        for name in ("window", "model")
    }
    sections["training"] = _inherit_section(spec.training, run.training, ("loss", "loss_options"))
    sections["features"] = _inherit_section(spec.features, run.features, ("calendar",))
    if sections["model"].backbone != run.model.backbone:  # options belong to one backbone
        sections["model"] = sections["model"].model_copy(
            update={"backbone_options": spec.model.backbone_options}
        )
    if sections["training"].loss != run.training.loss:
        own = {"loss_options": spec.training.loss_options}
        sections["training"] = sections["training"].model_copy(update=own)
    if "quantiles" not in spec.forecast.model_fields_set:
        update = {"quantiles": run.forecast.quantiles}
        sections["forecast"] = spec.forecast.model_copy(update=update)
    return spec.model_copy(update=sections)


def _inherit_section(section: Any, run_section: Any, keys: Sequence[str] = ()) -> Any:
    """The section with the run's values for those of `keys` (default: all) that it does not set."""
    wanted = set(keys or type(section).model_fields)
    given = {key for key in section.model_fields_set if getattr(section, key) != "auto"}
    open_ = wanted - given
    return section.model_copy(update={key: getattr(run_section, key) for key in open_})


class PretrainedRun:
    """The run whose weights a training starts from, and which of them are frozen."""

    def __init__(self, folder: Path, freeze_patterns: Sequence[str]) -> None:
        self.run, weights = read_run_folder(
            folder, lambda found: (parse_run(found), found.read_bytes(WEIGHTS_FILE))
        )
        self.weights_sha256 = hashlib.sha256(weights).hexdigest()
        """Hash of the weights file: a resumed training must start from the same run."""
        self.freeze_patterns = freeze_patterns
        if any(self.run.config.covariates.cardinalities):
            raise SpecError(
                Problem(
                    START_FROM_KEY,
                    "the run reads categories, whose codes have other meanings in this training",
                    "train without it, or leave categories out of both",
                )
            )

    def net(self, member_index: int) -> Forecaster:
        """The run's network that a network of the new training starts from."""
        return self.run.members[member_index % len(self.run.members)].net

    def initialize(
        self, net: Forecaster, member_index: int, smoothed_items: Sequence[str] = ()
    ) -> None:
        """Copies the run's weights into a network, and freezes those that match a pattern.

        `smoothed_items` are the names of the new training's items; see `item_names`.
        """
        pretrained = dict(self.net(member_index).state_dict())
        expected = net.state_dict()
        pretrained |= {
            name: self._align_item_rows(pretrained[name], expected[name], smoothed_items)
            for name in net.per_item_weights()
            if name in pretrained
        }
        _check_same_weights(expected, pretrained)
        net.load_state_dict(pretrained)
        self._freeze_weights(net)

    def _align_item_rows(
        self, pretrained: Any, expected: Any, smoothed_items: Sequence[str]
    ) -> Any:
        """The run's rows in the order of the new items; zeros, without effect, for the others."""
        pretrained_row = {name: row for row, name in enumerate(self.run.smoothed_items)}
        aligned = expected.new_zeros(expected.shape)
        for row, name in enumerate(smoothed_items):
            if name in pretrained_row:
                aligned[row] = pretrained[pretrained_row[name]]
        return aligned

    def _freeze_weights(self, net: Forecaster) -> None:
        names = [name for name, _ in net.named_parameters()]
        for pattern in self.freeze_patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                parts = sorted({name.split(".")[0] for name in names})
                cure = f"there are {', '.join(f'{part}*' for part in parts)}"
                raise SpecError(Problem("training.freeze", f"'{pattern}' matches no weight", cure))
        for name, parameter in net.named_parameters():
            if any(fnmatchcase(name, pattern) for pattern in self.freeze_patterns):
                parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in net.parameters()):
            cure = "leave some of them out"
            raise SpecError(Problem("training.freeze", "no weights are left to train", cure))


def _check_same_weights(expected: StateDict, pretrained: StateDict) -> None:
    """Raises SpecError if the tensors differ in name or shape."""
    different = [
        name
        for name in sorted({*expected, *pretrained})
        if name not in expected
        or name not in pretrained
        or expected[name].shape != pretrained[name].shape
    ]
    if different:
        raise SpecError(
            Problem(
                START_FROM_KEY,
                f"the run's network has other weights: {join_names(different)}",
                "leave the keys of window, model and features as the run's resolved.yaml has them",
            )
        )
