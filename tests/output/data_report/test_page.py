"""The page about a data set: it stands alone, escapes what it is given, and stays small."""

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
from rnnforecast.data.profiling.coverage import Coverage, GapStatistics
from rnnforecast.data.profiling.example_series import ExampleSeries
from rnnforecast.data.profiling.grades import QualityGrade
from rnnforecast.data.profiling.profile import Profile
from rnnforecast.output.data_report import plots as pictures
from rnnforecast.output.data_report.page import render_data_report

EVIL = '<script>alert("$x$")</script>'


def cover(*rows: list[list[float]], label: str = "a") -> Coverage:
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
        reason="the longest",
        timestamps=np.datetime64("2024-01-01", "us") + np.arange(size) * np.timedelta64(1, "D"),
        values=np.array(values),
        filled_mask=np.zeros(size, dtype=np.bool_),
        outlier_mask=np.zeros(size, dtype=np.bool_),
        seasonal_pattern=np.arange(float(pattern)),
    )


def profile(series: int = 8) -> Profile:
    rng = np.random.default_rng(0)
    there = rng.random((min(series, 40), 50))
    rows = [[one, (1 - one) / 2, (1 - one) / 4] for one in there]
    coverage = cover(*rows, label=EVIL)
    each = np.full(len(rows), series // len(rows), dtype=np.int64)
    return Profile(
        quality_grades=(
            QualityGrade("values", "good", "99% have a value"),
            QualityGrade("alive", "bad", f"none changes {EVIL}"),
        ),
        coverage=replace(coverage, series_counts=each),
        gaps=GapStatistics(
            {"1 step": 5, "2-3 steps": 1}, 2, EVIL, np.datetime64("2024-01-05", "us")
        ),
        behind_counts={"1 step": 4},
        lengths=rng.integers(10, 90, series),
        medians=rng.lognormal(size=(series, 1)),
        relative_stds=np.ones((series, 1)),
        zero_share=0.25,
        negative_share=0.0,
        outlier_count=3,
        seasonality=Seasonality(7, 0.4, {7: 0.4, 365: 0.01}),
        season_strengths={"7 steps (a week)": 0.4, "365 steps (a year)": 0.01},
        season_name="7 steps (a week)",
        phase_names=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        examples=(example(1.0, np.nan, 3.0, np.nan, 5.0, pattern=7),),
    )


def made(series: int = 8) -> str:
    return render_data_report(
        f"Data {EVIL}", profile(series), ["3 series", EVIL], (["series"], [[EVIL]]), targets=["y"]
    )


class Tags(HTMLParser):
    """Which tags are opened and not closed, and all sources of pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.stack.append(tag)
        if tag == "img":
            self.sources.append(dict(attrs)["src"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


def test_it_is_whole_and_needs_nothing_from_elsewhere() -> None:
    text = made()
    tags = Tags(text)
    assert tags.stack == []
    assert len(tags.sources) == 7
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)


def test_names_of_any_kind_do_no_harm() -> None:
    text = made()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_headline_comes_first_then_verdicts_with_a_sign_beside_their_colour() -> None:
    text = made()
    places = ["✗ Not fit to use as it is: constant series.", "✓ good", "✗ bad", "<img"]
    assert sorted(places, key=text.index) == places


def test_it_says_the_longest_gap_and_what_share_is_zero() -> None:
    text = made()
    assert "The longest gap is 2 steps of &lt;script&gt;" in text
    assert "from 2024-01-05." in text
    assert "25% of the values are zero." in text


def test_it_stays_small_with_many_series() -> None:
    assert len(made(2000)) < 1_000_000
    assert "a row stands for about 50 series" in made(2000)


def test_few_series_are_shown_themselves_not_how_they_spread() -> None:
    text = made(4)
    assert len(Tags(text).sources) == 4
    assert "Levels" not in text


def test_where_all_series_are_of_one_length_there_is_no_picture_of_lengths() -> None:
    one = replace(profile(), lengths=np.full(8, 50))
    assert "Lengths" not in render_data_report("x", one, [], ([], []), targets=["y"])


def test_the_same_data_give_the_same_bytes() -> None:
    assert made() == made()


def test_the_settings_of_the_user_change_nothing() -> None:
    before = made()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "axes.grid": True}):
        assert made() == before


def test_letters_of_any_script_raise_no_warning() -> None:
    one = replace(
        profile(), gaps=GapStatistics({"売上 𓀀": 1}, 1, "売上", np.datetime64("2024", "us"))
    )
    assert "売上" in render_data_report("売上", one, [], ([], []), targets=["売上 𓀀"])


@pytest.mark.parametrize(
    "png",
    [
        pictures.plot_coverage(cover([[0.0], [0.0], [0.0]])),
        pictures.plot_coverage(cover([[1.0], [0.0], [0.0]], [[0.0], [0.0], [1.0]])),
        pictures.plot_histogram(np.array([]), axis_label="y"),
        pictures.plot_histogram(np.array([5.0, 5.0]), axis_label="y"),
        pictures.plot_histogram(np.array([0.0, 0.0]), axis_label="y"),
        pictures.plot_histogram(np.array([0.1, 0.1]), axis_label="y"),
        pictures.plot_histogram(np.array([np.nan, 1e-9, 1e9]), axis_label="y"),
        pictures.plot_histogram(np.array([-1e300, 1e300]), axis_label="y"),
        pictures.plot_bars({"1 step": 3}, axis_label="gaps"),
        pictures.plot_bars({"7 steps": 0.0}, axis_label="share", as_percent=True, highlight=""),
        pictures.plot_examples([example(np.nan), example(1.0)]),
        pictures.plot_examples([example(1.0, 2.0, pattern=365)]),
    ],
    ids=[
        "nowhere", "two series", "nothing", "constant", "zero", "a tenth", "wide", "huge",
        "one bar", "no season", "single values", "long season",
    ],
)  # fmt: skip
def test_odd_data_make_pictures_too(png: bytes) -> None:
    image = Image.open(io.BytesIO(png))
    assert image.width > 100


def test_coverage_has_the_colours_of_its_legend() -> None:
    shares = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]]
    image = Image.open(io.BytesIO(pictures.plot_coverage(cover(shares))))
    found = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    for colour in (
        pictures.OBSERVED_COLOR,
        pictures.FILLED_COLOR,
        pictures.MISSING_COLOR,
        pictures.OUTSIDE_COLOR,
    ):
        assert tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) in found


def test_bars_hold_whole_numbers_each() -> None:
    edges, wide = pictures._histogram_edges(np.array([1.0, 2.0, 4.0]))
    assert edges.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert not wide
    assert pictures._histogram_edges(np.array([1.0, 60.0]))[1]
