"""Printable forms of texts from files: no control characters reach a terminal."""

from __future__ import annotations

import re

MAX_MESSAGE_LENGTH = 3000
"""Most characters of a message; of a longer one the middle is left out."""

MAX_CELL_LENGTH = 60
"""Most characters of a table's cell."""

# control characters, marks that change the direction of text, line separators, characters without
# width, and lone surrogates, which stand for bytes of names that are no UTF-8
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def printable(text: str, *, keep_newlines: bool = False) -> str:
    """`text` with Python's escapes, such as ``\\x1b``, for all that acts on a terminal."""
    return _UNPRINTABLE.sub(
        lambda found: found[0] if keep_newlines and found[0] == "\n" else _escape(found[0]), text
    )


def printable_json(text: str) -> str:
    """A JSON document that is the same when parsed, with JSON's escapes as in `printable`."""
    return _UNPRINTABLE.sub(
        lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text
    )


def message_text(text: str) -> str:
    """`text` as one printable line of at most about `MAX_MESSAGE_LENGTH` characters."""
    return _shorten(printable(text), MAX_MESSAGE_LENGTH)


def cell_text(text: str) -> str:
    """`text` for a table's cell: printable, with at most about `MAX_CELL_LENGTH` characters."""
    return _shorten(printable(text), MAX_CELL_LENGTH)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _shorten(text: str, limit: int) -> str:
    """`text` without its middle if it is longer than `limit`; its end is a cure or a number."""
    if len(text) <= limit:
        return text
    end = limit // 3
    return f"{text[: limit - end]}…{text[-end:]}"
