"""Cells of numeric columns: numbers with marks around them, texts for no value, and limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

CellKind = Literal["plain", "marked", "placeholder", "limit", "text"]

THOUSANDS_PATTERNS = {",": ",", ".": r"\.", "'": "['\u2019]", " ": "[ \u00a0\u2009\u202f]"}
"""Thousands separators and their patterns, which include typographic blanks and apostrophes."""
INDIAN_GROUPS = r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"
"""Digits in lakhs and crores: 12,34,567."""

_ANY_SEPARATOR = "(?:" + "|".join(THOUSANDS_PATTERNS.values()) + ")"
_BLANKS = r"\s\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
EXPONENT = "(?:[eE][+-]?[0-9]+)?"
"""The exponent of a number, as a pattern."""
_BODY = re.compile(
    rf"(?:[0-9]{{1,3}}(?:{_ANY_SEPARATOR}[0-9]{{3}})+(?:[.,][0-9]*)?|{INDIAN_GROUPS}(?:\.[0-9]*)?"
    rf"|[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+){EXPONENT}",
    re.ASCII,
)
_SPLIT = re.compile(
    rf"(?P<before>[^0-9]*?)(?P<body>[.,]?[0-9]+(?:[.,'\u2019 \u00a0\u2009\u202f][0-9]+)*[.,]?"
    rf"{EXPONENT})(?P<after>.*)",
    re.ASCII | re.DOTALL,
)
_INFINITE = re.compile("[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
_MINUS = str.maketrans(dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-"))
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

_CURRENCY_CODES = (
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES"
    " KRW KZT MXN MYR NGN NOK NZD PEN PHP PKR PLN RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND"
    " ZAR BTC"
)
_CURRENCY_WORDS = r"US|Rs\.?|Fr\.?|[Kk]r\.?|z\u0142|K\u010d|RM|Rp\.?|S/\.?|Ft|lei|Euro?s?|dollars?"
CURRENCY = re.compile(
    rf"(?:[A-Za-z]{{0,3}}[$\u20a0-\u20cf\u00a3\u00a5\u0e3f]|{_CURRENCY_WORDS}"
    rf"|{_CURRENCY_CODES.replace(' ', '|')})"
)
"""A currency before or after a number."""
_FLAG_SYMBOLS = "*\u2020\u2021\u00a7\u00b6#!^~\u2248"
_FLAG = re.compile(
    rf"[{re.escape(_FLAG_SYMBOLS)}]{{1,3}}|[\u00b9\u00b2\u00b3\u2070-\u2079]{{1,2}}|[a-z]{{1,3}}"
    r"|[A-Z]|\([^()]{1,12}\)|\[[^\[\]]{1,12}\]|\?"
)
"""A flag of a cell, as statistical offices put them beside numbers: p, *, (e), [1]."""
_FLAG_BEFORE = re.compile(
    r"[*\u2020\u2021\u00a7\u00b6!^~\u2248]{1,3}|\([^()]{1,12}\)|\[[^\[\]]{1,12}\]|ca\.?"
)
_UNIT = re.compile(
    r"(?:[^\W\d_]|[%\u2030\u00b0/\u00b7.\u00b2\u00b3$\u20a0-\u20cf\u00a3\u00a5 -]"
    r"|(?<=[a-zA-Z])[23](?![0-9])){1,16}"
)
_NOT_A_UNIT = re.compile(r"[ap]\.?m\.?|st|nd|rd|th|uhr|[./ -]+", re.IGNORECASE)

_LIMIT = re.compile(
    r"(?:[<>\u2264\u2265\u2a7d\u2a7e]|&[lg]t;)=?.*|(?:less|more|fewer|greater) than .*"
    r"|(?:under|over|below|above|at least|at most|up to|unter|\u00fcber) [0-9].*|[0-9.,]+ ?\+"
    r"|(?:lod|loq|bdl|bld|blq)",
    re.IGNORECASE,
)
_NO_VALUE = (
    "#n/a #nv n/e n.a. n.a n/a. n.d. n.d nd n.v. n.v nv n.e. n.s. k.a. k.a ka n.b. nb n\\a"
    " n-a nan -nan na null nul nil none none. nat void blank empty unknown undefined missing"
    " nodata x xx xxx unavailable nichts tba tbd err error #ref! #div/0! #value! #name? #null!"
    " #num! #calc! #spill! #wert! #bezug! #zahl! 1.#qnan -1.#qnan 1.#ind -1.#ind 1.#inf <null>"
    " <na> (null) [null] (na) (none) <none> (missing) (x) (d) (s) (z) (c) \\n"
)
_PLACEHOLDER_WORDS = {
    *_NO_VALUE.split(),
    *("no data", "not available", "not applicable", "no value", "not reported", "k. a.", "n. a."),
    *("n. v.", "keine angabe", "keine daten", "n / a", "no reading", "not measured"),
}
"""Usual texts for no value in lower case, besides those that count as missing everywhere."""
_PLACEHOLDER = re.compile(r"[^\w<>\u2264\u2265]+|_+|[:.]+ ?[a-z]{1,3}", re.IGNORECASE)


@dataclass(frozen=True)
class NumberParts:
    """A number cell in parts: ``-$1,234.50*`` has before ``-$``, digits and after ``*``."""

    before: str
    """As written, with sign, parenthesis and blanks."""
    body: str
    """The digits with their marks, without sign."""
    after: str
    is_negative: bool
    before_mark: str
    """The currency or flag in `before`; "" if there is only a sign."""
    after_mark: str
    """The unit, currency or flag in `after`."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing but an ASCII sign and blanks stand around the digits."""
        return self.before.strip(" \t") in ("", "+", "-") and not self.after.strip(" \t")


