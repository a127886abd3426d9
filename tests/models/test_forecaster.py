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
from rnnforecast.registry import BACKBONES, DECODERS, LOSSES, WINDOW_SCALERS

STATISTICS = [n for n in WINDOW_SCALERS.names() if "learned" not in WINDOW_SCALERS.traits(n)]
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


def net(backbone: str = "gru", *, layers: int = 1, **changes: Any) -> Forecaster:
    """The small network with other parts."""
    torch.manual_seed(5)
    options = changes.pop("options", {})
    stack = BackboneConfig(backbone, n_layers=layers, options=options)
    if "gaps" in BACKBONES.traits(backbone):
        changes.setdefault("covariates", CovariateSizes(elapsed=True))
    return Forecaster(dataclasses.replace(SMALL, backbone=stack, **changes))


def history_of(values: Tensor, mask: Tensor) -> ModelInputs:
    steps = torch.arange(values.shape[1], dtype=torch.float32)[None, :, None]
    last = torch.where(mask, steps, -1.0).cummax(1).values
    return ModelInputs(values=values, value_mask=mask, input_mask=mask, elapsed=steps - last)


def windows(
    batch: int = 3, channels: int = 1, *, seed: int = 0, steps: int = 12
) -> tuple[ModelInputs, Tensor, Tensor]:
    """History, future and weight; positive, so that every method can read them."""
    generator = torch.Generator().manual_seed(seed)
    history = 5 + torch.rand((batch, steps, channels), generator=generator, dtype=torch.float64)
    mask = torch.rand(history.shape, generator=generator) < 0.8
    mask[:, -1] = True
    future = 5 + torch.rand((batch, 5, channels), generator=generator, dtype=torch.float64)
    weight = (torch.rand(future.shape, generator=generator) < 0.7).float()
    return history_of(history, mask), future, weight


def changed(history: ModelInputs, values: Tensor) -> ModelInputs:
    return dataclasses.replace(history, values=values)


def assert_forecast_shape(found: Forecaster, n_levels: int) -> None:
    history, _, _ = windows(channels=2)
    z, stats = found.eval().forecast(history, LEVELS)
    assert z.shape == (3, 5, 2, n_levels)
    assert z.isfinite().all()
    assert not z.requires_grad
    assert stats.denormalize(z).shape == z.shape


@pytest.mark.parametrize("backbone", BACKBONES.names())
@pytest.mark.parametrize("decoder", DECODERS.names())
def test_every_backbone_and_decoder_forecasts_each_step_and_target(
    backbone: str, decoder: str
) -> None:
    assert_forecast_shape(net(backbone, decoder=decoder, channels=2), 4)


@pytest.mark.parametrize("decoder", DECODERS.names())
@pytest.mark.parametrize("patch_length", [1, 5])
@pytest.mark.parametrize(("loss", "n_levels"), [("quantile", 4), ("huber", 1)])
def test_every_decoder_and_patch_length_forecasts_each_step_and_target(
    decoder: str, patch_length: int, loss: str, n_levels: int
) -> None:
    found = net(decoder=decoder, patch_length=patch_length, loss=loss, channels=2)
    assert_forecast_shape(found, n_levels)


@pytest.mark.parametrize("loss", LOSSES.names())
@pytest.mark.parametrize("decoder", DECODERS.names())
def test_every_decoder_and_head_has_finite_gradients_and_ordered_quantiles(
    decoder: str, loss: str
) -> None:
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


