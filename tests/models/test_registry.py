"""Backbones are found by their files, and without torch until one is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rnnforecast.models import registry
from rnnforecast.models.base import NO_NOISE


def test_every_file_in_the_folder_is_a_choice() -> None:
    files = {path.stem for path in registry.BACKBONES_DIR.glob("*.py")} - {"__init__"}
    assert registry.backbone_names() == sorted(files)
    assert {"gru", "lstm", "rnn"} <= files


def test_a_new_file_needs_no_list_to_be_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path
    (folder / "mine.py").write_text('"""My net: quick.\n\nMore.\n"""\n', encoding="utf-8")
    (folder / "__init__.py").write_text("", encoding="utf-8")
    (folder / "_draft.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(registry, "FOLDER", folder)
    assert registry.backbone_names() == ["mine"]
    assert registry.backbone_summary("mine") == "My net: quick."


@pytest.mark.parametrize("name", registry.backbone_names())
def test_every_summary_is_one_full_sentence_with_a_full_stop(name: str) -> None:
    text = registry.backbone_summary(name)
    assert text[0].isupper()
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize("name", registry.backbone_names())
def test_each_file_offers_options_and_a_builder(name: str) -> None:
    module = registry.load_backbone(name)
    assert registry.parse_backbone_options(name, {}) == module.Options()
    assert module.build(4, module.Options(), depth=0, noise=NO_NOISE, gap_size=1) is not None


def test_names_and_summaries_come_without_torch() -> None:
    code = (
        "import sys\n"
        "from rnnforecast.models import registry\n"
        "assert all(registry.summary(name) for name in registry.names())\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_problems_of_the_options_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="colour") as caught:
        registry.parse_backbone_options("lstm", {"colour": 1, "forget_bias": "x"})
    lines = str(caught.value).splitlines()
    assert lines == [
        "colour: unknown option (lstm has forget_bias)",
        "forget_bias: expected float, found 'x'",
    ]


def test_a_whole_number_serves_where_a_real_one_is_asked_for() -> None:
    assert registry.parse_backbone_options("lstm", {"forget_bias": 2}).forget_bias == 2
