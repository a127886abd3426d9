"""What counts how much in the loss, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnnforecast.training import inference
from rnnforecast.training.weighing import EQUAL, Weighing, step_weights
from tests.training.fits import net, windows

CPU = torch.device("cpu")


def test_steps_that_count_alike_have_no_weights() -> None:
    assert step_weights("equal", 3) is None


def test_decreasing_weights_fall_by_the_root_and_have_mean_one() -> None:
    found = step_weights("decreasing", 4)
    assert found is not None
    np.testing.assert_allclose(found / found[0], [1, 2**-0.5, 3**-0.5, 0.5])
    assert found.mean() == pytest.approx(1)


def test_weights_of_ones_own_are_brought_to_mean_one() -> None:
    np.testing.assert_allclose(step_weights([1, 0, 5], 3), [0.5, 0, 2.5])


def test_without_weights_a_batch_is_the_batch_itself() -> None:
    item = torch.tensor([0, 1])
    batch = windows().gather(item, item + 9, item + 20)
    assert EQUAL(batch, item) is batch


def test_a_batchs_weights_are_those_of_its_steps_times_those_of_its_items() -> None:
    item, origin = torch.tensor([0, 1]), torch.tensor([9, 12])
    batch = windows().gather(item, origin, origin + 4)
    weighing = Weighing.of(np.array([2.0, 1, 1, 0]), np.array([[0.5], [1.5]]), CPU)
    found = weighing(batch, item)
    expected = batch.weight[..., 0] * torch.tensor([[1, 0.5, 0.5, 0], [3, 1.5, 1.5, 0]])
    assert torch.equal(found.weight[..., 0], expected)
    assert torch.equal(found.future, batch.future)


def test_the_validation_loss_is_weighed_as_the_training_loss_is() -> None:
    found, cut = net().eval(), windows()
    item, origin = np.array([0, 1, 1]), np.array([9, 12, 30])
    weighing = Weighing.of(np.array([2.0, 1, 1, 0]), np.array([[0.5], [1.5]]), CPU)
    batch = cut.gather(torch.from_numpy(item), torch.from_numpy(origin), torch.tensor([13, 16, 34]))
    batch = weighing(batch, torch.from_numpy(item))
    with torch.no_grad():
        expected = float(found.loss(batch.history, batch.future, batch.weight))
        told = inference.mean_loss(found, cut, item, origin, weighing)
    assert told == pytest.approx(expected, rel=1e-6)
    with torch.no_grad():
        assert told != pytest.approx(inference.mean_loss(found, cut, item, origin), rel=1e-3)
        tiny = Weighing.of(np.array([2.0, 1, 1, 0]), np.array([[0.5], [1.5]]) / 1e6, CPU)
        again = inference.mean_loss(found, cut, item, origin, tiny)
    assert again == pytest.approx(expected, rel=1e-6)


def test_a_window_counts_by_its_spread_as_a_share_of_its_items() -> None:
    item, origin = torch.tensor([0, 1]), torch.tensor([9, 12])
    batch = windows().gather(item, origin, origin + 4)
    found = Weighing.of(None, None, CPU, np.array([[0.5], [0.25]]))(batch, item)
    history = batch.history
    for window, usual in ((0, 0.5), (1, 0.25)):
        seen = history.values[window, history.visible[window, :, 0], 0].numpy()
        share = found.weight[window] / batch.weight[window].clamp_min(1e-9)
        told = share[batch.weight[window] > 0].numpy()
        np.testing.assert_allclose(told, seen.std() / usual, rtol=1e-6)
    squared = Weighing.of(None, None, CPU, np.array([[0.5], [0.25]]), power=2)(batch, item)
    some = batch.weight > 0
    torch.testing.assert_close(squared.weight[some], found.weight[some] ** 2)


def test_no_window_counts_more_than_four_usual_ones_and_an_item_without_spread_is_left() -> None:
    item, origin = torch.tensor([0, 1]), torch.tensor([9, 12])
    batch = windows().gather(item, origin, origin + 4)
    found = Weighing.of(None, None, CPU, np.array([[1e-9], [0.0]]))(batch, item)
    assert torch.equal(found.weight[0], 4 * batch.weight[0])
    assert torch.equal(found.weight[1], batch.weight[1])