def assert_finite_gradients(found: Forecaster, *batch: Any) -> None:
    loss = found.loss(*batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    for name, parameter in found.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("backbone", BACKBONES.names())
@pytest.mark.parametrize("decoder", DECODERS.names())
def test_every_parameter_of_a_backbone_and_decoder_has_a_finite_gradient(
    backbone: str, decoder: str
) -> None:
    assert_finite_gradients(net(backbone, decoder=decoder), *windows())


@pytest.mark.parametrize("normalize", STATISTICS)
def test_every_window_scaler_leaves_gradients_finite(normalize: str) -> None:
    assert_finite_gradients(net(normalize=normalize), *windows())


def test_the_loss_ignores_targets_of_weight_zero() -> None:
    found, (history, future, weight) = net(), windows()
    other = torch.where(weight > 0, future, 99.0)
    assert torch.equal(found.loss(history, future, weight), found.loss(history, other, weight))


@pytest.mark.parametrize("normalize", STATISTICS)
def test_masked_values_do_not_change_the_forecast(normalize: str) -> None:
    found, (history, _, _) = net(normalize=normalize).eval(), windows()
    z, stats = found.forecast(history, LEVELS)
    masked = changed(history, torch.where(history.value_mask, history.values, 77.0))
    other, other_stats = found.forecast(masked, LEVELS)
    assert torch.equal(stats.denormalize(z), other_stats.denormalize(other))


@pytest.mark.parametrize("normalize", ["log_mean", "mean", "standard", "robust", "last"])
def test_a_rescaled_series_has_the_rescaled_forecast(normalize: str) -> None:
    found, (history, _, _) = net(normalize=normalize).eval(), windows()
    z, stats = found.forecast(history, LEVELS)
    other, other_stats = found.forecast(changed(history, 1000 * history.values), LEVELS)
    torch.testing.assert_close(
        other_stats.denormalize(other), 1000 * stats.denormalize(z), rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("normalize", ["standard", "robust", "last"])
def test_a_shifted_series_has_the_shifted_forecast(normalize: str) -> None:
    found, (history, _, _) = net(normalize=normalize).eval(), windows()
    z, stats = found.forecast(history, LEVELS)
    other, other_stats = found.forecast(changed(history, history.values + 64), LEVELS)
    torch.testing.assert_close(
        other_stats.denormalize(other), stats.denormalize(z) + 64, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("loss", ["quantile", "mae"])
def test_the_base_forecast_shifts_all_quantiles_alike(loss: str) -> None:
    found, (history, _, _) = net(loss=loss).eval(), windows()
    z = history.values.float() - 5.5
    _, scaler = found.prepare_inputs(history)
    assert found.base_forecast is not None
    with torch.no_grad():
        whole = found.head.quantiles(found(z, history, scaler), scaler, LEVELS)
        line = found.base_forecast(z * history.value_mask, history.input_mask)  # [B, H, C]
        found.base_forecast = None
        rest = found.head.quantiles(found(z, history, scaler), scaler, LEVELS)
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


def test_base_forecast_none_builds_no_module() -> None:
    assert net(base_forecast="none").base_forecast is None


def test_the_forecast_is_the_same_in_a_batch_and_alone() -> None:
    found, (history, _, _) = net().eval(), windows()
    together, _ = found.forecast(history, LEVELS)
    alone, _ = found.forecast(history_of(history.values[1:2], history.value_mask[1:2]), LEVELS)
    torch.testing.assert_close(together[1:2], alone)


def test_equal_seeds_give_equal_weights() -> None:
    first, second = net().state_dict(), net().state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_global_scale_is_the_mean_absolute_normalised_target_within_the_mask() -> None:
    found, (history, future, weight) = net(), windows()
    found.initialize_scales(history, future, weight)
    z = found.prepare_inputs(history)[1].stats.normalize_future(future)
    expected = z[weight > 0].abs().mean()
    torch.testing.assert_close(found.global_scale, expected)


def test_without_targets_the_global_scale_stays_1() -> None:
    found, (history, future, weight) = net(), windows()
    found.initialize_scales(history, future, torch.zeros_like(weight))
    assert found.global_scale.item() == 1


def test_inputs_and_outputs_of_the_network_are_divided_by_the_global_scale() -> None:
    found, (history, _, _) = net().eval(), windows()
    found.global_scale.fill_(0.25)
    z, stats = found.forecast(history, LEVELS)
    _, scaler = found.prepare_inputs(history)
    with torch.no_grad():
        raw = found(stats.normalize_past(history.values) / 0.25, history, scaler)
    torch.testing.assert_close(z, found.head.quantiles(raw, scaler, LEVELS) * 0.25)


def test_the_loss_is_in_units_of_the_global_scale() -> None:
    found, (history, future, weight) = net(loss="mae").eval(), windows()
    found.global_scale.fill_(0.25)
    z, stats = found.forecast(history, LEVELS)
    errors = (stats.normalize_past(future) - z[..., 0]).abs()[weight > 0]
    torch.testing.assert_close(found.loss(history, future, weight), errors.mean() / 0.25)


@pytest.mark.parametrize("backbone", BACKBONES.names())
def test_a_network_rebuilt_from_its_stored_config_and_weights_has_the_same_forecast(
    backbone: str,
) -> None:
    found = net(backbone, layers=2)
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
            future=numbers(steps + ahead, 1),
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
    """A network with covariates and random output layers."""
    found = net(covariates=WITH_COVARIATES, **changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return found.eval()


@pytest.mark.parametrize("name", COVARIATES)
@pytest.mark.parametrize("decoder", DECODERS.names())
def test_every_covariate_changes_the_forecast(name: str, decoder: str) -> None:
    found, (history, _, _) = trained(decoder=decoder), with_covariates()
    torch.manual_seed(0)
    z, _ = found.forecast(history, LEVELS)
    given = getattr(history, name)
    other = dataclasses.replace(history, **{name: (given + 1) % 2 if "codes" in name else -given})
    torch.manual_seed(0)
    assert not torch.equal(z, found.forecast(other, LEVELS)[0])


def test_a_known_covariate_changes_the_forecast_of_its_own_step_alone() -> None:
    found, (history, _, _) = trained(), with_covariates()
    assert history.future is not None
    known = history.future.clone()
    known[:, 12 + 3] += 1
    z, _ = found.forecast(history, LEVELS)
    other, _ = found.forecast(dataclasses.replace(history, future=known), LEVELS)
    assert (z != other).any(-1).any(-1).any(0).tolist() == [False, False, False, True, False]


def test_every_parameter_of_a_network_with_covariates_has_a_finite_gradient() -> None:
    assert_finite_gradients(trained().train(), *with_covariates())


def test_a_config_with_covariates_survives_json() -> None:
    architecture = net(covariates=WITH_COVARIATES, difference_lag=4).config
    assert (
        ForecasterConfig.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture
    )


@pytest.mark.parametrize("lag", [1, 4, 7])
def test_an_untrained_network_of_differences_forecasts_the_last_values(lag: int) -> None:
    found = net(difference_lag=lag, normalize="none", loss="mae").eval()
    history, _, _ = windows(steps=12 + lag)
    z, stats = found.forecast(history, LEVELS)
    values = history.values[..., 0].tolist()
    for known, forecast in zip(values, stats.denormalize(z)[:, :, 0, 0].tolist(), strict=True):
        for _ in range(5):
            known.append(known[-lag])
        assert forecast == pytest.approx(known[-5:])


@pytest.mark.parametrize("lag", [1, 4])
def test_a_network_of_differences_reads_differences_and_its_scaler_adds_them_up(
    lag: int,
) -> None:
    found = net(difference_lag=lag, normalize="standard").eval()
    history, future, _ = windows(steps=12 + lag)
    read, scaler = found.prepare_inputs(history)
    changes = history.values.numpy()[:, lag:] - history.values.numpy()[:, :-lag]
    input_mask = read.input_mask.numpy()
    np.testing.assert_allclose(read.values.numpy()[input_mask], changes[input_mask])
    stats = scaler.stats
    torch.testing.assert_close(
        stats.denormalize(stats.normalize_future(future)), future, rtol=1e-5, atol=0
    )


def perturbed(found: Forecaster) -> Forecaster:
    """The network with random output layers."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return found


@pytest.mark.parametrize("normalize", STATISTICS)
@pytest.mark.parametrize("difference", [0, 4])
def test_a_fork_does_not_depend_on_later_values(normalize: str, difference: int) -> None:
    if difference and normalize in ("log_mean", "mean"):
        return  # not to be combined
    found = perturbed(net(decoder="forking", normalize=normalize, difference_lag=difference)).eval()
    history, future, weight = windows(steps=12 + difference)

    def forked(values: Tensor) -> Tensor:
        forks, _, _ = found.fork_windows(changed(history, values), future, weight)
        read, scaler = found.prepare_inputs(forks)
        raw = found.forward_forks(scaler.normalize_past(read.values), read, scaler)
        return found.head.quantiles(raw, scaler, LEVELS).reshape(3, 3, -1)  # [B, G, ...]

    other = history.values.clone()
    other[:, 8 + difference :] *= 1.3
    before, after = forked(history.values), forked(other)
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=0, atol=0)
    assert not torch.equal(after[:, 2], before[:, 2])


def test_the_targets_of_a_fork_are_the_values_after_its_end() -> None:
    found = net(decoder="forking", season=4)
    history, future, weight = windows()
    _, targets, weights = found.fork_windows(history, future, weight)
    whole = torch.cat([history.values, future], 1)
    expected_weights = torch.cat([history.value_mask.float(), weight], 1)
    for fork, end in enumerate((4, 8, 12)):
        torch.testing.assert_close(targets.reshape(3, 3, 5, 1)[:, fork], whole[:, end : end + 5])
        torch.testing.assert_close(
            weights.reshape(3, 3, 5, 1)[:, fork], expected_weights[:, end : end + 5]
        )


@pytest.mark.parametrize("decoder", ["recursive", "seq2seq"])
@pytest.mark.parametrize("patch_length", [1, 2, 4])
def test_teacher_forcing_with_its_own_forecast_reproduces_the_forecast(
    decoder: str, patch_length: int
) -> None:
    found = perturbed(net(decoder=decoder, patch_length=patch_length, loss="mae", horizon=5)).eval()
    history, _, weight = windows()
    read, scaler = found.prepare_inputs(history)
    with torch.no_grad():
        raw = found(scaler.normalize_past(read.values), read, scaler)
        own = scaler.denormalize(raw[..., 0])
        loss = found.loss(history, own, torch.ones_like(weight))
    assert loss.item() < 1e-6


@pytest.mark.parametrize("decoder", ["recursive", "seq2seq"])
def test_at_the_end_of_training_forecasts_are_fed_instead_of_true_values(decoder: str) -> None:
    found = perturbed(net(decoder=decoder, loss="mae", teacher_forcing=0.0, patch_length=1)).eval()
    history, future, weight = windows()
    taught = found.loss(history, future, weight)
    found.training_progress = 1.0
    alone = found.loss(history, future, weight)
    read, scaler = found.prepare_inputs(history)
    with torch.no_grad():
        own = scaler.normalize_past(read.values), read, scaler
        free = found.head.loss(found(*own), future, weight, scaler)
    assert not torch.equal(taught, alone)
    torch.testing.assert_close(alone, free)


def test_forecast_quantiles_are_those_of_its_sample_paths() -> None:
    found = net(decoder="recursive", loss="normal", patch_length=1, normalize="none", horizon=5)
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
    paths_again, _ = found.sample_paths(history, N_SAMPLE_PATHS)
    expected = np.quantile(paths_again.numpy(), (0.1, 0.5, 0.9), axis=1)
    np.testing.assert_allclose(z.numpy(), np.moveaxis(expected, 0, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decoder", ["direct", "seq2seq"])
@pytest.mark.parametrize("backbone", ["gru", "lstm"])
def test_a_bidirectional_encoder_forecasts_and_trains(backbone: str, decoder: str) -> None:
    found = net(backbone, decoder=decoder, bidirectional=True)
    loss = found.loss(*windows())
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in found.parameters())
    z, _ = found.eval().forecast(windows()[0], LEVELS)
    assert z.isfinite().all()


@pytest.mark.parametrize("length", [1, 2])
def test_truncated_backpropagation_keeps_the_forecast_and_stops_the_gradient(length: int) -> None:
    whole, cut = perturbed(net()).eval(), perturbed(net(tbptt_steps=length)).eval()
    cut.load_state_dict(whole.state_dict())
    history, _, _ = windows()
    z, _ = whole.forecast(history, LEVELS)
    torch.testing.assert_close(cut.forecast(history, LEVELS)[0], z)
    cut.base_forecast = None
    read, scaler = cut.prepare_inputs(history)
    values = scaler.normalize_past(read.values).requires_grad_()
    cut(values, read, scaler).sum().backward()
    assert values.grad is not None
    reached = values.grad.abs().sum((0, 2)) > 0
    assert not reached[: 12 - 4 * length].any()
    assert reached[12 - 4 * length :].any()


def test_append_forecast_appends_values_and_shifts_known_covariates() -> None:
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


def test_forks_of_gru_d_read_the_gaps_of_their_own_patch() -> None:
    found = perturbed(net("gru_d", decoder="forking")).eval()
    history, future, weight = windows()
    assert history.elapsed is not None
    assert history.elapsed.max() > 1
    forks, _, _ = found.fork_windows(history, future, weight)
    read, scaler = found.prepare_inputs(forks)
    z = scaler.normalize_past(read.values)
    assert found.scale_change is not None
    with torch.no_grad():
        raw = found.forward_forks(z, read, scaler)
        x = found.embedding(z[:, -4:], read.last_steps(4)).reshape(3, 3, 8)
        x = x + found.scale_change(scaler.stats, found.global_scale, 3)
        weights = {
            name.removeprefix("backbone.layers.0.cell."): value.numpy()
            for name, value in found.state_dict().items()
        }
        state, outputs = [np.zeros((3, 8))], []
        for patch in range(3):  # the steps of a patch hold one gap each
            gaps = history.elapsed[:, 4 * patch : 4 * patch + 4, 0].numpy() / 4
            step = BACKBONES.load("gru_d").reference_step
            state = step(weights, x[:, patch].numpy(), gaps, state, {})
            outputs.append(state[0])
        last = torch.from_numpy(np.stack(outputs, 1)).float().flatten(0, 1)  # [B * G, K]
        hidden = torch.relu(found.decoder.layer[0](last))  # type: ignore[index]
        expected = found.output_layer(hidden).reshape(9, 5, 1, 4)
        expected = expected + found.additive_terms(z, read, last)
    torch.testing.assert_close(raw, expected, rtol=1e-5, atol=1e-5)
