"""The report as HTML: self-contained, escaped, readable without its script."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from tests.output.forecast_report.pages import HISTORY, HORIZON, NAMES, report

VOID = {"meta", "input", "br", "img", "link"}


class Elements(HTMLParser):
    """Collects the elements, the texts, and end tags without their start tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.names: list[str] = []
        self.texts: list[str] = []
        self.labels: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.labels += [value for name, value in attrs if name == "aria-label" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_is_well_formed_and_no_name_becomes_markup() -> None:
    found = Elements(report())
    assert found.wrong == []
    assert found.open == []
    assert found.names.count("script") == 2  # the data and the program
    assert sum(NAMES[0] in text for text in found.texts) >= 3


def test_the_page_loads_nothing() -> None:
    page = report()
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG, which is not loaded
    assert not re.search(r"<(link|img|iframe|object)\b|\bsrc=|@import|url\((?!#)", page)


def test_the_data_are_json_without_characters_that_end_a_script() -> None:
    page = report()
    match = re.search(r'<script type="application/json" id="series-data">(.*?)</script>', page)
    assert match is not None
    text = match[1]
    assert not re.search("[<>&\u2028\u2029]", text)
    data = json.loads(text)
    assert [series["n"] for series in data["series"]] == list(NAMES)
    first = data["series"][0]
    assert len(first["y"]) == HISTORY + HORIZON
    assert first["y"][3] is None
    assert first["f"][0]["b"] == HISTORY


def test_without_its_script_the_page_has_words_tables_and_the_first_series() -> None:
    found = Elements(re.sub(r"<script.*?</script>", "", report(), flags=re.DOTALL))
    text = " ".join(found.texts)
    for part in ("Next 6 months: 600 in total.", "Better than theta.", "Total 100.", "12.3"):
        assert part in text
    assert any(label.startswith(NAMES[0]) for label in found.labels)  # the picture's description
    assert found.names.count("svg") >= 2


def test_the_same_content_gives_the_same_bytes() -> None:
    assert report() == report()
