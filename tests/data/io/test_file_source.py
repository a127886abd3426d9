"""Bytes of input files: gzip, zip archives, pipes, files of other formats, and broken ones."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnnforecast.data.io import table as table_module
from rnnforecast.data.io.find_files import find_paths
from rnnforecast.data.io.formats import csv as csv_format
from rnnforecast.errors import DataError
from tests.data.tables import read

DAYS = np.arange("2024-01-01", "2024-02-01", dtype="datetime64[D]")
TEXT = "ds,y\n" + "".join(f"{day},{number}\n" for number, day in enumerate(DAYS))


def zipped(**members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read([str(path)])
    assert caught.value.exit_code == 4
    assert all(problem.cure for problem in caught.value.problems)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.zip"])
@pytest.mark.parametrize("kind", ["plain", "gzip", "zip"])
def test_compression_is_known_by_content(
    tmp_path: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"plain": TEXT.encode(), "gzip": gzip.compress(TEXT.encode())}.get(kind)
    content = content or zipped(**{"in/a.csv": TEXT, "__MACOSX/in/._a.csv": "x", "in/.hidden": ""})
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    for source in (str(tmp_path / name), "-"):
        table = read([source])
        assert table.values[:, 0].tolist() == list(range(31))
        assert table.line_index.location(30).endswith("line 32")


@pytest.mark.parametrize(
    ("members", "listed"),
    [
        ({"a.csv": TEXT, "b.csv": TEXT}, "'a.csv', 'b.csv'"),
        ({"a.csv": TEXT, "notes.pdf": "x"}, "'a.csv', 'notes.pdf'"),
        ({"a.parquet": "x"}, "'a.parquet'"),
        ({}, "no file"),
    ],
)
def test_an_archive_without_exactly_one_table_is_refused_with_its_members(
    tmp_path: Path, members: dict[str, str], listed: str
) -> None:
    assert f"the archive holds {listed}; expected exactly one CSV" in refused(
        tmp_path / "a.zip", zipped(**members) if members else zipped(**{"folder/": ""})
    )


def test_archives_and_compressed_files_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-01,{number}\n" for number in range(5000))
    for name, whole in (
        ("a.zip", zipped(**{"a.csv": TEXT + rows})),
        ("a.csv.gz", gzip.compress((TEXT + rows).encode())),
    ):
        for end in (len(whole) // 2, len(whole) - 4, 40):
            assert "not a complete" in refused(tmp_path / name, whole[:end])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html>\n<html><body>Please log in</body></html>", "web page"),
        (b"\xef\xbb\xbf\n <HTML>\n", "web page"),
        (b'<?xml version="1.0"?><rows/>', "XML"),
        (b'[{"ds": "2024-01-01", "y": 1}]', "JSON"),
        (b'{\n  "data": []}', "JSON"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"PAR1\x15\x00", "Parquet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}), "Excel"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"\xfd7zXZ\x00", "compressed"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_a_file_of_another_format_is_called_by_its_name(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    assert kind in refused(tmp_path / "a.csv", content)


def test_zeros_are_no_text_and_utf_16_is_named_with_its_byte_order(tmp_path: Path) -> None:
    assert "NUL bytes (5,000 of the first 5,000)" in refused(tmp_path / "a.csv", b"\0" * 5000)
    assert "NUL bytes" in refused(tmp_path / "a.csv", TEXT.encode() + b"\0" * 99)
    for encoding in ("utf-16-le", "utf-16-be"):
        content = TEXT.encode(encoding)
        assert f"set data.encoding to {encoding}" in refused(tmp_path / "a.csv", content)
        assert len(read([str(tmp_path / "a.csv")], encoding=encoding).time) == 31


@pytest.mark.parametrize("given", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["-le", "-be", ""])
def test_utf_16_and_utf_32_are_read_without_a_mark_if_they_are_given(
    tmp_path: Path, given: str, order: str
) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT.encode(given + order))
    assert len(read([str(tmp_path / "a.csv")], encoding=given).time) == 31


@pytest.mark.parametrize("encoding", ["idna", "punycode", "utf-7", "unicode_escape", "utf-8"])
def test_no_encoding_leads_to_an_unexpected_error(tmp_path: Path, encoding: str) -> None:
    for content in (TEXT.encode(), "ds,y\n2024-01-01,ü\n".encode("latin-1"), b"\\x\n+AGE\n"):
        (tmp_path / "a.csv").write_bytes(content)
        try:
            read([str(tmp_path / "a.csv")], encoding=encoding)
        except DataError:
            continue


def test_a_line_without_end_and_a_quote_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_format, "_MAX_LINE", 1 << 16)
    assert "a line of more than 65,536 characters" in refused(tmp_path / "a.csv", b"1," * 40_000)
    long = TEXT.encode() + b"2024-02-01," + b" 1," * 30_000
    assert "line 33: a line of more than 65,536" in refused(tmp_path / "a.csv", long)
    quoted = TEXT.encode() + b'2024-02-01,"1\n' + TEXT.encode() * 400
    assert "line 33: a cell that goes on for more than 100,000" in refused(
        tmp_path / "a.csv", quoted
    )


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(TEXT.encode()),))
    writer.start()
    table = read([str(pipe)])
    writer.join()
    assert table.values[:, 0].tolist() == list(range(31))
    assert table.line_index.location(3) == f"{pipe}, line 5"


@pytest.mark.parametrize("stdin", [None, "closed"])
def test_a_closed_standard_input_is_refused(
    stdin: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    monkeypatch.setattr("sys.stdin", stream if stdin else None)
    with pytest.raises(DataError, match="stdin: standard input is closed"):
        read(["-"])


def test_a_file_that_vanishes_after_it_was_read_costs_only_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TEXT, encoding="utf-8")
    table = read([str(path)])
    path.unlink()
    assert table.line_index.location(3, "y") == "a.csv, row 4, column 'y'"


def test_a_file_that_vanishes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TEXT * 20, encoding="utf-8")
    infer = table_module.infer_column_roles

    def vanish(*arguments: Any) -> Any:
        path.unlink()
        return infer(*arguments)

    monkeypatch.setattr(table_module, "infer_column_roles", vanish)
    with pytest.raises(DataError, match=r"a\.csv: cannot be read \(No such file"):
        read([str(path)], targets=["y"])


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b.csv", "~nobody-at-all/a.csv", "a/" * 3000])
def test_a_path_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(DataError) as caught:
        read([name])
    assert len(str(caught.value)) < 1000


def test_a_folder_may_be_named_like_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "x.csv"
    folder.mkdir()
    with pytest.raises(DataError, match="no file in this folder has a known extension"):
        read([str(folder)])
    (folder / "a.csv").write_text(TEXT, encoding="utf-8")
    assert len(read([str(folder)]).time) == 31


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")
    Path(path).write_text(TEXT, encoding="utf-8")
    for source in (path, str(tmp_path / "*.csv"), str(tmp_path)):
        with pytest.raises(DataError, match=r"caf\?\.csv: the name is not UTF-8.* — rename"):
            find_paths(source)
