"""The recurrent imputer: accuracy, determinism, and no look-ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.errors import RunFolderError
from rnnforecast.models.imputer import RnnImputer
from rnnforecast.training.rnn_imputer import (
    apply_imputer,
    fit_imputer,
    imputer_from_bytes,
    imputer_to_bytes,
)
from rnnforecast.types import Bools, Floats, Ints

NAN = np.nan
CPU = torch.device("cpu")
WIDTH = 3


def fit(
    values: Floats, offsets: Ints, train_mask: Bools | None = None, *, seed: int = 0
) -> RnnImputer:
    """A small net after a few steps."""
    return fit_imputer(
        values,
        ~np.isnan(values),
        offsets,
        np.ones(len(values), dtype=bool) if train_mask is None else train_mask,
        width=WIDTH,
        hidden_size=4,
        steps=5,
        batch_size=16,
        seed=seed,
        device=CPU,
    )


def filled(net: RnnImputer, values: Floats, offsets: Ints) -> tuple[Floats, Floats, Ints]:
    return apply_imputer(net, values, ~np.isnan(values), offsets)


def at(found: tuple[Floats, Floats, Ints], origin: int) -> Floats:
    """What a reader at `origin` may use, by the rule of `FilledValues`."""
    inputs, causal, known_from = found
    return np.where(known_from[:origin] < origin, inputs[:origin], causal[:origin])


@pytest.fixture(scope="module")
def any_net() -> RnnImputer:
    """A network without zero weights."""
    torch.manual_seed(0)
    net = RnnImputer(WIDTH, 4)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return net.eval()


@pytest.fixture(scope="module")
def gappy() -> tuple[Floats, Ints]:
    """Three ragged series of two targets, a third of them missing."""
    random = np.random.default_rng(3)
    values = random.normal(size=(60, 2)).cumsum(0) + 50
    values[random.random(values.shape) < 0.3] = NAN
    return values, np.array([0, 25, 30, 60])


def weights_are_equal(one: RnnImputer, two: RnnImputer) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_season_with_holes_and_runs_missing_is_filled_better_than_by_simple_means() -> None:
    random = np.random.default_rng(0)
    truth = 100 + 10 * np.sin(2 * np.pi * np.arange(1500) / 12) + random.normal(size=1500)
    hidden = random.random(1500) < 0.15
    begin = random.choice(1500, 30)
    hidden[(begin[:, None] + np.arange(10)).clip(max=1499)] = True
    hidden[0] = False
    values, offsets = np.where(hidden, NAN, truth)[:, None], np.array([0, 1500])
    net = fit_imputer(
        values,
        ~hidden[:, None],
        offsets,
        np.arange(1500) < 1000,
        width=24,
        hidden_size=16,
        steps=120,
        batch_size=64,
        seed=0,
        device=CPU,
    )
    inputs, causal, _ = filled(net, values, offsets)

    new = hidden & (np.arange(1500) >= 1000)  # rows outside the training part

    def error(guess: Floats) -> float:
        return float(np.abs(guess.ravel() - truth)[new].mean())

    known = pd.Series(values[:, 0])
    carried, line = error(known.ffill().to_numpy()), error(known.interpolate().to_numpy())
    mean = error(known.expanding().mean().to_numpy())
    assert error(inputs) < 0.5 * min(mean, carried, line)
    assert error(causal) < 0.6 * min(mean, carried)
    assert error(inputs) < error(causal)


def test_an_untrained_net_gives_the_numbers_of_pandas(gappy: tuple[Floats, Ints]) -> None:
    values, offsets = gappy
    inputs, causal, known_from = filled(RnnImputer(WIDTH, 4), values, offsets)
    series = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    groups = [group for _, group in pd.DataFrame(values).groupby(series)]
    carried = pd.concat([g.ffill() for g in groups]).fillna(0.0).to_numpy()
    line = pd.concat([g.interpolate(limit_direction="forward") for g in groups]).to_numpy()
    np.testing.assert_allclose(causal, carried)
    next_one = pd.concat([g.bfill(limit=WIDTH) for g in groups]).notna().to_numpy()
    known = next_one & (known_from < offsets[series + 1][:, None])
    np.testing.assert_allclose(inputs, np.where(known & ~np.isnan(line), line, carried))


def test_observed_cells_stay_and_nothing_stays_missing(
    any_net: RnnImputer, gappy: tuple[Floats, Ints]
) -> None:
    values, offsets = gappy
    observed = ~np.isnan(values)
    inputs, causal, known_from = filled(any_net, values, offsets)
    rows = np.broadcast_to(np.arange(60)[:, None], (60, 2))
    for found in (inputs, causal):
        np.testing.assert_array_equal(found[observed], values[observed])
        assert np.isfinite(found).all()
    np.testing.assert_array_equal(known_from[observed], rows[observed])
    assert known_from.dtype == np.int64


def test_cells_before_the_first_observation_of_their_series_are_zero(any_net: RnnImputer) -> None:
    values = np.array([[1.0], [2], [4], [NAN], [NAN], [NAN], [5], [NAN], [3], [2], [1]])
    inputs, causal, known_from = filled(any_net, values, np.array([0, 4, 11]))
    assert inputs[4:6, 0].tolist() == causal[4:6, 0].tolist() == [0, 0]
    assert known_from[:, 0].tolist() == [0, 1, 2, 3 + WIDTH, 4, 5, 6, 7 + WIDTH, 8, 9, 10]


def test_a_cell_whose_window_outlasts_its_series_is_filled_from_before_it(
    any_net: RnnImputer,
) -> None:
    values = np.array([[3.0], [1], [NAN], [2], [4], [8], [1], [9]])
    short, long = np.array([0, 5, 8]), np.array([0, 6, 8])
    inputs, causal, known_from = filled(any_net, values, short)
    assert known_from[2, 0] == 5  # a row of the next series: no reader of this one stands behind it
    assert inputs[2, 0] == causal[2, 0]
    inputs, causal, _ = filled(any_net, values, long)
    assert inputs[2, 0] != causal[2, 0]


cells = st.one_of(st.just(NAN), st.floats(-1e6, 1e6))


@st.composite
def panels(draw: st.DrawFn) -> tuple[Floats, Ints]:
    """Up to three ragged series of two targets, with gaps."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))
    size = 2 * sum(lengths)
    flat = draw(st.lists(cells, min_size=size, max_size=size))
    return np.array(flat).reshape(-1, 2), np.cumsum([0, *lengths], dtype=np.int64)


