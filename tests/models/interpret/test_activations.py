"""Activations of a network: units, gates, attention, and the reach of gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.interpret.activations import (
    attention_maps,
    forecast_location,
    input_gradients,
    layer_activations,
    median_forecast,
)
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.registry import BACKBONES, DECODERS, LOSSES
from tests.training.fits import net as small

B, L, H, C = 3, 13, 5, 2
CAPTIONS = {gate for name in BACKBONES.names() for gate in BACKBONES.literal(name, "GATES", {})}

every_backbone = pytest.mark.parametrize("backbone", BACKBONES.names())
every_decoder = pytest.mark.parametrize("decoder", DECODERS.names())


def net(backbone: str = "gru", *, layers: int = 2, channels: int = C, **changes: Any) -> Forecaster:
    """A small network with random weights in double precision."""
    given: dict[str, Any] = {
        "lookback": L,
        "horizon": H,
        "patch_length": 3,
        "season": 3,
        "backbone": BackboneConfig(backbone, n_layers=layers),
        "hidden_size": 8,
        "channels": channels,
        "covariates": CovariateSizes(future=1, elapsed=True),
    }
    found = small(seed=4, dropout=0.0, **{**given, **changes}).double().eval()
    found.head.float()  # heads read float32
    for weight in found.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.3)
    return found


def history(found: Forecaster, windows: int = 1) -> ModelInputs:
    random = torch.Generator().manual_seed(5)
    a = found.config
    shape = (windows, a.input_length, a.channels)
    values = 20 + 4 * torch.randn(shape, generator=random, dtype=torch.float64)
    seen = torch.rand(shape, generator=random) < 0.9
    known = torch.randn(windows, a.input_length + H, 1, generator=random)
    return ModelInputs(
        values=values,
        value_mask=seen,
        input_mask=torch.ones_like(seen),
        elapsed=(~seen).float(),
        future=known,
    )


def slope_by_differences(found: Forecaster, read: ModelInputs, target: int) -> Tensor:
    """`[H, L, C]`: a pair of windows for each number read, all at once."""
    step, a = 1e-5, found.config
    numbers = a.lookback * a.channels
    nudge = torch.eye(numbers, dtype=torch.float64).reshape(numbers, a.lookback, a.channels)
    many = read.repeat_windows(numbers)
    with torch.no_grad():
        up, down = (
            forecast_location(found, many, sign * step * nudge)[..., target] for sign in (1, -1)
        )
    return ((up - down) / (2 * step)).T.reshape(H, a.lookback, a.channels)


@every_backbone
@every_decoder
def test_gradients_are_those_of_finite_differences(backbone: str, decoder: str) -> None:
    found = net(backbone, decoder=decoder)
    read = history(found)
    slope = input_gradients(found, read, 1)
    torch.testing.assert_close(slope, slope_by_differences(found, read, 1), rtol=1e-5, atol=1e-7)
    assert (slope != 0).any()


@pytest.mark.parametrize("changes", [{"difference_lag": 2}, {"normalize": "log_mean"}], ids=str)
@pytest.mark.parametrize("decoder", ["direct", "forking"])
def test_gradients_are_with_respect_to_normalised_inputs(
    decoder: str, changes: dict[str, Any]
) -> None:
    found = net(decoder=decoder, **changes)
    read = history(found)
    slope = input_gradients(found, read, 0)
    torch.testing.assert_close(slope, slope_by_differences(found, read, 0), rtol=1e-5, atol=1e-7)


def test_the_gradient_of_a_base_forecast_alone_is_its_weight_matrix() -> None:
    found = net(channels=1)
    assert found.local_decoder is not None
    for part in (found.output_layer, found.local_decoder.output_layer):
        torch.nn.init.zeros_(part.weight)
    assert found.base_forecast is not None
    slope = input_gradients(found, history(found), 0)[..., 0]
    torch.testing.assert_close(slope, found.base_forecast.linear.weight.detach())
    assert not input_gradients(found, history(found), 0, recurrent_only=True).any()
    assert found.base_forecast is not None


def test_without_scaling_forking_has_the_gradients_of_the_direct_decoder() -> None:
    found = net(channels=1, decoder="forking", normalize="none")
    plain = net(channels=1, decoder="direct", normalize="none")
    plain.load_state_dict(found.state_dict(), strict=False)
    assert found.scale_change is not None
    torch.nn.init.zeros_(found.scale_change.projection.weight)
    read = history(found)
    torch.testing.assert_close(input_gradients(found, read, 0), input_gradients(plain, read, 0))


@every_backbone
@pytest.mark.parametrize("decoder", ["direct", "forking", "recursive"])
def test_activations_are_those_of_the_network_and_gates_lie_between_0_and_1(
    backbone: str, decoder: str
) -> None:
    found = net(backbone, decoder=decoder).float()
    read = history(found)
    seen = layer_activations(found, read)
    assert [activations.name for activations in seen] == ["layer 1", "layer 2"]
    for activations in seen:
        assert activations.outputs.shape == (5, 8)
        assert set(activations.gates) <= CAPTIONS
        if own_captions := BACKBONES.literal(backbone, "GATES"):
            assert set(activations.gates) == set(own_captions)
        for gate in activations.gates.values():
            assert gate.shape == (5, 8)
            assert ((gate >= 0) & (gate <= 1)).all()
    if decoder != "forking":
        read, scaler = found.prepare_inputs(read)
        encoded = found.encode(scaler.normalize_past(read.values), read)
        torch.testing.assert_close(seen[-1].outputs, encoded.output[0])


@pytest.mark.parametrize("backbone", ["gru", "lstm", "peephole_lstm", "min_gru", "gru_d"])
def test_gates_are_those_of_the_equations(backbone: str) -> None:
    found = net(backbone, layers=1).float()
    (activations,) = layer_activations(found, history(found))
    gates = {name.partition(" ")[0]: gate for name, gate in activations.gates.items()}
    before = torch.cat([torch.zeros(1, 8), activations.outputs[:-1]])
    if backbone in ("lstm", "peephole_lstm"):  # |h| <= o, as h = o tanh(c)
        assert (activations.outputs.abs() <= gates["output"] + 1e-6).all()
        return
    before = before * gates.get("decay", torch.ones(1))
    retention = gates["keep" if backbone == "min_gru" else "update"]
    new = (activations.outputs - retention * before) / (1 - retention)
    if backbone == "min_gru":
        assert (new >= -1e-5).all()
    else:  # a candidate is a tanh
        assert (new.abs() <= 1 + 1e-4).all()


@pytest.mark.parametrize("tbptt_steps", [None, 2])
def test_truncated_backpropagation_shows_all_patches(tbptt_steps: int | None) -> None:
    found = net("lstm", tbptt_steps=tbptt_steps).float()
    whole = net("lstm").float()
    for part, expected in zip(
        layer_activations(found, history(found)),
        layer_activations(whole, history(whole)),
        strict=True,
    ):
        torch.testing.assert_close(part.outputs, expected.outputs)
        torch.testing.assert_close(part.gates, expected.gates)


def test_both_directions_are_in_the_order_of_time() -> None:
    found = net("gru", bidirectional=True).float()
    seen = {
        activations.name: activations for activations in layer_activations(found, history(found))
    }
    assert list(seen) == [
        "layer 1 forwards", "layer 2 forwards", "layer 1 backwards", "layer 2 backwards",
    ]  # fmt: skip
    read, scaler = found.prepare_inputs(history(found))
    encoded = found.encode(scaler.normalize_past(read.values), read)
    backbone = found.backbone
    joined = torch.cat([seen["layer 2 forwards"].outputs, seen["layer 2 backwards"].outputs], -1)
    torch.testing.assert_close(backbone.output_projection(joined), encoded.output[0])  # type: ignore[operator]


@pytest.mark.parametrize("attention", ["additive", "multiplicative"])
def test_decoder_attention_has_a_row_for_each_patch_of_the_horizon(attention: str) -> None:
    found = net(decoder="seq2seq", attention=attention).float()
    seen = attention_maps(found, history(found))
    assert seen.decoder_attention is not None
    assert seen.decoder_attention.shape == (2, 5)
    torch.testing.assert_close(seen.decoder_attention.sum(-1), torch.ones(2))
    assert seen.self_attention == ()


@pytest.mark.parametrize("tbptt_steps", [None, 2])
@pytest.mark.parametrize("decoder", ["direct", "parallel"])
def test_self_attention_is_causal(decoder: str, tbptt_steps: int | None) -> None:
    found = net("transformer", decoder=decoder, tbptt_steps=tbptt_steps).float()
    seen = attention_maps(found, history(found))
    assert seen.decoder_attention is None
    assert len(seen.self_attention) == 2
    for map_ in seen.self_attention:
        torch.testing.assert_close(map_, map_.tril())
        torch.testing.assert_close(map_.sum(-1), torch.ones(5))


def test_networks_without_attention_have_no_maps() -> None:
    seen = attention_maps(net().float(), history(net()))
    assert seen.decoder_attention is None
    assert seen.self_attention == ()


@pytest.mark.parametrize("loss", LOSSES.names())
def test_the_median_forecast_is_the_forecast_at_level_one_half(loss: str) -> None:
    found = net(loss=loss, normalize="mean").float()
    read = history(found, 3)
    z, stats = found.forecast(read, (0.5,))
    torch.testing.assert_close(median_forecast(found, read), stats.denormalize(z[..., 0]))


@pytest.mark.parametrize("decoder", ["recursive", "seq2seq"])
@pytest.mark.parametrize("loss", ["quantile", "student_t"])
def test_medians_are_fed_back_instead_of_random_values(decoder: str, loss: str) -> None:
    found = net(decoder=decoder, loss=loss).float()
    read = history(found, 3)
    torch.manual_seed(1)
    first = median_forecast(found, read)
    torch.manual_seed(2)
    assert torch.equal(median_forecast(found, read), first)
    assert "sample" not in vars(found.head)
