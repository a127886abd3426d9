"""Forecast and loss plots: their labels, extreme series, and reproducible bytes."""

from __future__ import annotations

import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from rnnforecast.errors import OutputError
from rnnforecast.output.forecast_plots import _plot_line, plot_forecast, plot_loss, safe_file_stem

_PNG = b"\x89PNG\r\n\x1a\n"


def _plot(stem: Path, *, steps: int = 80, horizon: int = 6, **changes: Any) -> tuple[Path, Path]:
    time = np.datetime64("2024-01-01", "us") + np.arange(steps + horizon) * np.timedelta64(1, "D")
    values = 100 + 10 * np.sin(np.arange(steps + horizon) / 3)
    ahead = values[steps:]
    given: dict[str, Any] = {
        "label": "store 1",
        "target": "sales",
        "history_timestamps": time[:steps],
        "history": values[:steps],
        "forecast_timestamps": time[steps:],
        "yhat": ahead,
        "intervals": [(0.8, ahead - 5, ahead + 5), (0.95, ahead - 9, ahead + 9)],
        "baseline": ("seasonal naive", ahead + 3),
    }
    return plot_forecast(stem, **{**given, **changes})


def _words(svg: Path) -> list[str]:
    tree = ET.parse(svg)
    return ["".join(node.itertext()).strip() for node in tree.iter() if node.tag.endswith("}text")]


def test_only_both_files_are_written(tmp_path: Path) -> None:
    png, svg = _plot(tmp_path / "plots" / "v1.5")
    assert (png.name, svg.name) == ("v1.5.png", "v1.5.svg")
    assert png.read_bytes().startswith(_PNG)
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert sorted(path.name for path in png.parent.iterdir()) == ["v1.5.png", "v1.5.svg"]


def test_the_plot_labels_what_it_shows(tmp_path: Path) -> None:
    _, svg = _plot(tmp_path / "a", note="sMAPE 4.2", actual=np.full(6, 100.0))
    words = _words(svg)
    assert {"store 1", "sales", "origin", "80 % interval", "95 % interval"} <= set(words)
    assert {"history", "forecast", "seasonal naive", "actual"} <= set(words)
    assert "last 50 of 80 steps, forecast of 6 · sMAPE 4.2" in words


def test_a_line_on_top_is_over_those_drawn_later() -> None:
    axes = Figure().subplots()
    _plot_line(axes, np.arange(3), np.arange(3.0), "actual", color="black", on_top=True)
    _plot_line(axes, np.arange(3), np.arange(3.0), "forecast", color="blue")
    drawn = sorted(axes.lines, key=lambda line: line.get_zorder())  # in matplotlib's order
    assert [line.get_label() for line in drawn] == ["forecast", "actual"]


def test_the_actual_values_and_the_naive_forecast_are_there_only_if_given(tmp_path: Path) -> None:
    _, svg = _plot(tmp_path / "a", baseline=None, intervals=[])
    assert {"history", "forecast"} <= set(_words(svg))
    assert not {"actual", "seasonal naive", "80 % interval"} & set(_words(svg))


def test_years_as_numbers_are_written_as_years(tmp_path: Path) -> None:
    years = {
        "history_timestamps": np.arange(1950, 2030),
        "forecast_timestamps": np.arange(2030, 2036),
    }
    _, svg = _plot(tmp_path / "a", **years)
    words = _words(svg)
    assert {"2000", "2020", "time"} <= set(words)
    assert not [word for word in words if "," in word and word.replace(",", "").isdigit()]


@pytest.mark.parametrize(
    ("factor", "label"),
    [
        (1.0, "sales"),
        (1e4, "sales (million)"),
        (1e8, "sales (billion)"),
        (1e11, "sales (trillion)"),
        (1e19, "sales (\N{MULTIPLICATION SIGN}10²¹)"),
        (1e-8, "sales (\N{MULTIPLICATION SIGN}10⁻⁶)"),
    ],
)
def test_huge_and_tiny_values_have_short_ticks_and_a_scale(
    tmp_path: Path, factor: float, label: str
) -> None:
    history = np.full(80, 100.0) * factor
    ahead = np.full(6, 100.0) * factor
    _, svg = _plot(
        tmp_path / "a", history=history, yhat=ahead, baseline=("naive", ahead), intervals=[]
    )
    words = _words(svg)
    assert label in words
    assert max(len(word) for word in words if word.replace(".", "").isdigit()) <= 4


