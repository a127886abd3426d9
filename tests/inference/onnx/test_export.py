"""The net as an ONNX file: onnxruntime says what torch says, for every part a net may have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

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

# one net for each backbone, so that every other part has its turn too
STEP_BY_STEP = {"patch_length": 1, "lookback": 5}
"""More steps than are written one by one: a loop."""

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
    """A net whose head says something: unfitted ones say zero."""
    small = {"dropout": 0.0, "hidden_size": 4, "lookback": 4, "horizon": 2, "season": 2}
    found = net(**{**small, **changes})
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in found.parameters():
            if not weight.any():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
        found.global_scale.fill_(0.4)
    return found.eval()


def asked(loss: str) -> tuple[ExportOutputs, np.ndarray | None]:
    """What is wanted of a net with this loss, and stored quantiles where it is a point."""
    levels = QuantileLevels.for_loss(LEVELS, loss)
    wanted = ExportOutputs(levels, include_equiprobable_values=levels.has_mean)
    if "point" not in LOSSES.traits(loss):
        return wanted, None
    return wanted, np.linspace([-1.0, -2.0], [1.0, 2.0], len(levels.computed), axis=1)


def exported(found: Forecaster, path: Path) -> dict[str, Any]:
    """The facts of the file at `path`, and how far it is from the net."""
    history = synthetic_histories(found.config, 64)
    wanted, residuals = asked(found.config.loss)
    return exporting.export_onnx(found, wanted, residuals, history, path)


def test_every_backbone_is_tried() -> None:
    assert sorted(NETS) == BACKBONES.names()


@pytest.mark.parametrize("backbone", NETS)
def test_the_file_says_what_the_net_says_in_batches_of_one_and_of_many(
    backbone: str, tmp_path: Path
) -> None:
    found = fitted(**{"backbone": BackboneConfig(backbone), **NETS[backbone]})
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


def test_a_file_that_says_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fitted(**CHEAP)
    path = tmp_path / "model.onnx"
    exported(found, path)
    history = synthetic_histories(found.config, 8)
    wanted, residuals = asked("quantile")
    found.global_scale *= 1 + 1e-3
    off = exporting.max_relative_difference(path, found, wanted, residuals, history)
    assert 1e-5 < off < 1e-2
    found.global_scale *= torch.nan
    assert exporting.max_relative_difference(path, found, wanted, residuals, history) == np.inf
    monkeypatch.setattr(exporting, "write_onnx", lambda *_: {})
    with pytest.raises(NotExportable, match="differs by inf"):
        exporting.export_onnx(found, wanted, residuals, history, path)
    path.write_bytes(b"this is no graph")
    with pytest.raises(NotExportable, match="onnxruntime cannot run it"):
        exporting.export_onnx(found, wanted, residuals, history, path)


@pytest.mark.parametrize("loss", LOSSES.names())
@pytest.mark.parametrize("decoder", ["direct", "parallel", "forking", "recursive", "seq2seq"])
def test_what_cannot_be_written_is_refused_with_the_reason(loss: str, decoder: str) -> None:
    a = fitted(loss=loss, decoder=decoder).config
    reason = exporting.unsupported_reason(a, LEVELS)
    if loss in ("student_t", "negative_binomial", "poisson", "tweedie", "mixture"):
        assert reason is not None
        assert "numerical search" in reason
    elif decoder in ("recursive", "seq2seq") and "point" not in LOSSES.traits(loss):
        assert reason is not None
        assert "sample paths" in reason
    else:
        assert reason is None


def test_a_refused_net_writes_nothing(tmp_path: Path) -> None:
    found = fitted(loss="poisson")
    history, (wanted, _) = synthetic_histories(found.config, 8), asked("poisson")
    with pytest.raises(NotExportable, match="'poisson'"):
        exporting.export_onnx(found, wanted, None, history, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_torch_cannot_write_is_told_in_one_line(tmp_path: Path) -> None:
    found = fitted(**CHEAP)
    found.decoder.layer.append(_Unknown())  # type: ignore[operator, union-attr]
    with pytest.raises(NotExportable, match=r"torch cannot write it as ONNX \(.*\)$"):
        exported(found, tmp_path / "model.onnx")


class _Unknown(torch.nn.Module):
    """Asks for a number of the data, which no graph can do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if float(x.sum()) > 0 else -x


def test_quantiles_other_than_those_trained_are_refused() -> None:
    reason = exporting.unsupported_reason(fitted().config, (0.2, 0.5, 0.8))
    assert reason is not None
    assert "not those the network was trained at" in reason


def test_windows_that_are_made_up_have_all_that_a_net_reads() -> None:
    found = fitted(covariates=ALL, channels=2)
    history = synthetic_histories(found.config, 5)
    assert set(onnx_input_names(found.config)) == {
        name for name, value in vars(history).items() if value is not None
    }
    values = found.forecast(history, LEVELS)[0]
    assert values.isfinite().all()
