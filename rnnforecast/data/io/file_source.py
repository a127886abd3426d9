"""The bytes of an input file: plain, compressed by gzip or as the only member of a zip archive."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from rnnforecast.errors import DataError, Problem

DECOMPRESSION_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile)
_GZIP_SIGNATURE = b"\x1f\x8b"
_ZIP_SIGNATURE = b"PK\x03\x04"
_SAMPLE_BYTES = 1 << 20
_OFFICE_MEMBER = "[Content_Types].xml"
_EXPORT = "export the table as CSV"
_OTHER_FORMATS = (
    (rb"PAR1", "a Parquet file", "give it the extension .parquet"),
    (rb"PK\x03\x04", "an Excel workbook or another Office document", "rename it to .xlsx"),
    (rb"\xd0\xcf\x11\xe0", "a workbook of an old Excel", "save it as .xlsx or CSV"),
    (rb"%PDF", "a PDF document", _EXPORT),
    (rb"SQLite format 3", "a SQLite database", _EXPORT),
    (rb"BZh\d|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!", "a compressed file", "unpack it first"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file", "run git lfs pull"),
    (
        rb"(?i)<(!doctype|html|head|body|table|script)",
        "a web page (HTML), perhaps of an error or a login",
        "download the table itself, as CSV",
    ),
    (rb"<\?xml|<[a-zA-Z:]+[ >]", "an XML document", _EXPORT),
    (rb"\{\s*[\"}]|\[\s*[\[{\"]", "JSON", _EXPORT),
)
"""First bytes of files that are sometimes named .csv, what they are, and the cure."""


@dataclass(frozen=True)
class FileSource:
    """A file, or bytes that can be read only once: standard input or a pipe."""

    name: str
    """The name in messages."""
    path: Path | None
    """None for bytes that can be read only once; they are in `content`."""
    content: bytes = field(default=b"", repr=False)
    owner: object = field(default=None, repr=False)
    """What keeps the file at `path` from being deleted, if it is a temporary copy."""

    @cached_property
    def is_gzip(self) -> bool:
        """Whether the bytes are compressed by gzip."""
        return self._start.startswith(_GZIP_SIGNATURE)

    @cached_property
    def is_zip(self) -> bool:
        """Whether the bytes are a zip archive other than an Office document."""
        if not self._start.startswith(_ZIP_SIGNATURE):
            return False
        try:
            with zipfile.ZipFile(self._raw()) as archive:
                return _OFFICE_MEMBER not in archive.namelist()
        except zipfile.BadZipFile:
            return True  # damaged; reported when it is opened

    def open(self) -> BinaryIO:
        """A stream of the decompressed bytes. DataError for a zip archive without exactly one
        table; BadZipFile if it is damaged."""
        if self.is_zip:
            return self._open_member()
        raw = self._raw()
        if self.is_gzip:
            return cast(BinaryIO, gzip.open(raw, "rb"))
        return raw.open("rb") if isinstance(raw, Path) else raw

    def read_start(self, size: int) -> bytes:
        """The first decompressed bytes; DataError if the compression is broken."""
        try:
            with self.open() as stream:
                return stream.read(size)
        except DECOMPRESSION_ERRORS as error:
            raise decompression_error(self, error) from None

    def open_arrow_stream(self) -> Any:
        """An Arrow stream of the decompressed bytes."""
        if self.is_zip:
            return pa.PythonFile(self._open_member(), mode="r")
        file = pa.BufferReader(self.content) if self.path is None else str(self.path)
        return pa.input_stream(file, compression="gzip" if self.is_gzip else None)

    def estimate_size(self) -> int:
        """About as many bytes as there are decompressed, from the first ones of a gzip file."""
        if self.is_zip:
            with self._open_member() as member:
                return member.seek(0, io.SEEK_END)
        stored = len(self.content) if self.path is None else self.path.stat().st_size
        if not self.is_gzip:
            return stored
        start = self.raw_start(_SAMPLE_BYTES)
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)  # with the header of gzip
        unpacked = len(unpacker.decompress(start))
        return round(stored * unpacked / (len(start) - len(unpacker.unused_data)))

    def raw_start(self, size: int) -> bytes:
        """The first bytes, as they are stored."""
        if self.path is None:
            return self.content[:size]
        with self.path.open("rb") as file:
            return file.read(size)

    @cached_property
    def _start(self) -> bytes:
        return self.raw_start(4)

    def _raw(self) -> Path | BinaryIO:
        return io.BytesIO(self.content) if self.path is None else self.path

    def _open_member(self) -> BinaryIO:
        archive = zipfile.ZipFile(self._raw())
        members = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not re.search(r"(^|/)(__MACOSX/|\.)", name)
        ]
        tables = [name for name in members if name.lower().endswith((".csv", ".tsv", ".txt"))]
        if len(tables) != 1 or len(members) != 1:
            listed = ", ".join(map(repr, members[:8])) + (", …" if len(members) > 8 else "")
            found = f"the archive holds {listed or 'no file'}; expected exactly one CSV file"
            raise DataError(Problem(self.name, found, "unpack it, and name the file of the table"))
        try:
            return cast(BinaryIO, archive.open(tables[0]))
        except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown method
            found = f"the archive cannot be unpacked here ({error})"
            raise DataError(Problem(self.name, found, "unpack it first")) from None


def check_is_text(source: FileSource, start: bytes) -> None:
    """DataError if a file that begins with `start` is of another format than delimited text."""
    bare = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, kind, cure in _OTHER_FORMATS:
        if re.match(pattern, bare):
            raise DataError(Problem(source.name, f"this is {kind}, not delimited text", cure))


def decompression_error(source: FileSource, error: Exception) -> DataError:
    """The error of a broken gzip file or zip archive."""
    kind = "zip" if source.is_zip else "gzip"
    return DataError(Problem(source.name, f"not a complete {kind} file ({error})", "copy it again"))


def unreadable_file_error(name: str, error: OSError) -> DataError:
    """The error of a file that the operating system does not let read."""
    cure = "check that the file is there and that you may read it"
    return DataError(Problem(name, f"cannot be read ({error.strerror or error})", cure))
