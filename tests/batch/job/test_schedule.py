"""Schedules of a job: lines that a shell, cron and systemd read as they are meant."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from rnnforecast.batch.job.files import JobFiles, find_job_files
from rnnforecast.batch.job.schedule import (
    Schedule,
    crontab,
    parse_schedule,
    systemd_service,
    systemd_timer,
    unit_name,
    written_folders,
)
from rnnforecast.errors import UsageError
from rnnforecast.spec.load_job import parse_job

NIGHT = Schedule(2, 15)


def _job(folder: Path, text: str = "") -> JobFiles:
    folder.mkdir(parents=True, exist_ok=True)
    return find_job_files(folder / "job.yaml", parse_job(f"spec: spec.yaml\n{text}", name="job"))


def _command(line: str) -> list[str]:
    """The words of a line of a crontab, as cron and then the shell read them."""
    command = re.sub(r"^(\S+ ){5} ", "", line)
    assert not re.search(r"(?<!\\)%", command)  # it would end the command
    return shlex.split(command.replace("\\%", "%"))


def test_a_crontab_line_runs_the_job_in_its_folder(tmp_path: Path) -> None:
    comment, line = crontab(_job(tmp_path), NIGHT).splitlines()
    assert comment.startswith("#")
    assert line.startswith("15 2 * * *  cd ")
    words = _command(line)
    assert words[:3] == ["cd", str(tmp_path), "&&"]
    assert Path(words[3]).is_absolute()
    assert words[-5:] == ["run", str(tmp_path / "job.yaml"), "-q", ">", "/dev/null"]


@pytest.mark.parametrize("name", ["my jobs", "50% off", "it's", 'a "b"', "$HOME", "a\\b", "ü;rm"])
def test_any_name_of_a_folder_is_quoted(tmp_path: Path, name: str) -> None:
    job = _job(tmp_path / name)
    words = _command(crontab(job, NIGHT).splitlines()[-1])
    assert words[1] == str(tmp_path / name)
    service = systemd_service(job, NIGHT)
    (start,) = re.findall(r"^ExecStart=(.*)$", service, re.MULTILINE)
    assert _systemd_words(start)[-2] == str(job.file)
    (writable,) = re.findall(r"^ReadWritePaths=(.*)$", service, re.MULTILINE)
    assert _systemd_words(writable) == [str(folder) for folder in written_folders(job)]


def _systemd_words(text: str) -> list[str]:
    """Words as systemd reads them: C escapes, and double characters for % and $."""
    words = re.findall(r'"(?:[^"\\]|\\.)*"|\S+', text)
    plain = [re.sub(r"\\(.)", r"\1", word.strip('"') if word[0] == '"' else word) for word in words]
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


def test_a_folder_with_a_line_feed_has_no_schedule(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="control character"):
        crontab(_job(tmp_path / "a\nb"), NIGHT)


def test_a_line_for_cron_d_has_a_user_and_names_the_variables(tmp_path: Path) -> None:
    job = _job(tmp_path, "out: s3://${BUCKET}/forecast.csv\n")
    lines = crontab(job, parse_schedule("3:05", "forecast")).splitlines()
    assert "BUCKET" in lines[1]
    assert lines[-1].startswith("5 3 * * *  forecast  cd ")
    assert "EnvironmentFile=" in systemd_service(job, NIGHT)


@pytest.mark.parametrize("at", ["25:00", "2", "02:60", "2:15 * *", ""])
def test_what_is_no_time_of_the_day_is_refused(at: str) -> None:
    with pytest.raises(UsageError):
        parse_schedule(at)


def test_only_the_folders_that_the_job_writes_to_are_writable(tmp_path: Path) -> None:
    text = (
        "out: [forecasts/shop, /srv/pub/f.csv, 's3://bucket/f.csv', 'postgresql://host/db']\n"
        "ledger: sqlite:///live/ledger.db\nmetrics: /var/lib/node/shop.prom\nlog: {file: none}\n"
    )
    expected = ["/srv/pub", "/var/lib/node"]
    expected += [str(tmp_path / name) for name in ("forecasts", "live", "runs")]
    assert written_folders(_job(tmp_path, text)) == sorted(map(Path, expected))


def test_units_are_ini_files_with_a_persistent_timer(tmp_path: Path) -> None:
    job = _job(tmp_path, "name: my shop\n")
    assert unit_name(job) == "rnnforecast-my-shop"
    read = configparser.ConfigParser(strict=True, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(systemd_timer(job, NIGHT))
    assert read["Timer"]["Persistent"] == "true"
    assert read["Timer"]["OnCalendar"] == "*-*-* 02:15:00"
    read.clear()
    read.read_string(systemd_service(job, parse_schedule("02:15", "forecast")))
    service = read["Service"]
    assert service["Type"] == "oneshot"
    assert service["User"] == "forecast"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    job = _job(tmp_path / "50% of it's")
    files = {"service": systemd_service(job, NIGHT), "timer": systemd_timer(job, NIGHT)}
    for kind, text in files.items():
        (tmp_path / f"{unit_name(job)}.{kind}").write_text(text, encoding="utf-8")
    found = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / f"{unit_name(job)}.{k}") for k in files)],
        capture_output=True,
        text=True,
        check=False,
    )
    own = [line for line in found.stderr.splitlines() if unit_name(job) in line]
    assert own == []
