"""The whole forecaster: shapes, gradients, the way back to original units, and its stored form."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import N_SAMPLE_PATHS, Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.registry import BACKBONES, LOSSES, WINDOW_SCALERS

DECODERS = ("direct", "forking", "parallel", "recursive", "seq2seq")
LEVELS = (0.1, 0.5, 0.8, 0.9)

SMALL = ForecasterConfig(
    lookback=12,
    horizon=5,
    patch_length=4,
    season=4,
    backbone=BackboneConfig("gru"),
    hidden_size=8,
    dropout=0.0,
    decoder="direct",
    normalize="standard",
    base_forecast="linear",
    loss="quantile",
    levels=LEVELS,
)


def net(**changes: Any) -> Forecaster:
    """The small net with other parts; those of the backbone's plan go there."""
    torch.manual_seed(5)
    of_plan = {k: changes.pop(k) for k in ("backbone", "layers", "options") if k in changes}
    plan = dataclasses.replace(SMALL.backbone, **of_plan)
    if "gaps" in BACKBONES.traits(plan.name):
        changes.setdefault("covariates", CovariateSizes(elapsed=True))
    return Forecaster(dataclasses.replace(SMALL, recurrent=plan, **changes))


def history_of(values: Tensor, visible: Tensor) -> ModelInputs:
    steps = torch.arange(values.shape[1], dtype=torch.float32)[None, :, None]
    last = torch.where(visible, steps, -1.0).cummax(1).values
    return ModelInputs(values=values, value_mask=visible, input_mask=visible, elapsed=steps - last)


def windows(
    batch: int = 3, channels: int = 1, *, seed: int = 0, steps: int = 12
) -> tuple[ModelInputs, Tensor, Tensor]:
    """History, future and weight; positive, so that every method can read them."""
    generator = torch.Generator().manual_seed(seed)
    history = 5 + torch.rand((batch, steps, channels), generator=generator, dtype=torch.float64)
    visible = torch.rand(history.shape, generator=generator) < 0.8
    visible[:, -1] = True
    future = 5 + torch.rand((batch, 5, channels), generator=generator, dtype=torch.float64)
    weight = (torch.rand(future.shape, generator=generator) < 0.7).float()
    return history_of(history, visible), future, weight


def changed(history: ModelInputs, values: Tensor) -> ModelInputs:
    return dataclasses.replace(history, values=values)


@pytest.mark.parametrize("backbone", BACKBONES.names())
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("segment", [1, 4, 5])
@pytest.mark.parametrize("loss", ["quantile", "huber"])
def test_every_backbone_and_decoder_gives_a_forecast_for_each_step_and_target(
    backbone: str, decoder: str, segment: int, loss: str
) -> None:
    found = net(backbone=backbone, decoder=decoder, segment=segment, loss=loss, channels=2)
    history, _, _ = windows(channels=2)
    z, level = found.eval().forecast(history, LEVELS)
    assert z.shape == (3, 5, 2, 4 if loss == "quantile" else 1)
    assert z.isfinite().all()
    assert not z.requires_grad
    assert level.denormalize(z).shape == z.shape


@pytest.mark.parametrize("loss", LOSSES.names())
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_and_head_learns_and_forecasts_in_order(decoder: str, loss: str) -> None:
    found = net(decoder=decoder, loss=loss, normalize="mean", channels=2)
    history, future, weight = windows(channels=2)
    before = found.loss(history, future, weight)
    before.backward()  # type: ignore[no-untyped-call]
    assert before.isfinite()
    for name, parameter in found.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    z, _ = found.eval().forecast(history, (0.05, 0.1, 0.5, 0.8, 0.9, 0.95))
    assert z.isfinite().all()
    assert (z.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize("backbone", BACKBONES.names())
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "normalize", [n for n in WINDOW_SCALERS.names() if n != "exponential_smoothing"]
)
def test_every_parameter_gets_a_finite_gradient(
    backbone: str, decoder: str, normalize: str
) -> None:
    found = net(backbone=backbone, decoder=decoder, normalize=normalize)
    loss = found.loss(*windows())
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    for name, parameter in found.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_the_loss_does_not_read_futures_that_weigh_nothing() -> None:
    found, (history, future, weight) = net(), windows()
    other = torch.where(weight > 0, future, 99.0)
    assert torch.equal(found.loss(history, future, weight), found.loss(history, other, weight))


