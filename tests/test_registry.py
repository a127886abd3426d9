"""Registries: components found by their files, and described without import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rnnforecast import registry
from rnnforecast.models.base import NO_NOISE
from rnnforecast.registry import BACKBONES, Registry

COMPONENT = '''"""My component: quick.

More.
"""

import a_module_that_does_not_exist

TRAITS = ("fast", "small")
OPTIONS = {
    "word": ("a", "b"), "flag": (False, True), "count": (3, 1, 5), "share": (0.5, 0.0, 1.0),
    "any": (1.0, None, None),
}
COMPUTED = len("abc")
'''


@pytest.fixture
def components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A package with one component and files that are none."""
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "mine.py").write_text(COMPONENT, encoding="utf-8")
    (folder / "helper.py").write_text('"""No component."""\n', encoding="utf-8")
    (folder / "_private.py").write_text("TRAITS = ()\n", encoding="utf-8")
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    monkeypatch.setattr(registry, "_names", registry._names.__wrapped__)
    monkeypatch.setattr(registry, "_source", registry._source.__wrapped__)
    return Registry("parts")


def test_a_file_with_traits_is_a_component_and_no_other(components: Registry) -> None:
    assert components.names() == ("mine",)
    assert components.having("fast") == ("mine",)
    assert components.having("slow") == ()


def test_summary_traits_and_literals_are_read_without_an_import(components: Registry) -> None:
    assert components.summary("mine") == "My component: quick."
    assert components.traits("mine") == ("fast", "small")
    assert components.literal("mine", "COMPUTED", 7) == 7


def test_an_unknown_component_is_not_loaded(components: Registry) -> None:
    with pytest.raises(ValueError, match="'other' is none of mine"):
        components.load("other")


def test_options_that_are_not_given_have_their_default(components: Registry) -> None:
    assert components.options("mine", {"count": 5}) == {
        "word": "a", "flag": False, "count": 5, "share": 0.5, "any": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("option", "good", "bad", "expected"),
    [
        ("word", ["a", "b"], ["c", "A", 1, None], "a or b"),
        ("flag", [True, False], [1, "true"], "true or false"),
        ("count", [1, 5], [0, 6, 2.0, True, "2"], "a whole number from 1 to 5"),
        ("share", [0.0, 1.0, 0, 1], [-0.001, 1.001, True, "0.5"], "a number from 0.0 to 1.0"),
        ("any", [-1e300, 7], [float("nan"), float("inf"), "x", [1.0]], "a number"),
    ],
)
def test_an_option_takes_values_of_its_type_and_range_only(
    components: Registry, option: str, good: list[object], bad: list[object], expected: str
) -> None:
    for value in good:
        assert components.options("mine", {option: value})[option] == value
    for value in bad:
        with pytest.raises(ValueError, match=f"^{option}: expected {expected}, found "):
            components.options("mine", {option: value})


def test_all_problems_of_the_options_are_told_at_once(components: Registry) -> None:
    with pytest.raises(ValueError, match="color") as caught:
        components.options("mine", {"color": 1, "word": "x"})
    assert len(str(caught.value).splitlines()) == 2
    assert "mine has word, flag, count, share, any" in str(caught.value)


@pytest.mark.parametrize("name", BACKBONES.names())
def test_each_backbone_has_a_summary_in_one_sentence_and_a_builder(name: str) -> None:
    text = BACKBONES.summary(name)
    assert text[0].isalpha()
    assert text.endswith(".")
    options = BACKBONES.options(name, {})
    assert BACKBONES.load(name).build(4, options, depth=0, noise=NO_NOISE, gap_size=1) is not None


def test_names_and_summaries_come_without_torch() -> None:
    code = (
        "import sys\n"
        "from rnnforecast.registry import BACKBONES\n"
        "assert all(BACKBONES.summary(name) for name in BACKBONES.names())\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
