"""Candidate formats of a timestamp: every pattern in which a text could be written."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from rnnforecast.data.time.names import MONTH_NUMBERS, WEEKDAY_NUMBERS

_CLOCK = re.compile(
    r"(?P<between>[\s,;T_/-]*)(?P<time>(?P<hour>\d{1,2}):\d{2}(?P<second>:\d{2})?"
    r"(?P<fraction>[.,]\d{1,9})?(?P<half>\s?[AaPp]\.?[Mm]\.?)?)(?P<after>\s?(?:Uhr|h))?$"
)
_FIRST_CLOCK = re.compile(r"^(?P<hour>\d{1,2}):\d{2}(?P<second>:\d{2})?(?P<between>[\s,]+)(?=\S)")
_HOUR = re.compile(
    r"(?P<between>[\sT]+)(?P<hour>\d{1,2})(?:(?P<half>\s?[AaPp]\.?[Mm]\.?)|(?P<after>\s?(?:Uhr|h)))?$"
)
_COMPACT_CLOCK = re.compile(r"(?P<between>[\sT_-]+)(?P<hour>\d{4}|\d{6})$")
_FISCAL_PERIOD = re.compile(r"(?<!\d)0(?:0[1-9]|1[0-2])(?!\d)")  # months of three digits
_TOKENS = re.compile(r"\d+|[^\W\d_]+|\s+|.")
_WEEK_WORDS = {"w", "wk", "week", "kw", "cw", "woche", "semaine", "semana", "settimana", "uge"}
_QUARTER_WORDS = {
    *("q", "qtr", "quarter", "quartal", "kwartaal", "k", "t", "trim", "trimestre", "kvartal"),
}
_HALF_WORDS = {"h", "hj", "hy", "half", "halbjahr", "s", "sem", "semester", "semestre"}
_OTHER_WORDS = {
    *("of", "the", "de", "del", "den", "der", "le", "du", "vom", "am", "on", "at", "um"),
    *(
        "ending",
        "ended",
        "starting",
        "beginning",
        "commencing",
        "from",
        "m",
        "month",
        "no",
        "年",
        "月",
        "日",
    ),
}
_ORDINALS = {"st", "nd", "rd", "th"}
_COMPACT = {
    4: ("%y%m",),
    5: ("%Y%q", "%y%j"),
    6: ("%Y%m", "%G%V", "%y%m%d", "%d%m%y", "%m%d%y"),
    7: ("%Y%j", "%Y0%m", "%G%V%u"),
    8: ("%Y%m%d", "%d%m%Y", "%m%d%Y"),
    10: ("%Y%m%d%H",),
    12: ("%Y%m%d%H%M",),
    14: ("%Y%m%d%H%M%S",),
}
_DATE_ORDERS = (
    *("Ymd", "dmY", "mdY", "ymd", "dmy", "mdy"),
    *("Ybd", "dbY", "bdY", "Ydb", "dby", "bdy", "ybd"),
    *("Ym", "mY", "ym", "my", "Yb", "bY", "yb", "by"),
    *("Yq", "qY", "YJ", "JY", "yq", "qy", "GV", "VG", "yV", "Vy", "GVu", "Yj", "jY"),
)


def candidate_patterns(text: str) -> tuple[str, ...]:
    """Every pattern, of dates with or without a time of day, in which a text could be written;
    those in the usual order of day and month first."""
    found = []
    for date, before, after in _split_clock(text):
        found += [before + pattern + after for pattern in _date_patterns(date)]
    return tuple(dict.fromkeys(found))


def conventional_rank(pattern: str, samples: Sequence[str]) -> int:
    """0 for patterns that people use for such texts, 1 for those that they rarely use, 3 for weeks
    without a word for week.

    Days come before months between points; two digits are the month rather than the week; years
    come first in numbers of eight digits.
    """
    if "V" in pattern:
        return 0 if has_week_word(pattern) or "%G%V" in pattern else 3
    if re.match(r"%m\.%d|%y\.|%y\W%b", pattern) or pattern in ("%d%m%Y", "%m%d%Y", "%y%m", "%y%j"):
        return 1
    if re.match(r"%y[/-]%m($|\D)", pattern) or re.match(r"%[md][/-]%y$", pattern):
        return 1
    return int(pattern in ("%y%m%d", "%d%m%y", "%m%d%y"))


def has_week_word(pattern: str) -> bool:
    """Whether a word such as W, KW or Week stands before the number of the week."""
    return bool(re.search(r"[A-Za-z]\.? ?%V", re.sub("%[^V]", "#", pattern)))


def _split_clock(text: str) -> Iterator[tuple[str, str, str]]:
    """The date of a text, and the patterns before and after it: of the time of day."""
    found = _CLOCK.search(text)
    if found and found.start() > 0:
        hour = "%I:%M" if found["half"] else "%H:%M"
        second = "%S" if found["second"] else ""
        fraction = f"{found['fraction'][0]}%f" if found["fraction"] else ""
        clock = hour + (f":{second}" if second else "") + fraction + _half(found)
        after = clock + (found["after"] or "")
        yield text[: found.start()], "", _literal(found["between"]) + after
        return
    if found := _FIRST_CLOCK.search(text):
        clock = "%H:%M" + (":%S" if found["second"] else "")
        yield text[found.end() :], clock + _literal(found["between"]), ""
        return
    yield text, "", ""
    if (found := _HOUR.search(text)) and found.start() > 0:
        hour = "%I" if found["half"] else "%H"
        after = _literal(found["between"]) + hour + _half(found) + (found["after"] or "")
        yield text[: found.start()], "", after
    if (found := _COMPACT_CLOCK.search(text)) and found.start() > 0:
        after = "%H%M" if len(found["hour"]) == 4 else "%H%M%S"
        if re.search(r"\d{4}", date := text[: found.start()]):
            yield date, "", _literal(found["between"]) + after


def _half(found: re.Match[str]) -> str:
    half = found["half"]
    return (" %p" if half[0].isspace() else "%p") if half else ""


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _date_patterns(text: str) -> Iterator[str]:
    """Every pattern of a date without a time of day."""
    tokens = _TOKENS.findall(text)
    if len(tokens) == 1 and text.isdecimal():
        yield from _COMPACT.get(len(text), ())
        return
    if len(tokens) > 14 or re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        return
    words = {token.lower() for token in tokens if token[0].isalpha()}
    choices = [_token_fields(token) for token in tokens]
    if any(not fields for fields in choices) or sum(len(fields) > 1 for fields in choices) > 5:
        return
    found = []
    for fields in itertools.product(*choices):
        order = "".join(field for field in fields if len(field) == 1 and field != "a")
        if order in _DATE_ORDERS and _agrees_with_words(order, tokens, fields, words):
            items = (
                f"%{field}" if len(field) == 1 else "" if token in _ORDINALS else _literal(token)
                for field, token in zip(fields, tokens, strict=True)
            )
            found.append((_DATE_ORDERS.index(order), "".join(items)))
    for _, pattern in sorted(found):
        yield pattern
        if "%j" in pattern and _FISCAL_PERIOD.search(text):
            yield pattern.replace("%j", "0%m")


def _token_fields(token: str) -> tuple[str, ...]:
    """The directives that a part of a date can be; "literal" for what stands between them."""
    if token.isdecimal():
        if len(token) == 4:
            return ("Y", "G") if "1000" <= token < "3000" else ()
        if len(token) == 3:
            return ("j",)
        if len(token) == 2:
            return ("d", "m", "y", "V", "j")
        half = ("J",) * (token in "12")
        return ("d", "m", "q", *half, "V", "u", "j") if len(token) == 1 else ()
    if not token[0].isalpha():
        return ("literal",)
    word = token.lower()
    fields = ["b"] * (word in MONTH_NUMBERS) + ["a"] * (word in WEEKDAY_NUMBERS)
    known = _WEEK_WORDS | _QUARTER_WORDS | _HALF_WORDS | _OTHER_WORDS | _ORDINALS
    return (*fields, *(["literal"] if word in known else []))


def _agrees_with_words(
    order: str, tokens: list[str], fields: tuple[str, ...], words: set[str]
) -> bool:
    """Whether words such as week, quarter or Q stand in a pattern of weeks or quarters only."""
    plain = {token.lower() for token, field in zip(tokens, fields, strict=True)
             if field == "literal" and token[0].isalpha()}  # fmt: skip
    if plain & {"of", "ending", "ended", "starting", "beginning", "commencing", "vom"}:
        return len(order) == 3 and "V" not in order and "j" not in order
    if plain & _HALF_WORDS or "J" in order:
        return bool(plain & _HALF_WORDS) and "J" in order
    if plain & _WEEK_WORDS:
        return "V" in order
    if plain & _QUARTER_WORDS:
        return "q" in order
    if plain & _ORDINALS:
        return "d" in order
    if "m" in plain:
        return order in ("Ym", "mY")
    if "u" in order or ("y" in order and ("q" in order or "V" in order)):
        return False
    pairs = zip(tokens, fields, strict=True)
    return "j" not in order or any(field == "j" and len(token) == 3 for token, field in pairs)
