"""The weights of the pretrained network that belong to this package, in half precision."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rnnforecast.errors import DataError, Problem
from rnnforecast.models.pretrained.network import NetworkConfig, PretrainedNetwork

WEIGHTS_FILE = "weights.safetensors"
CURE = "install the package again, or write weights as docs/pretrained.md says"


def load_pretrained_network() -> PretrainedNetwork:
    """A new copy of the network, with the weights of this package."""
    with as_file(files("rnnforecast.models.pretrained") / WEIGHTS_FILE) as file:
        return load_network(file)


def load_network(file: Path) -> PretrainedNetwork:
    """The network stored in a file of weights.

    Raises:
        DataError: if the file is missing, damaged, or of another network.
    """
    try:
        with safe_open(file, "pt") as stored:
            content = json.loads(stored.metadata()["config"])
            weights = {name: stored.get_tensor(name).float() for name in stored.keys()}  # noqa: SIM118
        content.pop("pretraining", None)
        return _network(NetworkConfig(**content), weights)
    except OSError as error:
        raise DataError(Problem(str(file), error.strerror or str(error), CURE)) from error
    # without metadata, of another config, an unknown backbone or other tensors
    except (
        SafetensorError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        found = f"no weights of the pretrained network ({error})"
        raise DataError(Problem(str(file), found, CURE)) from error


def _network(config: NetworkConfig, weights: dict[str, Tensor]) -> PretrainedNetwork:
    """The network with these weights; ValueError if they do not fit, or are not finite."""
    if config.n_layers > len(weights):
        raise ValueError("fewer weights than layers")
    with torch.device("meta"):  # nothing is allocated before the sizes are known to be right
        sizes = {
            name: value.shape for name, value in PretrainedNetwork(config).state_dict().items()
        }
    if sizes != {name: value.shape for name, value in weights.items()}:
        raise ValueError("weights of other sizes than the network")
    if not all(value.isfinite().all() for value in weights.values()):
        raise ValueError("weights that are not finite")
    net = PretrainedNetwork(config)
    net.load_state_dict(weights)
    return net.eval()


def save_weights(
    weights: Mapping[str, Tensor],
    config: NetworkConfig,
    file: Path,
    *,
    pretraining: Mapping[str, Any] | None = None,
) -> None:
    """Writes weights as `load_network` reads them, two bytes each.

    Args:
        weights: the state of a network.
        config: of that network.
        file: is replaced as a whole.
        pretraining: what the weights come from, such as steps and windows, kept in the file.
    """
    halves = {name: value.half() for name, value in weights.items()}
    save_tensors(halves, {**asdict(config), "pretraining": dict(pretraining or {})}, file, "config")


def save_tensors(tensors: Mapping[str, Tensor], facts: Any, file: Path, key: str) -> None:
    """Writes a safetensors file whole, or not at all, with `facts` as JSON under one key: several
    would be written in any order, and equal files would have other bytes."""
    content = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    new = file.with_name(f"{file.name}.new")
    try:
        save_file(content, new, {key: json.dumps(facts)})
        os.replace(new, file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
