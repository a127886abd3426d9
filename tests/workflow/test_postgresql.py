"""A real PostgreSQL: types that are read, what is refused, and forecasts that are written twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pytest

from rnnforecast.data.io import database
from rnnforecast.data.io.database import read_database
from rnnforecast.errors import DataError, OutputError
from rnnforecast.workflow.predict_database import write_forecast_rows
from tests.postgres import PASSWORD, USER

psycopg = pytest.importorskip("psycopg")
Run = Callable[..., Any]
TYPES = """
CREATE TABLE kinds AS
SELECT day::date AS day, day::timestamptz AS moment, day::timestamp AS local,
    (extract(day FROM day) / 4)::numeric(10, 2) AS price,
    extract(day FROM day)::numeric(6, 0) AS id, extract(day FROM day)::int AS units,
    extract(day FROM day)::int % 2 = 0 AS promo, 'München' AS city,
    CASE WHEN extract(day FROM day) > 4 THEN 'NaN'::float8 END AS gap,
    '5 minutes'::interval AS lag, '{"a": 1}'::jsonb AS extra
FROM generate_series('2024-03-30'::timestamp, '2024-04-04', '1 day') AS day
"""
SALES = """
CREATE TABLE sales AS SELECT store, day::date AS ds,
    (10 + extract(dow FROM day) + 3 * store)::numeric(8, 2) AS y
FROM generate_series(1, 2) AS store,
    generate_series('2024-01-01 00:00'::timestamp, '2024-02-29 00:00', '1 day') AS day
