"""The data report: self-contained, escaped, bounded in size."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
from PIL import Image

from rnnforecast.data.cleaning.seasonality import Seasonality
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.profiling.coverage import Coverage, GapStatistics
from rnnforecast.data.profiling.example_series import ExampleSeries
from rnnforecast.data.profiling.grades import QualityGrade
from rnnforecast.data.profiling.profile import Profile
from rnnforecast.errors import Problem
from rnnforecast.output.data_report import plots
from rnnforecast.output.data_report.page import render_data_report

EVIL = '<script>alert("$x$")</script>'


def coverage(*rows: list[list[float]], label: str = "a") -> Coverage:
    """Rows [observed, filled, missing] of one series each, [3, T]."""
    shares = np.array(rows, dtype=np.float64)  # [G, 3, T]
    size = len(shares)
    return Coverage(
        observed_share=shares[:, 0],
        filled_share=shares[:, 1],
        missing_share=shares[:, 2],
        series_counts=np.ones(size, dtype=np.int64),
        row_labels=tuple(f"{label} {row}" for row in range(size)),
        edges=np.arange(shares.shape[2] + 1),
    )


def example(*values: float, pattern: int = 0) -> ExampleSeries:
    size = len(values)
    return ExampleSeries(
        label=EVIL,
        series=0,
        reason="the longest",
        timestamps=np.datetime64("2024-01-01", "us") + np.arange(size) * np.timedelta64(1, "D"),
        values=np.array(values),
        filled_mask=np.zeros(size, dtype=np.bool_),
        outlier_mask=np.zeros(size, dtype=np.bool_),
        seasonal_pattern=np.arange(float(pattern)),
    )


def profile(series: int = 8) -> Profile:
    rng = np.random.default_rng(0)
    observed = rng.random((min(series, 40), 50))
    rows = [[share, (1 - share) / 2, (1 - share) / 4] for share in observed]
    each = np.full(len(rows), series // len(rows), dtype=np.int64)
    return Profile(
        quality_grades=(
            QualityGrade("values", "good", "99% have a value"),
            QualityGrade("variation", "bad", f"none changes {EVIL}"),
        ),
        coverage=replace(coverage(*rows, label=EVIL), series_counts=each),
        gaps=GapStatistics(
            {"1 step": 5, "2-3 steps": 1}, 2, EVIL, np.datetime64("2024-01-05", "us")
        ),
        behind_counts={"1 step": 4},
        lengths=rng.integers(10, 90, series),
        medians=rng.lognormal(size=(series, 1)),
        value_ranges=np.array([[0.0, 1.0, 2500.0]]),
        missing_shares=np.zeros(1),
        relative_stds=np.ones((series, 1)),
        zero_share=0.25,
        negative_share=0.0,
        outlier_count=3,
        seasonality=Seasonality(7, 0.4, {7: 0.4}, (7,), (365,)),
        season_strengths={"7 steps (a week)": 0.4},
        unknown_seasons=("365 steps (a year)",),
        season_name="7 steps (a week)",
        phase_names=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        examples=(example(1.0, np.nan, 3.0, np.nan, 5.0, pattern=7),),
    )


def page(series: int = 8) -> str:
    return render_data_report(
        f"Data {EVIL}", profile(series), ["3 series", EVIL], (["series"], [[EVIL]]), targets=["y"]
    )


class Tags(HTMLParser):
    """Which tags are opened and not closed, and all sources of plots."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "source"):
            self.stack.append(tag)
        if tag == "img":
            self.sources.append(dict(attrs)["src"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    text = page()
    tags = Tags(text)
    assert tags.stack == []
    assert len(tags.sources) == 7
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)


def test_names_are_escaped() -> None:
    text = page()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_headline_comes_first_then_the_grades_with_their_symbols() -> None:
    text = page()
    places = ["✗ Not fit to use as it is: constant series.", "✓ good", "✗ bad", "<img"]
    assert sorted(places, key=text.index) == places


def test_the_page_names_the_longest_gap_and_the_share_of_zeros() -> None:
    text = page()
    assert "The longest gap is 2 steps of &lt;script&gt;" in text
    assert "from 2024-01-05." in text
    assert "25% of the values are zero." in text


def test_the_page_stays_small_with_many_series() -> None:
    assert len(page(2000)) < 1_000_000
    assert "A row stands for about 50 series" in page(2000)


def test_a_season_that_cannot_be_tested_is_unknown() -> None:
    assert "365 steps (a year): unknown" in " ".join(page().split())


def test_few_series_have_no_plots_of_their_differences() -> None:
    text = page(4)
    assert len(Tags(text).sources) == 4
    assert "Levels" not in text


def test_where_all_series_are_of_one_length_there_is_no_histogram_of_lengths() -> None:
    one = replace(profile(), lengths=np.full(8, 50))
    assert "Lengths" not in render_data_report("x", one, [], ([], []), targets=["y"])


def test_the_same_data_give_the_same_bytes() -> None:
    assert page() == page()


def test_the_settings_of_the_user_change_nothing() -> None:
    before = page()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "axes.grid": True}):
        assert page() == before


