"""The page about a data set: it stands alone, escapes what it is given, and stays small."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from rnnforecast.data.profile import Profile, Verdict
from rnnforecast.data.season import Season
from rnnforecast.output import data_pictures as pictures
from rnnforecast.output.data_page import page

EVIL = '<script>alert("$x$")</script>'


def profile(series: int = 3) -> Profile:
    rng = np.random.default_rng(0)
    observed = rng.random((min(series, 40), 50))
    observed[0, :10] = np.nan
    return Profile(
        observed=observed,
        filled=(1 - observed) / 2,
        rows=tuple(f"{EVIL} {row}" for row in range(len(observed))),
        edges=tuple(map(str, range(51))),
        gaps={"1 step": 5, "2-3 steps": 1},
        lengths=rng.integers(10, 90, series),
        levels=rng.lognormal(size=(series, 1)),
        season=Season(7, 0.4, {7: 0.4, 365: 0.01}),
        examples=((EVIL, np.array([1.0, np.nan, 3.0, np.nan, 5.0])),),
        verdicts=(
            Verdict("values", "good", "99% have a value"),
            Verdict("alive", "bad", f"none changes {EVIL}"),
        ),
        looked_at=series,
        series=10 * series,
    )


def made(series: int = 3) -> str:
    return page(
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
    assert len(tags.sources) == 6
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)


def test_names_of_any_kind_do_no_harm() -> None:
    text = made()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_verdicts_come_first_and_have_a_sign_beside_their_colour() -> None:
    text = made()
    assert text.index("✓ good") < text.index("✗ bad") < text.index("<img")


def test_it_stays_small_with_many_series() -> None:
    assert len(made(2000)) < 1_000_000
    assert "a row stands for about 50 series (2,000 of 20,000 series, evenly spread)" in made(2000)


def test_the_same_data_give_the_same_bytes() -> None:
    assert made() == made()


@pytest.mark.parametrize(
    "png",
    [
        pictures.coverage(np.array([[np.nan]]), np.array([[np.nan]]), ["a"], ["0", "1"]),
        pictures.histogram(np.array([]), unit="y"),
        pictures.histogram(np.array([5.0, 5.0]), unit="y"),
        pictures.histogram(np.array([np.nan, 1e-9, 1e9]), unit="y"),
        pictures.bars({"1 step": 3}, unit="gaps"),
        pictures.examples([("a", np.array([np.nan])), ("b", np.array([1.0]))], unit="steps"),
    ],
    ids=["nowhere", "nothing", "constant", "wide", "one bar", "single values"],
)
def test_odd_data_make_pictures_too(png: bytes) -> None:
    image = Image.open(io.BytesIO(png))
    assert image.width > 100


def test_coverage_has_the_colours_of_its_legend() -> None:
    shares = (np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]]))
    image = Image.open(io.BytesIO(pictures.coverage(*shares, ["a"], ["0", "1", "2", "3"])))
    found = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    for colour in (pictures.OBSERVED, pictures.FILLED, pictures.MISSING):
        assert tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) in found
