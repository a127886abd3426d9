"""Forecast and loss plots: their labels, extreme series, and reproducible bytes."""

from __future__ import annotations

import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rnnforecast.errors import OutputError
from rnnforecast.output import forecast_plots
from rnnforecast.output.forecast_plots import (
    MarkedSteps,
    plot_forecast,
    safe_file_stem,
    shown_steps,
)
from rnnforecast.output.line_plots import plot_line
from rnnforecast.output.loss_plot import plot_loss

_PNG = b"\x89PNG\r\n\x1a\n"


def _plot(stem: Path, *, steps: int = 80, horizon: int = 6, **changes: Any) -> tuple[Path, Path]:
    time = np.datetime64("2024-01-01", "us") + np.arange(steps + horizon) * np.timedelta64(1, "D")
    values = 100 + 10 * np.sin(np.arange(steps + horizon) / 3)
    ahead = values[steps:]
    given: dict[str, Any] = {
        "title": "store 1",
        "target": "sales",
        "history_timestamps": time[:steps],
        "history": values[:steps],
        "forecast_timestamps": time[steps:],
        "yhat": ahead,
        "intervals": [(0.8, ahead - 5, ahead + 5), (0.95, ahead - 9, ahead + 9)],
        "baseline": ("seasonal naive", ahead + 3),
    }
    plot_forecast(stem, **{**given, **changes})
    return stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")


def svg_texts(svg: Path) -> list[str]:
    """The texts of an SVG."""
    tree = ET.parse(svg)
    return ["".join(node.itertext()).strip() for node in tree.iter() if node.tag.endswith("}text")]


def test_only_both_files_are_written(tmp_path: Path) -> None:
    png, svg = _plot(tmp_path / "plots" / "v1.5")
    assert (png.name, svg.name) == ("v1.5.png", "v1.5.svg")
    assert png.read_bytes().startswith(_PNG)
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert sorted(path.name for path in png.parent.iterdir()) == ["v1.5.png", "v1.5.svg"]


def test_the_plot_labels_what_it_shows(tmp_path: Path) -> None:
    _, svg = _plot(tmp_path / "a", subtitle="Jan to May 2024", actual=np.full(6, 100.0))
    words = svg_texts(svg)
    assert {"store 1", "sales", "origin", "80 % interval", "95 % interval"} <= set(words)
    assert {"history", "forecast", "seasonal naive", "actual"} <= set(words)
    assert {"Jan to May 2024", "the whole history"} <= set(words)


@contextmanager
def _drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    """The figures that are drawn meanwhile, instead of being written."""
    figures: list[Figure] = []

    def keep(figure: Figure, stem: Path) -> tuple[Path, Path]:
        figures.append(figure)
        return stem, stem

    with monkeypatch.context() as context:
        context.setattr(forecast_plots, "save_png_and_svg", keep)
        yield figures


def _lines(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axes.lines}


def test_forecast_and_actual_values_begin_at_the_last_value_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = 100 + np.arange(80.0)
    with _drawn(monkeypatch) as figures:
        _plot(tmp_path, history=history, actual=np.full(6, 150.0))
        _plot(tmp_path, history=np.r_[history[:-1], np.nan])
    lines = _lines(figures[0].axes[0])
    last = lines["history"].get_xydata()[-1].tolist()
    for name in ("forecast", "actual"):
        assert lines[name].get_xydata()[0].tolist() == last
        assert len(lines[name].get_xydata()) == 7
    bands = [
        one.get_datalim(figures[0].axes[0].transData) for one in figures[0].axes[0].collections
    ]
    assert all(band.x0 == pytest.approx(last[0]) for band in bands)
    unjoined = _lines(figures[1].axes[0])["forecast"]
    assert len(unjoined.get_xydata()) == 6  # the last value is missing


