"""Small files of many layouts, and their mutations, for the fuzz test."""

from __future__ import annotations

import random
import string
from functools import cache

import numpy as np
import pandas as pd

CELLS = (
    "", " ", "-", "--", "n/a", "NA", "nan", "inf", "-inf", "1e400", "1e-400", "1e60", "3.4e38",
    "0", "-0", "007", "1,5", "1.5", "1.234", "1,234", "1.234,5", "1,234.5", "1 234", "1'234",
    "$5", "5 %", "(5)", "5-", "<1", "1_0", "0x1F", "2147483647", "99999999999999999999", "true",
    "abc", "é", "日本", "٣", "\u2212" + "5", "\u00a0", "=1+1", "@x", "\x1b[31mred", "\x00", '"',
    '""', "a\nb", "x" * 9999, "2024-02-30", "2024-13-01", "24:00", "2024-01-01 24:00", "202352",
    "20244", "1969-12-31", "0001-01-01", "9999-12-31", "2024-W53", "Q5 2024", "31/12/2024",
    "12/31/2024", "2024-01-01T00:00:00Z", "2024-01-01 00:00+25:00", "1704067200", "45000", "now",
    "today",
)  # fmt: skip
"""Cells that replace others."""


# Files to mutate


def _dates(form: str, count: int = 60, freq: str = "D", start: str = "2023-12-20") -> list[str]:
    return [str(text) for text in pd.date_range(start, periods=count, freq=freq).strftime(form)]


def table_bytes(frame: pd.DataFrame, **options: object) -> bytes:
    text: str = frame.to_csv(index=False, **options)  # type: ignore[call-overload]
    return text.encode()


@cache
def base_tables() -> tuple[bytes, ...]:
    """Small files of many layouts."""
    noise = np.random.default_rng(0)
    y = (20 + 5 * np.sin(np.arange(60) * 2 * np.pi / 7) + noise.random(60)).round(3)
    single = pd.DataFrame({"ds": _dates("%Y-%m-%d"), "y": y})
    long = pd.concat([single.assign(shop=name, y=(y * size).round()) for name, size in
                      (("a", 1), ("b", 7), ("c", 40))])  # fmt: skip
    wide = pd.DataFrame({"Date": _dates("%d.%m.%Y"), "North": y, "South": y[::-1], "East": y * 3})
    hours = pd.DataFrame({"time": _dates("%Y-%m-%d %H:%M", freq="h"), "load": y * 1000})
    ahead = single.assign(y=single["y"].where(np.arange(60) < 50), promo=np.arange(60) % 2)
    header = pd.DataFrame([["a", *y[:30]], ["b", *y[30:]]],
                          columns=["place", *_dates("%m/%d/%y", 30)])  # fmt: skip
    months = pd.DataFrame({"Year": 2015 + np.arange(60) // 12, "Month": np.arange(60) % 12 + 1,
                           "Rain": y})  # fmt: skip
    weeks = pd.DataFrame({"week": _dates("%G%V", freq="7D"), "cases": (y * 9).astype(int)})
    quarters = pd.DataFrame({"period": [f"Q{i % 4 + 1} {2008 + i // 4}" for i in range(60)],
                             "sales": y})  # fmt: skip
    price = pd.DataFrame({"Date": _dates("%m/%d/%Y", freq="B"), "Close": [f"${v:.2f}" for v in y]})
    frames = (single, long, wide, hours, ahead, header, months, weeks, quarters, price)
    plain = [table_bytes(frame) for frame in frames]
    return (
        *plain,
        table_bytes(wide, sep=";", decimal=","),
        table_bytes(long, sep="\t"),
        b"Title of the table\n\n" + table_bytes(single),
        single.to_csv().encode(),  # a row number without a name
        single.to_csv(index=False, header=False).encode(),
        table_bytes(single).decode().encode("utf-16"),
    )


def covariate_table() -> pd.DataFrame:
    """Two series with covariates of every kind, known three steps ahead."""
    noise = np.random.default_rng(0)
    frames = []
    for name, size in (("a", 1.0), ("b", 20.0)):
        y = (size * (20 + 5 * np.sin(np.arange(63) * 2 * np.pi / 7) + noise.random(63))).round(2)
        y[[11, 12, 30]] = np.nan
        frame = pd.DataFrame({"shop": name, "ds": _dates("%Y-%m-%d", 63), "y": y})
        frame["promo"], frame["price"] = np.arange(63) % 2, noise.random(63).round(2)
        frame["note"] = [f"word{i % 4} text" for i in range(63)]
        frames.append(frame.assign(y=frame["y"].where(np.arange(63) < 60)))
    return pd.concat(frames, ignore_index=True)


# Mutations