"""


@pytest.fixture
def server(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection to a server, in a time zone with clock changes; its URL is in variables."""
    monkeypatch.setenv("DB_USER", USER)
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    monkeypatch.setenv("DB_HOST", postgres)
    monkeypatch.setattr(database, "RETRY_DELAYS", (0.0,))
    host, port = postgres.split(":")
    with psycopg.connect(
        *(), host=host, port=port, user=USER, password=PASSWORD, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute("ALTER DATABASE postgres SET timezone TO 'Europe/Berlin'")
        connection.execute("SET timezone TO 'Europe/Berlin'")
        yield connection
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


URL = "postgresql+psycopg://${DB_USER}:${DB_PASSWORD}@${DB_HOST}/postgres"


def test_types_are_kept_and_times_are_in_utc(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_CHUNK_ROWS", 2)
    server.execute(TYPES)

    table = read_database(URL, "SELECT * FROM kinds ORDER BY day -- all of it, 100%\n;").table

    assert {name: str(table.schema.field(name).type) for name in table.column_names} == {
        "day": "date32[day]",
        "moment": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]",
        "price": "double",
        "id": "int64",
        "units": "int64",
        "promo": "bool",
        "city": "string",
        "gap": "double",
        "lag": "string",
        "extra": "string",
    }
    assert table["day"][0].as_py() == date(2024, 3, 30)
    assert table["moment"].to_pylist()[1:3] == [
        datetime(2024, 3, 30, 23, tzinfo=UTC),
        datetime(2024, 3, 31, 22, tzinfo=UTC),  # the clocks have gone forward
    ]
    assert table["price"].to_pylist() == [7.5, 7.75, 0.25, 0.5, 0.75, 1.0]
    assert table["gap"].null_count == 6
    assert pa.types.is_int64(read_database(f"{URL}?table=public.kinds", None).table["units"].type)


def test_nothing_is_written_by_a_query(server: Any) -> None:
    server.execute("CREATE TABLE sales AS SELECT 1 AS y")
    deleting = "WITH gone AS (DELETE FROM sales RETURNING *) SELECT * FROM gone"
    server.execute(
        "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM sales; SELECT 1'"
    )

    for query in (deleting, "SELECT wipe()"):
        with pytest.raises(DataError, match=r"read-only|data-modifying"):
            read_database(URL, query)

    assert server.execute("SELECT count(*) FROM sales").fetchone() == (1,)


@pytest.mark.parametrize(
    ("url", "query", "words"),
    [
        (URL.replace("${DB_PASSWORD}", "wrong-one"), "SELECT 1", "password authentication failed"),
        (URL.replace("/postgres", "/nowhere"), "SELECT 1", '"nowhere" does not exist'),
        (URL, "SELECT store FROM nowhere", 'relation "nowhere" does not exist'),
        (URL, "SELECT 1/0", "division by zero"),
        (URL, "SELECT 'infinity'::timestamp", "infinity"),
    ],
)
def test_what_the_server_says_is_told_without_secrets(
    server: Any, url: str, query: str, words: str
) -> None:
    with pytest.raises(DataError) as error:
        read_database(url, query)
    text = str(error.value)
    assert words in text
    assert not any(secret in text for secret in (PASSWORD, quote(PASSWORD, safe=""), "wrong-one"))


def test_a_table_of_other_types_takes_the_rows_and_times_have_a_zone(server: Any) -> None:
    server.execute(
        """CREATE SCHEMA shop; CREATE TABLE shop.forecasts (store int, ds timestamptz,
        cutoff timestamptz, yhat numeric(12, 2), status varchar(10), note text,
        PRIMARY KEY (store, cutoff, ds))"""
    )
    times = pd.to_datetime(["2024-03-31 00:00", "2024-03-31 01:00"])  # UTC, around a clock change
    frame = pd.DataFrame(
        {"store": ["7", "7"], "ds": times, "cutoff": times[0], "yhat": [1.25, None]}
    )
    frame["status"] = ["model", "skipped"]
    frequency = SimpleNamespace(is_daily_or_coarser=False)
    panel: Any = SimpleNamespace(
        utc_offset="Z", display_timezone="Europe/Berlin", frequency=frequency
    )

    for _ in range(2):
        assert write_forecast_rows(f"{URL}?table=shop.forecasts", frame, panel) == 2

    query = "SELECT store, ds, yhat, status FROM shop.forecasts ORDER BY ds"
    first, second = server.execute(query).fetchall()
    server.execute("DROP SCHEMA shop CASCADE")
    assert first == (7, datetime(2024, 3, 31, tzinfo=UTC), Decimal("1.25"), "model")
    assert (str(second[1]), second[2]) == ("2024-03-31 03:00:00+02:00", None)
    assert write_forecast_rows(f"{URL}?table=fresh", frame, panel) == 2
    assert columns_of(server, "fresh")["ds"] == "timestamp with time zone"
    with pytest.raises(OutputError, match=r"lacks columns: q0\.5"):
        write_forecast_rows(f"{URL}?table=fresh", frame.assign(**{"q0.5": 1.0}), panel)


def columns_of(server: Any, table: str) -> dict[str, str]:
    query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s"
    return dict(server.execute(query, (table,)).fetchall())


def rows_of(server: Any, table: str) -> list[tuple[Any, ...]]:
    return server.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()


def write_spec(more: str = "") -> None:
    Path("spec.yaml").write_text(
        f"data:\n  path: {URL}\n  query: SELECT store, ds, y FROM sales\n  series: store\n"
        f"{more}window:\n  horizon: 5\n  lookback: 14\n",
        encoding="utf-8",
    )


def test_a_job_reads_from_it_and_writes_twice_with_one_result(
    server: Any, rnnforecast: Run
) -> None:
    server.execute(SALES)
    write_spec(
        "training: {max_steps: 4, batch_size: 8}\nmodel: {hidden_size: 4}\nforecast: {plots: 0}\n"
    )
    Path("job.yaml").write_text(
        f"spec: spec.yaml\nout: ['{URL}?table=forecasts', forecasts/f.csv]\n"
        f"ledger: {URL}?table=ledger\n",
        encoding="utf-8",
    )

    first = rnnforecast("run", "job.yaml", "--now", "2024-03-01")
    assert first.exit_code == 0, first.stderr
    after_first = rows_of(server, "forecasts")
    second = rnnforecast("run", "job.yaml", "--now", "2024-03-01")
    assert second.exit_code == 0, second.stderr

    assert len(after_first) == 10
    assert rows_of(server, "forecasts") == after_first
    csv = pd.read_csv("forecasts/f.csv", parse_dates=["ds", "cutoff"])
    stored = pd.DataFrame(after_first, columns=csv.columns)
    stored = stored.assign(
        store=stored["store"].astype(int),
        **{name: pd.to_datetime(stored[name]) for name in ("ds", "cutoff")},
    )
    pd.testing.assert_frame_equal(stored, csv, check_dtype=False)
    kinds = columns_of(server, "forecasts")
    assert (kinds["ds"], kinds["cutoff"]) == ("date", "date")
    assert (kinds["yhat"], kinds["status"]) == ("double precision", "text")
    for path in Path().rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes()
            assert quote(PASSWORD, safe="").encode() not in path.read_bytes()
    assert len(rows_of(server, "ledger")) == len(rows_of(server, "ledger_issues")) * 10 == 10
    assert PASSWORD not in first.stdout + first.stderr
    assert json.loads(second.stdout.splitlines()[-1])["published"]
