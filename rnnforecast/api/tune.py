"""The search for better values of a spec in Python: `rnnforecast.tune`."""

from __future__ import annotations

import os
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rnnforecast.api.inputs import DataLike, SpecLike, read_inputs
from rnnforecast.api.progress import ApiListener, Progress
from rnnforecast.spec.load import dump_spec
from rnnforecast.spec.search_space import with_values
from rnnforecast.spec.spec import Spec

if TYPE_CHECKING:
    from rnnforecast.workflow.tune import TuneResult


@dataclass(frozen=True, repr=False)
class Tuning:
    """The result of `rnnforecast.tune`."""

    result: TuneResult
    """The content of ``tuning.json``: scores of the search, and the comparison on windows that it
    never saw."""
    spec: Spec
    """The spec with the best values, to train with."""
    trials: pd.DataFrame
    """A row for each trial: state, score, score of each fold, and the values; empty if the search
    was interrupted."""

    @property
    def values(self) -> dict[str, Any]:
        """The best value of each key that was searched."""
        return self.result.values

    @property
    def conclusion(self) -> str:
        """Whether the search helped, in words, from windows that it never saw."""
        return self.result.conclusion

    def __repr__(self) -> str:
        values = ", ".join(f"{key}: {value}" for key, value in self.values.items())
        return f"Tuning({values}; {self.conclusion or 'interrupted'})"


def tune(
    spec: SpecLike,
    data: DataLike | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: Progress = "auto",
    **keys: Any,
) -> Tuning:
    """Searches for better values of keys of the spec, and compares the best with the given ones.

    The comparison is on windows that the search never saw. Needs Optuna
    (``pip install 'rnnforecast[tune]'``).

    Args:
        spec: a spec as in `train`; its section search says which keys are varied, and how.
        data: a data frame, a path, or a list of these; the data of the spec if not given.
        folder: where to write the results, if anywhere; a search that was ended goes on there.
        workers: trials that run at the same time, at most, each in a process of its own; as many
            as there are cores if not given. The result does not depend on it.
        progress: see `train`; each trial has a line among the messages.
        keys: keys of the section search, which replace those of the spec: ``trials``,
            ``minutes``, ``criterion``, ``sampler`` and others.

    Raises:
        SpecError, DataError, UsageError, TrainingDiverged, OutputError.

    Warns:
        ForecastWarning: a baseline is better than both specs.

    Examples:
        >>> import pandas as pd
        >>> import rnnforecast as rf
        >>> days = pd.date_range("2024-01-01", periods=120)
        >>> sales = pd.DataFrame({"ds": days, "y": [10.0 + day**2 % 23 for day in range(120)]})
        >>> spec = {"window": {"horizon": 7}, "training": {"max_steps": 2}}
        >>> keys = {"model.hidden_size": [2, 4]}
        >>> found = rf.tune(spec, sales, keys=keys, trials=2, folds=1)
        >>> found.trials["model.hidden_size"].isin([2, 4, 32]).all()
        np.True_
        >>> found.spec.model.hidden_size in (2, 4, "auto")
        True
    """
    inputs = read_inputs(spec, data, search=keys)
    from rnnforecast.batch.stop_signal import stop_on_signal
    from rnnforecast.data.cleaning_plan import align_table
    from rnnforecast.parallel.engine import open_engine
    from rnnforecast.pipeline.prepare import (
        build_cleaning_plan,
        file_paths,
        read_training_table,
    )
    from rnnforecast.workflow.tune import check_optuna, tune_aligned
    from rnnforecast.workflow.tune_output import TRIALS_FILE, SpecText
    from rnnforecast.workflow.tune_trial import TuneTask

    check_optuna()
    listener = ApiListener(progress)
    plan = build_cleaning_plan(inputs.spec)
    aligned = align_table(plan, read_training_table(inputs.spec, inputs.source))
    with tempfile.TemporaryDirectory(prefix="rnnforecast-") as place:
        path = Path(place, "results") if folder is None else Path(folder)
        task = TuneTask(inputs.spec, aligned, file_paths(inputs.source), inputs.folder, path)
        text = dump_spec(inputs.spec, given_only=True)
        given = SpecText(text, inputs.spec, "spec.yaml", inputs.folder)
        with stop_on_signal(listener, [signal.SIGINT]) as should_stop:
            result = tune_aligned(
                task,
                given,
                engine=open_engine(workers=workers),
                listener=listener,
                should_stop=should_stop,
            )
        trials = pd.DataFrame() if result.interrupted else pd.read_csv(path / TRIALS_FILE)
    if result.warning is not None:
        listener.warning(result.warning)
    return Tuning(result, _best_spec(inputs.spec, result, trials), trials)


def _best_spec(spec: Spec, result: TuneResult, trials: pd.DataFrame) -> Spec:
    """The spec with the values of the best trial; as given if that is the untuned one."""
    is_untuned = len(trials) and trials.loc[trials["untuned"], "trial"].eq(result.best_trial).any()
    return spec if is_untuned else with_values(spec, result.values)
