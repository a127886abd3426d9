"""What `predict` forecasts: a run; or data without a training, with a spec or without.

Wrong paths and specs are found before anything heavy is imported.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnforecast.data.io.find_files import find_paths, table_extensions
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.output.atomic_folders import find_backup
from rnnforecast.output.ownership import read_mark
from rnnforecast.pipeline.run_versions import is_store
from rnnforecast.spec.compatibility import RULES
from rnnforecast.spec.load import RULES_WITHOUT_HORIZON, parse_spec, read_spec, spec_for_data
from rnnforecast.spec.locations import absolute_location, is_database, is_url, mask_url
from rnnforecast.spec.spec import Spec
from rnnforecast.spec.yaml_source import dump_yaml

if TYPE_CHECKING:
    from rnnforecast.data.io.frame_source import DataSource

SPEC_SUFFIXES = (".yaml", ".yml")
USED_SECTIONS = ("data", "clean", "checks", "forecast")
"""Sections of the spec that count without a training, but for `forecast.calibrate`."""
USED_KEYS = (
    *("window.horizon", "window.season", "training.loss", "training.seed"),
    *("features.past", "features.future", "features.static"),  # columns that are no targets
)
"""Keys of other sections that count too."""
CURE = (
    "give a run folder that 'rnnforecast train' wrote, data (a file, a folder, a pattern, a URL, "
    "or - for standard input), or a spec (.yaml)"
)


@dataclass(frozen=True)
class UntrainedSubject:
    """Data that are forecast without a training."""

    name: str
    """Of the forecast, where it needs one."""
    given: str
    """As it was given."""
    source: tuple[DataSource, ...]
    spec: Spec
    has_horizon: bool = True
    """Whether `window.horizon` of the spec was given; else it is to be chosen."""
    spec_file: Path | None = None
    """None without a spec."""
    arguments: tuple[str, ...] = ()
    """Options of `predict` that were given: ``--data`` and ``--set``, without passwords."""

    def training_commands(self) -> str:
        """The commands that train a run on the data."""
        pairs = zip(self.arguments[::2], self.arguments[1::2], strict=True)
        options = [word for pair in pairs if pair[0] == "--set" for word in pair]
        if self.spec_file is not None:
            return f"rnnforecast train {shlex.join([str(self.spec_file), *options])}"
        if self.given == "-":
            return "write them to a file, then rnnforecast init, check and train"
        if self.has_horizon:
            options += ["--set", f"window.horizon={self.spec.window.horizon}"]
        words = [mask_url(self.given), *options]
        return f"rnnforecast init {shlex.join(words)}, then check and train"

    def to_json(self) -> dict[str, object]:
        """What is stored with the forecast; `from_json` reads it."""
        return {
            "run": None,
            "name": self.name,
            "subject": self.given if self.given == "-" else mask_url(self.given),
            "arguments": list(self.arguments),
            "spec": spec_text(self.spec, has_horizon=self.has_horizon),
        }

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], source: Sequence[DataSource], horizon: int
    ) -> UntrainedSubject:
        """The subject whose `to_json` this is, with data and a horizon. Raises SpecError, and
        ValueError for anything else."""
        texts = [stored.get(key) for key in ("name", "subject", "spec")]
        name, given, text = (each if isinstance(each, str) else "" for each in texts)
        if not (name and given and text):
            raise ValueError("name, subject or spec is missing")
        arguments = stored.get("arguments", [])
        if not isinstance(arguments, list) or not all(isinstance(x, str) for x in arguments):
            raise ValueError(f"arguments are {arguments!r:.40}")
        overrides = _horizon_override(horizon)
        spec = parse_spec(
            text,
            name="the spec of run.json",
            overrides=overrides,
            rules=RULES_WITHOUT_HORIZON,
            needs_path=False,
        )
        return cls(name, given, tuple(source), spec, arguments=tuple(arguments))

    @property
    def path(self) -> Path:
        """What stands for the folder of a run, in names."""
        return Path(self.name)

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the data; empty if a part of them is in memory."""
        from rnnforecast.pipeline.prepare import file_paths

        return file_paths(self.source)


def find_subject(
    text: str,
    *,
    data: Sequence[str] | None = None,
    horizon: int | None = None,
    overrides: Sequence[str] = (),
) -> Path | UntrainedSubject:
    """The run folder that `text` names, or the data, or the spec with its data.

    Args:
        text: a path, a pattern, a URL, or ``-``.
        data: files in place of those of a spec.
        horizon: in place of that of a spec.
        overrides: keys of the spec, as ``section.key=value``; not those of a run, which decides
            itself what a forecast can set.

    Raises:
        SpecError, UsageError; DataError for what is none of these.
    """
    path = Path(text)
    if text != "-" and not is_url(text):
        if _is_run(path):
            return path
        if path.suffix.lower() in SPEC_SUFFIXES:
            return _of_spec(path, data, horizon, overrides)
        _check_data(text, path)
    return _of_data(text, data, horizon, overrides)


def spec_text(spec: Spec, *, has_horizon: bool = True) -> str:
    """The keys that were given, as YAML; without the places of the data, which may hold secrets,
    and without the horizon if it is to be chosen."""
    values = spec.model_dump(exclude_unset=True)
    values["data"] = {key: each for key, each in values["data"].items() if key != "path"}
    if not has_horizon:
        del values["window"]["horizon"]
    return dump_yaml({name: keys for name, keys in values.items() if keys})


