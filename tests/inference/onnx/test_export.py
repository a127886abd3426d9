"""Exported networks: agreement of onnxruntime with torch, for every component."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnxscript._framework_apis import torch_2_5

from rnnforecast.inference.onnx import export as exporting
from rnnforecast.inference.onnx.example_windows import synthetic_histories
from rnnforecast.inference.onnx.export import MAX_RELATIVE_DIFFERENCE, NotExportable
from rnnforecast.inference.onnx.export_module import ExportOutputs, onnx_input_names
from rnnforecast.models.base import Noise
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.registry import BACKBONES, LOSSES
from tests.training.fits import net

LEVELS = (0.1, 0.5, 0.9)
GAPS = CovariateSizes(elapsed=True)
ALL = CovariateSizes(
    past=1,
    past_codes=(3,),
    future=2,
    future_codes=(4,),
    static=1,
    static_codes=(2, 3),
    elapsed=True,
)

# one network for each backbone, such that every other exportable component is covered too
STEP_BY_STEP = {"patch_length": 1, "lookback": 5}
"""More steps than are unrolled: a loop."""

NETS: dict[str, dict[str, Any]] = {
    "dilated": {
        "backbone": BackboneConfig("dilated", n_layers=2, options={"cell": "gru"}),
        "decoder": "seq2seq",
        "normalize": "mean",
        "loss": "mae",
        "patch_length": 2,
    },
    "gru": {"normalize": "log_mean", "covariates": ALL, "channels": 2},
    "gru_d": {
        **STEP_BY_STEP,
        "decoder": "recursive",
        "normalize": "last",
        "loss": "mse",
        "covariates": GAPS,
    },
    "lstm": {"decoder": "parallel", "loss": "normal", "patch_length": 1},
    "min_gru": {"normalize": "mean", "loss": "log_normal", "lookback": 5, "patch_length": 2},
    "min_lstm": {"decoder": "parallel", "difference_lag": 2, "loss": "huber", "patch_length": 2},
    "peephole_lstm": {
        "normalize": "exponential_smoothing",
        "n_items": 3,
        "smoothing_seasons": (2,),
        "bidirectional": True,
    },
    "rnn": {
        "decoder": "forking",
        "normalize": "robust",
        "patch_length": 2,
        "base_forecast": "theta",
    },
    "rrnn": {
        **STEP_BY_STEP,
        "backbone": BackboneConfig("rrnn", options={"nonlinearity": "sigmoid"}),
        "decoder": "seq2seq",
        "attention": "multiplicative",
        "loss": "smape",
        "covariates": GAPS,
    },
    "slstm": {
        **STEP_BY_STEP,
        "backbone": BackboneConfig("slstm", noise=Noise(zoneout=0.2, learned_initial_state=True)),
        "decoder": "forking",
        "normalize": "none",
        "loss": "log_normal",
    },
    "transformer": {"decoder": "parallel", "loss": "mase", "patch_length": 2},
}


def fitted(**changes: Any) -> Forecaster:
    """A network without zero weights, whose forecasts depend on all of its inputs."""
    small = {"dropout": 0.0, "hidden_size": 4, "lookback": 4, "horizon": 2, "season": 2}
    found = net(**{**small, **changes})
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in found.parameters():
            if not weight.any():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
        found.global_scale.fill_(0.4)
    return found.eval()


def outputs_of(loss: str) -> tuple[ExportOutputs, np.ndarray | None]:
    """The outputs of a network with this loss, and residual quantiles of a point head."""
    levels = QuantileLevels.for_loss(LEVELS, loss)
    outputs = ExportOutputs(levels, include_equiprobable_values=levels.has_mean)
    if "point" not in LOSSES.traits(loss):
        return outputs, None
    return outputs, np.linspace([-1.0, -2.0], [1.0, 2.0], len(levels.computed), axis=1)


def exported(found: Forecaster, path: Path) -> dict[str, Any]:
    """The metadata of the file at `path`, and its difference from the network."""
    history = synthetic_histories(found.config, 64)
    outputs, residuals = outputs_of(found.config.loss)
    return exporting.export_onnx(found, outputs, residuals, history, path)


@pytest.fixture(scope="module", autouse=True)
def _operators_are_parsed_once() -> Iterator[None]:
    """onnxscript parses the sources of all operators at each export, half a second."""
    with pytest.MonkeyPatch.context() as patch:
        read = torch_2_5.get_torchlib_ops
        patch.setattr(torch_2_5, "get_torchlib_ops", cache(read))
        yield


@pytest.mark.parametrize("backbone", BACKBONES.names())
def test_the_file_agrees_with_the_network_in_batches_of_one_and_of_many(
    backbone: str, tmp_path: Path
) -> None:
    found = fitted(**{"backbone": BackboneConfig(backbone), **NETS.get(backbone, {})})
    facts = exported(found, tmp_path / "model.onnx")
    assert facts["difference"] <= MAX_RELATIVE_DIFFERENCE
    read = [port["name"] for port in facts["inputs"]]
    assert read == list(onnx_input_names(found.config))
    targets = found.config.channels
    assert facts["outputs"][:2] == [
        {"name": "quantiles", "shape": ["B", 2, targets, 3], "dtype": "float64"},
        {"name": "point", "shape": ["B", 2, targets], "dtype": "float64"},
    ]


CHEAP: dict[str, Any] = {
    "backbone": BackboneConfig("lstm"),
    "normalize": "none",
    "base_forecast": "none",
}


def test_a_file_that_differs_from_the_network_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fitted(**CHEAP)
    path = tmp_path / "model.onnx"
    exported(found, path)
    history = synthetic_histories(found.config, 8)
    outputs, residuals = outputs_of("quantile")
    found.global_scale *= 1 + 1e-3
    difference = exporting.max_relative_difference(path, found, outputs, residuals, history)
    assert 1e-5 < difference < 1e-2
    found.global_scale *= torch.nan
    assert exporting.max_relative_difference(path, found, outputs, residuals, history) == np.inf
    monkeypatch.setattr(exporting, "write_onnx", lambda *_: {})
    with pytest.raises(NotExportable, match="differ by inf"):
        exporting.export_onnx(found, outputs, residuals, history, path)
    path.write_bytes(b"not a graph")
    with pytest.raises(NotExportable, match="onnxruntime cannot run it"):
        exporting.export_onnx(found, outputs, residuals, history, path)


@pytest.mark.parametrize(
    "loss", ["student_t", "negative_binomial", "poisson", "tweedie", "mixture"]
)
def test_losses_whose_quantiles_need_a_search_are_refused(loss: str) -> None:
    reason = exporting.unsupported_reason(fitted(loss=loss).config, LEVELS)
    assert reason is not None
    assert "numerical search" in reason


@pytest.mark.parametrize("loss", ["quantile", "normal", "log_normal", "mae", "mse"])
@pytest.mark.parametrize("decoder", ["direct", "recursive", "seq2seq"])
def test_sampled_paths_are_refused_and_point_forecasts_are_not(loss: str, decoder: str) -> None:
    reason = exporting.unsupported_reason(fitted(loss=loss, decoder=decoder).config, LEVELS)
    is_sampled = decoder != "direct" and loss not in ("mae", "mse")
    assert (reason is not None and "samples paths" in reason) == is_sampled


class _Softplus(torch.nn.Module):
    """A softplus of the kind that heads use, with another slope."""

    input_names = ("values",)
    outputs = SimpleNamespace(output_names=("result",))

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.softplus(inputs[0], beta=self.beta)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_softplus_is_exported_with_its_beta(
    beta: float, dtype: torch.dtype, tmp_path: Path
) -> None:
    values = torch.linspace(-40, 40, 33, dtype=dtype).reshape(-1, 1)
    path = tmp_path / "model.onnx"
    exporting.write_onnx(_Softplus(beta), SimpleNamespace(values=values), path)  # type: ignore[arg-type]
    (found,) = onnxruntime.InferenceSession(path).run(None, {"values": values.numpy()})
    expected = np.logaddexp(0, beta * values.double().numpy()) / beta
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_refused_network_writes_no_file(tmp_path: Path) -> None:
    found = fitted(loss="poisson")
    history, (outputs, _) = synthetic_histories(found.config, 8), outputs_of("poisson")
    with pytest.raises(NotExportable, match="'poisson'"):
        exporting.export_onnx(found, outputs, None, history, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_torch_cannot_export_is_reported_in_one_line(tmp_path: Path) -> None:
    found = fitted(**CHEAP)
    found.decoder.layer.append(_Unknown())  # type: ignore[operator, union-attr]
    with pytest.raises(NotExportable, match=r"torch cannot export it to ONNX \(.*\)$"):
        exported(found, tmp_path / "model.onnx")


class _Unknown(torch.nn.Module):
    """Branches on a value, which a graph cannot."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if float(x.sum()) > 0 else -x


def test_quantiles_other_than_those_trained_are_refused() -> None:
    reason = exporting.unsupported_reason(fitted().config, (0.2, 0.5, 0.8))
    assert reason is not None
    assert "differ from the levels the network was trained on" in reason


def test_synthetic_windows_have_all_inputs_of_the_network() -> None:
    found = fitted(covariates=ALL, channels=2)
    history = synthetic_histories(found.config, 5)
    assert set(onnx_input_names(found.config)) == {
        name for name, value in vars(history).items() if value is not None
    }
    for covariates in (history.past, history.future, history.static):
        assert covariates is not None
        assert -1 <= covariates.min() < 0 < covariates.max() <= 1
    values = found.forecast(history, LEVELS)[0]
    assert values.isfinite().all()
