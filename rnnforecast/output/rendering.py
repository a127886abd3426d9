"""Rendering of the Jinja2 templates in `templates/`: HTML is escaped, Markdown is not."""

from __future__ import annotations

import base64
from functools import cache

import jinja2

from rnnforecast.data.time.format import format_timestamp


def render_template(name: str, **context: object) -> str:
    """The template `name` rendered with `context`.

    Raises jinja2.UndefinedError if the template uses a name that is not in `context`.
    """
    return _environment().get_template(name).render(context)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rnnforecast.output"),
        autoescape=jinja2.select_autoescape(("html",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "timestamp": format_timestamp,
        "png_uri": _png_data_uri,
        "grouped": "{:,}".format,
        "repr": repr,
    }
    return environment


def _png_data_uri(png: bytes) -> str:
    """An image as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
