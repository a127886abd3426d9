"""The report in headless Chromium: no errors, search, zoom, narrow windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.output.forecast_report.browser import CHROMIUM, Browser, headless_chromium
from tests.output.forecast_report.pages import NAMES, report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome")

N_SERIES = 300
LISTED = "[...document.querySelectorAll('#names button')].map(b => b.firstChild.textContent)"
SHOWN = "document.getElementById('name').textContent"
PLOT_BOX = (
    "(r => [r.left, r.top, r.width])(document.querySelector('#plot svg').getBoundingClientRect())"
)
TICKS = "[...document.querySelectorAll('#plot .tick text')].map(t => t.textContent).join()"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with headless_chromium(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(report(N_SERIES), encoding="utf-8")
    return file


@pytest.fixture(autouse=True)
def _no_errors(browser: Browser) -> Iterator[None]:
    yield
    assert browser.problems == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_window_and_draws_the_first_series(
    browser: Browser, page: Path, width: int
) -> None:
    browser.open(page, width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(SHOWN) == NAMES[0]
    assert browser.run("document.querySelectorAll('#plot svg.chart').length") == 1
    assert browser.run("document.querySelector('#plot .line-forecast').getAttribute('d').length")
    assert browser.run("document.querySelectorAll('#plot .tick text').length") >= 5


def test_the_search_finds_a_series_beyond_the_listed_ones(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    assert len(browser.run(LISTED)) == 200
    browser.run("document.getElementById('query').focus()")
    browser.type("STORE 0287")
    assert browser.run(LISTED) == ["store_0287"]
    browser.run("document.querySelector('#names button').click()")
    assert browser.run(SHOWN) == "store_0287"
    assert browser.run("location.hash") == "#series=store_0287"
    assert browser.run("document.getElementById('words').textContent") == "Total 387."


@pytest.mark.parametrize(("typed", "found"), [("arger strasse", []), ("arger", [NAMES[4]])])
def test_the_search_ignores_accents(
    browser: Browser, page: Path, typed: str, found: list[str]
) -> None:
    browser.open(page, width=1280)
    browser.run("document.getElementById('query').focus()")
    browser.type(typed)
    assert browser.run(LISTED) == found


def test_an_address_opens_a_series(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280, fragment="#series=store_0123")
    assert browser.run(SHOWN) == "store_0123"


def test_a_table_opens_a_series(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    browser.run("document.querySelectorAll('td.to-series button')[2].click()")
    assert browser.run(SHOWN) == NAMES[2]


def test_the_list_is_sorted_by_a_measure(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    browser.run("const order = document.getElementById('order'); order.value = 0;"
                "order.dispatchEvent(new Event('change'))")  # fmt: skip
    assert browser.run(LISTED)[0] == f"store_{N_SERIES - 1:04d}"


def test_dragging_zooms_in_and_a_button_shows_all_again(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    browser.run("document.getElementById('plot').scrollIntoView()")
    before = browser.run(TICKS)
    left, top, width = browser.run(PLOT_BOX)
    browser.mouse("mousePressed", left + 0.5 * width, top + 100)
    browser.mouse("mouseMoved", left + 0.8 * width, top + 100)
    browser.mouse("mouseReleased", left + 0.8 * width, top + 100)
    assert browser.run(TICKS) != before
    browser.run("document.getElementById('all').click()")
    assert browser.run(TICKS) == before


def test_pointing_at_a_step_reads_its_values(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    browser.run("document.getElementById('plot').scrollIntoView()")
    left, top, width = browser.run(PLOT_BOX)
    browser.mouse("mouseMoved", left + width - 14, top + 100)
    text = browser.run("document.getElementById('readout').textContent")
    assert text.startswith("Jun 2024 · forecast ")
    assert "80 %: " in text
    assert "theta " in text
