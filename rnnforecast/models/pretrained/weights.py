"""The weights of the pretrained network that belong to this package, in half precision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from rnnforecast.models.pretrained.network import NetworkConfig, PretrainedNetwork

WEIGHTS_FILE = "weights.safetensors"


def load_pretrained_network() -> PretrainedNetwork:
    """A new copy of the network, with the weights of this package."""
    with as_file(files("rnnforecast.models.pretrained") / WEIGHTS_FILE) as file:
        return load_network(file)


def load_network(file: Path) -> PretrainedNetwork:
    """The network stored in a file of weights."""
    with safe_open(file, "pt") as stored:
        net = PretrainedNetwork(NetworkConfig(**json.loads(stored.metadata()["config"])))
        names = stored.keys()
        net.load_state_dict({name: stored.get_tensor(name).float() for name in names})
    return net.eval()


def save_weights(weights: Mapping[str, Tensor], config: NetworkConfig, file: Path) -> None:
    """Writes weights as `load_network` reads them, two bytes each."""
    halves = {name: value.detach().cpu().half().contiguous() for name, value in weights.items()}
    save_file(halves, file, {"config": json.dumps(asdict(config))})
