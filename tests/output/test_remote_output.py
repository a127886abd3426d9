"""Uploads: whole, in order, and only over what is ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from rnnforecast.data.io import remote_files
from rnnforecast.errors import OutputError, OutputPathError, UsageError
from rnnforecast.output.ownership import write_mark
from rnnforecast.output.remote_output import check_remote_output, remote_output
from rnnforecast.spec.locations import ExpandedUrl, expand_url

TABLE = "ds,cutoff,yhat,status\n"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty object store."""
    monkeypatch.setattr(remote_files, "RETRY_DELAYS", (0.0, 0.0))
    found = fsspec.filesystem("memory")
    found.store.clear()
    yield found
    found.store.clear()


def url(path: str) -> ExpandedUrl:
    return expand_url(f"memory://{path}")


def upload_folder(path: str, *names: str, force: bool = False) -> None:
    with remote_output(url(path), is_folder=True, force=force) as local:
        local.mkdir()
        for name in names:
            (local / name).parent.mkdir(exist_ok=True)
            (local / name).write_text(name, encoding="utf-8")
        write_mark(local, "forecast")


def test_a_file_is_uploaded_after_those_beside_it(store: Any, monkeypatch: Any) -> None:
    order: list[str] = []
    put = type(store).put_file
    monkeypatch.setattr(
        type(store),
        "put_file",
        lambda self, here, there: (order.append(there), put(self, here, there)),
    )

    with remote_output(url("nightly/z.csv"), is_folder=False) as local:
        local.write_text(TABLE, encoding="utf-8")
        local.with_name("zz-totals.csv").write_text(TABLE, encoding="utf-8")

    assert order == ["/nightly/zz-totals.csv", "/nightly/z.csv"]
    assert store.cat("/nightly/z.csv").decode() == TABLE


def test_a_folder_ends_with_its_summary_and_loses_what_the_new_one_lacks(store: Any) -> None:
    upload_folder("nightly", "forecast.csv", "run.json", "plots/a.png")
    order: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        put = type(store).put_file
        patch.setattr(
            type(store),
            "put_file",
            lambda self, here, there: (order.append(there), put(self, here, there)),
        )
        upload_folder("nightly", "forecast.csv", "run.json", "plots/b.png")

    mark = "/nightly/.rnnforecast.json"
    assert order == [
        *(mark, "/nightly/forecast.csv", "/nightly/plots/b.png", "/nightly/run.json", mark)
    ]
    assert sorted(store.find("/nightly")) == [
        "/nightly/.rnnforecast.json",
        "/nightly/forecast.csv",
        "/nightly/plots/b.png",
        "/nightly/run.json",
    ]


def test_an_upload_that_is_killed_leaves_a_folder_that_is_ours(store: Any) -> None:
    upload_folder("nightly", "run.json", "plots/a.png")
    put = type(store).put_file

    def killed(self: Any, here: str, there: str) -> None:
        if there.endswith("run.json"):
            raise KeyboardInterrupt
        put(self, here, there)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(store), "put_file", killed)
        with pytest.raises(KeyboardInterrupt):
            upload_folder("nightly", "run.json", "plots/b.png")
    assert store.exists("/nightly/plots/a.png")

    upload_folder("nightly", "run.json", "plots/c.png")

    assert len(store.find("/nightly")) == 3


def test_what_is_not_ours_stays_without_force(store: Any) -> None:
    store.pipe("/others/notes.txt", b"mine")
    with pytest.raises(OutputPathError, match="no right mark"):
        upload_folder("others", "run.json")
    upload_folder("nightly", "run.json")
    store.pipe("/nightly/notes.txt", b"mine")
    with pytest.raises(OutputPathError, match=r"notes\.txt"):
        upload_folder("nightly", "run.json")
    assert store.cat("/others/notes.txt") == store.cat("/nightly/notes.txt") == b"mine"

    upload_folder("nightly", "run.json", force=True)

    assert not store.exists("/nightly/notes.txt")


def test_a_file_of_others_stays_without_force(store: Any) -> None:
    store.pipe("/f.csv", b"name,phone\n")
    with pytest.raises(OutputPathError, match=r"memory://f\.csv: exists and is not a table"):
        check_remote_output(url("f.csv"), is_folder=False)
    store.pipe("/f.csv", TABLE.encode())
    check_remote_output(url("f.csv"), is_folder=False)


def test_nothing_is_uploaded_if_writing_fails(store: Any) -> None:
    with (
        pytest.raises(ValueError, match="no"),
        remote_output(url("f.csv"), is_folder=False) as local,
    ):
        local.write_text(TABLE, encoding="utf-8")
        raise ValueError("no")
    assert not store.find("/")
    assert not local.parent.exists()


def test_a_cut_upload_is_tried_again_and_then_told(store: Any, monkeypatch: Any) -> None:
    put, calls = type(store).put_file, []

    def cut(self: Any, here: str, there: str) -> None:
        calls.append(there)
        put(self, here, there)
        if len(calls) < failures:
            self.pipe(there, b"half")

    monkeypatch.setattr(type(store), "put_file", cut)
    failures = 3
    with remote_output(url("f.csv"), is_folder=False) as local:
        local.write_text(TABLE, encoding="utf-8")
    assert store.cat("/f.csv").decode() == TABLE

    failures = 99
    with (
        pytest.raises(OutputError, match="not complete"),
        remote_output(url("g.csv"), is_folder=False) as local,
    ):
        local.write_text(TABLE, encoding="utf-8")


def test_https_is_for_reading_only() -> None:
    with pytest.raises(UsageError, match="reading only"):
        check_remote_output(expand_url("https://example.com/f.csv"), is_folder=False)
    check_remote_output(url("f.csv"), is_folder=False)


def test_no_copy_is_left_behind(store: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    upload_folder("nightly", "run.json")
    assert not list(tmp_path.iterdir())
