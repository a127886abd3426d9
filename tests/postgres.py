"""A PostgreSQL server for tests: Debian's package, a new data folder, this machine only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "tester", "p@ss/w:rd"
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_connections": "20",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
    "listen_addresses": "127.0.0.1",
}
_MAX_SECONDS = 30.0


def find_binaries() -> Path | None:
    """The folder of the newest server that is installed, if there is one."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(folders, key=lambda path: float(path.parent.parent.name))
    beside = shutil.which("initdb")
    return found[-1].parent if found else Path(beside).parent if beside else None


@contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """``127.0.0.1:PORT`` of a new server with a database ``postgres``; it is gone after the block.

    The server refuses to run as root, and runs as ``postgres`` or ``nobody`` then. It ends with
    this process, also if that is killed.
    """
    # in a short path, as the name of the socket may not be long
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    prefix = _unprivileged(folder)
    password = folder / "password"
    password.write_text(PASSWORD, encoding="utf-8")
    password.chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(*prefix, str(binaries / "initdb"), "-D", str(folder / "data"), "-U", USER, "--no-sync"),
        *("--auth=scram-sha-256", f"--pwfile={password}", "--no-locale", "-E", "UTF8"),
    ]
    server: subprocess.Popen[bytes] | None = None
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=120)
        settings = {**_SETTINGS, "port": str(port), "unix_socket_directories": str(folder)}
        options = [part for pair in settings.items() for part in ("-c", "=".join(pair))]
        log = (folder / "log").open("wb")
        server = subprocess.Popen(
            [*prefix, str(binaries / "postgres"), "-D", str(folder / "data"), *options],
            stdout=log,
            stderr=log,
            cwd="/",
        )
        log.close()
        _wait_until_ready(server, port, folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # a fast shutdown
            server.wait(_MAX_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> Sequence[str]:
    """The words before a command that run it as another user than root, who gets `folder`, and end
    it with this process."""
    setpriv = shutil.which("setpriv")
    end_with_parent = [setpriv, "--pdeathsig", "INT"] if setpriv else []
    if os.geteuid() != 0:
        return end_with_parent
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [*end_with_parent, *ids] if setpriv else ["runuser", "-u", user.pw_name, "--"]


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    end = time.monotonic() + _MAX_SECONDS
    while True:
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname="postgres"
            ).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text(encoding="utf-8", errors="replace")) from None
            time.sleep(0.05)