def test_actual_values_differ_from_history_and_forecast_in_color(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _drawn(monkeypatch) as figures:
        _plot(tmp_path, actual=np.full(6, 150.0))
    lines = _lines(figures[0].axes[0])
    colors = {name: lines[name].get_color() for name in ("history", "forecast", "actual")}
    assert len(set(colors.values())) == 3
    assert lines["seasonal naive"].get_color() not in colors.values()


@pytest.mark.parametrize(
    ("season", "horizon", "steps"),
    [
        (48, 48, 96),  # two days of half hours
        (48, 336, 336),  # as much as is forecast
        (336, 48, 384),  # eight horizons, fewer than two weeks
        (52, 13, 104), (12, 12, 24), (7, 28, 28), (1, 1, 24),
    ],
)  # fmt: skip
def test_two_seasons_are_shown_and_a_forecast_is_never_narrow(
    season: int, horizon: int, steps: int
) -> None:
    assert shown_steps(season, horizon) == steps
    assert horizon / (steps + horizon) >= 1 / 25


def test_a_long_history_is_shown_as_a_whole_in_a_second_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _drawn(monkeypatch) as figures:
        _plot(tmp_path, steps=5000, horizon=48, season=48)
        _plot(tmp_path, steps=30)
    zoom, whole = figures[0].axes
    assert len(_lines(zoom)["history"].get_xydata()) == 96
    first, last = (zoom.dataLim.x0, zoom.dataLim.x1)
    assert (whole.dataLim.x0, whole.dataLim.x1) == (pytest.approx(last - 5047), last)
    assert last - first == 96 + 47
    assert whole.bbox.height < zoom.bbox.height / 3
    assert len(figures[1].axes) == 1


def test_the_range_of_a_long_history_has_its_extremes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = np.ones(20_000)
    history[7], history[8] = 500.0, -300.0
    with _drawn(monkeypatch) as figures:
        _plot(tmp_path, steps=20_000, history=history)
    whole = figures[0].axes[1]
    assert whole.dataLim.y1 == pytest.approx(500)
    assert whole.dataLim.y0 == pytest.approx(-300)
    assert sum(len(path.vertices) for one in whole.collections for path in one.get_paths()) < 2500


def test_closed_days_take_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = pd.bdate_range("2024-01-01", periods=86).to_numpy().astype("datetime64[us]")
    with _drawn(monkeypatch) as figures:
        _plot(tmp_path, history_timestamps=days[:80], forecast_timestamps=days[80:],
              has_closed_steps=True)  # fmt: skip
    axes = figures[0].axes[0]
    lines = _lines(axes)
    x = np.r_[lines["history"].get_xdata(), lines["seasonal naive"].get_xdata()]
    assert set(np.diff(x)) == {1.0}
    shown = days[-len(x) :]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert len(labels) >= 3
    for position, label in zip(axes.get_xticks(), labels, strict=True):
        day = pd.Timestamp(shown[int(position)])
        assert day.strftime("%d %b") == label or day.day <= 3 or day.weekday() == 0


def test_marked_steps_are_shaded_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promo = np.zeros(80, dtype=np.bool_)
    promo[[70, 71, 75]] = True
    ahead = np.array([False, True, True, True, False, True])
    with _drawn(monkeypatch) as figures:
        _plot(tmp_path, marked=MarkedSteps("promo", promo, ahead))
    axes = figures[0].axes[0]
    handles, labels = axes.get_legend_handles_labels()
    shaded = dict(zip(labels, handles, strict=True))["promo"]
    widths = [path.get_extents().width for path in shaded.get_paths()]
    np.testing.assert_allclose(widths, [2, 1, 3, 1])  # days


def test_a_line_on_top_is_over_those_drawn_later() -> None:
    axes = Figure().subplots()
    plot_line(axes, np.arange(3), np.arange(3.0), "actual", color="black", on_top=True)
    plot_line(axes, np.arange(3), np.arange(3.0), "forecast", color="blue")
    drawn = sorted(axes.lines, key=lambda line: line.get_zorder())  # in matplotlib's order
    assert [line.get_label() for line in drawn] == ["forecast", "actual"]


def test_the_actual_values_and_the_naive_forecast_are_there_only_if_given(tmp_path: Path) -> None:
    _, svg = _plot(tmp_path / "a", baseline=None, intervals=[])
    assert {"history", "forecast"} <= set(svg_texts(svg))
    assert not {"actual", "seasonal naive", "80 % interval"} & set(svg_texts(svg))


def test_years_as_numbers_are_written_as_years(tmp_path: Path) -> None:
    years = {
        "history_timestamps": np.arange(1950, 2030),
        "forecast_timestamps": np.arange(2030, 2036),
    }
    _, svg = _plot(tmp_path / "a", **years)
    words = svg_texts(svg)
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
    words = svg_texts(svg)
    assert label in words
    assert max(len(word) for word in words if word.replace(".", "").isdigit()) <= 4


@pytest.mark.parametrize(
    ("target", "label"),
    [
        ("Revenue (k€)", "Revenue (million k€)"),
        ("Load [MW]", "Load [million MW]"),
        ("sales (net) 2", "sales (net) 2 (million)"),
    ],
)
def test_the_scale_stands_before_the_unit_in_a_name(
    tmp_path: Path, target: str, label: str
) -> None:
    _, svg = _plot(tmp_path / "a", target=target, history=np.full(80, 5e6))
    assert label in svg_texts(svg)


def test_the_same_numbers_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from rnnforecast.output.loss_plot import plot_loss\n"
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
        {"title": "$x_1$ is $ \\frac{ and {\n\t東京" * 9, "target": "$y"},
        {"title": "\x1b[31mred\x1b[0m\x07 \u202eturned\u202c 😀"},
        {"title": ""},
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
    _, svg = _plot(tmp_path / "a", title="first " + "x" * 300 + " last")
    title = next(word for word in svg_texts(svg) if word.startswith("first"))
    assert title.endswith("last")
    assert "…" in title
    assert len(title) <= 78


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
