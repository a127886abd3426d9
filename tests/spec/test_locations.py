"""Locations: which are URLs, how paths become absolute, and what is never printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.errors import DataError, SpecError
from rnnforecast.spec.load import spec_from_values
from rnnforecast.spec.locations import (
    absolute_location,
    expand_url,
    is_database,
    is_url,
    mask_url,
    query_problem,
)

SALES = "postgresql+psycopg://${DB_USER}:${DB_PASSWORD}@db.example/sales?table=daily"


@pytest.mark.parametrize(
    ("item", "url", "database"),
    [
        ("sales.csv", False, False),
        ("data/*.csv", False, False),
        ("-", False, False),
        ("a::b.csv", False, False),
        (r"C:\data\sales.csv", False, False),
        ("s3://bucket/*.parquet", True, False),
        ("https://example.com/a.csv?b=c", True, False),
        ("file:///data/a.csv", True, False),
        ("zip://a.csv::https://example.com/a.zip", True, False),
        ("sqlite:///sales.db", True, True),
        ("mysql+pymysql://host/db", True, True),
        ("${SALES_URL}", True, False),
    ],
)
def test_urls_and_databases_are_told_by_their_scheme(item: str, url: bool, database: bool) -> None:
    assert (is_url(item), is_database(item)) == (url, database)


def test_only_paths_and_files_of_sqlite_are_relative_to_a_folder() -> None:
    folder = Path("/srv/forecast")

    assert absolute_location("sales.csv", folder) == "/srv/forecast/sales.csv"
    assert absolute_location("sqlite:///sales.db?table=t", folder) == (
        "sqlite:////srv/forecast/sales.db?table=t"
    )
    for item in ("-", "s3://bucket/a.csv", "sqlite:////data/a.db", "sqlite:///:memory:", SALES):
        assert absolute_location(item, folder) == item


def test_variables_are_expanded_and_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_USER", "robot")
    monkeypatch.setenv("DB_PASSWORD", "p@ss/word")

    url = expand_url(SALES)

    assert url.text == "postgresql+psycopg://robot:p%40ss%2Fword@db.example/sales?table=daily"
    assert url.name == SALES
    assert url.hide("user robot, password p@ss/word or p%40ss%2Fword\nfails") == (
        "user ${DB_USER}, password ${DB_PASSWORD} or ${DB_PASSWORD} fails"
    )
    assert "p@ss" not in repr(url)


def test_a_variable_may_hold_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALES_URL", "postgresql://robot:secret@host/db")

    url = expand_url("${SALES_URL}")

    assert url.text == "postgresql://robot:secret@host/db"
    assert url.name == "${SALES_URL}"
    assert "secret" not in url.hide("could not log in with secret")


def test_variables_without_a_url_or_a_value_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISSING_A", raising=False)
    monkeypatch.delenv("MISSING_B", raising=False)
    monkeypatch.setenv("SALES_URL", "sales.csv")

    with pytest.raises(DataError) as error:
        expand_url("s3://${MISSING_A}/${MISSING_B}.csv")
    assert [problem.found for problem in error.value.problems] == [
        "the variable MISSING_A is not set",
        "the variable MISSING_B is not set",
    ]
    with pytest.raises(DataError, match="no URL"):
        expand_url("${SALES_URL}")


@pytest.mark.parametrize(
    ("item", "masked"),
    [
        ("https://user:secret@host/a.csv", "https://user:***@host/a.csv"),
        ("https://host:80/a@b.csv", "https://host:80/a@b.csv"),
        ("postgresql://user:a/b@c@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:${PW}@host/db", "postgresql://user:${PW}@host/db"),
        (
            "https://host/a.csv?X-Amz-Signature=1ab&b=2",
            "https://host/a.csv?X-Amz-Signature=***&b=2",
        ),
        ("https://host/a.csv?token=${TOKEN}", "https://host/a.csv?token=${TOKEN}"),
    ],
)
def test_passwords_and_keys_that_are_written_out_are_masked(item: str, masked: str) -> None:
    assert mask_url(item) == masked
    if "${" not in item and item != masked:
        assert "secret" not in expand_url(item).hide(item)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a FROM b",
        " -- sales\n(select 1)",
        "with x as (select ';') select * from x;\n",
        "/* ; */ SELECT 'it''s; fine', \"a;b\", $q$ ; $q$",
        "TABLE sales",
    ],
)
def test_a_query_is_one_statement_that_reads(query: str) -> None:
    assert query_problem(query) == ""


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("DELETE FROM sales", "begins with SELECT"),
        ("", "begins with SELECT"),
        ("SELECT 1; DROP TABLE sales", "several"),
    ],
)
def test_other_statements_are_refused(query: str, words: str) -> None:
    assert words in query_problem(query)


@pytest.mark.parametrize(
    ("data", "key", "words"),
    [
        ({"path": "sqlite:///a.db"}, "data.path", "a query or a table"),
        ({"path": "a.csv", "query": "SELECT 1"}, "data.query", "URL of a database"),
        ({"path": "sqlite:///a.db", "query": "DROP TABLE a"}, "data.query", "SELECT"),
    ],
)
def test_a_spec_with_a_database_has_a_table_or_a_query(
    data: dict[str, str], key: str, words: str
) -> None:
    with pytest.raises(SpecError, match=words) as error:
        spec_from_values({"data": data, "window": {"horizon": 3}})
    assert error.value.problems[0].where == key


def test_a_query_or_a_table_is_enough() -> None:
    for data in (
        {"path": "sqlite:///a.db", "query": "SELECT 1"},
        {"path": "sqlite:///a.db?table=sales"},
        {"path": "${SALES_URL}", "query": "SELECT 1"},
    ):
        assert spec_from_values({"data": data, "window": {"horizon": 3}}).data.path
