"""The spec as the workflows take it: read, checked against the networks there are, files found.

Light on purpose: a wrong spec is told before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnnforecast.errors import Problem, SpecError
from rnnforecast.models import registry
from rnnforecast.spec.load import load
from rnnforecast.spec.model import Spec


def load_spec(path: Path, overrides: Sequence[str] = ()) -> Spec:
    """The spec at `path`. SpecError with every problem, unknown networks and options included."""
    spec = load(path, overrides, backbones=registry.names())
    if spec.model.options:
        try:
            registry.options(spec.model.backbone, spec.model.options)
        except ValueError as error:
            place = f"{path}, model.options"
            raise SpecError(*(Problem(place, line) for line in str(error).splitlines())) from None
    return spec


def source_of(spec: Spec, path: Path) -> tuple[str, ...]:
    """The spec's files as absolute paths; a dash stays standard input."""
    base = path.resolve().parent
    return tuple(item if item == "-" else str(base / item) for item in spec.data.path)
