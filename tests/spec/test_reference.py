"""The commented YAML, the reference and the schema, against the model."""

from __future__ import annotations

import pytest
import yaml

from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.reference import commented_yaml, json_schema, reference_markdown
from rnnforecast.spec.spec import SECTIONS, Spec

VALUES: dict[str, dict[str, object]] = {
    "window": {"season": 24, "horizon": 48},
    "data": {"path": ["no.csv"], "series": [], "separator": "\t"},
    "model": {"backbone": "slstm", "backbone_options": {"heads": 4}},
}


def test_the_commented_spec_reads_back_as_the_values_it_was_made_of() -> None:
    spec = parse_spec(commented_yaml(VALUES, {}), name="spec.yaml")
    assert spec == Spec.model_validate(VALUES)


def test_the_commented_spec_explains_each_key_above_it_and_adds_the_note() -> None:
    text = commented_yaml(VALUES, {"window.season": "Found in 12 of 14 series."})
    assert text.endswith(
        "# The lookback and the horizon, in steps of the frequency.\n"
        "window:\n"
        "  # The number of steps to forecast.\n"
        "  horizon: 48\n"
        "  # The length of the season, in steps; 1 means no season. Found in 12 of 14 series.\n"
        "  season: 24\n"
        "\n"
        "# The network and its parts.\n"
        "model:\n"
        "  # The recurrent network, by name.\n"
        "  backbone: slstm\n"
        "  # Options of the backbone, by name.\n"
        "  backbone_options:\n"
        "    heads: 4\n"
    )


def test_the_lines_of_a_commented_spec_fit_a_terminal() -> None:
    every = {
        section: dict.fromkeys(model.model_fields, "auto") for section, model in SECTIONS.items()
    }
    assert max(map(len, commented_yaml(every, {}).splitlines())) <= 90


def test_a_value_or_a_note_for_an_unknown_key_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError, match=r"window\.sesaon"):
        commented_yaml({"window": {"sesaon": 24}}, {})
    with pytest.raises(KeyError, match=r"data\.season"):
        commented_yaml({}, {"data.season": "why"})


def test_the_reference_has_a_row_for_every_key_with_its_default_and_meaning() -> None:
    rows = [line for line in reference_markdown().splitlines() if line.startswith("| `")]
    assert len(rows) == sum(len(model.model_fields) for model in SECTIONS.values())
    assert (
        "| `schedule` | one of one_cycle, cosine, constant, step, plateau | `one_cycle` |"
        " How the learning rate changes during training; step: times 0.1 at half and at three"
        " quarters of the steps; plateau: times 0.3 after 3 validations without improvement. |"
    ) in rows
    assert any(row.startswith("| `horizon` | a whole number of at least 1 | req") for row in rows)
    assert any("| `[0.025, 0.1, 0.5, 0.9, 0.975]` |" in row for row in rows)


def test_every_row_of_the_reference_has_four_cells() -> None:
    for line in reference_markdown().splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") == 5


def test_the_defaults_in_the_reference_are_yaml_that_gives_the_default() -> None:
    given = parse_spec("data: {path: a}\nwindow: {horizon: 1}", name="").model_dump()
    keys = {key: value for section in given.values() for key, value in section.items()}
    for line in reference_markdown().splitlines():
        cells = line.replace("\\|", "").split(" | ")
        if line.startswith("| `") and cells[2] != "required":
            value = yaml.safe_load(cells[2].strip("`"))
            default = keys[cells[0].strip("| `")]
            assert value == (list(default) if isinstance(default, tuple) else default)


def test_the_schema_knows_the_sections_and_refuses_unknown_keys() -> None:
    schema = json_schema()
    assert list(schema["properties"]) == list(SECTIONS)
    assert schema["required"] == ["data", "window"]
    assert schema["$defs"]["WindowSpec"]["additionalProperties"] is False
    assert schema["$defs"]["WindowSpec"]["properties"]["horizon"]["minimum"] == 1


def test_the_schema_lets_one_column_stand_for_a_list_of_one() -> None:
    targets = json_schema()["$defs"]["DataSpec"]["properties"]["targets"]["anyOf"]
    assert {"type": "string"} in targets
