"""Small stores of versions, whose runs hold two files of one text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.pipeline.run_versions import list_versions, new_version, resolve_run

NIGHT = datetime(2026, 11, 27, 2, 15, 7, tzinfo=UTC)


def write_run(path: Path, text: str) -> None:
    with atomic_folder(path, "run") as folder:
        for name in ("state.json", "metrics.json"):
            (folder / name).write_text(text)


def train_version(store: Path, day: int = 0, text: str = "new", *, publish: bool = True) -> str:
    with new_version(store, NIGHT + timedelta(days=day), publish=publish) as version:
        write_run(version, text)
    return version.name


def text_of(path: Path) -> str:
    return (resolve_run(path) / "state.json").read_text()


def version_names(store: Path) -> list[str]:
    return [each.name for each in list_versions(store)]
