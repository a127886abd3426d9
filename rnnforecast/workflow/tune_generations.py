"""The values that trials try: proposed in generations, from the trials of those before.

Trials of a generation run at the same time, so none is proposed from the result of another, nor
ended early for it. Therefore the search does not depend on how many run at once, nor on which ends
first. TPE takes trials that are running for bad ones (a constant liar, Ginsbourger and others 2010,
"Kriging is well-suited to parallelize optimization", section 4.2), so that they are apart.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from rnnforecast.spec.search import SearchSpec
from rnnforecast.spec.search_space import Choices, Parameter, Range

MIN_RANDOM_TRIALS, MAX_RANDOM_TRIALS = 4, 10
"""Bounds of the trials that TPE draws at random at first, a quarter of all."""
MIN_GENERATION, MAX_GENERATION = 4, 16
"""Bounds of the trials of a generation after the first, a fifth of all."""


def generation_size(n_trials: int, first: int) -> int:
    """The trials of the generation that begins after `first` trials, in a search of `n_trials`."""
    if first == 0:
        return _n_random(n_trials)
    return min(max(n_trials // 5, MIN_GENERATION), MAX_GENERATION)


def _n_random(n_trials: int) -> int:
    return min(max(n_trials // 4, MIN_RANDOM_TRIALS), MAX_RANDOM_TRIALS)


class SearchSpace:
    """The parameters of a search in the form of Optuna: lists hold their values as JSON."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self.parameters = dict(parameters)
        self.distributions = {key: _distribution(each) for key, each in parameters.items()}
        self.n_grid = math.prod(_grid_size(each) for each in parameters.values())
        """Combinations of all values, if each is of a list or has a step."""

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of keys as Optuna has them."""
        return {
            key: json.dumps(values[key]) if isinstance(each, Choices) else values[key]
            for key, each in self.parameters.items()
        }

    def decode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Values of keys from those of Optuna."""
        return {
            key: json.loads(params[key]) if isinstance(each, Choices) else each.round(params[key])
            for key, each in self.parameters.items()
            if key in params
        }

    def grid(self, seed: int) -> list[dict[str, Any]]:
        """All combinations as Optuna has them, in random order."""
        values = [_grid_values(each) for each in self.parameters.values()]
        points = list(itertools.product(*values))
        random.Random(seed).shuffle(points)
        return [self.encode(dict(zip(self.parameters, point, strict=True))) for point in points]


class Generation:
    """A generation of trials, and what was known before it."""

    def __init__(
        self, space: SearchSpace, search: SearchSpec, seed: int, earlier: Sequence[FrozenTrial]
    ) -> None:
        """`earlier` are the trials of all generations before, in their order."""
        self.space, self.search, self.seed, self.earlier = space, search, seed, earlier

    def propose(self, count: int) -> list[dict[str, Any]]:
        """The next values to try, as Optuna has them; fewer at the end of a grid."""
        if self.search.sampler == "grid":
            known = [trial.params for trial in self.earlier]
            return [each for each in self.space.grid(self.seed) if each not in known][:count]
        found = []
        study = self._new_study()
        for number in range(count):
            study.sampler = self._sampler(len(self.earlier) + number)
            found.append(study.ask(self.space.distributions).params)
        return found

    def is_worse_than_best(self, part_scores: Sequence[float]) -> bool:
        """Whether the Wilcoxon test finds a trial worse than the best of the earlier ones on the
        parts that both have."""
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING, intermediate_values=dict(enumerate(part_scores))
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(self._pruner.prune(self._study, trial))

    @cached_property
    def _study(self) -> optuna.Study:
        return self._new_study()

    @cached_property
    def _pruner(self) -> optuna.pruners.BasePruner:
        return optuna.pruners.WilcoxonPruner()

    def _new_study(self) -> optuna.Study:
        study = optuna.create_study(sampler=RandomSampler(seed=0))
        study.add_trials([trial for trial in self.earlier if trial.state.is_finished()])
        return study

    def _sampler(self, place: int) -> BaseSampler:
        """A sampler with a seed of its own for each trial: a resumed search draws the same."""
        seed = random.Random(f"{self.seed}-{place}").randrange(2**31)
        if self.search.sampler != "tpe":
            return RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return TPESampler(
                seed=seed, n_startup_trials=_n_random(self.search.trials), constant_liar=True
            )


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choices):
        return CategoricalDistribution([json.dumps(value) for value in parameter.values])
    low, high, step = parameter.low, parameter.high, parameter.step
    if step is not None:  # the last step that is not beyond the end
        high = low + math.floor((high - low) / step + 1e-9) * step
    if parameter.is_whole:
        return IntDistribution(int(low), int(high), log=parameter.log, step=int(step or 1))
    return FloatDistribution(low, high, log=parameter.log, step=step)


def _grid_size(parameter: Parameter) -> int:
    """The number of `_grid_values`, which may be too many to list."""
    if isinstance(parameter, Choices):
        return len(parameter.values)
    if not parameter.is_whole and parameter.step is None:
        return 1
    return math.floor((parameter.high - parameter.low) / (parameter.step or 1) + 1e-9) + 1


def _grid_values(parameter: Parameter) -> Sequence[Any]:
    if isinstance(parameter, Choices):
        return parameter.values
    assert isinstance(parameter, Range)
    if not parameter.is_whole and parameter.step is None:
        return [parameter.low]  # no grid has such a range, see `candidate_problems`
    step = parameter.step or 1
    return [parameter.round(parameter.low + place * step) for place in range(_grid_size(parameter))]
