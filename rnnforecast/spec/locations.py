"""Locations of data and results: files, URLs of files, and URLs of databases.

A URL may hold environment variables, ``${NAME}``. What is stored and printed is the URL as it was
written; its values are inserted where it is opened, and nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from rnnforecast.errors import DataError, Problem, RnnForecastError

DATABASES = frozenset(
    (
        *("bigquery", "clickhouse", "cockroachdb", "databricks", "duckdb", "mariadb", "mssql"),
        *("mysql", "oracle", "postgres", "postgresql", "redshift", "snowflake", "sqlite", "trino"),
    )
)
"""Schemes of SQLAlchemy's URLs; a scheme with a driver, such as mysql+pymysql, is one, too."""

NO_LEDGER = "none"
"""The location that stands for no ledger of issued forecasts."""

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?:://|::\S*://)|\$\{\w+\}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)(\+\w+)?://")
_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?!:memory:|file:)([^?]+)")
_RELATIVE_DATABASE = re.compile(r"((?:sqlite|duckdb)(?:\+\w+)?:///)(?!/|:memory:|file:|\$)(.+)")
_PASSWORD = re.compile(r"(://[^/?#:@]*:)((?!\$\{\w+\}@)[^/?#]*)(@)")
_DATABASE_PASSWORD = re.compile(r"(://[^/?#:@]*:)((?!\$\{\w+\}@).*)(@)")
_SECRET_PARAMETER = re.compile(
    r"(?i)([?&][^=&]*(?:sig|token|key|passw|secret|credential)[^=&]*=)((?!\$\{\w+\}(?:&|$))[^&]*)()"
)
_MIN_HIDDEN_LENGTH = 4
"""Shorter values of variables occur in messages by chance."""


@dataclass(frozen=True)
class ExpandedUrl:
    """A URL with the values of its environment variables."""

    name: str
    """The URL as written, without passwords, for messages."""
    text: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    """Values that no message may hold -> what it has instead."""

    @property
    def scheme(self) -> str:
        """The protocol in small letters, without a driver: ``s3``, ``postgresql``."""
        return scheme_of(self.text)

    @property
    def local_path(self) -> str | None:
        """The path that a URL ``file://`` names; None for other URLs."""
        path = self.text.removeprefix("file://")
        return None if path == self.text else unquote(path.removeprefix("localhost"))

    def hide(self, message: object) -> str:
        """The message on one line, without values of variables and passwords."""
        text = " ".join(str(message).split())
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, self.secrets[value])
        return text


def is_url(item: str) -> bool:
    """Whether the location is a URL, or begins with a variable that holds one."""
    return _URL.match(item) is not None


def scheme_of(item: str) -> str:
    """The protocol of a URL in small letters, without a driver; "" if there is none."""
    found = _SCHEME.match(item)
    return found[1].lower() if found else ""


def is_database(item: str) -> bool:
    """Whether the location is the URL of a database: ``postgresql+psycopg://host/sales``."""
    found = _SCHEME.match(item)
    return found is not None and (found[1].lower() in DATABASES or found[2] is not None)


def sqlite_file(item: str) -> Path | None:
    """The file of a URL of SQLite; None for other databases, those in memory, and for a name with a
    variable."""
    found = _SQLITE.match(item)
    return None if found is None or variables_in(found[1]) else Path(found[1])


def variables_in(item: str) -> list[str]:
    """The names of the environment variables in a location."""
    return _VARIABLE.findall(item)


def names_table(item: str) -> bool:
    """Whether the URL of a database ends in the name of a table: ``…?table=daily``."""
    return re.search(r"[?&]table=[^&]", item) is not None


def absolute_location(item: str, folder: Path) -> str:
    """The location of a path relative to `folder`. URLs are absolute, but for those of SQLite's
    files; a dash stays standard input."""
    if relative := _RELATIVE_DATABASE.fullmatch(item):
        return f"{relative[1]}{(folder / relative[2]).as_posix()}"
    return item if item == "-" or is_url(item) else str(folder / item)


def mask_url(item: str) -> str:
    """The URL without passwords and keys that are written out; variables stay."""
    password = _DATABASE_PASSWORD if is_database(item) else _PASSWORD
    return _SECRET_PARAMETER.sub(r"\1***", password.sub(r"\1***\3", item))


def expand_url(item: str, error: type[RnnForecastError] = DataError) -> ExpandedUrl:
    """The URL with the values of its variables, from the environment.

    In the user and password of a URL, special characters of the values are escaped; elsewhere they
    stay. Raises `error` for variables that are not set, and for values that are no URL.
    """
    name, secrets = mask_url(item), dict(_written_secrets(item))
    missing = [each for each in dict.fromkeys(variables_in(item)) if each not in os.environ]
    if missing:
        cure = "set it where the command runs, or name another"
        problems = (Problem(name, f"the variable {each} is not set", cure) for each in missing)
        raise error(*problems)
    first = item.find("://") + 3
    authority = re.split(r"[/?#]", item[first:], maxsplit=1)[0]
    userinfo = range(first, first + max(authority.rfind("@"), 0))

    def value_of(variable: re.Match[str]) -> str:
        value = os.environ[variable[1]]
        escaped = quote(value, safe="") if variable.start() in userinfo else value
        for text in (value, escaped):
            if len(text) >= _MIN_HIDDEN_LENGTH:
                secrets[text] = variable[0]
        return escaped

    text = _VARIABLE.sub(value_of, item)
    if not _SCHEME.match(text) and "::" not in text:
        found = "the variable holds no URL such as s3://bucket/sales.csv"
        raise error(Problem(name, found, "set it to a URL, or write the path of the file here"))
    secrets |= {value: "***" for value, _ in _written_secrets(text) if value not in secrets}
    return ExpandedUrl(name, text, secrets)


def _written_secrets(item: str) -> list[tuple[str, str]]:
    """Passwords and keys that stand in a URL, as written and unescaped, each with its mask."""
    password = _DATABASE_PASSWORD if is_database(item) else _PASSWORD
    found = [each[2] for each in (*password.finditer(item), *_SECRET_PARAMETER.finditer(item))]
    texts = [text for each in found for text in (each, unquote(each))]
    return [(text, "***") for text in texts if len(text) >= _MIN_HIDDEN_LENGTH]


def query_problem(query: str) -> str:
    """Why a text is not one SQL statement that only reads; "" if it is."""
    bare = re.sub(r"--[^\n]*|/\*.*?\*/", " ", query, flags=re.DOTALL)
    bare = re.sub(
        r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$", "x", bare, flags=re.DOTALL
    )
    first = re.match(r"[\s(]*(\w*)", bare)
    if first is None or first[1].upper() not in ("SELECT", "WITH", "VALUES", "TABLE"):
        return "expected a query that begins with SELECT or WITH"
    if ";" in bare.rstrip().rstrip(";"):
        return "expected one statement, found several"
    return ""
