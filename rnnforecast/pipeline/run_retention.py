"""Which versions of a run stay, by count or age."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from rnnforecast.datetimes import as_utc
from rnnforecast.output.atomic_folders import discard_folder
from rnnforecast.output.ownership import foreign_content
from rnnforecast.output.partial_names import sweep_folder
from rnnforecast.pipeline.run_versions import latest_version, list_versions

MAX_DAYS = 200_000
"""More days are as many as all."""


def prune(
    path: Path, now: datetime, *, keep: int | None = None, keep_days: float | None = None
) -> list[str]:
    """Deletes old versions of a store; returns their names.

    A version stays if it is among the last `keep` up to the latest, or not older than `keep_days`;
    with neither all stay. The latest always stays, and so do later ones, which a rollback has put
    out of use; with `keep_days` alone the one before the latest too. Of candidates the last `keep`
    stay, or those not older than `keep_days`. What holds files of others stays, and so do links.

    Raises OutputError.
    """
    sweep_folder(path)
    versions = list_versions(path)
    latest = latest_version(versions)
    if latest is None or (keep is None and keep_days is None):
        return []
    used = [each for each in versions if not each.is_candidate and each.order <= latest.order]
    candidates = [each for each in versions if each.is_candidate and not each.is_latest]
    count = 2 if keep is None else max(keep, 1)
    kept = {latest.name, *(each.name for each in used[-count:])}
    kept |= {each.name for each in candidates[max(len(candidates) - (keep or 0), 0) :]}
    if keep_days is not None:
        oldest = as_utc(now) - timedelta(days=min(keep_days, MAX_DAYS))
        kept |= {each.name for each in versions if each.trained_at >= oldest}
    deleted = []
    for each in [*used, *candidates]:
        # of a link, the run that it leads to may be anywhere
        is_ours = not each.path.is_symlink() and not foreign_content(each.path, "run")
        if each.name not in kept and is_ours:
            discard_folder(each.path)
            deleted.append(each.name)
    return deleted