def _is_run(path: Path) -> bool:
    """Whether it is the folder of a run, perhaps damaged, or one that is being replaced."""
    if not os.path.isdir(path):  # noqa: PTH112 - does not fail on a long name
        return not os.path.lexists(path) and find_backup(Path(os.path.realpath(path))) is not None
    mark = read_mark(path)
    if is_store(path) or (mark is not None and mark.kind == "run"):
        return True
    from rnnforecast.pipeline.run_folder import REQUIRED_FILES

    return any((path / name).exists() for name in REQUIRED_FILES)


def _check_data(text: str, path: Path) -> None:
    """DataError for what is no data either."""
    mark = read_mark(path) if os.path.isdir(path) else None  # noqa: PTH112
    if mark is not None:
        found = f"is neither a run folder nor data, but a folder of another kind ({mark.kind})"
        raise DataError(Problem(text, found, CURE))
    try:
        find_paths(text)
    except DataError as error:
        found = error.problems[0].found
        is_known = os.path.lexists(path)
        what = "is not a run folder" if is_known and path.is_dir() else "is no data or spec"
        found = f"{what}, and {found}" if is_known else found
        where = error.problems[0].where or repr(text)
        raise DataError(Problem(where, found, CURE)) from None


def _of_spec(
    path: Path, data: Sequence[str] | None, horizon: int | None, overrides: Sequence[str]
) -> UntrainedSubject:
    given = [*overrides, *_horizon_override(horizon)]
    rules = RULES if horizon is None else RULES_WITHOUT_HORIZON  # longer totals are left out
    spec = read_spec(path, given, rules=rules, needs_path=data is None)
    source = spec.data.source_paths(path) if data is None else _absolute(data)
    arguments = _arguments(data or (), overrides)
    subject = UntrainedSubject(
        path.stem, str(path), source, spec, spec_file=path, arguments=arguments
    )
    _check_used(overrides, subject)
    return subject


def _of_data(
    text: str, data: Sequence[str] | None, horizon: int | None, overrides: Sequence[str]
) -> UntrainedSubject:
    if data is not None:
        found = "the data are given already: --data belongs to a run folder or a spec"
        raise UsageError(Problem("--data", found, "leave it out, or give a spec in place of data"))
    given = [*overrides, *_horizon_override(horizon)]
    has_horizon = any(each.partition("=")[0].strip() == "window.horizon" for each in given)
    spec = spec_for_data(text, given)
    arguments = _arguments((), overrides)
    subject = UntrainedSubject(
        _name_of(text), text, _absolute([text]), spec, has_horizon, arguments=arguments
    )
    _check_used(overrides, subject)
    return subject


def _check_used(overrides: Sequence[str], subject: UntrainedSubject) -> None:
    """UsageError for keys without an effect, but for those in a file: it may be for `train` too."""
    cure = f"leave it out, or train with it: {subject.training_commands()}"
    problems = [
        Problem(f"--set {each}", f"has no effect: {reason}", cure)
        for each in overrides
        if (reason := _why_unused(each.partition("=")[0].strip()))
    ]
    if problems:
        raise UsageError(*problems)


def _why_unused(key: str) -> str:
    """Why a key has no effect without a training; empty if it has one."""
    section, name = key.split(".")[:2]
    if key == "forecast.calibrate":
        return "intervals are calibrated by a training alone"
    if section in USED_SECTIONS or f"{section}.{name}" in USED_KEYS:
        return ""
    if section == "features":
        return "without a training covariates are not read"
    return f"without a training {section}.{name} is not used"


def _arguments(data: Sequence[str], overrides: Sequence[str]) -> tuple[str, ...]:
    """See `UntrainedSubject.arguments`; without a horizon, which the forecast has."""
    pairs = [("--data", item if item == "-" else mask_url(item)) for item in data]
    for each in overrides:
        key, _, value = each.partition("=")
        if key.strip() != "window.horizon":
            pairs.append(("--set", f"{key}={mask_url(value)}" if "://" in value else each))
    return tuple(word for pair in pairs for word in pair)


def _horizon_override(horizon: int | None) -> list[str]:
    return [] if horizon is None else [f"window.horizon={horizon}"]


def _absolute(data: Sequence[str]) -> tuple[DataSource, ...]:
    return tuple(absolute_location(item, Path.cwd()) for item in data)


def _name_of(text: str) -> str:
    """A short name for the folder of the forecast and its title."""
    if text == "-":
        return "stdin"
    if is_url(text):
        text = mask_url(text).partition("?")[0]
        if is_database(text):
            return "database"
    parts = Path(text if is_url(text) else os.path.realpath(text)).parts
    names = (_plain_name(part) for part in reversed(parts))  # of a pattern often the folder's
    return next(filter(None, names), "data")


def _plain_name(name: str) -> str:
    """The name of a file without the extension of data, and without odd characters."""
    ends = [end for end in table_extensions() if name.lower().endswith(end)]
    stem = name[: len(name) - max(map(len, ends), default=0)]
    return re.sub(r"[^\w .-]+", "-", stem).strip(". -")
