"""Weights of steps, items and windows in the loss, against calculations by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from rnnforecast.inference import quantiles as inference
from rnnforecast.training.loss_weights import (
    EQUAL_WEIGHTS,
    LossWeights,
    WindowScaleWeights,
    compute_horizon_weights,
)
from tests.training.fits import net, windows

CPU = torch.device("cpu")


def test_equal_steps_have_no_weights() -> None:
    assert compute_horizon_weights("equal", 3) is None


def test_decreasing_weights_fall_by_the_root_and_have_mean_one() -> None:
    found = compute_horizon_weights("decreasing", 4)
    assert found is not None
    np.testing.assert_allclose(found / found[0], [1, 2**-0.5, 3**-0.5, 0.5])
    assert found.mean() == pytest.approx(1)


def test_given_weights_are_scaled_to_mean_one() -> None:
    np.testing.assert_allclose(compute_horizon_weights([1, 0, 5], 3), [0.5, 0, 2.5])


def test_without_weights_a_batch_is_the_batch_itself() -> None:
    item = torch.tensor([0, 1])
    batch = windows().gather(item, item + 9, item + 20)
    assert EQUAL_WEIGHTS(batch, item) is batch


def test_a_batchs_weights_are_those_of_its_steps_times_those_of_its_items() -> None:
    item, origin = torch.tensor([0, 1]), torch.tensor([9, 12])
    batch = windows().gather(item, origin, origin + 4)
    loss_weights = LossWeights.from_numpy(np.array([2.0, 1, 1, 0]), np.array([[0.5], [1.5]]), CPU)
    found = loss_weights(batch, item)
    expected = batch.weight[..., 0] * torch.tensor([[1, 0.5, 0.5, 0], [3, 1.5, 1.5, 0]])
    assert torch.equal(found.weight[..., 0], expected)
    assert torch.equal(found.targets, batch.targets)


def test_the_validation_loss_is_weighted_as_the_training_loss_is() -> None:
    found, cut = net().eval(), windows()
    item, origin = np.array([0, 1, 1]), np.array([9, 12, 30])
    loss_weights = LossWeights.from_numpy(np.array([2.0, 1, 1, 0]), np.array([[0.5], [1.5]]), CPU)
    batch = cut.gather(torch.from_numpy(item), torch.from_numpy(origin), torch.tensor([13, 16, 34]))
    batch = loss_weights(batch, torch.from_numpy(item))
    with torch.no_grad():
        expected = float(found.loss(batch.history, batch.targets, batch.weight))
        loss = inference.mean_loss(found, cut, item, origin, loss_weights)
    assert loss == pytest.approx(expected, rel=1e-6)
    with torch.no_grad():
        assert loss != pytest.approx(inference.mean_loss(found, cut, item, origin), rel=1e-3)
        tiny = LossWeights.from_numpy(np.array([2.0, 1, 1, 0]), np.array([[0.5], [1.5]]) / 1e6, CPU)
        again = inference.mean_loss(found, cut, item, origin, tiny)
    assert again == pytest.approx(expected, rel=1e-6)


def spread(**changes: Any) -> LossWeights:
    usual = torch.tensor([[0.5], [0.25]])
    return LossWeights(window_weights=WindowScaleWeights(net(**changes).config, usual))


@pytest.mark.parametrize(
    ("normalize", "of"),
    [
        ("standard", np.std),
        ("robust", lambda seen: np.subtract(*np.quantile(seen, [0.75, 0.25]))),
        ("none", lambda seen: 1.0),
    ],
)
def test_a_window_counts_by_what_it_is_divided_by_as_a_share_of_its_items(
    normalize: str, of: Callable[[np.ndarray], float]
) -> None:
    item, origin = torch.tensor([0, 1]), torch.tensor([9, 14])
    batch = windows().gather(item, origin, origin + 4)
    history = batch.history
    found = spread(normalize=normalize)(batch, item)
    squared = spread(normalize=normalize, loss="mse")(batch, item)
    for window, usual in ((0, 0.5), (1, 0.25)):
        seen = history.values[window, history.value_mask[window, :, 0], 0].numpy()
        some = batch.weight[window] > 0
        share = found.weight[window][some].numpy()
        assert share == pytest.approx(min(of(seen) / usual, 4.0), rel=1e-5)
        np.testing.assert_allclose(squared.weight[window][some], share**2, rtol=1e-5)


def test_of_changes_the_spread_of_changes_counts() -> None:
    item, origin = torch.tensor([1]), torch.tensor([20])
    batch = windows().with_lookback(9).gather(item, origin, origin + 4)
    found = spread(difference_lag=1)(batch, item).weight[0, 0, 0]
    values, visible = (
        batch.history.values[0, :, 0].numpy(),
        batch.history.value_mask[0, :, 0].numpy(),
    )
    changes = np.diff(values)[visible[1:] & visible[:-1]]
    assert float(found) == pytest.approx(min(changes.std() / 0.25, 4.0), rel=1e-5)


def test_no_window_counts_more_than_four_usual_ones_and_an_item_without_spread_is_left() -> None:
    item, origin = torch.tensor([0, 1]), torch.tensor([9, 12])
    batch = windows().gather(item, origin, origin + 4)
    some = LossWeights(
        window_weights=WindowScaleWeights(net().config, torch.tensor([[1e-9], [0.0]]))
    )
    found = some(batch, item)
    assert torch.equal(found.weight[0], 4 * batch.weight[0])
    assert torch.equal(found.weight[1], batch.weight[1])
