"""The keys of the section training: what they take, and that the defaults ask for nothing new."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rnnforecast.spec.load import dump, parse
from rnnforecast.spec.training import Training
from rnnforecast.spec.types import expected

SPEC = "data: {path: a.csv}\nwindow: {horizon: 3}\ntraining: {%s}"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("optimizer", "one of adamw, adam, sgd, rmsprop"),
        ("schedule", "one of one_cycle, cosine, constant, step, plateau"),
        ("horizon_weight", "one of equal, decreasing or a list of numbers of at least 0"),
        ("average_last", "a number from 0 to below 1"),
        ("truncate", "a whole number of at least 1 or null"),
        ("start_from", "text or null"),
        ("freeze", "one or more patterns such as backbone.*"),
    ],
)
def test_what_a_key_expects_is_said_in_plain_words(key: str, words: str) -> None:
    assert expected(Training.model_fields[key]) == words


def test_the_defaults_are_a_plain_training() -> None:
    found = Training()
    assert (found.optimizer, found.l1, found.accumulate, found.average_last) == ("adamw", 0, 1, 0)
    assert (found.horizon_weight, found.series_weight) == ("equal", "equal")
    assert (found.sample_origins, found.sample_series) == ("recent", "length")
    assert (found.compile, found.truncate, found.start_from, found.freeze) == (
        False,
        None,
        None,
        (),
    )


def test_one_pattern_stands_for_a_list_of_one() -> None:
    assert parse(SPEC % "freeze: backbone.*", name="").training.freeze == ("backbone.*",)
    many = parse(SPEC % "freeze: [embed.*, backbone.*]", name="").training.freeze
    assert many == ("embed.*", "backbone.*")


def test_weights_of_steps_come_back_from_a_dump() -> None:
    given = parse(SPEC % "horizon_weight: [1, 0.5, 0]", name="")
    assert given.training.horizon_weight == (1, 0.5, 0)
    assert parse(dump(given), name="") == given


@pytest.mark.parametrize("weights", [(0.0, 0.0), (), (-1.0, 2.0), "falling"])
def test_weights_that_weigh_nothing_are_refused(weights: object) -> None:
    with pytest.raises(ValidationError):
        Training(horizon_weight=weights)  # type: ignore[arg-type]
