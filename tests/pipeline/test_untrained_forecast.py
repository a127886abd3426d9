"""Forecasts without training: the mean of statistical methods and the pretrained network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.cleaning_plan import CleanedData, align_table, read_table
from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.inference.pretrained import pretrained_quantiles
from rnnforecast.pipeline.statistical import statistical_quantiles
from rnnforecast.pipeline.untrained_forecast import (
    ERROR_POWER,
    PRETRAINED_WEIGHT,
    has_many_zeros,
    untrained_quantiles,
)
from rnnforecast.pipeline.untrained_run import build_untrained_plan, fit_untrained_run
from rnnforecast.spec.load import spec_from_values
from rnnforecast.statistical.histories import Histories

LEVELS = (0.1, 0.5, 0.9)


def cleaned_data(folder: Path, frame: pd.DataFrame, **sections: object) -> CleanedData:
    """The data as a forecast of them without a training reads them."""
    frame.to_csv(folder / "data.csv", index=False)
    spec = spec_from_values({"window": {"horizon": 5, "season": 7}, **sections}, needs_path=False)
    plan = build_untrained_plan(spec)
    aligned = align_table(plan, read_table(plan, [str(folder / "data.csv")]))
    now = pd.Timestamp("2024-06-01", tz="UTC").to_pydatetime()
    run, cleaned = fit_untrained_run(spec, spec, aligned, [], now)
    assert not run.is_trained
    assert run.statistical_seasons == (7,)
    return cleaned


def test_quantiles_are_the_weighted_mean_of_both_but_for_many_zeros(tmp_path: Path) -> None:
    days, random = pd.date_range("2024-01-01", periods=40), np.random.default_rng(0)
    values = 50 + np.arange(40) % 7 + random.normal(size=(2, 40))
    values[1] = random.poisson(0.5, 40)  # many zeros
    frame = pd.DataFrame({"ds": days, "a": values[0], "b": values[1]})
    cleaned = cleaned_data(tmp_path, frame, data={"targets": ["a", "b"]})
    ends = np.array([40, 40])
    index = WindowIndex(np.arange(2), ends, ends + 5)
    options = {"steps": 5, "horizon": 5, "seasons": (7,), "joint": False}
    found = untrained_quantiles(cleaned, index, LEVELS, **options)  # type: ignore[arg-type]
    statistical = statistical_quantiles(cleaned, index, LEVELS, **options)  # type: ignore[arg-type]
    pretrained = pretrained_quantiles(
        Histories.from_values(cleaned.values), seasons=(7,), horizon=5, levels=LEVELS
    )[:, :, None]
    # the weight by the errors of both for the last 3 of 40 values
    earlier = WindowIndex(np.arange(2), ends - 3, ends)
    options["steps"] = 3
    before = [
        statistical_quantiles(cleaned, earlier, LEVELS, **options)[0, :, 0],  # type: ignore[arg-type]
        pretrained_quantiles(
            Histories.from_values(cleaned.values[:37]), seasons=(7,), horizon=3, levels=LEVELS
        )[0],
    ]
    size = [
        np.mean(
            [
                max(q * (y - x), (q - 1) * (y - x))
                for row, y in zip(one, values[0, 37:], strict=True)
                for x, q in zip(row, LEVELS, strict=True)
            ]
        )
        for one in before
    ]
    odds = PRETRAINED_WEIGHT / (1 - PRETRAINED_WEIGHT) * (size[0] / size[1]) ** ERROR_POWER
    expected = statistical[0] + odds / (1 + odds) * (pretrained[0] - statistical[0])
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    np.testing.assert_allclose(found[1], pretrained[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("transform", "many_zeros"), [("log", (False, False)), ("log1p", (False, True))]
)
def test_zeros_are_those_of_the_data_not_of_transformed_values(
    tmp_path: Path, transform: str, many_zeros: tuple[bool, bool]
) -> None:
    """Log(1) is 0, of a value that is none."""
    days, zeros = pd.date_range("2024-01-01", periods=40), np.arange(40) % 2
    frame = pd.DataFrame({"ds": days, "a": 1.0 + zeros, "b": 4.0 * zeros})
    if transform == "log":
        frame["b"] += 1
    cleaned = cleaned_data(
        tmp_path, frame, data={"targets": ["a", "b"]}, clean={"transform": transform}
    )
    ends = np.array([40, 40])
    index = WindowIndex(np.arange(2), ends, ends + 5)
    found = untrained_quantiles(
        cleaned, index, LEVELS, steps=5, horizon=5, seasons=(7,), joint=False
    )
    pretrained = pretrained_quantiles(
        Histories.from_values(cleaned.values), seasons=(7,), horizon=5, levels=LEVELS
    )[:, :, None]
    is_network_alone = np.isclose(found, pretrained).all((1, 2, 3))
    assert tuple(is_network_alone) == many_zeros


def test_closed_days_are_no_many_zeros() -> None:
    day, random = np.arange(70), np.random.default_rng(0)
    is_open = day % 7 < 5
    shop = np.where(is_open, 20.0 + day, 0.0)
    shop[12] = 3.0  # open on one Saturday of ten
    rare = random.poisson(0.3, 70)
    values = np.stack([shop, np.where(is_open, rare, 0), rare, 0 * day], axis=1)
    for given in (values, values[4:]):
        observed = np.ones(given.shape, dtype=bool)
        assert has_many_zeros(given, observed, 7).tolist() == [False, True, True, True]
        assert has_many_zeros(given, observed, 1).tolist() == [True, True, True, True]
