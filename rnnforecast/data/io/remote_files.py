"""Files behind URLs, through fsspec: downloaded whole before they are read."""

from __future__ import annotations

import glob
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from rnnforecast.errors import DataError, Problem, RnnForecastError
from rnnforecast.spec.locations import ExpandedUrl

T = TypeVar("T")
MAX_BYTES = 1 << 36
"""Larger downloads are stopped: 64 GiB."""
RETRY_DELAYS = (1.0, 5.0)
"""Seconds before the second and the third attempt at what may pass by itself."""
HTTP = ("http", "https")
_CONNECT_SECONDS, _SILENT_SECONDS = 30, 60
"""Time limits of HTTP: to connect, and without any new data."""
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs"}
_PACKAGES |= {"az": "adlfs", "abfss": "adlfs", "sftp": "paramiko", "ssh": "paramiko"}
_HTML_STARTS = (b"<!doctype html", b"<html")
_PAUSE_STATUS = (408, 425, 429, 500, 502, 503, 504)
"""Answers of HTTP that may be another one a moment later."""


class _Interrupted(Exception):
    """A transfer that must not be tried again."""


class TemporaryFolder:
    """A new folder, deleted with the last reference to it, or at the end of the process."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="rnnforecast-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class RemoteCopy:
    """A file behind a URL, and its local copy."""

    url: str
    """The URL of this file, for messages."""
    original: PurePosixPath
    """The path in the URL, without host and parameters."""
    path: Path
    """The local copy, with the name of the original."""
    folder: TemporaryFolder
    """The folder of the copy, which lasts as long as this object."""


@dataclass(frozen=True)
class RemoteFile:
    """A file behind a URL, not read yet."""

    file_system: Any
    url: ExpandedUrl
    """As the user wrote it; a pattern or folder may stand for many files."""
    path: str
    """The name in the file system; for HTTP the whole URL."""
    is_one_of_many: bool = False

    @property
    def key(self) -> str:
        """What tells the file from all others."""
        return f"{self.url.scheme}://{self.path}"

    @property
    def original(self) -> PurePosixPath:
        """The path without host and parameters."""
        return PurePosixPath(unquote(urlsplit(self.path).path) if "://" in self.path else self.path)

    def download(self) -> RemoteCopy:
        """A local copy of the whole file.

        DataError if it cannot be read, is not complete, larger than `MAX_BYTES`, or a web page.
        """
        folder = TemporaryFolder()
        local = folder.path / (self.original.name[-100:] or "data")
        with remote_errors(self.url):
            retry(lambda: self._fetch(local))
        self._check_content(local)
        name = self.url.hide(self.key) if self.is_one_of_many else self.url.name
        return RemoteCopy(name, self.original, local, folder)

    def _fetch(self, local: Path) -> None:
        from fsspec.callbacks import Callback

        class Limit(Callback):  # type: ignore[misc]  # fsspec has no types
            def relative_update(self, inc: int = 1) -> None:
                super().relative_update(inc)
                if self.value > MAX_BYTES:
                    raise _Interrupted(f"it is larger than {MAX_BYTES >> 30} GiB")

        size = None
        if self.url.scheme not in HTTP:  # whose answer has a size, which aiohttp checks
            size = self.file_system.size(self.path)
        if size is not None and size > MAX_BYTES:
            raise _Interrupted(f"it is larger than {MAX_BYTES >> 30} GiB")
        self.file_system.get_file(self.path, str(local), callback=Limit())
        if size is not None and local.stat().st_size != size:
            raise ConnectionError(f"{local.stat().st_size:,} of {size:,} bytes came")

    def _check_content(self, local: Path) -> None:
        """DataError for a web page, which servers send in place of a table that needs a login."""
        with local.open("rb") as file:
            start = file.read(200).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
        if start.startswith(_HTML_STARTS):
            found = "a web page (HTML) came in place of a table, perhaps of an error or a login"
            cure = "give the address of the file itself, and check that it needs no login"
            raise DataError(Problem(self.url.name, found, cure))


def find_remote_files(url: ExpandedUrl, extensions: tuple[str, ...]) -> list[RemoteFile]:
    """The sorted files of a URL: one file, the tables of a folder, or those of a pattern.

    HTTP has neither folders nor patterns. Raises DataError if nothing is found.
    """
    with remote_errors(url):
        file_system, path = open_file_system(url)
        if url.scheme in HTTP:
            return [RemoteFile(file_system, url, path)]
        names = retry(lambda: _list_names(file_system, path))
    has_many = names != [path]
    found = [name for name in names if not has_many or name.lower().endswith(extensions)]
    if not found:
        cure = f"give files that end in {', '.join(extensions)}"
        raise DataError(Problem(url.name, "no file with a known extension is there", cure))
    return [RemoteFile(file_system, url, name, has_many) for name in sorted(found)]


def _list_names(file_system: Any, path: str) -> list[str]:
    if glob.has_magic(path):
        return [name for name in file_system.glob(path) if file_system.isfile(name)]
    if not file_system.isdir(path):
        return [path]
    return [
        name
        for name in file_system.find(path)
        if not any(part[0] in "._" for part in name.removeprefix(path).split("/") if part)
    ]


def open_file_system(
    url: ExpandedUrl, error: type[RnnForecastError] = DataError
) -> tuple[Any, str]:
    """The file system of fsspec for a URL, and the path in it; `error` without its package."""
    try:
        import fsspec
    except ImportError:
        found = f"{url.scheme}:// needs the package fsspec, which is not installed"
        raise error(Problem(url.name, found, "pip install 'rnnforecast[remote]'")) from None
    options: dict[str, Any] = {}
    try:
        if url.scheme in HTTP:
            import aiohttp

            limits = aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS
            )
            # proxies and .netrc as the environment has them
            options = {"client_kwargs": {"timeout": limits, "trust_env": True}}
        file_system, path = fsspec.core.url_to_fs(url.text, **options)
    except ImportError as missing:
        package = _PACKAGES.get(url.scheme, "" if url.scheme in HTTP else missing.name or "")
        found = f"{url.scheme}:// needs a package that is not installed"
        cure = f"pip install 'rnnforecast[remote]' {package}".rstrip()
        raise error(Problem(url.name, found, cure)) from None
    except Exception as failure:  # noqa: BLE001 - each file system has errors of its own
        found = f"no URL of files ({_shorten(url.hide(failure))})"
        cure = "use https://, s3://, gs://, file:// or another protocol of fsspec"
        raise error(Problem(url.name, found, cure)) from None
    return file_system, str(path)


@contextmanager
def remote_errors(
    url: ExpandedUrl, error: type[RnnForecastError] = DataError, verb: str = "read"
) -> Iterator[None]:
    """Turns what file systems raise in the block into `error`, with a cure."""
    try:
        yield
    except (RnnForecastError, KeyboardInterrupt, SystemExit):
        raise
    except Exception as failure:  # noqa: BLE001 - each file system has errors of its own
        found, cure = _explain(url, failure)
        raise error(Problem(url.name, f"cannot be {verb}: {found}", cure)) from None


def _explain(url: ExpandedUrl, failure: Exception) -> tuple[str, str]:
    """What went wrong, and what to do."""
    kind, status = type(failure).__name__, getattr(failure, "status", None)
    reason = url.hide(str(failure) or kind)
    if isinstance(failure, FileNotFoundError) or status in (404, 410):
        return "there is no such file or folder", "check the address"
    if isinstance(failure, PermissionError) or status in (401, 403, 407) or "Credential" in kind:
        cure = "check the credentials of this machine and its rights, or sign the address"
        return f"no right to do so ({_shorten(reason)})", cure
    if isinstance(failure, _Interrupted):
        return reason, "give a part of it, or download it first"
    if isinstance(failure, TimeoutError) or "Timeout" in kind:
        return f"no answer in time ({kind})", "check the network and the server; try again later"
    if "Payload" in kind or "bytes came" in reason:
        return f"the connection ended too early ({_shorten(reason)})", "try again later"
    if status is not None:
        return f"the server answers {status} ({getattr(failure, 'message', kind)})", "try later"
    return _shorten(reason), "check the address, the network and the server"


def _shorten(reason: str) -> str:
    return reason if len(reason) <= 300 else f"{reason[:300]}…"


def retry(call: Callable[[], T]) -> T:
    """The result of `call`, tried again after `RETRY_DELAYS` if the reason may pass by itself."""
    for delay in RETRY_DELAYS:
        try:
            return call()
        except Exception as failure:
            if not _may_pass(failure):
                raise
            time.sleep(delay)
    return call()


def _may_pass(failure: Exception) -> bool:
    """Whether the next attempt may succeed: connections that fail or end, and busy servers."""
    status = getattr(failure, "status", None)
    if status:  # some errors have a status of 0
        return status in _PAUSE_STATUS
    if isinstance(failure, FileNotFoundError | PermissionError | IsADirectoryError):
        return False
    kind = type(failure).__name__
    is_named = any(word in kind for word in ("Connect", "Timeout", "Payload", "Disconnected"))
    return is_named or isinstance(failure, ConnectionError | TimeoutError)