def test_the_same_numbers_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from rnnforecast.output.forecast_plots import plot_loss\n"
        "plot_loss(Path(sys.argv[1]), np.arange(9), np.arange(9.0), np.arange(9.0) + 1, 3)\n"
    )
    here = plot_loss(tmp_path / "a", np.arange(9), np.arange(9.0), np.arange(9.0) + 1, 3)
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b")], check=True, timeout=60)
    for path in here:
        assert path.read_bytes() == path.with_stem("b").read_bytes()
    first = [path.read_bytes() for path in _plot(tmp_path / "c")]
    assert first == [path.read_bytes() for path in _plot(tmp_path / "c")]
    assert b"<dc:date>" not in first[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"horizon": 1},
        {"steps": 1},
        {"steps": 0},
        {"history": np.full(80, np.nan)},
        {"yhat": np.full(6, np.nan), "intervals": []},
        {"history": np.zeros(80), "yhat": np.zeros(6), "baseline": None, "intervals": []},
        {"history": np.where(np.arange(80) % 2, 5.0, np.nan)},
        {"label": "$x_1$ is $ \\frac{ and {\n\t東京" * 9, "target": "$y"},
        {"label": ""},
        {
            "history_timestamps": np.arange(80),
            "forecast_timestamps": np.arange(80, 86),
        },
    ],
)
def test_extreme_series_are_plotted_without_a_warning(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png, svg = _plot(tmp_path / "a", **changes)
    assert png.read_bytes().startswith(_PNG)
    ET.parse(svg)


def test_a_long_label_is_shortened_in_the_middle(tmp_path: Path) -> None:
    _, svg = _plot(tmp_path / "a", label="first " + "x" * 300 + " last")
    title = next(word for word in _words(svg) if word.startswith("first"))
    assert title.endswith("last")
    assert "…" in title
    assert len(title) <= 78


def test_the_loss_plot_marks_the_kept_step(tmp_path: Path) -> None:
    steps = np.arange(0, 2001, 100)
    train = np.exp(-steps / 300) + 0.01
    validation = np.where(steps % 500 == 0, train + 0.1, np.nan)
    _, svg = plot_loss(tmp_path / "loss", steps, train, validation, best_step=1500)
    shown = set(_words(svg))
    assert {"training", "validation", "kept: step 1,500", "2,000 steps, 5 validations"} <= shown


def test_a_training_without_validation_has_a_plot(tmp_path: Path) -> None:
    missing = np.full(3, np.nan)
    png, _ = plot_loss(tmp_path / "loss", np.arange(3), np.ones(3), missing)
    assert png.read_bytes().startswith(_PNG)
    plot_loss(tmp_path / "none", np.arange(0), np.ones(0), np.ones(0))


def test_drawing_changes_no_setting_of_matplotlib(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    _plot(tmp_path / "a")
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or _pyplot_has_no_figure()


def _pyplot_has_no_figure() -> bool:
    import matplotlib.pyplot as plt

    return plt.get_fignums() == []


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("a file")
    with pytest.raises(OutputError, match="could not be written"):
        _plot(tmp_path / "plots" / "a")


def test_stems_are_readable_and_never_the_same() -> None:
    stems: list[str] = []
    for label in ["1/7", "1_7", "1 7", "ab", "AB", "Москва", "../../etc", "", "///", "nul", "v1.5"]:
        stems.append(safe_file_stem(label, stems))
    assert stems == [
        "1_7", "1_7-2", "1_7-3", "ab", "AB-2", "Москва", "etc", "series", "series-2",
        "series_nul", "v1.5",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=300), max_size=8))
def test_any_labels_give_different_safe_names(labels: list[str]) -> None:
    stems: list[str] = []
    for label in labels:
        stems.append(safe_file_stem(label, stems))
    assert len({stem.casefold() for stem in stems}) == len(labels)
    for stem in stems:
        assert 0 < len(stem.encode()) <= 110
        assert not set(stem) & set('/\\:*?"<>|\0\n ')
        assert stem[0] not in ".-"
