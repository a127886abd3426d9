"""Text encodings: detection, decoding, and undecodable bytes."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec
from tests.data.tables import read

TEXT = 'city,ds,y\nZürich,2024-01-01,1\n"New\nYork",2024-01-01,2\nZürich,2024-01-02,3\n'


def refused(path: Path, encoding: str) -> list[str]:
    with pytest.raises(DataError) as caught:
        read([str(path)], time="ds", series=["city"], targets=["y"], encoding=encoding)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("utf-8", "auto"),
        ("utf-8-sig", "auto"),
        ("utf-16", "auto"),
        ("utf-32", "auto"),
        ("utf-8", "UTF8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf_16_be"),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", "cp1252"),
        ("cp037", "cp037"),
        ("mac-roman", "mac-roman"),
        ("gb18030", "gb18030"),
    ],
)
def test_text_reads_alike_in_every_encoding(
    tmp_path: Path, written: str, given: str, packed: bool
) -> None:
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    content = TEXT.encode(written)
    path.write_bytes(gzip.compress(content) if packed else content)
    table = read([str(path)], encoding=given)
    assert table.roles.series == ("city",)
    assert table.keys["city"].tolist() == ["New\nYork", "Zürich"]
    assert table.codes.tolist() == [1, 0, 1]
    assert [table.line_index.location(row) for row in (1, 2)] == [
        f"{path.name}, line {n}" for n in (3, 5)
    ]


def test_a_long_file_is_decoded_a_piece_at_a_time(tmp_path: Path) -> None:
    rows = 400_000
    text = "id,t,y\n" + "".join(f"é{number % 7},{number},1\n" for number in range(rows))
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("utf-16"))
    table = read([str(path)], time="t", series=["id"], targets=["y"])
    assert table.keys["id"].tolist() == [f"é{number}" for number in range(7)]
    assert (table.time == range(rows)).all()


def test_standard_input_may_be_in_any_encoding_and_compressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for content in (TEXT.encode("utf-16"), gzip.compress(TEXT.encode("utf-8-sig"))):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        table = read(["-"])
        assert table.keys["city"].tolist() == ["New\nYork", "Zürich"]
        assert table.line_index.location(2) == "stdin, line 5"


def test_bytes_that_are_not_utf_8_are_found_in_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode("latin-1"))
    lines = refused(path, "auto")
    assert lines[0].startswith("a.csv, line 2:")
    assert "1 more: lines that are not utf-8" in lines[1]
    assert "this looks like latin-1 (Windows-1252) — set data.encoding, such as latin-1" in lines[0]


@pytest.mark.parametrize(
    ("content", "codec", "line"),
    [
        (b"city,ds,y,note\na,2024-01-01,1,x\na,2024-01-02,2,\x81\n", "cp1252", 3),
        ("city,ds,y\na,2024-01-01,1\nb,2024-01-01,".encode("utf-16-le") + b"1", "utf-16-le", 3),
        (b"city,ds,y\na,2024-01-01,1\n\xe9,2024-01-01,2\n", "ascii", 3),
        (b"city,ds,y\n\x81,2024-01-01,1\n", "shift_jis", 2),
    ],
)
def test_bytes_that_are_not_in_the_encoding_given_are_found_in_their_line(
    tmp_path: Path, content: bytes, codec: str, line: int
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    (message,) = refused(path, codec)
    cure = "set data.encoding to the one the file is written in"
    assert message == f"a.csv, line {line}: bytes that are not {codec} — {cure}"


def test_utf_16_without_a_mark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode("utf-16-le"))
    (line,) = refused(path, "auto")
    assert "looks like UTF-16 without a byte-order mark — set data.encoding" in line


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_a_file_of_a_mark_alone_is_empty(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\n \n".encode(codec))
    (line,) = refused(path, "auto")
    assert line.startswith("a.csv: the file is empty")


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=40),
    codec=st.sampled_from(["auto", "utf-8", "utf-16-le", "utf-16", "cp1252", "shift_jis", "utf-7"]),
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, codec: str
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.csv"
    start = "ds,city,y\n2024-01-01,a,1\n2024-01-02,".encode("utf-8" if codec == "auto" else codec)
    path.write_bytes(start + content)
    refused = None
    try:
        table = read([str(path)], time="ds", series=["city"], targets=["y"], encoding=codec)
    except DataError as error:
        refused = error
    if refused:
        assert all(p.where or p.found.startswith("…") for p in refused.problems)
    else:
        assert len(table.time) >= 1


@pytest.mark.parametrize("name", ["latin-0", "hex", "rot13", "undefined", "", "utf-8\0"])
def test_a_name_that_is_no_encoding_of_text_is_refused_by_the_spec(name: str) -> None:
    with pytest.raises(ValidationError):
        DataSpec(path=("a.csv",), encoding=name)
