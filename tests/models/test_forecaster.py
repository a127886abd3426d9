"""The whole forecaster: shapes, gradients, the way back to original units, and its stored form."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_bytes
from safetensors.torch import save as save_bytes
from torch import Tensor

from rnnforecast.models import registry
from rnnforecast.models.decoders import DECODERS
from rnnforecast.models.forecaster import Architecture, Forecaster
from rnnforecast.models.normalize import NORMALIZERS

SMALL = Architecture(
    lookback=12,
    horizon=5,
    segment=4,
    season=4,
    backbone="gru",
    hidden_size=8,
    layers=1,
    dropout=0.0,
    decoder="direct",
    normalize="standard",
    linear_first=True,
    loss="quantile",
    levels=(0.1, 0.5, 0.8, 0.9),
    options={},
)


def net(**changes: Any) -> Forecaster:
    torch.manual_seed(5)
    return Forecaster(dataclasses.replace(SMALL, **changes))


def windows(batch: int = 3, channels: int = 1, *, seed: int = 0) -> tuple[Tensor, ...]:
    """History, mask, future and weight; positive, so that every method can read them."""
    generator = torch.Generator().manual_seed(seed)
    history = 5 + torch.rand((batch, 12, channels), generator=generator, dtype=torch.float64)
    visible = torch.rand(history.shape, generator=generator) < 0.8
    future = 5 + torch.rand((batch, 5, channels), generator=generator, dtype=torch.float64)
    return history, visible, future, (torch.rand(future.shape, generator=generator) < 0.7).float()


@pytest.mark.parametrize("backbone", registry.names())
@pytest.mark.parametrize("decoder", sorted(DECODERS))
@pytest.mark.parametrize("segment", [1, 4, 5])
@pytest.mark.parametrize("loss", ["quantile", "huber"])
def test_every_choice_gives_a_forecast_for_each_step_and_target(
    backbone: str, decoder: str, segment: int, loss: str
) -> None:
    found = net(backbone=backbone, decoder=decoder, segment=segment, loss=loss, channels=2)
    history, visible, _, _ = windows(channels=2)
    z, level = found.eval().forecast(history, visible)
    assert z.shape == (3, 5, 2, 4 if loss == "quantile" else 1)
    assert z.isfinite().all()
    assert not z.requires_grad
    assert level.undo(z).shape == z.shape


@pytest.mark.parametrize("backbone", registry.names())
@pytest.mark.parametrize("decoder", sorted(DECODERS))
@pytest.mark.parametrize("normalize", sorted(NORMALIZERS))
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
    found, (history, visible, future, weight) = net(), windows()
    other = torch.where(weight > 0, future, 99.0)
    assert torch.equal(
        found.loss(history, visible, future, weight), found.loss(history, visible, other, weight)
    )


@pytest.mark.parametrize("normalize", sorted(NORMALIZERS))
def test_hidden_values_do_not_change_the_forecast(normalize: str) -> None:
    found, (history, visible, _, _) = net(normalize=normalize).eval(), windows()
    visible[:, -1] = True
    z, level = found.forecast(history, visible)
    other, other_level = found.forecast(torch.where(visible, history, 77.0), visible)
    assert torch.equal(level.undo(z), other_level.undo(other))


@pytest.mark.parametrize("normalize", ["log_mean", "mean", "standard", "robust", "last"])
def test_a_series_in_other_units_has_the_same_forecast_in_those_units(normalize: str) -> None:
    found, (history, visible, _, _) = net(normalize=normalize).eval(), windows()
    visible[:, -1] = True
    z, level = found.forecast(history, visible)
    other, other_level = found.forecast(1000 * history, visible)
    torch.testing.assert_close(other_level.undo(other), 1000 * level.undo(z), rtol=1e-5, atol=0)


@pytest.mark.parametrize("normalize", ["standard", "robust", "last"])
def test_a_series_moved_up_has_the_same_forecast_moved_up(normalize: str) -> None:
    found, (history, visible, _, _) = net(normalize=normalize).eval(), windows()
    visible[:, -1] = True
    z, level = found.forecast(history, visible)
    other, other_level = found.forecast(history + 64, visible)
    torch.testing.assert_close(other_level.undo(other), level.undo(z) + 64, rtol=1e-5, atol=0)


@pytest.mark.parametrize("loss", ["quantile", "mae"])
def test_the_linear_map_moves_all_quantiles_alike(loss: str) -> None:
    found, (z, visible) = net(loss=loss).eval(), (windows()[0].float() - 5.5, windows()[1])
    assert found.first is not None
    with torch.no_grad():
        whole = found.head.quantiles(found(z, visible))
        line = found.first((z * visible)[..., 0])  # [B, H]
        found.first = None
        rest = found.head.quantiles(found(z, visible))
    torch.testing.assert_close(whole, rest + line[:, :, None, None])


@pytest.mark.parametrize("season", [1, 2, 4, 7, 24])
def test_the_linear_map_starts_as_the_seasonal_naive_forecast(season: int) -> None:
    found, z = net(season=season), torch.randn(12, generator=torch.Generator().manual_seed(0))
    assert found.first is not None
    known = z.tolist()
    for _ in range(5):  # a season longer than the lookback repeats the lookback
        known.append(known[-min(season, 12)])
    torch.testing.assert_close(found.first(z), torch.tensor(known[12:]))


def test_without_the_linear_map_there_is_none() -> None:
    assert net(linear_first=False).first is None


def test_the_forecast_is_the_same_in_a_batch_and_alone() -> None:
    found, (history, visible, _, _) = net().eval(), windows()
    together, _ = found.forecast(history, visible)
    alone, _ = found.forecast(history[1:2], visible[1:2])
    torch.testing.assert_close(together[1:2], alone)


def test_the_same_seed_gives_the_same_net() -> None:
    first, second = net().state_dict(), net().state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_unit_is_the_mean_size_of_the_normalised_futures_that_were_observed() -> None:
    found, (history, visible, future, weight) = net(), windows()
    found.measure(history, visible, future, weight)
    z = found.normalize(history, visible).apply(future)
    expected = z[weight > 0].abs().mean()
    torch.testing.assert_close(found.unit, expected)


def test_without_an_observed_future_the_unit_stays() -> None:
    found, (history, visible, future, weight) = net(), windows()
    found.measure(history, visible, future, torch.zeros_like(weight))
    assert found.unit.item() == 1


def test_the_net_reads_and_answers_in_its_unit() -> None:
    found, (history, visible, _, _) = net().eval(), windows()
    found.unit.fill_(0.25)
    z, level = found.forecast(history, visible)
    with torch.no_grad():
        raw = found(level.apply(history) / 0.25, visible)
    torch.testing.assert_close(z, found.head.quantiles(raw) * 0.25)


def test_the_loss_is_measured_in_the_unit_too() -> None:
    found, (history, visible, future, weight) = net(loss="mae").eval(), windows()
    found.unit.fill_(0.25)
    z, level = found.forecast(history, visible)
    errors = (level.apply(future) - z[..., 0]).abs()[weight > 0]
    torch.testing.assert_close(found.loss(history, visible, future, weight), errors.mean() / 0.25)


@pytest.mark.parametrize("backbone", registry.names())
def test_built_again_from_its_stored_form_it_forecasts_the_same_to_the_last_bit(
    backbone: str,
) -> None:
    found = net(backbone=backbone, layers=2)
    found.measure(*windows())
    stored = json.dumps(found.architecture.to_json())
    architecture = Architecture.from_json(json.loads(stored))
    assert architecture == found.architecture
    torch.manual_seed(99)
    again = Forecaster(architecture)
    again.load_state_dict(load_bytes(save_bytes(found.state_dict())))
    history, visible, _, _ = windows()
    z, _ = found.eval().forecast(history, visible)
    assert torch.equal(again.eval().forecast(history, visible)[0], z)


def test_an_unknown_option_of_the_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match="gates: unknown option"):
        net(options={"gates": 7})
