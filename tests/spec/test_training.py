"""The section training: accepted values and defaults."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rnnforecast.spec.load import dump_spec, parse_spec
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.spec.types import describe_field

SPEC = "data: {path: a.csv}\nwindow: {horizon: 3}\ntraining: {%s}"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("optimizer", "one of adamw, adam, sgd, rmsprop"),
        ("schedule", "one of one_cycle, cosine, constant, step, plateau"),
        ("horizon_weight", "one of equal, decreasing or a list of numbers of at least 0"),
        ("swa_fraction", "a number from 0 to below 1"),
        ("tbptt_steps", "a whole number of at least 1 or null"),
        ("start_from", "text or null"),
        ("freeze", "one or more patterns such as backbone.*"),
    ],
)
def test_a_key_describes_the_values_it_accepts(key: str, words: str) -> None:
    assert describe_field(TrainingSpec.model_fields[key]) == words


def test_the_defaults_are_a_plain_training() -> None:
    found = TrainingSpec()
    assert (found.optimizer, found.l1, found.gradient_accumulation, found.swa_fraction) == (
        "adamw",
        0,
        1,
        0,
    )
    assert (found.horizon_weight, found.series_weight) == ("equal", "equal")
    assert (found.sample_origins, found.sample_series) == ("recent", "length")
    assert (found.compile, found.tbptt_steps, found.start_from, found.freeze) == (
        False,
        None,
        None,
        (),
    )


def test_one_pattern_stands_for_a_list_of_one() -> None:
    start = "start_from: runs/a, freeze: "
    one = parse_spec(SPEC % f"{start}backbone.*", name="").training.freeze
    assert one == ("backbone.*",)
    many = parse_spec(SPEC % f"{start}[embed.*, backbone.*]", name="").training.freeze
    assert many == ("embed.*", "backbone.*")


def test_weights_of_steps_come_back_from_a_dump() -> None:
    given = parse_spec(SPEC % "horizon_weight: [1, 0.5, 0]", name="")
    assert given.training.horizon_weight == (1, 0.5, 0)
    assert parse_spec(dump_spec(given), name="") == given


@pytest.mark.parametrize("weights", [(0.0, 0.0), (), (-1.0, 2.0), "falling"])
def test_weights_that_weigh_nothing_are_refused(weights: object) -> None:
    with pytest.raises(ValidationError):
        TrainingSpec(horizon_weight=weights)  # type: ignore[arg-type]
