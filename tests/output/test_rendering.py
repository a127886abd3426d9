"""Templates: escaping, and the templates of the package."""

from __future__ import annotations

from importlib import resources

import jinja2
import pytest

from rnnforecast.output.rendering import render_template


def page(**changes: object) -> str:
    section = {
        "part": "What?", "name": "x", "title": "<b>", "explanation": "", "finding": "a & b",
        "png": b"\x00",
    }  # fmt: skip
    context = {"title": "<t>", "subtitle_lines": [], "css": "p > a {}", "sections": [section]}
    return render_template("inspection.html", **{**context, **changes})


def test_html_is_escaped_except_the_stylesheet() -> None:
    text = page()
    assert "<title>&lt;t&gt;</title>" in text
    assert "&lt;b&gt;" in text
    assert "a &amp; b" in text
    assert "p > a {}" in text


def test_images_are_part_of_the_page() -> None:
    assert 'src="data:image/png;base64,AA=="' in page()


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_template("inspection.html", title="t")


def test_every_template_is_part_of_the_package_and_compiles() -> None:
    folder = resources.files("rnnforecast.output") / "templates"
    names = sorted(file.name for file in folder.iterdir())
    assert names == [
        "data_report.html", "export_readme.md", "forecast_report.html", "forecast_report.js",
        "inspection.html", "page.html",
    ]  # fmt: skip
    for name in names:
        jinja2.Environment().parse((folder / name).read_text(encoding="utf-8"))