@given(panels(), st.data())
@settings(max_examples=60)
def test_values_at_or_after_an_origin_change_no_input_before_it(
    any_net: RnnImputer, panel: tuple[Floats, Ints], data: st.DataObject
) -> None:
    values, offsets = panel
    origin = data.draw(st.integers(0, len(values)))
    other = values.copy()
    size = other[origin:].size
    tail = data.draw(st.lists(cells, min_size=size, max_size=size))
    other[origin:] = np.array(tail).reshape(-1, 2)
    one, two = filled(any_net, values, offsets), filled(any_net, other, offsets)
    np.testing.assert_array_equal(at(one, origin), at(two, origin))


@given(panels())
@settings(max_examples=40)
def test_a_series_is_filled_as_if_it_were_alone(
    any_net: RnnImputer, panel: tuple[Floats, Ints]
) -> None:
    values, offsets = panel
    together = filled(any_net, values, offsets)
    begin, end = offsets[-2:]
    alone = filled(any_net, values[begin:], np.array([0, end - begin]))
    for all_, own in zip(together[:2], alone[:2], strict=True):
        np.testing.assert_array_equal(all_[begin:], own)
    np.testing.assert_array_equal(together[2][begin:] - begin, alone[2])


def test_the_batch_size_changes_no_digit(any_net: RnnImputer) -> None:
    values = np.random.default_rng(0).normal(size=(400, 1)).cumsum(0)
    values[1::2] = NAN
    tables = [
        apply_imputer(any_net, values, ~np.isnan(values), np.array([0, 400]), batch_size=block)
        for block in (7, 64, 1024)
    ]
    for table in tables[1:]:
        for one, two in zip(table, tables[0], strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_seed_gives_one_network_and_leaves_the_callers_random_numbers_unchanged(
    gappy: tuple[Floats, Ints],
) -> None:
    torch.manual_seed(1)
    one = fit(*gappy)
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)
    assert weights_are_equal(one, fit(*gappy))
    assert not weights_are_equal(one, fit(*gappy, seed=1))


def test_rows_outside_the_training_part_do_not_change_the_fit(gappy: tuple[Floats, Ints]) -> None:
    values, offsets = gappy
    train_mask = np.ones(60, dtype=bool)
    train_mask[[*range(20, 25), *range(50, 60)]] = False
    other = values.copy()
    other[~train_mask] = np.where(np.isnan(values[~train_mask]), 7.0, NAN)
    assert weights_are_equal(fit(values, offsets, train_mask), fit(other, offsets, train_mask))
    assert not weights_are_equal(fit(values, offsets), fit(other, offsets))


def test_weights_come_back_from_their_bytes(gappy: tuple[Floats, Ints]) -> None:
    net = fit(*gappy)
    data = imputer_to_bytes(net)
    again = imputer_from_bytes(data, name="imputer.safetensors", device=CPU)
    assert (again.window_length, again.hidden_size) == (WIDTH, 4)
    for one, two in zip(filled(net, *gappy), filled(again, *gappy), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(RunFolderError, match=r"imputer\.safetensors"):
        imputer_from_bytes(data[:-5], name="imputer.safetensors", device=CPU)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e-300, 1e308])
def test_wild_and_constant_series_are_fitted_and_filled_with_finite_numbers(scale: float) -> None:
    random = np.random.default_rng(0)
    values = random.uniform(-1, 1, (40, 2)) * scale
    values[:, 1] = scale  # a constant
    values[random.random((40, 2)) < 0.4] = NAN
    values[10:22] = NAN  # whole windows without a value
    values[0] = scale
    offsets = np.array([0, 40])
    net = fit(values, offsets)
    assert all(weight.isfinite().all() for weight in net.parameters())
    inputs, causal, _ = filled(net, values, offsets)
    assert np.isfinite([inputs, causal]).all()
    np.testing.assert_allclose(inputs[:, 1], scale)


def test_a_table_without_training_cells_leaves_the_network_untrained() -> None:
    lone = np.array([[NAN], [4.0], [NAN], [NAN]])
    for values, offsets in ((lone, [0, 4]), (np.full((3, 2), NAN), [0, 3]), (lone[:0], [0])):
        net = fit(values, np.array(offsets))
        inputs, causal, _ = filled(net, values, np.array(offsets))
        expected = pd.DataFrame(values).ffill().fillna(0.0).to_numpy()
        np.testing.assert_array_equal(inputs, expected)
        np.testing.assert_array_equal(causal, expected)
