"""Parts of `pretrained.py` that train nothing: GIFT-Eval, and series that are each alone."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from alone_sets import Sample
from gift import LEVELS as GIFT_LEVELS
from gift import (
    NAMES,
    QUANTILES,
    Row,
    Window,
    WindowScores,
    add_window,
    check_seasonal_naive,
    format_results,
    geometric_means,
    predict_window,
    seasonal_naive_mase,
    split_windows,
    write_history,
)
from gift_sets import CONFIGURATIONS, Configuration
from measures import HEADINGS, LEVELS, headings, score
from pretrained_gate import MASE, OWA_ALONE, WQL, GateRow, Part, at_most, bands_row, not_measured
from pretrained_members import WeightedForecasts, members_alone, members_of_panel
from score_tables import Scores, format_row, table_head

from rnnforecast.types import Floats
from rnnforecast.workflow.predict_subject import find_subject

STATISTICAL, PRETRAINED, MIXTURE, COMMAND = "statistical", "pretrained", "mixture", "command"
BY_ERRORS = "by past errors"
METHODS = (STATISTICAL, PRETRAINED, MIXTURE, COMMAND)
COLUMNS = headings("owa", "smape", "mase", "wql", "cover_80", "cover_95")


def gift(data: Path, names: Sequence[str]) -> Part:
    """Both members and their mixture on configurations of GIFT-Eval."""
    part = Part("GIFT-Eval, without training")
    name, chosen = "GIFT-Eval", [one for one in CONFIGURATIONS if one.name in names]
    try:
        rows = [_gift_row(one, data) for one in chosen]
    except FileNotFoundError as error:
        part.rows = [not_measured(name, f"there is no {error.filename}")]
        return part
    titles = {
        STATISTICAL: "statistical combination",
        PRETRAINED: "pretrained network",
        MIXTURE: "both, weighted by past errors",
        COMMAND: "`predict` without a run",
    }
    part.text = format_results(rows, titles) if rows else ""
    if len(rows) < len(CONFIGURATIONS):
        part.rows = [not_measured(name, f"{len(rows)} of {len(CONFIGURATIONS)} configurations")]
        return part
    for method in (PRETRAINED, COMMAND):
        ratios = geometric_means(rows, method)
        for measure, ratio, bound in zip(("MASE", "WQL"), ratios, (MASE, WQL), strict=True):
            label = f"{name}, {measure} / seasonal naive: {titles[method]}"
            part.rows.append(at_most(label, ratio, bound))
    return part


def _gift_row(configuration: Configuration, data: Path) -> Row:
    """The scores of a configuration."""
    table = configuration.load(data)
    row = Row(configuration, seasonal_naive_mase(configuration, table), {})
    check_seasonal_naive(configuration, row.own_mase)
    scores = {method: WindowScores(configuration.season) for method in METHODS}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="rnnforecast-pretrained-") as temporary:
        folder = Path(temporary)
        for number, window in enumerate(split_windows(configuration, table)):
            _add_members(scores, configuration, window)
            source = folder / f"{number}.csv"
            write_history(configuration, window.history, source)
            horizon = configuration.horizon
            subject = find_subject(str(source), horizon=horizon, overrides=[QUANTILES])
            predict_window(scores[COMMAND], window, subject, folder)
    print(f"{time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)
    row.scores = {method: one.result() for method, one in scores.items()}
    return row


def _add_members(
    scores: dict[str, WindowScores], configuration: Configuration, window: Window
) -> None:
    """Adds the forecasts of both members and their mixture for a window."""
    members = members_of_panel(
        window.history,
        horizon=configuration.horizon,
        levels=GIFT_LEVELS,
        wide=configuration.wide,
    )
    steps = window.actual.sort_values(["unique_id", "ds"])[["unique_id"]]
    found = (members.statistical, members.pretrained, members.mixture())
    for method, quantiles in zip((STATISTICAL, PRETRAINED, MIXTURE), found, strict=True):
        flat = pd.DataFrame(quantiles.reshape(len(steps), -1), steps.index, NAMES)
        add_window(scores[method], window, steps.join(flat))


def alone(samples: dict[str, Sample], gated: Sequence[str], weights: Sequence[float]) -> Part:
    """The statistical combination with shares of the pretrained network, on series alone.

    Args:
        gated: sets whose rows are of the gate, with the weights of `predict` without a run.
        weights: further ones of the pretrained network, the same for all series.
    """
    part = Part("Series alone: statistical combination with the pretrained network")
    lines = [table_head(["each series alone", "pretrained, %", "n"], COLUMNS)]
    ratios: dict[str, dict[str, Scores]] = {}
    for name, sample in samples.items():
        members = members_alone(sample.train, sample.benchmark, LEVELS)
        shares = {"0": 0.0, BY_ERRORS: None, **{f"{100 * one:g}": one for one in weights}}
        scores = {name: _alone_scores(sample, members, one) for name, one in shares.items()}
        size = sample.train["unique_id"].nunique()
        lines += [
            format_row(f"{size} of {name}", share, [found], COLUMNS)
            for share, found in scores.items()
        ]
        print(lines[-1], file=sys.stderr, flush=True)
        ratios[name] = {
            share: {measure: found[measure] / scores["0"][measure] for measure in ("owa", "wql")}
            for share, found in scores.items()
        }
        if name in gated:
            title = f"{size} of {name}, each alone, statistical combination"
            part.rows += compare(title, scores["0"], scores[BY_ERRORS], OWA_ALONE)
    part.text = "\n\n".join(
        ["\n".join(lines), *(_ratio_table(ratios, one) for one in ("owa", "wql"))]
    )
    if not part.rows:
        part.rows = [not_measured(part.title, f"none of {', '.join(gated)} was chosen")]
    return part


def _ratio_table(ratios: dict[str, dict[str, Scores]], measure: str) -> str:
    """A measure over that without the pretrained network, one column a weight."""
    table = pd.DataFrame(
        {
            name: {weight: one[measure] for weight, one in row.items()}
            for name, row in ratios.items()
        }
    ).T
    table.loc[f"geometric mean of {len(table)}"] = np.exp(np.log(table).mean())
    title = HEADINGS[measure][0]
    heads = [f"{title} / that without", *(f"{share} %" for share in table.columns)]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * len(table.columns)]
    for name, row in table.iterrows():
        lines.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in row)} |")
    return "\n".join(lines)


def compare(name: str, without: Scores, found: Scores, bound: float) -> list[GateRow]:
    """The rows of accuracy and bands with the network, beside those without it."""
    return [
        at_most(f"{name}: OWA with / without", found["owa"] / without["owa"], bound),
        bands_row(f"{name}: shares in the bands", without, found),
    ]


def _alone_scores(sample: Sample, members: WeightedForecasts, weight: float | None) -> Scores:
    quantiles: Floats = members.mixture(weight)
    table = sample.test.sort_values(["unique_id", "ds"])[["unique_id", "ds"]]
    table[[f"q{level:g}" for level in LEVELS]] = quantiles.reshape(-1, len(LEVELS))
    table["yhat"] = table["q0.5"]
    return score(sample.train, sample.test, table, sample.benchmark.season)


def one_horizon_earlier(sample: Sample) -> Sample:
    """The sample with the last horizon of its training part as the test part.

    Series of which too few values would be left, for a season and the scale of MASE, are left out.
    """
    horizon, season = sample.benchmark.horizon, sample.benchmark.season
    by_series = sample.train.groupby("unique_id")
    remaining = by_series.cumcount(ascending=False)
    size = by_series["y"].transform("size")
    train = sample.train[(remaining >= horizon) & (size >= horizon + max(season + 2, 6))]
    change = train["y"].groupby(train["unique_id"]).diff(season).abs()
    scale = change.groupby(train["unique_id"]).transform("max")
    train = train[scale > 0]
    chosen = sample.train["unique_id"].isin(np.unique(train["unique_id"]))
    benchmark = replace(sample.benchmark, name=f"{sample.benchmark.name}_inside")
    return Sample(benchmark, train, sample.train[(remaining < horizon) & chosen])