@lru_cache(maxsize=4096)
def split_number(cell: str) -> NumberParts | None:
    """The parts of a cell that is a number in any format, None for other cells.

    Accounting parentheses, a minus behind the digits and typographic minus signs are signs. What
    stands around the digits is a currency, a unit or a flag; other words make the cell a text.
    """
    if not (found := _SPLIT.fullmatch(cell)):
        return None
    before, body, after = found["before"], found["body"], found["after"]
    if body[0] in ".," and before[-1:].isalpha():  # Rs.500
        before, body = before + body[0], body[1:]
    if not _BODY.fullmatch(body):
        return None
    left = _INVISIBLE.sub("", before).translate(_MINUS)
    right = _INVISIBLE.sub("", after).translate(_MINUS)
    negative = False
    if left.count("(") == left.count(")") + 1 and right.count(")") == right.count("(") + 1:
        left, right, negative = left.replace("(", "", 1), right.replace(")", "", 1), True
    if body[-1] in ".," and re.match("-{1,2}", right):  # 5,- is a price without cents
        right = right.lstrip("-")
    elif not negative and re.match(r"\s*-(?:$|\s|[^\w-])", right):
        right, negative = right.replace("-", "", 1), True
    if "-" in left or "+" in left:
        if negative:
            return None
        negative = "-" in left
        left = re.sub("[+-]", "", left, count=1)
    mark, unit = left.strip(), right.strip()
    return NumberParts(before, body, after, negative, mark, unit) if _fits(mark, unit) else None


def _fits(mark: str, unit: str) -> bool:
    """Whether these can stand before and after a number."""
    if mark and not (CURRENCY.fullmatch(mark) or _FLAG_BEFORE.fullmatch(mark)):
        return False
    if not unit or is_flag(unit):
        return not _NOT_A_UNIT.fullmatch(unit)
    return bool(_UNIT.fullmatch(unit.rstrip(_FLAG_SYMBOLS))) and not _NOT_A_UNIT.fullmatch(unit)


def is_flag(mark: str) -> bool:
    """Whether a mark can be the flag of a cell, such as p or (e)."""
    return _FLAG.fullmatch(mark) is not None


def is_placeholder(cell: str) -> bool:
    """Whether a cell that is not blank is a usual text for no value, such as - or n.a."""
    return bool(_PLACEHOLDER.fullmatch(cell)) or cell.casefold() in _PLACEHOLDER_WORDS


def is_limit(cell: str) -> bool:
    """Whether a cell tells a limit of the value instead of the value, such as <1."""
    return _LIMIT.fullmatch(cell) is not None


def cell_kind(cell: str) -> CellKind:
    """What a stripped cell that is not blank is."""
    if _INFINITE.fullmatch(cell):
        return "plain"
    if is_placeholder(cell):
        return "placeholder"
    if is_limit(cell):
        return "limit"
    parts = split_number(cell)
    return "text" if parts is None else "plain" if parts.is_plain else "marked"
