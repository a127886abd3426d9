"""Schedules of a job: a line for cron, and a service with a timer for systemd."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.batch.job.files import JobFiles
from rnnforecast.errors import Problem, UsageError

TEMPORARY_FOLDERS = (Path("/tmp"), Path("/var/tmp"))

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")


@dataclass(frozen=True)
class Schedule:
    """When a job runs every day, and who runs it."""

    hour: int
    minute: int
    user: str | None = None
    """The owner of the process; None for the user whose crontab it is."""


def parse_schedule(at: str, user: str | None = None) -> Schedule:
    """The schedule of a time such as ``02:15``; raises UsageError."""
    found = _TIME.fullmatch(at.strip())
    if found is None:
        raise UsageError(Problem(f"--at {at}", "this is no time of the day", "give HH:MM"))
    if user is not None and not _USER.fullmatch(user):
        raise UsageError(Problem(f"--user {user}", "this is no name of a user"))
    return Schedule(int(found[1]), int(found[2]), user)


def program() -> list[str]:
    """The command line that starts this program from anywhere."""
    script = Path(sys.executable).with_name("rnnforecast")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "rnnforecast"]


def crontab(job: JobFiles, schedule: Schedule) -> str:
    """The lines for ``crontab -e``, or with a user for a file in ``/etc/cron.d``.

    Raises UsageError for names that cron cannot have.
    """
    command = [*program(), "run", str(job.file), "-q"]
    folder = str(job.file.parent)
    _refuse_newlines([folder, *command])
    run = f"cd {shlex.quote(folder)} && {shlex.join(command)} > /dev/null"
    user = f"{schedule.user}  " if schedule.user else ""
    time = f"{schedule.minute} {schedule.hour} * * *"
    # cron turns % into a line feed, and knows no other escape than this one
    lines = [
        f"# {job.name}: what is printed goes by mail to MAILTO; with -q these are errors only",
        f"{time}  {user}{run.replace('%', chr(92) + '%')}",
    ]
    if names := job.variables():
        lines.insert(1, f"# above this line set {', '.join(names)}, which the job file uses")
    return "\n".join(lines) + "\n"


def systemd_service(job: JobFiles, schedule: Schedule) -> str:
    """The service that runs the job once; see systemd.service(5) and systemd.exec(5)."""
    command = [*program(), "run", str(job.file), "-q"]
    folders = written_folders(job)
    _refuse_newlines([*command, *map(str, folders), job.name])
    lines = [
        "[Unit]",
        f"Description=Forecast of the job {_percent(job.name)}",
        "Wants=network-online.target",
        "After=network-online.target local-fs.target",
        "# a unit of yours that sends an alert:",
        "#OnFailure=notify@%n.service",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(_exec_word(word) for word in command)}",
        f"WorkingDirectory={_percent(str(job.file.parent))}",
        *([f"User={schedule.user}"] if schedule.user else []),
        *_environment(job),
        "# 6: the forecast is out, but some series have none by the model",
        "SuccessExitStatus=6",
        "# after this it is stopped with SIGTERM: the last good model and forecast stay",
        "TimeoutStartSec=6h",
        "TimeoutStopSec=2min",
        "KillMode=mixed",
        "Nice=10",
        "#MemoryMax=8G",
        "",
        "# nothing can be written but the folders that hold what the job writes; they must exist:",
        f"#   mkdir -p {shlex.join(str(folder) for folder in folders)}",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        f"ReadWritePaths={' '.join(_exec_word(str(folder)) for folder in folders)}",
        *_private_tmp(job, folders),
        "NoNewPrivileges=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectControlGroups=yes",
        "ProtectClock=yes",
        "RestrictSUIDSGID=yes",
        "RestrictRealtime=yes",
        "RestrictNamespaces=yes",
        "LockPersonality=yes",
    ]
    return "\n".join(lines) + "\n"


def systemd_timer(job: JobFiles, schedule: Schedule) -> str:
    """The timer of `systemd_service`; it makes up for a run that the machine was off for."""
    return "\n".join(
        [
            "[Unit]",
            f"Description=Every night: the job {_percent(job.name)}",
            "",
            "[Timer]",
            f"OnCalendar=*-*-* {schedule.hour:02}:{schedule.minute:02}:00",
            "Persistent=true",
            "RandomizedDelaySec=5min",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def unit_name(job: JobFiles) -> str:
    """The name of the units, without suffix."""
    return "rnnforecast-" + re.sub(r"[^A-Za-z0-9_.-]+", "-", job.name).strip("-")


def written_folders(job: JobFiles) -> list[Path]:
    """The folders that must be writable: what is replaced as a whole lies beside its old version.

    Folders inside others of them are left out.
    """
    parents = sorted({path.parent for path in job.written()})
    return [
        folder
        for folder in parents
        if not any(folder != other and folder.is_relative_to(other) for other in parents)
    ]


def _private_tmp(job: JobFiles, folders: list[Path]) -> list[str]:
    """A folder /tmp of its own, unless the job itself lies there."""
    used = [job.file, job.spec, Path(program()[0]), *folders, *map(Path, job.data)]
    is_used = any(path.is_relative_to(folder) for path in used for folder in TEMPORARY_FOLDERS)
    return [] if is_used else ["PrivateTmp=yes"]


def _environment(job: JobFiles) -> list[str]:
    names = job.variables()
    if not names:
        return []
    file = f"/etc/{unit_name(job)}.env"
    return [f"# sets {', '.join(names)}; readable by root only", f"EnvironmentFile={file}"]


def _exec_word(word: str) -> str:
    """A word of a unit's list: quoted where needed, without specifiers and variables."""
    text = _percent(word).replace("\\", "\\\\").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _refuse_newlines(texts: list[str]) -> None:
    for text in texts:
        if not text.isprintable():
            found = "the name has a control character, which no schedule can hold"
            raise UsageError(Problem(repr(text), found, "rename the file or folder"))
