"""Parts of messages."""

from __future__ import annotations

from rnnforecast.wording import count_of, join_names, join_words, quote_text


def test_a_noun_is_singular_for_one_only() -> None:
    assert [count_of(number, "row") for number in (0, 1, 3000)] == ["0 rows", "1 row", "3,000 rows"]


def test_the_last_word_follows_and() -> None:
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b", "c"]) == "a, b and c"


def test_many_names_are_cut_and_the_others_are_counted_if_they_are_several() -> None:
    assert join_names([]) == "none"
    assert join_names("abcdef") == "a, b, c, d, e, f"
    assert join_names("abcdefg") == "a, b, c, d, e and 2 more"
    assert join_names("abcd", most=2) == "a, b and 2 more"


def test_a_long_text_is_cut_and_control_characters_are_escaped() -> None:
    assert quote_text("x" * 50) == repr("x" * 40 + "…")
    assert quote_text("a\tb", most=3) == r"'a\tb'"
