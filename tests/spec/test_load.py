"""Loading of specs: accepted texts, and messages on refused ones."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.errors import Problem, SpecError
from rnnforecast.registry import LOSSES
from rnnforecast.spec.load import (
    MAX_BYTES,
    MAX_UNKNOWN_KEYS,
    dump_spec,
    locate_problems,
    parse_spec,
    read_spec,
    spec_from_values,
)
from rnnforecast.spec.spec import SECTIONS, Spec

MINIMAL = "data:\n  path: sales.csv\nwindow:\n  horizon: 24\n"


def problems_of(text: str, *overrides: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, name="spec.yaml", overrides=overrides)
    return [str(problem) for problem in caught.value.problems]


def read(text: str, *overrides: str) -> Spec:
    return parse_spec(text, name="spec.yaml", overrides=overrides)


def read_without_rules(text: str) -> Spec:
    return parse_spec(text, name="spec.yaml", rules=())


# What is accepted


def test_a_path_and_a_horizon_are_a_complete_spec() -> None:
    spec = read(MINIMAL)
    assert spec.data.path == ("sales.csv",)
    assert (spec.window.horizon, spec.window.lookback) == (24, "auto")


@pytest.mark.parametrize(
    ("written", "meant"), [("1e-3", 0.001), ("1", 1.0), (".5", 0.5), ("2.5E-4", 0.00025)]
)
def test_a_number_may_be_in_scientific_notation(written: str, meant: float) -> None:
    assert read(f"{MINIMAL}training: {{learning_rate: {written}}}").training.learning_rate == meant


def test_a_whole_number_may_be_written_as_a_power_of_ten() -> None:
    steps = read(f"{MINIMAL}training: {{max_steps: 1e4}}").training.max_steps
    assert (steps, type(steps)) == (10_000, int)


@pytest.mark.parametrize("no", ["no", "off", "false", "False", "NO"])
def test_no_means_false_where_true_or_false_is_expected(no: str) -> None:
    assert read(f"{MINIMAL}training: {{early_stopping: {no}}}").training.early_stopping is False


@pytest.mark.parametrize("name", ["no", "on", "y", "007", "2024", "1:30", "2024-01-31", "1_000"])
def test_a_column_name_stays_the_text_that_was_written(name: str) -> None:
    spec = read(f"data: {{path: a.csv, targets: {name}}}\nwindow: {{horizon: 1}}")
    assert spec.data.targets == (name,)


def test_one_column_may_stand_for_a_list_of_one() -> None:
    spec = read("data: {path: a.csv, series: store, targets: [y]}\nwindow: {horizon: 1}")
    assert (spec.data.series, spec.data.targets) == (("store",), ("y",))


def test_a_column_called_auto_can_be_given_as_a_list() -> None:
    spec = read("data: {path: a.csv, targets: [auto]}\nwindow: {horizon: 1}")
    assert spec.data.targets == ("auto",)


def test_a_section_with_all_its_lines_commented_out_has_its_deproblems_of() -> None:
    assert read(f"{MINIMAL}model:\n  # layers: 2\n") == read(MINIMAL)


def test_a_tab_separator_may_be_written_with_or_without_quotes() -> None:
    for written in ("\\t", '"\\t"', "'\\t'"):
        spec = read(f"data: {{path: a.csv, separator: {written}}}\nwindow: {{horizon: 1}}")
        assert spec.data.separator == "\t"


def test_a_value_may_be_named_once_and_used_twice() -> None:
    spec = read("data: {path: a.csv}\nwindow: {horizon: &day 24, season: *day}")
    assert spec.window.season == 24


# Overrides


def test_an_override_takes_the_place_of_a_value_even_of_a_wrong_one() -> None:
    assert read(f"{MINIMAL}model: {{layers: x}}", "model.layers=2").model.layers == 2


def test_the_last_of_two_overrides_counts() -> None:
    assert read(MINIMAL, "window.horizon=2", "window.horizon=3").window.horizon == 3


def test_an_override_can_supply_a_required_key() -> None:
    assert read("data: {path: a.csv}", "window.horizon=6").window.horizon == 6


def test_an_override_reaches_into_the_options() -> None:
    given = f"{MINIMAL}model: {{backbone: slstm, backbone_options: {{heads: 2}}}}"
    spec = read(given, "model.backbone_options.forget=exp")
    assert spec.model.backbone_options == {"heads": 2, "forget": "exp"}


@pytest.mark.parametrize("text", ["*.csv", "-", "a: b.csv", "@daily.csv", "a #1.csv", "a=b.csv"])
def test_an_override_takes_text_as_a_shell_user_writes_it(text: str) -> None:
    assert read(MINIMAL, f"data.path={text}").data.path == (text,)


def test_an_override_can_be_null() -> None:
    assert read(MINIMAL, "training.clip_norm=null").training.clip_norm is None


def test_a_wrong_override_is_located_on_the_command_line() -> None:
    assert problems_of(MINIMAL, "model.layers=x") == [
        "--set model.layers=x: expected auto or a whole number from 1 to 1000, found 'x'"
    ]


def test_an_override_of_an_unknown_key_or_section_is_refused_with_advice() -> None:
    assert problems_of(MINIMAL, "model.layer=2", "modle.dropout=0", "zebra.x=1") == [
        "--set model.layer=2: unknown key — did you mean 'layers'?",
        "--set modle.dropout=0: unknown section — did you mean 'model'?",
        (f"--set zebra.x=1: unknown section — the sections are {', '.join(SECTIONS)}"),
    ]


@pytest.mark.parametrize(
    "override",
    [
        *("layers=2", "model.layers", "model=3", "a.b.c.d=1", "=", ""),
        *(".layers=2", "model.=2", "model..heads=2", "model.backbone_options.=2", ".=1", "..=1"),
    ],
)
def test_an_override_of_another_form_is_refused(override: str) -> None:
    assert problems_of(MINIMAL, override) == [
        f"--set {override}: expected section.key=value — for example model.layers=2"
    ]


def test_an_override_with_an_open_bracket_is_refused() -> None:
    assert problems_of(MINIMAL, "forecast.quantiles=[0.1") == [
        "--set forecast.quantiles=[0.1: a bracket that is opened on line 1 is not closed — close it"
    ]


def test_an_override_is_not_blamed_for_another_key_that_is_missing() -> None:
    assert problems_of("data: {path: a.csv}", "window.lookback=6") == [
        "spec.yaml, window.horizon: this key is required — add 'horizon: 24' to the section window"
    ]


# Wrong values, one a case: the lines after MINIMAL begin at line 5

WRONG = {
    "training: {loss: mea}": f"line 5, training.loss: expected one of {', '.join(LOSSES.names())},"
    " found 'mea' — did you mean 'mae'?",
    "model: {decoder: Direct}": "line 5, model.decoder: expected one of auto, direct, forking,"
    " parallel, recursive, seq2seq,"
    " found 'Direct' — did you mean 'direct'?",
    "model:\n  layers: 0": "line 6, model.layers: expected auto or a whole number from 1 to 1000,"
    " found 0",
    "model: {layers: 1001}": "line 5, model.layers: expected auto or a whole number from 1 to 1000,"
    " found 1001",
    "model: {layers: 1.5}": "line 5, model.layers: expected auto or a whole number from 1 to 1000,"
    " found 1.5",
    "model: {layers: true}": "line 5, model.layers: expected auto or a whole number from 1 to 1000,"
    " found true",
    'model: {layers: "2"}': "line 5, model.layers: expected auto or a whole number from 1 to 1000,"
    " found '2' — remove the quotes",
    "model: {layers: 1:30}": "line 5, model.layers: expected auto or a whole number from 1 to 1000,"
    " found '1:30'",
    "model: {layers: [2]}": "line 5, model.layers: expected auto or a whole number from 1 to 1000,"
    " found a list",
    "model: {layers: {n: 2}}": "line 5, model.layers: expected auto or a whole number from 1 to"
    " 1000, found a group of keys",
    "model: {layers: 1e300}": "line 5, model.layers: expected auto or a whole number from 1 to"
    " 1000, found 1e+300",
    "model:\n  layers:": "line 6, model.layers: expected auto or a whole number from 1 to 1000,"
    " found nothing — give a value, or leave it out for the default",
    "model: {dropout: 1}": "line 5, model.dropout: expected a number from 0 to below 1, found 1",
    "model: {dropout: '0,1'}": "line 5, model.dropout: expected a number from 0 to below 1,"
    " found '0,1' — write numbers with a decimal point",
    "model: {dropout: .nan}": "line 5, model.dropout: expected a number from 0 to below 1,"
    " found nan",
    "model: {hidden_size: large}": "line 5, model.hidden_size: expected auto or a whole number of"
    " at least 1, found 'large'",
    "model: {backbone_options: [1]}": "line 5, model.backbone_options: expected a group of keys"
    " and values, found a list",
    "training: {learning_rate: .inf}": "line 5, training.learning_rate: expected auto or a number"
    " greater than 0, found inf",
    "training: {final_fit: maybe}": "line 5, training.final_fit: expected true or false,"
    " found 'maybe'",
    "training: {seed: -1}": "line 5, training.seed: expected a whole number of at least 0,"
    " found -1",
    "clean: {frequency: 1.5}": "line 5, clean.frequency: expected text, found 1.5"
    " — put it in quotes",
    "forecast: {quantiles: [0.5, 90]}": "line 5, forecast.quantiles: expected a list of numbers"
    " between 0 and 1, both excluded, found 90 — write 90 % as 0.9",
    "forecast: {quantiles: [90]}": "line 5, forecast.quantiles: expected a list of numbers"
    " between 0 and 1, both excluded, found 90 — write 90 % as 0.9",
    "clean: {missing_hour: drop}": "line 5, clean.missing_hour: unknown key"
    " — did you mean 'missing'?",
    "forecast: {quantiles: [0.5, 0.1, 0.5]}": "line 5, forecast.quantiles: the quantile 0.5 is"
    " named twice",
    "forecast: {quantiles: []}": "line 5, forecast.quantiles: expected a list of numbers between"
    " 0 and 1, both excluded, found an empty list",
    "forecast:\n  quantiles:\n    - 0.1\n    - 1": "line 8, forecast.quantiles: expected a list of"
    " numbers between 0 and 1, both excluded, found 1",
    "training: {device: !!python/name:os.system }": "line 5, training.device: the tag"
    " !!python/name:os.system is not allowed — write plain values only",
    "training: {patience: !!int many}": "line 5, training.patience: 'many' is not a valid int",
    "model: gru": "line 5, model: expected lines of the form 'key: value' below it, found 'gru'",
    "zebra: 1": f"line 5, zebra: unknown section — the sections are {', '.join(SECTIONS)}",
    "season: 24": "line 5, season: unknown section — 'season' belongs to the section window",
    "model: {hiden_size: 64}": "line 5, model.hiden_size: unknown key"
    " — did you mean 'hidden_size'?",
    "model: {horizon: 3}": "line 5, model.horizon: unknown key"
    " — 'horizon' belongs to the section window",
    "model: {batchsize: 3}": "line 5, model.batchsize: unknown key"
    " — did you mean 'batch_size' of the section training?",
    "forecast: {zebra: 3}": "line 5, forecast.zebra: unknown key"
    " — the keys of forecast are quantiles, non_negative, whole_numbers, calibrate, totals,"
    " sample_paths, on_series_error, fallback, exit_on_failed,"
    " plots",
    "model: {layers: 1, layers: 2}": "line 5, model.layers: the key is given twice,"
    " first on line 5 — delete one of the two",
    "data: {path: b.csv}": "line 5, data: the key is given twice, first on line 1"
    " — delete one of the two",
    "model:\n  ? [a]\n  : 1": "line 6, model: a key must be a word — write 'key: value'",
    "model: {backbone_options: &a {b: *a}}": "line 5, model.backbone_options.b: an alias (*)"
    " repeats a list or group — write plain values only",
    "model: {backbone_options: {a: "
    + "[" * 30
    + "]" * 30
    + "}}": "line 5, model.backbone_options.a: nested too deeply — write plain values only",
}


@pytest.mark.parametrize("lines", WRONG)
def test_a_wrong_line_is_named_and_explained(lines: str) -> None:
    assert problems_of(f"{MINIMAL}{lines}\n") == [f"spec.yaml, {WRONG[lines]}"]


DATA = {
    "path: []": "path: expected a file, a folder or a pattern such as data/*.csv, or a list of"
    " them, found an empty list",
    "path:": "path: expected a file, a folder or a pattern such as data/*.csv, or a list of"
    " them, found nothing — give a value",
    "path: [a, a]": "path: 'a' is named twice",
    "path: a\n  time: t\n  series: [s, t]": "series: 't' is already given as data.time",
    "path: a\n  series: s\n  targets: s": "targets: 's' is already given as data.series",
    "path: a\n  targets: []": "targets: expected at least one column, found an empty list",
    "path: a\n  targets: true": "targets: expected auto or one or more column names, found true"
    " — put it in quotes",
    'path: a\n  separator: ","\n  decimal: ","': "decimal: a comma cannot be both data.separator"
    " and data.decimal",
    "path: a\n  time_format: dd/mm": "time_format: expected a format with % codes such as"
    " %d/%m/%Y, or one of unix_s, unix_ms, unix_us, unix_ns, excel, decimal_year, integer, found"
    " 'dd/mm'",
}


@pytest.mark.parametrize("lines", DATA)
def test_roles_that_contradict_each_other_are_refused(lines: str) -> None:
    text = f"data:\n  {lines}\nwindow: {{horizon: 1}}\n"
    line = 2 + lines.count("\n")
    assert problems_of(text) == [f"spec.yaml, line {line}, data.{DATA[lines]}"]


def test_a_patch_longer_than_the_lookback_is_refused_at_the_patch() -> None:
    assert problems_of(
        "data: {path: a}\nwindow:\n  horizon: 1\n  lookback: 10\n  patch_length: 24"
    ) == [
        (
            "spec.yaml, line 5, window.patch_length: expected at most the lookback of 10 steps,"
            " found 24 — set it to less, or window.lookback to more"
        )
    ]


def test_the_deepest_spec_is_accepted_and_the_next_deeper_one_refused() -> None:
    deepest = f"{MINIMAL}model: {{backbone_options: {{a: {'[' * 18}{']' * 18}}}}}"
    value = read_without_rules(deepest).model.backbone_options["a"]
    for _ in range(17):
        (value,) = value
    assert value == []
    assert problems_of(deepest.replace("[]", "[[]]")) == [
        "spec.yaml, line 5, model.backbone_options.a: nested too deeply — write plain values only"
    ]


def test_a_column_that_is_both_categorical_and_text_is_refused_at_the_text() -> None:
    roles = "features:\n  past: [note, size]\n  categorical: [size, note]\n  text: note\n"
    assert problems_of(MINIMAL + roles) == [
        "spec.yaml, line 8, features.text: 'note' is already given as features.categorical"
    ]
    assert read(MINIMAL + roles.replace("size, note]\n  t", "size]\n  t")).features.text == (
        "note",
    )


# Missing keys


def test_both_missing_keys_are_reported_at_once() -> None:
    assert problems_of("window:\n  lookback: 3\n") == [
        (
            "spec.yaml, line 1, window.horizon: this key is required"
            " — add 'horizon: 24' to the section window"
        ),
        "spec.yaml, data.path: this key is required — add 'path: sales.csv' to the section data",
    ]


def test_a_misspelt_required_key_is_not_called_missing_too() -> None:
    assert problems_of("data: {path: a}\nwindow: {horizn: 3}") == [
        "spec.yaml, line 2, window.horizn: unknown key — did you mean 'horizon'?"
    ]


def test_a_wrong_value_under_a_misspelt_section_is_found_too() -> None:
    assert problems_of("data: {path: a}\nwidow:\n  horizon: abc") == [
        "spec.yaml, line 2, widow: unknown section — did you mean 'window'?",
        "spec.yaml, line 3, widow.horizon: expected a whole number of at least 1, found 'abc'",
    ]


# The file as a whole


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
def test_an_empty_file_is_called_empty(text: str) -> None:
    assert problems_of(text) == ["spec.yaml: the file is empty — write at least data and window"]


@pytest.mark.parametrize(("text", "found"), [("- a\n- b", "a list"), ("csv", "'csv'")])
def test_a_file_without_sections_is_refused(text: str, found: str) -> None:
    expected = (
        f"spec.yaml, line 1: expected sections such as data and window, found {found} — if these "
        "are the data, write a spec for them with rnnforecast init"
    )
    assert problems_of(text) == [expected]


SYNTAX = {
    "a:\n\tb: 1": "line 2: the line is indented with a tab: b: 1 — indent with spaces",
    "a: 'x": "a quote that is opened on line 1 is not closed",
    'a: "C:\\data"': "line 1: a backslash inside double quotes",
    "a: [1, 2\nb: 3": "a bracket that is opened on line 1 is not closed",
    "a: {b: 1\nc: 3": "a bracket that is opened on line 1 is not closed",
    "a: b: c": "line 1: a colon where none is expected",
    "a: *.csv": "line 1: text that begins with a special character: a: *.csv — put it in quotes",
    "a: *x": "line 1: text that begins with *: a: *x — put it in quotes",
    "a: @x": "line 1: text that begins with a special character",
    "a: %d": "line 1: text that begins with a special character",
    "a: ,": "line 1: text that begins with a special character",
    "a: -\nb: 1": "line 1: a '-' where no list is expected",
    "a: 1\n---\nb: 2": "line 2: a second document begins here",
    "a:\n  b: 1\n c: 2": "line 3: this is not valid YAML: c: 2 — check the indentation",
    "a: 1\nb: \x00": "line 2: a control character — save the file as plain text",
}


@pytest.mark.parametrize("text", SYNTAX)
def test_a_yaml_error_is_explained_with_its_line(text: str) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith("spec.yaml, line ")
    assert SYNTAX[text] in problem


def test_all_problems_are_reported_at_once_by_line_with_the_command_line_last() -> None:
    text = "model: {hiden_size: 8}\nwindow: {horizon: 0}\ndata:\n  tme: t\n  path: a\ntraning:\n"
    places = [problem.split(": ")[0] for problem in problems_of(text, "model.layers=x")]
    assert places == [
        "spec.yaml, line 1, model.hiden_size",
        "spec.yaml, line 2, window.horizon",
        "spec.yaml, line 4, data.tme",
        "spec.yaml, line 6, traning",
        "--set model.layers=x",
    ]


# Files


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert read_spec(path) == read(MINIMAL)


def test_a_missing_file_is_reported_with_the_closest_name(tmp_path: Path) -> None:
    (tmp_path / "sales.yaml").write_text(MINIMAL)
    with pytest.raises(SpecError, match=r"sale\.yaml: there is no such .* mean 'sales\.yaml'\?"):
        read_spec(tmp_path / "sale.yaml")
    with pytest.raises(SpecError, match=r"there is no such file$"):
        read_spec(tmp_path / "nowhere" / "spec.yaml")


def test_a_folder_is_not_a_spec(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the file cannot be read: is a directory"):
        read_spec(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes("data: {path: Verkäufe.csv}".encode("latin-1"))
    with pytest.raises(SpecError, match="not text in UTF-8 — save it as UTF-8"):
        read_spec(path)


def test_problems_in_a_file_name_the_file_and_obey_overrides(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("data: {path: a}\nwindow: {horizon: x}\n")
    with pytest.raises(SpecError) as caught:
        read_spec(path)
    assert caught.value.problems[0].where == f"{path}, line 2, window.horizon"
    assert read_spec(path, ["window.horizon=2"]).window.horizon == 2


# Round trip

names = st.text(min_size=1, max_size=12)
columns = st.just("auto") | st.lists(names.map(lambda name: f"c{name}"), min_size=1, unique=True)
counts = st.just("auto") | st.integers(1, 10**6)
positive = st.floats(min_value=1e-30, max_value=1e30)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8)
floats = st.floats(allow_nan=False)
specs = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {"path": st.lists(names, min_size=1, max_size=3, unique=True), "targets": columns},
            optional={"time": names.map(lambda name: f"t{name}")},
        ),
        "window": st.fixed_dictionaries({"horizon": st.integers(1, 10**6), "season": counts}),
        "model": st.fixed_dictionaries(
            {
                "backbone_options": st.dictionaries(
                    names, scalars | floats | st.lists(scalars), max_size=3
                )
            }
        ),
        "training": st.fixed_dictionaries(
            {"learning_rate": positive, "clip_norm": st.none() | positive}
        ),
        "forecast": st.fixed_dictionaries(
            {"quantiles": st.lists(st.floats(1e-9, 1 - 1e-9), min_size=1, unique=True)}
        ),
    }
)


@given(specs)
def test_a_spec_that_is_dumped_is_parsed_as_an_equal_spec(values: dict[str, object]) -> None:
    spec = Spec.model_validate(values)
    assert read_without_rules(dump_spec(spec)) == spec


LOOKALIKES = ["1e3", "1e-3", "no", "007", "1:30", "null", "~", ".5", "2024", "", "\x85", "a\nb"]


@pytest.mark.parametrize("text", LOOKALIKES)
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    spec = Spec.model_validate(
        {
            "data": {"path": "a"},
            "window": {"horizon": 1},
            "model": {"backbone_options": {"x": text}},
        }
    )
    assert read_without_rules(dump_spec(spec)).model.backbone_options == {"x": text}


@given(st.text(max_size=60))
def test_any_text_gives_a_spec_or_a_spec_error(text: str) -> None:
    with suppress(SpecError):
        read(text)


@given(st.text(alphabet="[]{}:,-*&!|>'\"%@`#?~ \n\tae1.", max_size=40))
def test_any_odd_value_gives_a_spec_or_a_spec_error(text: str) -> None:
    for lines, override in (
        (text, "model.layers=1"),
        ("{}", text),
        ("{}", f"model.backbone_options={text}"),
    ):
        with suppress(SpecError):
            read(f"{MINIMAL}model: {lines}", override)


def test_reading_a_spec_imports_nothing_heavy() -> None:
    code = (
        "import sys, rnnforecast.spec.load, rnnforecast.spec.reference;"
        "print(sorted({'numpy', 'pandas', 'torch', 'matplotlib', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "text",
    ["data: " + "[" * 100_000, "- " * 100_000, "\n".join(" " * i + "a:" for i in range(2000))],
    ids=["brackets", "lists", "maps"],
)
def test_a_spec_nested_so_deeply_that_parsers_crash_is_refused(text: str) -> None:
    (problem,) = problems_of(text)
    assert "nested too deeply" in problem


def test_of_thousands_of_unknown_keys_and_sections_a_few_are_named_and_the_others_counted() -> None:
    keys = "".join(f"  zebra{i}: 1\n" for i in range(3000))
    sections = "".join(f"zebra{i}: 1\n" for i in range(3000))
    found = problems_of(f"{MINIMAL}model:\n{keys}{sections}")
    assert len(found) == 2 * (MAX_UNKNOWN_KEYS + 1)
    assert any("… and 2,980 more unknown keys" in problem for problem in found)
    assert any("… and 2,980 more unknown sections" in problem for problem in found)


def test_a_data_file_given_as_a_spec_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(b"a: 1\n" * (MAX_BYTES // 5 + 1))
    with pytest.raises(SpecError, match="it is no spec"):
        read_spec(path)


def test_problems_found_with_the_data_name_the_line_or_the_override_of_their_key(
    tmp_path: Path,
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(MINIMAL + "clean:\n  frequency: hourly\n", encoding="utf-8")
    line = MINIMAL.count("\n") + 2
    problems = [Problem("clean.frequency", "no frequency"), Problem("a.csv, line 3", "no number")]
    located = locate_problems(problems, path, ["training.seed=2"])
    assert located == (
        Problem(f"{path}, line {line}, clean.frequency", "no frequency"),
        problems[1],
    )
    overridden = locate_problems(problems, path, ["clean.frequency=day"])
    assert overridden[0].where == "--set clean.frequency=day"


def test_a_spec_of_plain_values_is_that_of_the_same_yaml() -> None:
    text = "data: {path: a.csv, targets: [y, z]}\nwindow: {horizon: 7}\ntraining: {seed: 3}\n"
    values = {
        "data": {"path": Path("a.csv"), "targets": ("y", "z")},
        "window": {"horizon": np.int64(7)},
        "training": {"seed": 3},
    }
    assert spec_from_values(values) == read(text)
    quantiles = {"quantiles": np.array([0.1, 0.9])}
    found = spec_from_values({**values, "forecast": quantiles})
    assert found.forecast.quantiles == (0.1, 0.9)


def test_problems_of_plain_values_name_the_keys_and_come_all_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        spec_from_values({"window": {"horizn": "3"}, "modl": {"layers": "two"}, 5: {}})
    wheres = sorted(problem.where for problem in caught.value.problems)
    wrong_values = ["modl.layers", "window.horizn"]
    assert wheres == sorted(["5", "data.path", "modl", "window.horizn", *wrong_values])


def test_data_in_memory_need_no_path_and_files_do() -> None:
    without = {"window": {"horizon": 7}}
    assert spec_from_values(without, needs_path=False).data.path == ()
    stored = dump_spec(spec_from_values(without, needs_path=False))
    assert parse_spec(stored, name="", needs_path=False).data.path == ()
    with pytest.raises(SpecError, match=r"data\.path: this key is required"):
        spec_from_values(without)
    with pytest.raises(SpecError, match=r"data\.path: expected a file.* found an empty list"):
        parse_spec(stored, name="spec.yaml")