@pytest.mark.parametrize(
    "normalize", [n for n in WINDOW_SCALERS.names() if n != "exponential_smoothing"]
)
def test_hidden_values_do_not_change_the_forecast(normalize: str) -> None:
    found, (history, _, _) = net(normalize=normalize).eval(), windows()
    z, level = found.forecast(history, LEVELS)
    hidden = changed(history, torch.where(history.value_mask, history.values, 77.0))
    other, other_level = found.forecast(hidden, LEVELS)
    assert torch.equal(level.denormalize(z), other_level.denormalize(other))


@pytest.mark.parametrize("normalize", ["log_mean", "mean", "standard", "robust", "last"])
def test_a_series_in_other_units_has_the_same_forecast_in_those_units(normalize: str) -> None:
    found, (history, _, _) = net(normalize=normalize).eval(), windows()
    z, level = found.forecast(history, LEVELS)
    other, other_level = found.forecast(changed(history, 1000 * history.values), LEVELS)
    torch.testing.assert_close(
        other_level.denormalize(other), 1000 * level.denormalize(z), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("normalize", ["standard", "robust", "last"])
def test_a_series_moved_up_has_the_same_forecast_moved_up(normalize: str) -> None:
    found, (history, _, _) = net(normalize=normalize).eval(), windows()
    z, level = found.forecast(history, LEVELS)
    other, other_level = found.forecast(changed(history, history.values + 64), LEVELS)
    torch.testing.assert_close(
        other_level.denormalize(other), level.denormalize(z) + 64, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("loss", ["quantile", "mae"])
def test_the_linear_map_moves_all_quantiles_alike(loss: str) -> None:
    found, (history, _, _) = net(loss=loss).eval(), windows()
    z = history.values.float() - 5.5
    _, frame = found.prepare_inputs(history)
    assert found.base_forecast is not None
    with torch.no_grad():
        whole = found.head.quantiles(found(z, history, frame), frame, LEVELS)
        line = found.base_forecast(z * history.value_mask, history.input_mask)  # [B, H, C]
        found.base_forecast = None
        rest = found.head.quantiles(found(z, history, frame), frame, LEVELS)
    torch.testing.assert_close(whole, rest + line.unsqueeze(-1))


@pytest.mark.parametrize("season", [1, 2, 4, 7, 24])
def test_the_linear_map_starts_as_the_seasonal_naive_forecast(season: int) -> None:
    found, z = net(season=season), torch.randn(12, generator=torch.Generator().manual_seed(0))
    assert found.base_forecast is not None
    known = z.tolist()
    for _ in range(5):  # a season longer than the lookback repeats the lookback
        known.append(known[-min(season, 12)])
    line = found.base_forecast(z.reshape(1, 12, 1), torch.ones(1, 12, 1))
    torch.testing.assert_close(line.flatten(), torch.tensor(known[12:]))


def test_without_a_first_forecast_there_is_none() -> None:
    assert net(first="none").base_forecast is None


def test_the_forecast_is_the_same_in_a_batch_and_alone() -> None:
    found, (history, _, _) = net().eval(), windows()
    together, _ = found.forecast(history, LEVELS)
    alone, _ = found.forecast(history_of(history.values[1:2], history.value_mask[1:2]), LEVELS)
    torch.testing.assert_close(together[1:2], alone)


def test_the_same_seed_gives_the_same_net() -> None:
    first, second = net().state_dict(), net().state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_unit_is_the_mean_size_of_the_normalised_futures_that_were_observed() -> None:
    found, (history, future, weight) = net(), windows()
    found.initialize_scales(history, future, weight)
    z = found.prepare_inputs(history)[1].stats.normalize_future(future)
    expected = z[weight > 0].abs().mean()
    torch.testing.assert_close(found.global_scale, expected)


def test_without_an_observed_future_the_unit_stays() -> None:
    found, (history, future, weight) = net(), windows()
    found.initialize_scales(history, future, torch.zeros_like(weight))
    assert found.global_scale.item() == 1


def test_the_net_reads_and_answers_in_its_unit() -> None:
    found, (history, _, _) = net().eval(), windows()
    found.global_scale.fill_(0.25)
    z, level = found.forecast(history, LEVELS)
    _, frame = found.prepare_inputs(history)
    with torch.no_grad():
        raw = found(level.normalize_past(history.values) / 0.25, history, frame)
    torch.testing.assert_close(z, found.head.quantiles(raw, frame, LEVELS) * 0.25)


def test_the_loss_is_measured_in_the_unit_too() -> None:
    found, (history, future, weight) = net(loss="mae").eval(), windows()
    found.global_scale.fill_(0.25)
    z, level = found.forecast(history, LEVELS)
    errors = (level.normalize_past(future) - z[..., 0]).abs()[weight > 0]
    torch.testing.assert_close(found.loss(history, future, weight), errors.mean() / 0.25)


@pytest.mark.parametrize("backbone", BACKBONES.names())
def test_built_again_from_its_stored_form_it_forecasts_the_same_to_the_last_bit(
    backbone: str,
) -> None:
    found = net(backbone=backbone, layers=2)
    found.initialize_scales(*windows())
    stored = json.dumps(found.config.to_json())
    architecture = ForecasterConfig.from_json(json.loads(stored))
    assert architecture == found.config
    torch.manual_seed(99)
    again = Forecaster(architecture)
    again.load_state_dict(load_bytes(save_bytes(found.state_dict())))
    history, _, _ = windows()
    z, _ = found.eval().forecast(history, LEVELS)
    assert torch.equal(again.eval().forecast(history, LEVELS)[0], z)


def test_an_unknown_option_of_the_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match="gates: unknown option"):
        net(options={"gates": 7})


WITH_COVARIATES = CovariateSizes(
    past=2,
    past_codes=(3,),
    future=1,
    future_codes=(4, 2),
    static=2,
    static_codes=(5,),
    elapsed=True,
)


def with_covariates(
    *, seed: int = 0, steps: int = 12, ahead: int = 5
) -> tuple[ModelInputs, Tensor, Tensor]:
    history, future, weight = windows(seed=seed, steps=steps)
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> Tensor:
        return torch.randn((3, *shape), generator=generator)

    def codes(*shape: int, sizes: tuple[int, ...]) -> Tensor:
        columns = [torch.randint(size, (3, *shape), generator=generator) for size in sizes]
        return torch.stack(columns, -1)

    return (
        dataclasses.replace(
            history,
            elapsed=numbers(steps, 1).abs(),
            past=numbers(steps, 2),
            past_codes=codes(steps, sizes=(3,)),
            known=numbers(steps + ahead, 1),
            future_codes=codes(steps + ahead, sizes=(4, 2)),
            static=numbers(2),
            static_codes=codes(sizes=(5,)),
        ),
        future,
        weight,
    )


COVARIATES = (
    "elapsed", "past", "past_codes", "future", "future_codes", "static", "static_codes"
)  # fmt: skip


def trained(**changes: Any) -> Forecaster:
    """A net whose output layers are no longer zero."""
    found = net(covariates=WITH_COVARIATES, **changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return found.eval()


@pytest.mark.parametrize("name", COVARIATES)
@pytest.mark.parametrize("decoder", DECODERS)
def test_each_kind_of_covariate_reaches_the_forecast(name: str, decoder: str) -> None:
    found, (history, _, _) = trained(decoder=decoder), with_covariates()
    torch.manual_seed(0)
    z, _ = found.forecast(history, LEVELS)
    given = getattr(history, name)
    other = dataclasses.replace(history, **{name: (given + 1) % 2 if "codes" in name else -given})
    torch.manual_seed(0)
    assert not torch.equal(z, found.forecast(other, LEVELS)[0])


def test_a_step_ahead_hears_of_its_own_known_covariates_alone() -> None:
    found, (history, _, _) = trained(), with_covariates()
    assert history.future is not None
    known = history.future.clone()
    known[:, 12 + 3] += 1
    z, _ = found.forecast(history, LEVELS)
    other, _ = found.forecast(dataclasses.replace(history, known=known), LEVELS)
    assert (z != other).any(-1).any(-1).any(0).tolist() == [False, False, False, True, False]


def test_every_parameter_of_a_net_with_covariates_gets_a_finite_gradient() -> None:
    found = trained(loss="quantile").train()
    found.loss(*with_covariates()).backward()  # type: ignore[no-untyped-call]
    for name, parameter in found.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_an_architecture_with_covariates_survives_its_stored_form() -> None:
    architecture = net(covariates=WITH_COVARIATES, difference=4).config
    assert (
        ForecasterConfig.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture
    )


@pytest.mark.parametrize("lag", [1, 4, 7])
def test_a_net_of_differences_that_has_learnt_nothing_repeats_the_base(lag: int) -> None:
    found = net(difference=lag, normalize="none", loss="mae").eval()
    history, _, _ = windows(steps=12 + lag)
    z, level = found.forecast(history, LEVELS)
    values = history.values[..., 0].tolist()
    for known, forecast in zip(values, level.denormalize(z)[:, :, 0, 0].tolist(), strict=True):
        for _ in range(5):
            known.append(known[-lag])
        assert forecast == pytest.approx(known[-5:])


@pytest.mark.parametrize("lag", [1, 4])
def test_a_net_of_differences_is_asked_for_the_changes_from_the_base_and_gives_them_back(
    lag: int,
) -> None:
    found = net(difference=lag, normalize="standard").eval()
    history, future, _ = windows(steps=12 + lag)
    read, frame = found.prepare_inputs(history)
    changes = history.values.numpy()[:, lag:] - history.values.numpy()[:, :-lag]
    seen = read.input_mask.numpy()
    np.testing.assert_allclose(read.values.numpy()[seen], changes[seen])
    level = frame.stats
    torch.testing.assert_close(
        level.denormalize(level.normalize_future(future)), future, rtol=1e-5, atol=0
    )


def shaken(found: Forecaster) -> Forecaster:
    """The net with output layers that are no longer zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return found


@pytest.mark.parametrize(
    "normalize", [n for n in WINDOW_SCALERS.names() if n != "exponential_smoothing"]
)
@pytest.mark.parametrize("difference", [0, 4])
def test_a_fork_knows_nothing_behind_its_own_end(normalize: str, difference: int) -> None:
    if difference and normalize in ("log_mean", "mean"):
        return  # not to be combined
    found = shaken(net(decoder="forking", normalize=normalize, difference=difference)).eval()
    history, future, weight = windows(steps=12 + difference)

    def forked(values: Tensor) -> Tensor:
        forks, _, _ = found.fork_windows(changed(history, values), future, weight)
        read, frame = found.prepare_inputs(forks)
        raw = found._forward_forks(frame.normalize_past(read.values), read, frame)
        return found.head.quantiles(raw, frame, LEVELS).reshape(3, 3, -1)  # [B, G, ...]

    other = history.values.clone()
    other[:, 8 + difference :] *= 1.3  # the last segment of three
    before, after = forked(history.values), forked(other)
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=0, atol=0)
    assert not torch.equal(after[:, 2], before[:, 2])


def test_forks_are_asked_for_what_came_after_each_of_them() -> None:
    found = net(decoder="forking", season=4)
    history, future, weight = windows()
    _, asked, weights = found.fork_windows(history, future, weight)
    whole = torch.cat([history.values, future], 1)
    told = torch.cat([history.value_mask.float(), weight], 1)
    for fork, end in enumerate((4, 8, 12)):
        torch.testing.assert_close(asked.reshape(3, 3, 5, 1)[:, fork], whole[:, end : end + 5])
        torch.testing.assert_close(weights.reshape(3, 3, 5, 1)[:, fork], told[:, end : end + 5])


@pytest.mark.parametrize("decoder", ["recursive", "seq2seq"])
@pytest.mark.parametrize("segment", [1, 2, 4])
def test_a_net_that_is_fed_its_own_values_sees_no_more_than_one_that_is_told_them(
    decoder: str, segment: int
) -> None:
    found = shaken(net(decoder=decoder, segment=segment, loss="mae", horizon=5)).eval()
    history, _, weight = windows()
    read, frame = found.prepare_inputs(history)
    with torch.no_grad():
        raw = found(frame.normalize_past(read.values), read, frame)
        own = frame.denormalize(raw[..., 0])
        # told what it said itself, it says the same again
        loss = found.loss(history, own, torch.ones_like(weight))
    assert loss.item() < 1e-6


@pytest.mark.parametrize("decoder", ["recursive", "seq2seq"])
def test_true_values_are_fed_less_often_as_training_goes_on(decoder: str) -> None:
    found = shaken(net(decoder=decoder, loss="mae", teacher_forcing=0.0, segment=1)).eval()
    history, future, weight = windows()
    taught = found.loss(history, future, weight)
    found.training_progress = 1.0
    alone = found.loss(history, future, weight)
    read, frame = found.prepare_inputs(history)
    with torch.no_grad():
        own = frame.normalize_past(read.values), read, frame
        free = found.head.loss(found(*own), future, weight, frame)
    assert not torch.equal(taught, alone)
    torch.testing.assert_close(alone, free)


def test_sample_paths_hang_together_over_the_steps() -> None:
    """A random walk: its steps' spread grows, and neighbours move together."""
    found = net(decoder="recursive", loss="normal", segment=1, normalize="none", horizon=5)
    history, _, _ = windows()
    with torch.no_grad():  # the forecast of a step is what was fed before it
        found.base_forecast = None
        for parameter in found.parameters():
            parameter.zero_()
    torch.manual_seed(0)
    paths, _ = found.eval().sample_paths(history, 500)
    assert paths.shape == (3, 500, 5, 1)
    torch.manual_seed(0)
    z, _ = found.forecast(history, (0.1, 0.5, 0.9))
    torch.manual_seed(0)
    drawn, _ = found.sample_paths(history, N_SAMPLE_PATHS)
    expected = np.quantile(drawn.numpy(), (0.1, 0.5, 0.9), axis=1)
    np.testing.assert_allclose(z.numpy(), np.moveaxis(expected, 0, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decoder", ["direct", "seq2seq"])
@pytest.mark.parametrize("backbone", ["gru", "lstm"])
def test_a_lookback_read_both_ways_gives_a_forecast_and_learns(backbone: str, decoder: str) -> None:
    found = net(backbone=backbone, decoder=decoder, bidirectional=True)
    loss = found.loss(*windows())
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in found.parameters())
    z, _ = found.eval().forecast(windows()[0], LEVELS)
    assert z.isfinite().all()


@pytest.mark.parametrize("reach", [1, 2])
def test_a_cut_gradient_leaves_the_forecast_and_reaches_no_further_back(reach: int) -> None:
    whole, cut = shaken(net()).eval(), shaken(net(truncate=reach)).eval()
    cut.load_state_dict(whole.state_dict())
    history, _, _ = windows()
    z, _ = whole.forecast(history, LEVELS)
    torch.testing.assert_close(cut.forecast(history, LEVELS)[0], z)
    cut.base_forecast = None
    read, frame = cut.prepare_inputs(history)
    values = frame.normalize_past(read.values).requires_grad_()
    cut(values, read, frame).sum().backward()
    assert values.grad is not None
    told = values.grad.abs().sum((0, 2)) > 0
    assert not told[: 12 - 4 * reach].any()
    assert told[12 - 4 * reach :].any()


def test_moving_a_history_on_appends_the_forecast_and_what_is_known_ahead() -> None:
    history, _, _ = with_covariates(ahead=5)
    forecast = torch.full((3, 2, 1), 9.0)
    moved = history.append_forecast(forecast)
    assert history.future is not None
    assert moved.future is not None
    assert moved.past is not None
    assert history.past is not None
    assert torch.equal(moved.values[:, :-2], history.values[:, 2:])
    assert (moved.values[:, -2:] == 9).all()
    assert moved.value_mask[:, -2:].all()
    assert torch.equal(moved.future, history.future[:, 2:])
    assert torch.equal(moved.past[:, -1], history.past[:, -1])
    assert torch.equal(moved.past[:, -2], history.past[:, -1])
    assert moved.past.shape == history.past.shape
