"""Rules across keys: refused values, and the accepted values next to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rnnforecast.errors import SpecError
from rnnforecast.registry import LOSSES
from rnnforecast.spec.compatibility import RULES, find_incompatibilities
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.spec.yaml_source import parse_scalar

BASE: dict[str, Any] = {"data.path": "a.csv", "window.horizon": 3}


def spec_of(keys: dict[str, Any]) -> Spec:
    """The spec with these dotted keys."""
    sections: dict[str, dict[str, Any]] = {}
    for dotted, value in {**BASE, **keys}.items():
        section, key = dotted.split(".")
        sections.setdefault(section, {})[key] = value
    return Spec.model_validate(sections)


def refused(keys: dict[str, Any]) -> list[str]:
    """The keys with a finding."""
    return [key for key, found, _ in find_incompatibilities([spec_of(keys)]) if found]


BIDIRECTIONAL = {"model.bidirectional": True}
DIFFERENCE = {"clean.transform": "difference", "model.normalize": "standard"}
SMOOTH = {"model.normalize": "exponential_smoothing"}
MIXTURE = {"training.loss": "mixture"}
TWEEDIE = {"training.loss": "tweedie"}
JOINT = {"model.channels": "joint"}
POWER, COMPONENTS = "training.loss_options.power", "training.loss_options.components"
EMB = {"features.past": ["emb_*", "note"], "features.future": "price"}


def options(**values: object) -> dict[str, object]:
    return {"training.loss_options": values}


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # the key with the finding, the keys that do not go together, what makes them do so
    ("data.series", {"data.time": "t", "data.series": ["s", "t"]}, {"data.series": "s"}),
    ("data.targets", {"data.time": "t", "data.targets": "t"}, {"data.targets": "y"}),
    (
        "clean.missing",
        {"clean.missing": {"y": "zero"}, "clean.irregular": "interpolate"},
        {"clean.irregular": "snap"},
    ),
    ("data.query", {"data.query": "SELECT 1"}, {"data.path": "sqlite:///sales.db"}),
    ("clean.end", {"clean.end": "latest", "clean.irregular": "keep"}, {"clean.end": "each"}),
    ("clean.start", {"clean.start": "earliest", "clean.irregular": "keep"},
     {"clean.start": "auto"}),
    ("data.known_at", {"data.known_at": "k", "clean.irregular": "keep"},
     {"clean.irregular": "snap"}),
    ("data.known_at", {"data.known_at": "k", "data.layout": "dates_as_columns"},
     {"data.known_at": None}),
    ("backtest.windows",
     {"backtest.first_time": "2024-01-01", "backtest.last_time": "2024-02-01",
      "backtest.windows": 3},
     {"backtest.last_time": None}),
    ("data.targets", {"data.series": "s", "data.targets": ["y", "s"]}, {"data.series": "r"}),
    ("data.decimal", {"data.decimal": ",", "data.separator": ","}, {"data.separator": ";"}),
    ("clean.resample", {"clean.resample": "sum", "clean.irregular": "keep"},
     {"clean.irregular": "snap"}),
    ("features.future", {"features.past": "x", "features.future": "x"}, {"features.future": "z"}),
    ("features.static", {"features.past": "x", "features.static": "x"}, {"features.static": "z"}),
    ("features.static", {"features.future": "x", "features.static": "x"}, {"features.static": "z"}),
    ("features.categorical", {**EMB, "features.categorical": "emp_1"},
     {"features.categorical": ["emb_1", "price"]}),
    ("features.text", {**EMB, "features.text": "not"}, {"features.text": "note"}),
    ("features.text", {**EMB, "features.text": "note", "features.categorical": ["note"]},
     {"features.categorical": ["price"]}),
    ("window.patch_length", {"window.lookback": 24, "window.patch_length": 25},
     {"window.patch_length": 24}),
    ("forecast.totals", {"forecast.totals": [1, 4]}, {"forecast.totals": [1, 3]}),
    ("model.bidirectional", {**BIDIRECTIONAL, "model.backbone": "rnn"}, {"model.backbone": "lstm"}),
    ("model.recurrent_dropout", {"model.recurrent_dropout": 0.1, "model.backbone": "min_gru"},
     {"model.backbone": "gru"}),
    ("model.zoneout", {"model.zoneout": 0.1, "model.backbone": "transformer"},
     {"model.backbone": "slstm"}),
    ("model.initial_state", {"model.initial_state": "learned", "model.backbone": "min_lstm"},
     {"model.backbone": "dilated"}),
    ("model.orthogonal_init", {"model.orthogonal_init": True, "model.backbone": "transformer"},
     {"model.backbone": "rrnn"}),
    ("model.decoder", {**BIDIRECTIONAL, "model.decoder": "parallel"}, {"model.decoder": "direct"}),
    ("model.decoder", {**BIDIRECTIONAL, "model.decoder": "recursive"},
     {"model.decoder": "seq2seq"}),
    ("model.decoder", {**BIDIRECTIONAL, "model.decoder": "forking"},
     {"model.bidirectional": False}),
    ("training.tbptt_steps", {**BIDIRECTIONAL, "training.tbptt_steps": 2},
     {"training.tbptt_steps": None}),
    ("model.teacher_forcing", {"model.teacher_forcing": 0.99, "model.decoder": "direct"},
     {"model.decoder": "recursive"}),
    ("model.teacher_forcing", {"model.teacher_forcing": 0.0, "model.decoder": "parallel"},
     {"model.decoder": "seq2seq"}),
    ("training.horizon_weight", {"training.horizon_weight": [1, 2]},
     {"training.horizon_weight": [1, 2, 0]}),
    ("training.horizon_weight",
     {"training.horizon_weight": "decreasing", "model.decoder": "forking"},
     {"model.decoder": "direct"}),
    ("training.series_weight", {"training.series_weight": "scale", "model.decoder": "forking"},
     {"training.series_weight": "equal"}),
    ("training.window_weight",
     {"training.window_weight": "scale", "model.decoder": "forking", "model.normalize": "last"},
     {"training.window_weight": "auto"}),
    ("training.window_weight", {"training.window_weight": "scale", "model.normalize": "mean"},
     {"model.normalize": "robust"}),
    ("training.freeze", {"training.freeze": "head.*"}, {"training.start_from": "runs/a"}),
    ("model.normalize", {**DIFFERENCE, "model.normalize": "log_mean"},
     {"model.normalize": "standard"}),
    ("model.normalize", {**DIFFERENCE, "model.normalize": "mean"}, {"model.normalize": "robust"}),
    ("model.normalize", {**DIFFERENCE, **SMOOTH}, {"model.normalize": "last"}),
    ("training.loss", {**DIFFERENCE, "model.normalize": "none", "training.loss": "poisson"},
     {"training.loss": "normal"}),
    ("training.loss", {**DIFFERENCE, "model.normalize": "none", "training.loss": "log_normal"},
     {"training.loss": "mixture"}),
    ("model.normalize", {"training.loss": "log_normal", "model.normalize": "standard"},
     {"model.normalize": "log_mean"}),
    ("model.normalize", {"training.loss": "log_normal", **SMOOTH}, {"model.normalize": "none"}),
    ("model.base_forecast", {"model.base_forecast": "theta", **DIFFERENCE},
     {"clean.transform": "log"}),
    ("model.base_forecast", {"model.base_forecast": "theta", **SMOOTH},
     {"model.base_forecast": "linear"}),
    ("model.channels", {**SMOOTH, **JOINT}, {"model.channels": "independent"}),
    ("model.decoder", {**SMOOTH, "model.decoder": "forking"}, {"model.decoder": "seq2seq"}),
    ("model.backbone_options.cell",
     {"model.backbone_options": {"cell": "slstm"}, "model.backbone": "dilated"},
     {"model.backbone_options": {"cell": "lstm"}}),
    (POWER, options(power=1.5), TWEEDIE),
    ("training.loss_options.powr", {**TWEEDIE, **options(powr=1.5)}, options(power=1.5)),
    (POWER, {**TWEEDIE, **options(power=2.0)}, options(power=1.99)),
    (POWER, {**TWEEDIE, **options(power="1.5")}, options(power=1.01)),
    (COMPONENTS, {**MIXTURE, **options(components=1)}, options(components=2)),
    (COMPONENTS, {**MIXTURE, **options(components=True)}, options(components=20)),
    *(
        ("model.normalize", {"training.loss": loss, "model.normalize": normalize},
         {"model.normalize": "mean"})
        for loss in LOSSES.having("amounts")
        for normalize in ("standard", "log_mean", "exponential_smoothing")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("key", "together", "instead"), CASES)
def test_keys_that_do_not_go_together_are_refused_and_their_neighbors_accepted(
    key: str, together: dict[str, Any], instead: dict[str, Any]
) -> None:
    assert refused(together) == [key]
    assert refused({**together, **instead}) == []


@pytest.mark.parametrize(("key", "together", "instead"), CASES)
def test_each_cure_of_a_finding_removes_it(
    key: str, together: dict[str, Any], instead: dict[str, Any]
) -> None:
    (finding,) = find_incompatibilities([spec_of(together)])
    for cured, value in cures(finding):
        assert key not in refused({**together, cured: value}), (cured, value)


def cures(finding: tuple[str, str, str]) -> Iterator[tuple[str, object]]:
    """The keys and values that the cure of a finding names: "set it to A, B or C, or K to D"."""
    key, _, cure = finding
    for part in re.split(r",? or (?=[a-z]+\.[a-z_]+ to )", cure.replace("set ", "", 1)):
        if found := re.fullmatch(r"(it|[a-z]+\.[a-z_]+) to (?:at most )?([\w, ]+)", part):
            for word in re.split(r", | or ", found[2]):
                if word not in ("more", "less", "another", "a run"):
                    value = None if word == "null" else parse_scalar(word)
                    yield key if found[1] == "it" else found[1], value


def test_auto_goes_with_everything() -> None:
    for loss in (*LOSSES.having("positive"), "quantile", "mse"):
        assert refused({"training.loss": loss}) == []
    for keys in (BIDIRECTIONAL, SMOOTH, {"model.teacher_forcing": 0.5}):
        assert refused(keys) == []


class RecordingSpec:
    """A spec that records the keys that are read."""

    def __init__(self, spec: Spec, section: str = "") -> None:
        self._spec, self._section, self.read = spec, section, set[str]()

    def __getattr__(self, name: str) -> Any:
        if not self._section:
            part = RecordingSpec(getattr(self._spec, name), name)
            part.read = self.read
            return part
        derived = {"difference_transforms": "transform", "missing_methods": "missing"}
        key = derived.get(name, name)
        self.read.add(f"{self._section}.{key}")
        return getattr(self._spec, name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.check.__name__.strip("_"))
def test_a_rule_reads_only_the_keys_that_it_names_and_has_a_case(rule: Any) -> None:
    findings = 0
    for _, together, instead in CASES:
        for keys in (together, {**together, **instead}):
            spec = RecordingSpec(spec_of(keys))
            findings += len(list(rule.check(spec)))
            assert spec.read <= set(rule.keys)
    assert findings


def test_a_rule_is_skipped_where_one_of_its_keys_is_invalid() -> None:
    text = "data: {path: a}\nwindow: {horizon: x, lookback: 3, patch_length: 4}\n"
    with pytest.raises(SpecError) as caught:
        parse_spec(f"{text}forecast: {{totals: [99]}}\nmodel: {{zoneout: 2, backbone: min_gru, "
                   "orthogonal_init: true}", name="s")  # fmt: skip
    assert [problem.where for problem in caught.value.problems] == [
        "s, line 2, window.horizon",
        "s, line 2, window.patch_length",
        "s, line 4, model.zoneout",
        "s, line 4, model.orthogonal_init",
    ]


def test_a_finding_in_one_network_of_an_ensemble_is_found_once() -> None:
    text = "data: {path: a}\nwindow: {horizon: 3}\nmodel: {teacher_forcing: 0.5}\n"
    more = "ensemble: {members: 4, vary: {model.decoder: [seq2seq, direct]}}\n"
    with pytest.raises(SpecError) as caught:
        parse_spec(text + more, name="s")
    assert [problem.where for problem in caught.value.problems] == [
        "s, line 3, model.teacher_forcing"
    ]


WRONG = """model: {backbone: transformer, zoneout: 0.1, decoder: direct, teacher_forcing: 0.5}
training: {loss: mixture, loss_options: {components: 1}, freeze: "head.*"}
forecast: {totals: [3, 40]}
"""


@pytest.mark.parametrize("command", [("check",), ("train", "-o", "run")])
def test_all_findings_are_reported_at_once_before_any_data_is_read(
    given: Callable[..., None], rnnforecast: Callable[..., Any], command: tuple[str, ...]
) -> None:
    given(more=WRONG)
    Path("data.csv").unlink()
    result = rnnforecast(command[0], "spec.yaml", *command[1:])
    assert result.exit_code == 3
    keys = ("model.zoneout", "model.teacher_forcing", "training.loss_options.components",
            "training.freeze", "forecast.totals")  # fmt: skip
    for key in keys:
        assert f", {key}: " in " ".join(result.stderr.split())
    assert not Path("run").exists()


def test_what_is_chosen_automatically_goes_with_the_loss(
    given: Callable[..., None], rnnforecast: Callable[..., Any], table: Callable[..., Any]
) -> None:
    rows = table()
    rows.loc[::7, "y"] = 1e-6  # too near zero for logs
    given(rows)
    for loss in LOSSES.having("positive"):
        result = rnnforecast("check", "spec.yaml", "--no-report", "--set", f"training.loss={loss}")
        assert result.exit_code == 0, result.stderr
        assert "model.normalize: mean" in " ".join((result.stdout + result.stderr).split())


@pytest.mark.parametrize("loss", [*LOSSES.having("positive"), "mse", "student_t", "quantile"])
def test_what_the_preset_best_varies_goes_together(
    given: Callable[..., None], rnnforecast: Callable[..., Any], loss: str
) -> None:
    given()
    sets = ("--set", "training.preset=best", "--set", f"training.loss={loss}")
    result = rnnforecast("check", "spec.yaml", "--no-report", *sets)
    assert result.exit_code == 0, result.stderr