def test_letters_of_any_script_raise_no_warning() -> None:
    one = replace(
        profile(), gaps=GapStatistics({"売上 𓀀": 1}, 1, "売上", np.datetime64("2024", "us"))
    )
    assert "売上" in render_data_report("売上", one, [], ([], []), targets=["売上 𓀀"])


@pytest.mark.parametrize(
    "png",
    [
        plots.plot_coverage(coverage([[0.0], [0.0], [0.0]])),
        plots.plot_coverage(coverage([[1.0], [0.0], [0.0]], [[0.0], [0.0], [1.0]])),
        plots.plot_series_histogram(np.array([]), axis_label="y"),
        plots.plot_series_histogram(np.array([5.0, 5.0]), axis_label="y"),
        plots.plot_series_histogram(np.array([0.0, 0.0]), axis_label="y"),
        plots.plot_series_histogram(np.array([0.1, 0.1]), axis_label="y"),
        plots.plot_series_histogram(np.array([np.nan, 1e-9, 1e9]), axis_label="y"),
        plots.plot_series_histogram(np.array([-1e300, 1e300]), axis_label="y"),
        plots.plot_series_histogram(np.array([2.0**60, 2.0**60 + 256]), axis_label="y"),
        plots.plot_bars({"1 step": 3}, axis_label="gaps"),
        plots.plot_bars({"7 steps": 0.0}, axis_label="share", as_percent=True, highlight=""),
        plots.plot_examples([example(np.nan), example(1.0)]),
        plots.plot_examples([example(1.0, 2.0, pattern=365)]),
    ],
    ids=[
        "nowhere", "two series", "nothing", "constant", "zero", "a tenth", "wide", "huge",
        "huge integers",
        "one bar", "no season", "single values", "long season",
    ],
)  # fmt: skip
def test_extreme_data_can_be_plotted(png: bytes) -> None:
    image = Image.open(io.BytesIO(png))
    assert image.width > 100


def test_the_coverage_map_has_the_colors_of_its_legend() -> None:
    shares = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]]
    image = Image.open(io.BytesIO(plots.plot_coverage(coverage(shares))))
    found = {color for _, color in image.convert("RGB").getcolors(1 << 20) or []}
    for color in plots.COVERAGE_COLORS.values():
        assert tuple(int(color[i : i + 2], 16) for i in (1, 3, 5)) in found


def test_bins_of_integers_are_centered_on_them() -> None:
    edges, is_log = plots._histogram_edges(np.array([1.0, 2.0, 4.0]))
    assert edges.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert not is_log
    assert plots._histogram_edges(np.array([1.0, 60.0]))[1]


def test_each_plot_of_full_width_has_a_narrow_one_for_phones() -> None:
    sources = re.findall(r'<source media="\(max-width: 44rem\)" srcset="data:image/png', page())
    assert len(sources) == 2
    wide, narrow = (
        Image.open(io.BytesIO(plots.plot_examples([example(1.0, 2.0, pattern=7)], (), width)))
        for width in (plots.FIGURE_WIDTH, plots.HALF_WIDTH)
    )
    assert narrow.width == round(plots.HALF_WIDTH * plots.DPI)
    assert narrow.height == wide.height


def test_every_target_has_a_row_and_is_said_to_be_hidden_where_it_has_no_plot() -> None:
    names = ["Revenue (k€)", "Orders", EVIL]
    ranges = np.array([[0.0, 1.0, 2500.0], [1.0, 2.0, 1e30], [np.nan] * 3])
    one = replace(
        profile(4), value_ranges=ranges, missing_shares=np.array([0.0, 0.25, 1.0]),
        medians=np.ones((4, 3)),
    )  # fmt: skip
    text = " ".join(render_data_report("x", one, [], ([], []), targets=names).split())
    assert "<td>Revenue (k€)</td><td>–</td><td>0</td><td>1</td><td>2,500</td>" in text
    assert "<td>Orders</td><td>25%</td><td>1</td><td>2</td><td>1e+30</td>" in text
    assert "<td>100%</td><td>–</td><td>–</td><td>–</td>" in text
    assert "2 more targets are in the table only" in text
    assert "more targets" not in page()


def test_nothing_is_said_about_shading_and_repairs_where_there_are_none() -> None:
    whole = replace(profile(4), examples=(example(1.0, 2.0),), outlier_count=0)
    text = render_data_report("x", whole, [], (["series"], []), targets=["y"])
    assert "Shaded" not in text
    assert "Rings" not in text
    assert "most repairs" not in text
    assert "Shaded" in page()
    assert "most repairs" in page()


def test_doubtful_readings_come_first_and_are_marked() -> None:
    sure = ReadingNote(Problem("a.csv", "header in line 3", "set data.header_line"), False)
    doubtful = ReadingNote(Problem("a.csv", f"2 cells {EVIL}", "set clean.missing"), True)
    text = render_data_report(
        "x", profile(), [], ([], []), targets=["y"], notes=[sure, doubtful],
        calendar="Sundays are closed and left out.",
    )  # fmt: skip
    assert text.index('<li class="look">! a.csv: 2 cells &lt;script') < text.index("header in line")
    assert "Sundays are closed" in text
    assert text.index("1 reading of the files could be meant otherwise") < text.index("<img")
    assert "could be meant otherwise" not in page()
