"""Forecasts of the pretrained network, of the statistical combination, and their mixtures.

Seasons are those that `predict` finds in a file of the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from classics import histories_of
from competition import Benchmark

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency_inference import infer_frequency
from rnnforecast.inference.pretrained import pretrained_quantiles
from rnnforecast.models.pretrained.context import MAX_CONTEXT
from rnnforecast.pipeline.auto_season import choose_season, statistical_seasons
from rnnforecast.pipeline.untrained_forecast import (
    ERROR_LEVELS,
    MemberForecasts,
    earlier_steps,
    has_many_zeros,
    pretrained_weight,
)
from rnnforecast.statistical import combination
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats


@dataclass(frozen=True)
class WeightedForecasts(MemberForecasts):
    """Forecasts of both members for N series, in the order of their names."""

    weight: Floats
    """`[N]` of the pretrained network, as in `predict` without a run."""

    def mixture(self, weight: float | None = None) -> Floats:
        """The weighted mean of the quantiles; None for the weight of `predict`."""
        return self.mean(self.weight if weight is None else np.full(len(self.weight), weight))


def members_of_panel(
    table: pd.DataFrame, *, horizon: int, levels: Sequence[float], wide: bool = False
) -> WeightedForecasts:
    """Forecasts of all series of a table unique_id, ds, y that is one file.

    Args:
        wide: whether the file has one column a series.
    """
    return _forecast(table, seasons_of(table, wide=wide), horizon, levels)


def members_alone(
    table: pd.DataFrame, benchmark: Benchmark, levels: Sequence[float]
) -> WeightedForecasts:
    """Forecasts of the series of a table unique_id, ds, y, of which each is a file of its own."""
    by_seasons = dict[tuple[int, ...], list[int]]()
    _, series = np.unique(table["unique_id"], return_inverse=True)
    for number, (_, part) in enumerate(table.groupby("unique_id", sort=True)):
        by_seasons.setdefault(seasons_of(part), []).append(number)
    found = [
        _forecast(table[np.isin(series, chosen)], seasons, benchmark.horizon, levels)
        for seasons, chosen in by_seasons.items()
    ]
    order = np.argsort(np.concatenate(list(by_seasons.values())))
    return WeightedForecasts(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in found])[order]
            for each in fields(WeightedForecasts)
        }
    )


def seasons_of(table: pd.DataFrame, *, wide: bool = False) -> tuple[int, ...]:
    """The seasons in steps that `predict` finds in a file with these rows; () for none."""
    ordered = table.sort_values(["unique_id", "ds"])
    time = ordered["ds"].to_numpy("datetime64[us]")
    names, series = np.unique(ordered["unique_id"], return_inverse=True)
    values = ordered["y"].to_numpy(float)[:, None]
    frequency = infer_frequency(series, time).frequency
    if wide:
        values = values.reshape(len(names), -1).T  # [N, C]
        names, series = names[:1], series[: len(values)]
    count = len(names)
    panel = Panel(
        keys=pd.DataFrame({"unique_id": names}),
        offsets=np.concatenate([[0], np.cumsum(np.bincount(series, minlength=count))]),
        start=np.zeros(count, dtype=np.int64),
        phase=np.zeros(count, dtype=np.int64),
        frequency=frequency,
        utc_offset="",
        target_names=tuple(f"y{column}" for column in range(values.shape[1])),
        targets=values,
        observed_mask=~np.isnan(values),
    )
    season, _ = choose_season(panel, 0)
    return statistical_seasons(frequency, season)


def _forecast(
    table: pd.DataFrame, seasons: tuple[int, ...], horizon: int, levels: Sequence[float]
) -> WeightedForecasts:
    longest = combination.longest_history((seasons or (1,))[0], horizon)
    histories = histories_of(table, max(longest, MAX_CONTEXT))
    back = earlier_steps(horizon)
    last = histories.last(back)
    weight = pretrained_weight(
        np.where(last.observed, last.values, np.nan).T,
        _members(histories.before(back), seasons, back, horizon, ERROR_LEVELS),
        many_zeros=has_many_zeros(histories.values, histories.observed, next(iter(seasons), 1)),
        seasons=seasons,
    )
    members = _members(histories, seasons, horizon, horizon, levels)
    return WeightedForecasts(members.statistical, members.pretrained, members.lengths, weight)


def _members(
    histories: Histories,
    seasons: tuple[int, ...],
    steps: int,
    horizon: int,
    levels: Sequence[float],
) -> MemberForecasts:
    """As in `untrained_quantiles`, of `steps`, which are not more than the horizon."""
    usual = seasons or (1,)
    recent = histories.last(combination.longest_history(usual[0], horizon))
    statistical = combination.forecast(recent, seasons=usual, horizon=horizon, levels=levels)
    pretrained = pretrained_quantiles(histories, seasons=seasons, horizon=steps, levels=levels)
    return MemberForecasts(statistical[:, :steps], pretrained, histories.lengths)
