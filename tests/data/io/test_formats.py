"""File formats: their detection by extension or by the first bytes of standard input."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.io.find_files import table_extensions
from rnnforecast.data.io.frame_source import from_frame
from rnnforecast.data.io.input_files import scan_files
from rnnforecast.registry import FILE_FORMATS
from tests.data.tables import read

FRAME = pd.DataFrame({"id": ["b", "a", "b"], "t": [1, 1, 2], "y": [1.5, np.nan, 3.0]})


def as_bytes(name: str) -> bytes:
    """The frame as pandas writes it in the format."""
    content = io.BytesIO()
    options = {} if name == "parquet" else {"index": False}
    getattr(FRAME, f"to_{name}")(content, **options)
    return content.getvalue()


def test_the_formats_and_their_extensions_are_those_of_the_registry() -> None:
    assert {"csv", "parquet"} <= set(FILE_FORMATS.names())
    assert "csv" in FILE_FORMATS.having("text")
    assert set(table_extensions()) >= {".csv", ".tsv.gz", ".parquet"}


@pytest.mark.parametrize("name", FILE_FORMATS.names())
def test_every_format_gives_the_same_table_from_a_file_and_from_standard_input(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{FILE_FORMATS.literal(name, 'EXTENSIONS')[0].upper()}"
    path.write_bytes(as_bytes(name))
    for source in (str(path), "-"):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(as_bytes(name))))
        table = read([source], time="t", series=["id"], targets=["y"])
        assert table.keys["id"].tolist() == ["a", "b"]
        np.testing.assert_array_equal(table.values[:, 0], FRAME["y"])
        assert table.time.tolist() == [1, 1, 2]


@pytest.mark.parametrize("name", FILE_FORMATS.names())
def test_every_reader_numbers_its_rows_and_has_them_as_text(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{FILE_FORMATS.literal(name, 'EXTENSIONS')[0]}"
    path.write_bytes(as_bytes(name))
    (file,) = scan_files([str(path)])
    reader = file.reader
    records = list(reader.records())
    assert [line for line, _ in records] == list(reader.line_numbers())
    assert str(records[0][0]) in reader.location(records[0][0])
    assert [cells[:2] for _, cells in records] == [["b", "1"], ["a", "1"], ["b", "2"]]
    assert [cells[2] for _, cells in records] == ["1.5", "", "3.0" if name == "csv" else "3"]
    assert reader.numeric_columns == (frozenset() if name == "csv" else {"t", "y"})


@pytest.mark.parametrize("name", FILE_FORMATS.names())
def test_a_worker_process_gets_every_reader_and_reads_the_same_rows(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{FILE_FORMATS.literal(name, 'EXTENSIONS')[0]}"
    path.write_bytes(as_bytes(name))
    for file in (*scan_files([str(path)]), *scan_files([from_frame(FRAME)])):
        received = pickle.loads(pickle.dumps(file.reader))
        assert list(received.records()) == list(file.reader.records())
