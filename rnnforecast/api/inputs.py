"""Arguments of the Python API: specs as path, dict or `Spec`, and data as frames or paths."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rnnforecast.errors import Problem, UsageError
from rnnforecast.spec.compatibility import RULES, Rule
from rnnforecast.spec.load import read_spec as read_spec_file
from rnnforecast.spec.load import spec_from_values, with_keys
from rnnforecast.spec.locations import absolute_location, is_url
from rnnforecast.spec.spec import Spec

if TYPE_CHECKING:
    from rnnforecast.data.io.frame_source import DataSource

SpecLike: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | Spec
"""The path of a YAML file, a dict of sections, or a `Spec`."""
DataLike: TypeAlias = Any
"""A data frame of pandas, polars or another library that narwhals reads, the path of a file, a
folder or a pattern, a URL, or a list of these."""

TimeLike: TypeAlias = Any
"""A timestamp as text, a `datetime`, a `pandas.Timestamp`, or a whole number."""


@dataclass(frozen=True)
class Inputs:
    """A valid spec and its data."""

    spec: Spec
    source: tuple[DataSource, ...]
    folder: Path
    """Relative paths of the spec count from it."""


def read_spec(spec: SpecLike, **sections: Mapping[str, Any]) -> Spec:
    """The valid spec of a YAML file, or of a dict with the same sections and keys.

    Args:
        spec: the path of a YAML file, a dict of its sections, or a `Spec`; `data.path` may be
            missing, as for data frames.
        sections: keys that replace those of `spec`, by section.

    Raises:
        SpecError: with all problems of the spec.

    Examples:
        >>> import rnnforecast as rf
        >>> spec = rf.read_spec({"window": {"horizon": 12}, "forecast": {"quantiles": [0.1, 0.9]}})
        >>> rf.read_spec(spec, window={"horizon": 24}).window.horizon
        24
        >>> rf.read_spec({"window": {"horizn": 12}})
        Traceback (most recent call last):
        ...
        rnnforecast.errors.SpecError: window.horizn: unknown key — did you mean 'horizon'?
    """
    return _read_spec(spec, sections, needs_path=False)


def _read_spec(
    spec: SpecLike,
    sections: Mapping[str, Mapping[str, Any]],
    *,
    rules: Sequence[Rule] = RULES,
    needs_path: bool,
) -> Spec:
    sections = {name: keys for name, keys in sections.items() if keys}
    if isinstance(spec, Spec):
        spec = spec.model_dump(exclude_unset=True)  # that of `model_copy` is not validated yet
    if isinstance(spec, Mapping):
        spec = with_keys(spec, sections)
        return spec_from_values(spec, rules=rules, needs_path=needs_path)
    if isinstance(spec, str | os.PathLike):
        path = Path(spec)
        return read_spec_file(path, sections=sections, rules=rules, needs_path=needs_path)
    found = f"expected a path, a dict or a Spec, found {type(spec).__name__}"
    raise UsageError(Problem("spec", found, "give the path of a YAML file, or a dict of sections"))


def read_inputs(
    spec: SpecLike,
    data: DataLike | None,
    *,
    rules: Sequence[Rule] = RULES,
    **sections: Mapping[str, Any],
) -> Inputs:
    """The spec, and the data: `data`, or the files of the spec without it; see `read_spec`."""
    # paths in a dict count from the working folder
    path = Path(spec) if isinstance(spec, str | os.PathLike) else Path("spec.yaml")
    read = _read_spec(spec, sections, rules=rules, needs_path=data is None)
    source = read.data.source_paths(path) if data is None else read_data(data)
    return Inputs(read, source, path.resolve().parent)


def whole_number(number: Any, name: str) -> int | None:
    """A number of at least 1, also of NumPy; None stays. UsageError for anything else."""
    if number is None:
        return None
    is_whole = isinstance(number, Integral) and not isinstance(number, bool)
    if not is_whole or number < 1:
        found = f"expected a whole number of at least 1, found {number!r}"
        raise UsageError(Problem(name, found))
    return int(number)


def read_data(data: DataLike) -> tuple[DataSource, ...]:
    """The inputs that `data` names; UsageError for what is neither a frame nor a path."""
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        if not data:
            raise UsageError(Problem("data", "the list is empty", "give at least one data frame"))
        return tuple(_read_item(item, f"data[{at}]") for at, item in enumerate(data))
    return (_read_item(data, "data"),)


def _read_item(item: Any, name: str) -> DataSource:
    if isinstance(item, str | os.PathLike):
        text = os.fspath(item)
        if is_url(text):
            return absolute_location(text, Path.cwd())
        return os.path.abspath(text)  # noqa: PTH100 - a pattern is no path
    from rnnforecast.data.io.frame_source import from_frame

    return from_frame(item, name)
