"""Texts from files on a terminal: nothing in them acts on it, and nothing in them is lost."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import given as for_all
from hypothesis import strategies as st

from rnnforecast.cli.printable import cell_text, message_text, printable, printable_json

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

ODD_IDS = (
    "\x1b[31mred\x1b[0m",
    "bell\x07",
    "line\nfeed",
    "\u202eturned\u202c",
    "x" * 10_000,
    "a/b",
    "../../etc/passwd",
    "😀",
    "=1+2",
    "+3",
    "-4",
    "@sum(A1)",
    'q"uo"te',
    "com,ma",
    "[bold]rich[/bold]",
)
"""Series ids that act on terminals, file systems, spreadsheets or CSV."""


@for_all(st.text(st.characters()))
def test_printable_text_has_no_control_characters_and_json_stays_the_same(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", shown)
    for document in (json.dumps([text], ensure_ascii=False), json.dumps([text])):
        assert json.loads(printable_json(document)) == [text]


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("Zürich, 7 µg/m³", "日本", "👩\u200d🔬", "C:\\new", "a  b"):
        assert printable(text) == text


def test_long_texts_keep_their_beginning_and_end() -> None:
    text = "begin " + "x" * 100_000 + " end"
    for short in (message_text(text), cell_text(text)):
        assert short.startswith("begin")
        assert short.endswith("end")
        assert len(short) < 5000


def test_odd_ids_are_escaped_in_messages_and_exact_in_the_forecast(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table(ODD_IDS)
    late = frame["ds"] > "2024-02-20"
    frame.loc[late & frame["unique_id"].isin(ODD_IDS[:4]), "y"] = None
    given(frame)
    checked = rnnforecast("check", "spec.yaml", "--no-report")
    assert checked.exit_code == 0
    assert "\\x1b[31mred" in checked.stdout
    assert train(f"forecast.plots={len(ODD_IDS)}").exit_code == 0
    done = rnnforecast("predict", "run", "-o", "out/")
    assert done.exit_code == 0, done.stderr
    for text in (checked.stdout, checked.stderr, done.stderr):
        assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", text)
        assert len(text) < 8000
    with Path("out/forecast.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    # texts that a spreadsheet takes for formulas are left as they are: ids must match the input
    assert {row[0] for row in rows[1:]} == set(ODD_IDS)
    plots = list(Path("out/plots").iterdir())
    assert len(plots) == 2 * len(ODD_IDS)
    assert all(re.fullmatch(r"[\w.-]{1,130}", path.name) for path in plots)
    report = rnnforecast("check", "spec.yaml", "--no-report", "--json")
    assert "\x1b" not in report.stdout
    assert set(ODD_IDS[:4]) <= {one["label"] for one in json.loads(report.stdout)["series"]}
