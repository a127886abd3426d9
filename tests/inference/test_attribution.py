"""Attribution: the importance of unused inputs, and occluded steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rnnforecast.data.cleaning.imputation import impute
from rnnforecast.data.features.features import FeatureTables
from rnnforecast.inference.attribution import (
    InputGroup,
    inspect_window,
    occluded_medians,
    permutation_importance,
)
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.interpret import activations as activations
from rnnforecast.models.interpret.occlusion import exchange_targets
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.registry import BACKBONES
from rnnforecast.training.dataset import PanelArrays, WindowDataset
from tests.training.fits import net as small

L, H, PATCH, LENGTH = 12, 5, 3, 40
OFFSETS = np.array([0, LENGTH, 2 * LENGTH])
SIZES = CovariateSizes(past=2, future=1, elapsed=True)
BLOCKS = [slice(begin, begin + PATCH) for begin in range(0, L, PATCH)]
DECODERS = ("direct", "parallel", "recursive", "seq2seq", "forking")


def net(backbone: str = "gru", **changes: Any) -> Forecaster:
    """A small network without zero weights."""
    given: dict[str, Any] = {
        "lookback": L,
        "horizon": H,
        "patch_length": PATCH,
        "season": 3,
        "backbone": BackboneConfig(backbone),
        "hidden_size": 8,
        "covariates": SIZES,
    }
    found = small(seed=4, dropout=0.0, **{**given, **changes}).eval()
    for weight in found.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.3)
    return found


def values() -> NDArray[np.float64]:
    """`[N, 2]` two series of two targets of different size, with gaps as NaN."""
    rng = np.random.default_rng(1)
    table = np.array([5.0, 50.0]) * (3 + rng.normal(size=(2 * LENGTH, 2)))
    return np.where(rng.random(table.shape) < 0.2, np.nan, table)


def windows(table: NDArray[np.float64], found: Forecaster) -> WindowDataset:
    """As `clean.missing: mask` fills the table."""
    observed = ~np.isnan(table)
    filled = impute(np.nan_to_num(table), observed, OFFSETS, "mask")
    rng = np.random.default_rng(2)
    no_codes = np.zeros((2 * LENGTH, 0), dtype=np.int64)
    features = FeatureTables(
        past=rng.normal(size=(2 * LENGTH, 2)).astype(np.float32),
        past_codes=no_codes,
        future=rng.normal(size=(2 * (LENGTH + H), 1)).astype(np.float32),
        future_codes=no_codes,
        static=np.zeros((2, 0), dtype=np.float32),
        static_codes=no_codes[:2],
        horizon=H,
    )
    arrays = PanelArrays(
        filled,
        target_mask=observed,
        offsets=OFFSETS,
        features=features,
        include_elapsed=True,
        include_past_target_mask=found.config.decoder == "forking",
    )
    return WindowDataset(
        arrays,
        lookback=found.config.input_length,
        horizon=H,
        device=torch.device("cpu"),
        joint=found.config.channels > 1,
    )


def forecast(found: Forecaster, cut: WindowDataset, item: int, origin: int) -> NDArray[np.float64]:
    at = torch.tensor([origin])
    history = cut.gather(torch.tensor([item]), at, at).history
    return activations.median_forecast(found, history)[0].double().numpy()


def with_hole(
    table: NDArray[np.float64], item: int, origin: int, step_range: slice, joint: bool
) -> Any:
    """The table without the observations of a step_range of the lookback."""
    series, target = (item, slice(None)) if joint else divmod(item, 2)
    begin = OFFSETS[series] + origin - L
    rows = slice(max(begin + step_range.start, OFFSETS[series]), begin + step_range.stop)
    holed = table.copy()
    holed[rows, target] = np.nan
    return holed


@pytest.mark.parametrize("origin", [8, 25, LENGTH])
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("decoder", ["direct", "recursive", "forking"])
def test_an_occluded_range_is_as_if_it_had_never_been_observed(
    decoder: str, joint: bool, origin: int
) -> None:
    found = net("gru_d", channels=2 if joint else 1, decoder=decoder)
    table, item = values(), 1
    cut = windows(table, found)
    step_ranges = [block for block in BLOCKS if block.stop > L - origin]
    plain, hidden = occluded_medians(found, cut, item, origin, step_ranges)
    np.testing.assert_allclose(plain, forecast(found, cut, item, origin), rtol=1e-6)
    for step_range, answer in zip(step_ranges, hidden, strict=True):
        holed = with_hole(table, item, origin, step_range, joint)
        expected = forecast(found, windows(holed, found), item, origin)
        np.testing.assert_allclose(answer, expected, rtol=1e-5)
        is_unchanged = np.array_equal(holed, table, equal_nan=True)
        assert np.allclose(answer, plain) == is_unchanged


def test_an_input_that_is_not_used_has_no_importance_and_one_that_is_has() -> None:
    found = net(channels=1)
    width = (
        found.embedding.projection.in_features // PATCH
    )  # value, mask, elapsed, past, past, known
    with torch.no_grad():
        weight = found.embedding.projection.weight.view(8, PATCH, width)
        weight[:, :, [4, 5]] = 0
        assert found.local_decoder is not None
        found.local_decoder.output_layer.weight.zero_()
    cut = windows(values(), found)
    item, origin = np.arange(4).repeat(10), np.tile(np.arange(20, 30), 4)
    at = torch.from_numpy(origin)
    history = cut.gather(torch.from_numpy(item), at, at).history
    right = activations.median_forecast(found, history).double().numpy()
    parts = [
        InputGroup("used", covariate_field="past", columns=slice(0, 1)),
        InputGroup("not used", covariate_field="past", columns=slice(1, 2)),
        InputGroup("known, not used", covariate_field="future", columns=slice(0, 1)),
    ]
    size = np.abs(right).mean((1, 2), keepdims=True)
    error, changes = permutation_importance(
        found, cut, item, origin, parts, repeats=10, seed=1,
        score=lambda medians: float((np.abs(medians - right) / size).mean()),
    )  # fmt: skip
    assert error == 0
    mean, uncertain = changes.mean(1), changes.std(1, ddof=1) / 10**0.5
    assert mean[0] > 5 * uncertain[0]
    np.testing.assert_allclose(mean[1:], 0, atol=1e-7)


def test_only_the_steps_that_a_forecast_is_made_of_matter() -> None:
    """The forecast is the value of three steps ago: the newest step_range, and no other."""
    found = net(normalize="none")
    with torch.no_grad():
        assert found.local_decoder is not None
        assert found.base_forecast is not None
        for part in (
            found.output_layer,
            found.local_decoder.output_layer,
            found.base_forecast.linear,
        ):
            part.weight.zero_()
            if part.bias is not None:
                part.bias.zero_()
        found.base_forecast.linear.weight[:, L - 3] = 1
    full = np.nan_to_num(values(), nan=10.0)
    cut = windows(full, found)
    item, origin = np.arange(4).repeat(8), np.tile(np.arange(20, 28), 4)
    right = np.repeat(
        [[[full[OFFSETS[i // 2] + o - 3, i % 2]]] for i, o in zip(item, origin, strict=True)], H, 1
    )
    parts = [InputGroup(str(k), steps=block) for k, block in enumerate(BLOCKS)]
    error, changes = permutation_importance(
        found, cut, item, origin, parts, repeats=10, seed=1,
        score=lambda medians: float(np.abs(medians - np.minimum(right, 25)).mean()),
    )  # fmt: skip
    assert np.abs(changes[:-1]).max() < 1e-6 * max(error, 1)
    assert changes[-1].mean() > 0


def test_permutations_depend_on_the_seed() -> None:
    found = net()
    cut = windows(values(), found)
    item, origin = np.arange(4).repeat(5), np.tile(np.arange(20, 25), 4)
    parts = [InputGroup("newest", steps=BLOCKS[-1])]
    first, second, other = (
        permutation_importance(
            found, cut, item, origin, parts, repeats=3, seed=seed,
            score=lambda medians: float(medians.mean()),
        )[1]
        for seed in (1, 1, 2)
    )  # fmt: skip
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("log", [False, True])
def test_steps_of_a_large_series_are_rescaled_for_a_small_one(log: bool) -> None:
    small = torch.rand(L, 1, generator=torch.Generator().manual_seed(1)).double() + 1
    seen = torch.ones(2, L, 1, dtype=torch.bool)
    history = ModelInputs(torch.stack([small, 1000 * small]), seen, seen)
    moved = exchange_targets(history, torch.tensor([1, 0]), BLOCKS[1], use_logs=log)
    torch.testing.assert_close(moved.values, history.values)


@pytest.mark.parametrize(
    ("backbone", "decoder"),
    [*((name, "direct") for name in BACKBONES.names()), *(("gru", name) for name in DECODERS[1:])],
)
def test_every_backbone_and_decoder_can_be_inspected(backbone: str, decoder: str) -> None:
    found = net(backbone, decoder=decoder)
    seen = inspect_window(found, windows(values(), found), 2, 7, 0)
    assert [name for name, _, _ in seen.layers] == ["layer 1"]
    assert seen.gradients.shape == (H, L, 1)
    assert seen.recurrent_gradients is not None
    assert not np.allclose(seen.gradients, seen.recurrent_gradients)
    assert (seen.decoder_attention is not None) == (decoder == "seq2seq")
    assert len(seen.self_attention) == (backbone == "transformer")
