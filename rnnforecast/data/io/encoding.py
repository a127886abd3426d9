"""Text encodings: detection, decoding that keeps undecodable bytes, and transcoding to UTF-8."""

from __future__ import annotations

import codecs
import io
from typing import Any, BinaryIO

import pyarrow as pa

from rnnforecast.errors import DataError, Problem

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # tested first: it begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8_ENCODINGS = ("utf-8", "utf-8-sig")


def _bytes_to_surrogates(error: UnicodeError) -> tuple[str, int]:
    """One lone surrogate per undecodable byte: Python's surrogateescape handles UTF-8 only."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in wrong), error.end


codecs.register_error("rnnforecast.keep", _bytes_to_surrogates)


def detect_encoding(start: bytes, requested: str, file_name: str) -> str:
    """The encoding of a file that begins with `start`: the requested one; for "auto" that of its
    byte-order mark, or UTF-8. A mark of the requested encoding is not part of the text.

    UTF-16 and UTF-32 without a mark are read in the byte order that `start` shows. DataError if the
    bytes look like UTF-16 without a mark that was not requested, or are no text at all.
    """
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if start.startswith(mark)), "")
    if requested != "auto":
        known = codecs.lookup(requested).name
        family = marked.removesuffix("-sig")
        if marked and known.startswith(family):
            return marked
        return f"{known}-{_byte_order(start)}" if known in ("utf-16", "utf-32") else known
    if marked or 0 not in start:
        return marked or "utf-8"
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > len(start) / 4 > 2 * min(even, odd):
        found = "this looks like UTF-16 without a byte-order mark"
        raise DataError(
            Problem(file_name, found, f"set data.encoding to utf-16-{_byte_order(start)}")
        )
    found = f"NUL bytes ({start.count(0):,} of the first {len(start):,}), as no text file has them"
    cure = "check that the file is text and was copied completely, or export it as CSV again"
    raise DataError(Problem(file_name, found, cure))


def _byte_order(start: bytes) -> str:
    """ "le" or "be": the zeros of letters in UTF-16 and UTF-32 stand last or first."""
    return "be" if start[::2].count(0) > start[1::2].count(0) else "le"


def open_text(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """The text, with line ends unchanged and lone surrogates for undecodable bytes."""
    text = "utf-8-sig" if encoding in _UTF8_ENCODINGS else encoding
    return io.TextIOWrapper(stream, text, errors="rnnforecast.keep", newline="")


def transcode_to_utf8(stream: Any, encoding: str) -> Any:
    """An Arrow stream of the text in UTF-8. UTF-8 itself is passed through unchecked; for other
    encodings, reading raises UnicodeDecodeError at undecodable bytes."""
    return (
        stream
        if encoding in _UTF8_ENCODINGS
        else pa.transcoding_input_stream(stream, encoding, "utf-8")
    )


def needs_transcoding(encoding: str) -> bool:
    """Whether the text is transcoded, so that undecodable bytes fail even in an unused column."""
    return encoding not in _UTF8_ENCODINGS


def has_undecodable_bytes(text: str) -> bool:
    """Whether the text holds lone surrogates, which `open_text` puts for undecodable bytes."""
    return any("\udc00" <= letter <= "\udcff" for letter in text)


def encoding_problem(location: str, encoding: str) -> Problem:
    """The problem of bytes that are not in the file's encoding."""
    cure = "set data.encoding, such as latin-1 or cp1252, or save the file as UTF-8"
    if encoding in _UTF8_ENCODINGS:
        found = "bytes that are not UTF-8; this looks like latin-1 (Windows-1252)"
        return Problem(location, found, cure)
    cure = "set data.encoding to the one the file is written in"
    return Problem(location, f"bytes that are not {encoding}", cure)
