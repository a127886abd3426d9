"""When a new model replaces the current one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rnnforecast.batch.promotion.decision import (
    CandidateScores,
    ComparedModels,
    CurrentModel,
    LiveRecord,
    PromotionRule,
    decide,
)
from rnnforecast.evaluation.verdict import Verdict

OTHER_SCORE = 1.0


def verdict_of(low: float, high: float, other: str = "the current model") -> Verdict:
    """An interval of the difference from an error of 1."""
    difference = (low + high) / 2
    return Verdict(
        other=other,
        metric="mase",
        score=OTHER_SCORE + difference,
        other_score=OTHER_SCORE,
        difference=difference,
        relative_difference=difference,
        low=low,
        high=high,
        probability=0.5,
        series=20,
        origins=1,
        windows=20,
        resampled=("series",),
    )


CANDIDATE = CandidateScores(mase=0.8, baseline=verdict_of(-0.2, 0.1, "DOT"))
BEATEN = replace(CANDIDATE, baseline=verdict_of(0.01, 0.1, "DOT"))


def compared(low: float, high: float, *, in_sample: bool = False) -> ComparedModels:
    verdict = verdict_of(low, high)
    return ComparedModels(verdict, in_sample, 280, 280 if in_sample else 0, 0)


def current(
    low: float, high: float, *, in_sample: bool = False, live: LiveRecord | None = None
) -> CurrentModel:
    found = compared(low, high, in_sample=in_sample)
    return CurrentModel("2026-11-01", timedelta(days=10), compared=found, live=live)


@pytest.mark.parametrize(
    ("low", "high", "promoted", "reason"),
    [
        (-0.3, -0.1, True, "better"),
        (-0.3, -0.04, False, "not shown"),
        (-0.3, 0.1, False, "not shown"),
        (0.1, 0.3, False, "worse"),
    ],
    ids=["beyond the margin", "within the margin", "not shown", "worse"],
)
def test_a_new_model_has_to_be_better_by_the_margin(
    low: float, high: float, promoted: bool, reason: str
) -> None:
    decision = decide(CANDIDATE, current(low, high), PromotionRule(margin=0.05))
    assert (decision.promoted, decision.reason) == (promoted, reason)
    assert "MASE" in decision.message
    assert "margin 5 %" in decision.message


def test_with_a_drift_alarm_any_improvement_suffices() -> None:
    alarmed = current(-0.3, -0.04, live=LiveRecord(1.4, 300, ("bias",)))
    decision = decide(CANDIDATE, alarmed, PromotionRule(margin=0.05))
    assert decision.promoted
    assert decision.margin == 0.0
    unclear = current(-0.3, 0.01, live=LiveRecord(1.4, 300, ("bias",)))
    assert not decide(CANDIDATE, unclear, PromotionRule(margin=0.05)).promoted


def test_a_model_that_loses_against_a_baseline_never_replaces_one_that_works() -> None:
    old = replace(current(-0.5, -0.4), age=timedelta(days=400))
    decision = decide(BEATEN, old, PromotionRule(max_age=timedelta(days=30)))
    assert (decision.promoted, decision.reason) == (False, "baseline")
    assert "DOT" in decision.message
    unscored = replace(CANDIDATE, baseline=None)
    assert decide(unscored, old, PromotionRule()).reason == "not scored"


def test_the_first_model_is_promoted_even_if_a_baseline_is_better() -> None:
    assert decide(BEATEN, None, PromotionRule()).reason == "first"
    assert not decide(replace(BEATEN, interrupted=True), None, PromotionRule()).promoted


def test_a_model_that_cannot_be_read_is_replaced_by_one_that_beats_the_baseline() -> None:
    damaged = CurrentModel("", timedelta(days=3), problem="the file is damaged")
    assert decide(CANDIDATE, damaged, PromotionRule()).reason == "unreadable"
    assert not decide(BEATEN, damaged, PromotionRule()).promoted
    assert decide(BEATEN, damaged, PromotionRule(replace_unreadable=True)).promoted


def test_on_values_of_its_training_the_current_model_is_favored_and_said_to_be() -> None:
    decision = decide(CANDIDATE, current(-0.1, 0.1, in_sample=True), PromotionRule())
    assert not decision.promoted
    assert "trained on these values" in decision.message
    better_all_the_same = current(-0.3, -0.1, in_sample=True)
    assert decide(CANDIDATE, better_all_the_same, PromotionRule()).reason == "better"


@pytest.mark.parametrize(("live_mase", "promoted"), [(1.0, True), (0.79, False)])
def test_the_live_record_decides_where_the_windows_are_of_the_training(
    live_mase: float, promoted: bool
) -> None:
    live = LiveRecord(live_mase, 300)
    decision = decide(CANDIDATE, current(0.1, 0.3, in_sample=True, live=live), PromotionRule())
    assert decision.promoted == promoted
    assert "live" in decision.message
    # a comparison on unseen windows comes first
    assert not decide(CANDIDATE, current(0.1, 0.3, live=live), PromotionRule()).promoted


@pytest.mark.parametrize(
    ("low", "high", "in_sample", "promoted"),
    [(-0.1, 0.1, False, True), (0.1, 0.3, False, False), (0.1, 0.3, True, True)],
    ids=["not shown", "worse", "in-sample"],
)
def test_an_old_model_is_replaced_unless_the_new_one_is_worse(
    low: float, high: float, in_sample: bool, promoted: bool
) -> None:
    rule = PromotionRule(max_age=timedelta(days=10))
    decision = decide(CANDIDATE, current(low, high, in_sample=in_sample), rule)
    assert decision.promoted == promoted
    assert promoted == (decision.reason == "age")
    younger = replace(current(low, high, in_sample=in_sample), age=timedelta(days=9))
    assert not decide(CANDIDATE, younger, rule).promoted


def test_without_an_interval_the_mean_decides() -> None:
    unknown = compared(-0.3, -0.1)
    verdict = replace(unknown.verdict, low=float("nan"), high=float("nan"), resampled=(), series=2)
    few = CurrentModel("2026-11-01", timedelta(days=10), compared=replace(unknown, verdict=verdict))
    decision = decide(CANDIDATE, few, PromotionRule(margin=0.2))
    assert decision.promoted
    assert "decided by the mean" in decision.message
    assert not decide(CANDIDATE, few, PromotionRule(margin=0.21)).promoted
    beaten = replace(verdict, other="theta", difference=0.1)
    decision = decide(replace(CANDIDATE, baseline=beaten), few, PromotionRule())
    assert decision.reason == "baseline"
    assert "worse than theta by the mean" in decision.message


def test_an_interrupted_training_is_never_promoted() -> None:
    interrupted = replace(CANDIDATE, interrupted=True)
    rule = PromotionRule(always=True, max_age=timedelta(0), replace_unreadable=True)
    assert decide(interrupted, current(-0.5, -0.4), rule).reason == "interrupted"
    assert decide(CANDIDATE, current(0.4, 0.5), rule).reason == "always"


def test_a_model_of_implausible_data_replaces_nothing() -> None:
    shifted = replace(current(-0.5, -0.4), implausible_data="1000 times the level")
    rule = PromotionRule(max_age=timedelta(0), replace_unreadable=True)
    decision = decide(CANDIDATE, shifted, rule)
    assert (decision.promoted, decision.reason) == (False, "data")
    assert "1000 times the level" in decision.message


def test_after_a_drift_the_better_of_two_models_is_used_even_if_a_baseline_is_better() -> None:
    alarm = LiveRecord(1.5, 300, ("error_up",))
    decision = decide(BEATEN, current(-0.5, -0.4, live=alarm), PromotionRule())
    assert (decision.promoted, decision.reason) == (True, "better")
    assert "worse than DOT" in decision.message
    for unclear in (
        current(-0.5, 0.1, live=alarm),
        current(-0.5, -0.4, in_sample=True, live=alarm),
    ):
        assert decide(BEATEN, unclear, PromotionRule()).reason == "baseline"
