"""The section search: the keys that `tune` varies, and how it searches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rnnforecast.spec.types import (
    Auto,
    Bool,
    PositiveFloat,
    PositiveInt,
    PositiveUnitFloat,
    SearchKeys,
    SmallPositiveInt,
    SpecSection,
)

Criterion = Literal["mase", "wql", "smape", "rmsse", "rmse", "mae", "aic", "bic"]


class SearchSpec(SpecSection):
    """The search of `tune` for better values; no other command uses it."""

    keys: Auto | SearchKeys = Field(
        "auto",
        description="The keys to vary, each with a list of values or with a range: low, high, and"
        " step or log: true if wanted; auto: learning rate, hidden size, dropout and lookback"
        " around their automatic values, and more keys with many data.",
        examples=[
            {
                "model.hidden_size": [32, 64, 128],
                "training.learning_rate": {"low": 0.0003, "high": 0.01, "log": True},
            }
        ],
    )
    sampler: Literal["tpe", "random", "grid"] = Field(
        "tpe",
        description="How values are drawn: by tree-structured Parzen estimators from those that"
        " were good so far, at random, or all combinations in random order; by training.seed.",
    )
    trials: PositiveInt = Field(40, description="The number of trials.")
    minutes: PositiveFloat | None = Field(
        None,
        description="The minutes that the search may take, without the final comparison; null: no"
        " limit.",
    )
    criterion: Criterion = Field(
        "mase",
        description="What is minimized: a metric of the folds' forecasts, or an information"
        " criterion of the network on its training windows (aic, bic).",
    )
    folds: Auto | SmallPositiveInt = Field(
        "auto",
        description="The horizons, one behind the other, that a trial is scored on, each by a"
        " network trained on the data before it; auto: 3, or 2 from 1000 series on.",
    )
    test_windows: SmallPositiveInt = Field(
        1,
        description="The last horizons, which the search never sees, that the best and the untuned"
        " spec are compared on.",
    )
    step_share: PositiveUnitFloat = Field(
        1.0,
        description="The share of training.max_steps that a trial takes: less is faster and ranks"
        " less surely; the final comparison takes all.",
    )
    prune: Bool = Field(
        True,
        description="Whether a trial ends early that is worse than the best one on the folds so"
        " far, or whose validation loss is above the median of the others.",
    )
