"""The cores that a process may use, and what limits them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rnnforecast.parallel import cores


@pytest.fixture(autouse=True)
def sixteen_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 16 cores, without control groups or variables that limit a process."""
    monkeypatch.setattr(cores, "CGROUP_FOLDER", tmp_path)
    monkeypatch.setattr(cores, "CGROUP_OF_PROCESS", tmp_path / "self")
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def write(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_without_limits_all_cores_are_available() -> None:
    assert str(cores.count_cores()) == "16 cores"


@pytest.mark.parametrize(
    ("quota", "found"), [("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1)]
)
def test_a_quota_limits_the_cores_rounded_up(tmp_path: Path, quota: str, found: int) -> None:
    write(tmp_path, self="0::/\n", cpu__max=quota)
    assert str(cores.count_cores()) == f"{found} of 16 cores (quota of the control group)"


def test_the_smallest_quota_of_nested_groups_counts(tmp_path: Path) -> None:
    write(tmp_path, self="0::/system.slice/job.service\n", cpu__max="max 100000")
    write(tmp_path / "system.slice", cpu__max="300000 100000")
    write(tmp_path / "system.slice" / "job.service", cpu__max="max 100000")
    write(tmp_path / "other.slice", cpu__max="100000 100000")
    assert cores.available_cores() == 3


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_quotas_of_version_1_are_read(tmp_path: Path, folder: str) -> None:
    lines = "12:memory:/a\n4:cpu,cpuacct:/docker/a1\n1:name=systemd:/b\n0::/b\n"
    write(tmp_path, self=lines)
    no_quota = {"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"}
    write(tmp_path / folder / "docker" / "a1", **no_quota)
    assert cores.available_cores() == 16
    # in a container whose own group is the top that it sees
    write(tmp_path / folder, cpu__cfs_quota_us="400000", cpu__cfs_period_us="100000")
    assert cores.available_cores() == 4


def test_a_group_outside_the_container_is_read_at_the_top(tmp_path: Path) -> None:
    write(tmp_path, self="0::/../../host.slice\n", cpu__max="500000 100000")
    assert cores.available_cores() == 5


def test_the_affinity_counts_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 7})
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # as the command line sets it then
    assert str(cores.count_cores()) == "2 of 16 cores (affinity)"


@pytest.mark.parametrize(
    ("text", "found"), [("4", 4), ("4,2", 4), ("64", 16), ("x", 16), ("0", 16)]
)
def test_openmp_threads_are_a_cap(monkeypatch: pytest.MonkeyPatch, text: str, found: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert cores.available_cores() == found