def mutate(chance: random.Random, data: bytes) -> bytes:
    """The file with one to four faults in cells, rows, columns or bytes."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        fault = chance.choice((_change_cell,) * 4 + (_change_column, _change_rows, change_bytes))
        data = fault(chance, data)
    return data


def _split(data: bytes) -> tuple[list[list[bytes]], bytes]:
    separator = max((b",", b";", b"\t"), key=data.count)
    return [line.split(separator) for line in data.split(b"\n")], separator


def _join(rows: list[list[bytes]], separator: bytes) -> bytes:
    return b"\n".join(separator.join(row) for row in rows)


def _change_cell(chance: random.Random, data: bytes) -> bytes:
    rows, separator = _split(data)
    for _ in range(chance.choice((1, 1, 3, 20))):
        row = chance.choice(rows)
        row[chance.randrange(len(row))] = _cell(chance, row)
    return _join(rows, separator)


def _cell(chance: random.Random, row: list[bytes]) -> bytes:
    if chance.random() < 0.7:
        return chance.choice(CELLS).encode(errors="replace")
    cell = bytearray(chance.choice(row))
    at = chance.randrange(len(cell) + 1)
    cell[at : at + chance.randrange(2)] = chance.choice(string.printable).encode()
    return bytes(cell)


def _change_column(chance: random.Random, data: bytes) -> bytes:
    rows, separator = _split(data)
    width = len(rows[0])
    at, other = chance.randrange(width), chance.randrange(width)
    kind, cell = chance.randrange(6), chance.choice(CELLS).encode(errors="replace")
    for row in rows:
        if at >= len(row) or other >= len(row):
            continue
        if kind == 0:
            del row[at]
        elif kind == 1:
            row.insert(at, row[other])
        elif kind == 2:
            row[at], row[other] = row[other], row[at]
        elif (
            (kind == 3 and row is not rows[0])
            or (kind == 4 and row is not rows[0] and chance.random() < 0.2)
            or (kind == 5 and row is rows[0])
        ):
            row[at] = cell
    return _join(rows, separator)


def _change_rows(chance: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    first, last = sorted(chance.randrange(len(lines)) for _ in range(2))
    kind = chance.randrange(7)
    if kind == 0:
        del lines[first:last]
    elif kind == 1:
        lines[first:first] = lines[first:last]
    elif kind == 2:
        chance.shuffle(lines)
    elif kind == 3:
        lines = lines[: chance.randrange(6)]
    elif kind == 4:
        lines.insert(first, chance.choice((b"", b",,,", b"# note", b"Source: x", b";;", b"   ")))
    elif kind == 5:
        lines = lines[:1] + lines[:0:-1]
    else:
        lines[first:last] = lines[first:last:2]
    return b"\n".join(lines)


def change_bytes(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    kind = chance.randrange(6)
    if kind == 0 and changed:
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    elif kind == 1:
        at = chance.randrange(len(changed) + 1)
        changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(9)))
    elif kind == 2:
        changed = changed[: chance.randrange(len(changed) + 1)]
    elif kind == 3:
        changed = changed.replace(b"\n", chance.choice((b"\r\n", b"\r", b"\n\n", b"\n\r")))
    elif kind == 4:
        changed = (
            bytearray(chance.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b"PK\x03\x04")))
            + changed
        )
    else:
        changed = changed.replace(b",", chance.choice((b";", b"\t", b"|", b", ", b" ")))
    return bytes(changed)


def mutate_spec(chance: random.Random, text: str) -> str:
    """The spec with other values, keys or characters."""
    lines = text.split("\n")
    values = (
        "auto", "null", "-1", "0", "1", "2", "1.5", "1e9", "2147483647", "true", "[]", "{}",
        "[1, 2]", "none", "[ds]", "y", "'*'", ".inf", ".nan", "x" * 500, "é", "[[[[]]]]",
        "&a [*a]", "!!python/x 1", "{a: 1}", "ds", "D", "h", "W-SUN", "C:Mon-Sat", "zero",
        "linear", "log", "'%Y'", "'%q'", "data.csv",
    )  # fmt: skip
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(lines))
        kind = chance.randrange(5)
        if kind <= 2 and ":" in lines[at]:
            lines[at] = lines[at].split(":")[0] + ": " + chance.choice(values)
        elif kind == 3:
            lines.insert(at, lines[chance.randrange(len(lines))])
        else:
            line = list(lines[at])
            place = chance.randrange(len(line) + 1)
            line[place : place + chance.randrange(3)] = chance.choice(string.printable)
            lines[at] = "".join(line)
    return "\n".join(lines)


def random_overrides(chance: random.Random) -> list[str]:
    """Up to four keys with values of the right kind, which may not go together."""
    from rnnforecast.spec.spec import SECTIONS
    from rnnforecast.spec.types import allowed_values, describe_field

    columns = ("ds", "y", "shop", "promo", "price", "note")
    found = []
    for _ in range(chance.choice((1, 2, 3, 4))):
        section = chance.choice(("clean", "features", "window", "model", "training", "forecast"))
        key, field = chance.choice(list(SECTIONS[section].model_fields.items()))
        kind, words = describe_field(field), allowed_values(field)
        if "column" in kind:
            value = f"[{chance.choice(columns)}]"
        elif words and chance.random() < 0.8:
            value = chance.choice(words)
        elif "true" in kind:
            value = chance.choice(("true", "false"))
        elif "whole" in kind:
            value = str(chance.choice((0, 1, 2, 3, 7, 20, 59, 60, 61, 1000)))
        else:
            value = str(chance.choice((0.0, 1e-9, 0.1, 0.5, 0.99, 1.0, 3.0, 1e6)))
        found.append(f"{section}.{key}={value}")
    return found


def change_json(chance: random.Random, value: object) -> object:
    """The value with one of its parts replaced, removed or repeated."""
    others = (None, True, -1, 0, 10**12, 1e300, "x", "", [], {}, [None], "inf")
    if isinstance(value, dict) and value and chance.random() < 0.95:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: part for name, part in value.items() if name != key}
        return {**value, key: change_json(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        if chance.random() < 0.2:
            return value[:at] + value[at + 1 :] if chance.random() < 0.5 else [*value, value[at]]
        return [*value[:at], change_json(chance, value[at]), *value[at + 1 :]]
    return chance.choice(others)
