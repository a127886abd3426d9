"""Files behind URLs: HTTP from a server on this machine, and the file systems of fsspec."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rnnforecast.data.io import remote_files
from rnnforecast.data.io.input_files import scan_files
from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec

CSV = b"ds,y\n2024-01-01,1\n2024-01-02,2\n"


@dataclass
class Server:
    """What a server on this machine answers, and what it was asked."""

    address: str = ""
    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    """Answers by path, one after the other; the last stays."""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Paths, and the credentials that came with them."""


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            state.requests.append((self.path, self.headers["Authorization"]))
            answers = state.answers.get(path, [(404, {}, b"")])
            status, headers, body = answers[0] if len(answers) == 1 else answers.pop(0)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(remote_files, "RETRY_DELAYS", (0.0, 0.0))
    running.answers.clear()
    running.requests.clear()
    return running


def rows(*items: str) -> list[list[str]]:
    return [cells for file in scan_files(items) for _, cells in file.reader.records()]


def test_suffix_and_compression_are_those_of_the_path_not_of_the_parameters(server: Server) -> None:
    server.answers["/a/sales.csv.gz"] = [(200, {}, gzip.compress(CSV))]

    (file,) = scan_files([f"{server.address}/a/sales.csv.gz?version=2&format=x.parquet"])

    assert file.name == "sales.csv.gz"
    assert [cells for _, cells in file.reader.records()] == [
        ["2024-01-01", "1"],
        ["2024-01-02", "2"],
    ]


def test_a_url_without_a_suffix_is_read_by_its_first_bytes(server: Server, tmp_path: Path) -> None:
    import pandas as pd

    pd.DataFrame({"ds": ["2024-01-01"], "y": [1.0]}).to_parquet(tmp_path / "a.parquet")
    server.answers["/export"] = [(200, {}, (tmp_path / "a.parquet").read_bytes())]
    server.answers["/text/"] = [(200, {}, CSV)]

    assert rows(f"{server.address}/export?id=7") == [["2024-01-01", "1"]]
    assert len(rows(f"{server.address}/text/")) == 2


def test_the_copy_is_deleted_with_the_last_reader(server: Server) -> None:
    server.answers["/sales.csv"] = [(200, {}, CSV)]
    (file,) = scan_files([f"{server.address}/sales.csv"])
    copy = file.reader.source.path
    assert copy is not None
    assert copy.is_file()

    del file

    assert not copy.parent.exists()


def test_variables_and_passwords_are_sent_but_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILE_TOKEN", "t0ken-value")
    server.answers["/sales.csv"] = [(200, {}, CSV)]
    host = server.address.removeprefix("http://")

    assert len(rows(f"http://robot:${{FILE_TOKEN}}@{host}/sales.csv?key=${{FILE_TOKEN}}")) == 2
    assert server.requests[-1][0] == "/sales.csv?key=t0ken-value"
    assert (server.requests[-1][1] or "").startswith("Basic ")

    with pytest.raises(DataError) as error:
        rows(f"http://robot:${{FILE_TOKEN}}@{host}/none.csv?key=${{FILE_TOKEN}}")
    assert "t0ken-value" not in str(error.value)
    assert "${FILE_TOKEN}" in str(error.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, {}, b""), "no such file"),
        ((403, {}, b""), "no right"),
        ((401, {}, b""), "credentials"),
        ((503, {}, b""), "503"),
        ((200, {}, b"<!DOCTYPE html><p>log in"), "web page"),
        ((302, {"Location": "/login"}, b""), "web page"),
        ((200, {"Content-Length": "5000"}, CSV), "too early"),
    ],
)
def test_answers_that_are_no_table_are_told_with_a_cure(
    server: Server, answer: tuple[int, dict[str, str], bytes], words: str
) -> None:
    server.answers |= {"/a.csv": [answer], "/login": [(200, {}, b"<html>log in</html>")]}

    with pytest.raises(DataError, match=words) as error:
        rows(f"{server.address}/a.csv")

    assert error.value.problems[0].cure


def test_what_may_pass_by_itself_is_tried_again(server: Server) -> None:
    cut = (200, {"Content-Length": "5000"}, CSV)
    server.answers["/a.csv"] = [(503, {}, b""), cut, (200, {}, CSV)]

    assert len(rows(f"{server.address}/a.csv")) == 2
    assert len(server.requests) == 3


def test_a_missing_file_is_asked_for_once(server: Server) -> None:
    with pytest.raises(DataError):
        rows(f"{server.address}/none.csv")
    assert len(server.requests) == 1


def test_a_download_without_end_is_stopped(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "MAX_BYTES", 1000)
    server.answers["/a.csv"] = [(200, {}, CSV * 1000)]

    with pytest.raises(DataError, match="larger than"):
        rows(f"{server.address}/a.csv")


def test_a_silent_server_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "_SILENT_SECONDS", 0.05)
    monkeypatch.setattr(remote_files, "RETRY_DELAYS", ())
    server.answers["/a.csv"] = [(200, {"Content-Length": "50", "Connection": "keep-alive"}, b"ds")]
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.finish", lambda self: None)

    with pytest.raises(DataError, match=r"in time|too early"):
        rows(f"{server.address}/a.csv")


def test_no_server_is_told() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_files, "RETRY_DELAYS", ())
        with pytest.raises(DataError, match="check the address"):
            rows("http://127.0.0.1:1/a.csv")


def test_folders_patterns_and_partitions_of_an_object_store() -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    for name in ("store=1/a.csv", "store=2/a.csv", "_tmp/b.csv", "notes.md"):
        store.pipe(f"/sales/{name}", CSV)

    files = scan_files(["memory://sales", "memory://sales/*/a.csv"])

    assert [dict(file.partition_values) for file in files] == [{"store": "1"}, {"store": "2"}]
    assert [file.name for file in files] == [
        "memory:///sales/store=1/a.csv",
        "memory:///sales/store=2/a.csv",
    ]
    with pytest.raises(DataError, match="known extension"):
        scan_files(["memory://sales/*.md"])
    with pytest.raises(DataError, match="no such file"):
        scan_files(["memory://sales/none.csv"])


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "my sales.csv").write_bytes(CSV)

    (file,) = scan_files([f"file://{tmp_path}/my%20sales.csv"])

    assert file.name == "my sales.csv"
    assert file.reader.source.path == tmp_path / "my sales.csv"


def test_all_problems_are_told_at_once(server: Server) -> None:
    with pytest.raises(DataError) as error:
        scan_files(
            [f"{server.address}/a.csv", f"{server.address}/b.csv", "gopher77://x/y.csv", "zip://"]
        )
    assert len(error.value.problems) == 4


@pytest.mark.parametrize(("item", "package"), [("s3://b/a.csv", "s3fs"), ("gs://b/a.csv", "gcsfs")])
def test_a_missing_package_is_named(
    item: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(DataError, match=rf"pip install 'rnnforecast\[remote\]' {package}"):
        scan_files([item], DataSpec(path=(item,)))
