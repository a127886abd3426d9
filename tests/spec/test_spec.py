"""Sections of the spec: accepted values, defaults and immutability."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rnnforecast.spec.data import DataSpec
from rnnforecast.spec.forecast import ForecastSpec
from rnnforecast.spec.model import ModelSpec, WindowSpec
from rnnforecast.spec.spec import SECTIONS, Spec
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.spec.types import describe_field


def spec() -> Spec:
    return Spec(data=DataSpec(path=("a.csv",)), window=WindowSpec(horizon=3))


def test_only_the_path_and_the_horizon_have_no_default() -> None:
    required = [
        (section, key)
        for section, model in SECTIONS.items()
        for key, info in model.model_fields.items()
        if info.is_required()
    ]
    assert required == [("data", "path"), ("window", "horizon")]


def test_the_sections_of_a_spec_are_those_of_the_table_in_the_same_order() -> None:
    assert {key: info.annotation for key, info in Spec.model_fields.items()} == SECTIONS
    assert list(Spec.model_fields) == list(SECTIONS)


def test_no_two_sections_share_a_key_so_that_advice_on_a_misplaced_key_is_unique() -> None:
    keys = [key for model in SECTIONS.values() for key in model.model_fields]
    assert len(keys) == len(set(keys))


def test_every_key_is_described_in_one_sentence() -> None:
    for model in SECTIONS.values():
        for info in model.model_fields.values():
            assert info.description is not None
            assert info.description.endswith(".")


def test_every_default_is_itself_a_valid_value() -> None:
    given = spec()
    assert Spec.model_validate(given.model_dump()) == given


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError):
        spec().window.horizon = 5  # type: ignore[misc]


def test_quantiles_are_kept_in_increasing_order() -> None:
    assert ForecastSpec(quantiles=(0.9, 0.1, 0.5)).quantiles == (0.1, 0.5, 0.9)


def test_an_empty_list_of_series_columns_means_one_series() -> None:
    assert DataSpec(path=("a.csv",), series=()).series == ()


def test_clipping_can_be_turned_off() -> None:
    training = TrainingSpec(clip_norm=None, clip_value=None)
    assert (training.clip_norm, training.clip_value) == (None, None)


def test_options_keep_the_types_they_were_given() -> None:
    given = {"forget_bias": 1.0, "heads": 4, "scales": [1, 2], "tied": True, "kind": "a"}
    options = ModelSpec.model_validate({"backbone_options": given}).backbone_options
    assert [type(value) for value in options.values()] == [float, int, list, bool, str]


@pytest.mark.parametrize(
    ("section", "key", "words"),
    [
        ("window", "horizon", "a whole number of at least 1"),
        ("window", "lookback", "auto or a whole number of at least 1"),
        ("training", "optimizer", "one of adamw, adam, sgd, rmsprop"),
        ("training", "clip_norm", "a number greater than 0 or null"),
        ("training", "early_stopping", "true or false"),
        ("data", "targets", "auto or one or more column names"),
        ("data", "separator", 'one of auto, ",", ";", "\\t", "|"'),
        ("model", "dropout", "a number from 0 to below 1"),
    ],
)
def test_a_key_describes_the_values_it_accepts(section: str, key: str, words: str) -> None:
    assert describe_field(SECTIONS[section].model_fields[key]) == words
