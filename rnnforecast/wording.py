"""Parts of messages: counts with a noun, lists of names, shortened texts."""

from __future__ import annotations

from collections.abc import Sequence


def count_of(count: int, noun: str) -> str:
    """The count and the noun in singular or plural: ``1 row``, ``3,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def join_words(words: Sequence[str]) -> str:
    """``a, b and c``."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def join_names(names: Sequence[object], most: int = 5) -> str:
    """The first `most` names, and the number of the others if there are more than one:
    ``a, b and 3 more``; ``none`` without any."""
    hidden = len(names) - most
    if hidden <= 1:
        return ", ".join(map(str, names)) or "none"
    return f"{', '.join(map(str, names[:most]))} and {hidden:,} more"


def quote_text(text: str, most: int = 40) -> str:
    """The text in quotes, at most so many characters of it."""
    text = text.encode(errors="replace").decode()
    return repr(text if len(text) <= most else f"{text[:most]}…")
