"""The weights of the pretrained network that belong to this package."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path

from safetensors import safe_open

from rnnforecast.models.pretrained.network import NetworkConfig, PretrainedNetwork


def load_pretrained_network() -> PretrainedNetwork:
    """A new copy of the network, with the weights of this package."""
    with as_file(files("rnnforecast.models.pretrained") / "weights.safetensors") as file:
        return load_network(file)


def load_network(file: Path) -> PretrainedNetwork:
    """The network stored in a file of weights."""
    with safe_open(file, "pt") as stored:
        net = PretrainedNetwork(NetworkConfig(**json.loads(stored.metadata()["config"])))
        names = stored.keys()
        net.load_state_dict({name: stored.get_tensor(name).float() for name in names})
    return net.eval()
