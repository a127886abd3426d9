"""Pretraining of the network on synthetic series, in pieces of any length.

The state after a step, with its number, is all that the next step depends on: the series of a step
are a function of the seed and the number. So a pretraining that is stopped and continued has the
weights of one that was not.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.models.heads.head import weighted_mean
from rnnforecast.models.pretrained.context import PATCH_LENGTH, build_context
from rnnforecast.models.pretrained.decomposition import mean_change
from rnnforecast.models.pretrained.network import NetworkConfig, PretrainedNetwork
from rnnforecast.models.pretrained.weights import save_tensors
from rnnforecast.pretraining.synthetic.batches import Batch, synthetic_batch

DEFAULT_NETWORK = NetworkConfig()
STATE_FILE = "state.safetensors"
WARMUP_STEPS = 300
WEIGHT_DECAY = 0.02
BETAS = (0.9, 0.98)
MAX_GRADIENT_NORM = 1.0
AVERAGE_DECAY = 0.9993
"""Of the moving average of the weights, a step."""
STEP_EXPONENT = -0.3
"""Of the number of steps ahead in the weight of a value: near ones are always used, far ones
seldom."""
MIN_CHANGE = 0.15
"""Added to the mean change of a series, by which its loss is divided."""
VALIDATION_SEED, VALIDATION_BATCHES, VALIDATION_PATCHES = 10**6, 24, 1024


@dataclass(frozen=True)
class PretrainingConfig:
    """What a pretraining depends on."""

    network: NetworkConfig = DEFAULT_NETWORK
    seed: int = 1
    patches: int = 2048
    """Patches of contexts and horizons in a batch."""
    learning_rate: float = 2e-3


@dataclass
class Progress:
    """How far a pretraining is."""

    step: int = 0
    windows: int = 0
    """Series seen."""
    decay_from: int = -1
    """The step from which the learning rate falls; -1 if it does not yet."""


class Pretrainer:
    """A network, its optimizer and moving average, and their state in a folder."""

    def __init__(
        self, config: PretrainingConfig, folder: Path, device: torch.device | str = "cpu"
    ) -> None:
        """Continues the pretraining in `folder`, if there is one with the same config.

        Raises:
            UsageError: if the folder holds one with another config.
            DataError: if its state is damaged.
        """
        self.config, self.folder, self.device = config, folder, device
        torch.manual_seed(config.seed)
        self.net = PretrainedNetwork(config.network).to(device)
        self.average = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY
        )
        self.progress = Progress()
        if (folder / STATE_FILE).exists():
            self._load()

    def fit_batch(self, batch: Batch, decay_steps: int = 0) -> float:
        """One step; returns its loss. `decay_steps` is the length of the fall of the learning
        rate to 0, which begins with the first step that has it; 0 for none."""
        progress = self.progress
        if decay_steps and progress.decay_from < 0:
            progress.decay_from = progress.step
        factor = min(1.0, (progress.step + 1) / WARMUP_STEPS)
        if decay_steps:
            factor *= max(0.0, 1 - (progress.step - progress.decay_from) / decay_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor
        loss = batch_loss(self.net, batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), MAX_GRADIENT_NORM)
        self.optimizer.step()
        progress.step += 1
        progress.windows += len(batch.values)
        self._update_average()
        return float(loss.detach())

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, 1 - 10 / (self.progress.step + 10))
        for name, value in self.net.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean loss of the averaged weights on series that are never trained on."""
        net = PretrainedNetwork(self.config.network).to(self.device)
        net.load_state_dict(self.average)
        net.eval()
        losses = [batch_loss(net, batch) for batch in self.validation_batches]
        return float(torch.stack(losses).mean())

    @cached_property
    def validation_batches(self) -> list[Batch]:
        """Those of another seed."""
        return [
            synthetic_batch(VALIDATION_SEED, each, patches=VALIDATION_PATCHES, device=self.device)
            for each in range(VALIDATION_BATCHES)
        ]

    def save(self) -> None:
        """Writes the state whole, or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for name, weight in self.net.named_parameters():
            for key, value in self.optimizer.state[weight].items():
                tensors[f"optimizer.{name}.{key}"] = value
        facts = [asdict(self.config), asdict(self.progress)]
        save_tensors(tensors, facts, self.folder / STATE_FILE, "pretraining")

    def _load(self) -> None:
        """The state of the folder becomes that of this pretraining."""
        file = self.folder / STATE_FILE
        try:
            with safe_open(file, "pt") as stored:
                config, progress = json.loads(stored.metadata()["pretraining"])
            tensors = load_file(file, str(self.device))
        except (SafetensorError, LookupError, TypeError, ValueError) as error:
            raise DataError(_problem(file, f"no state of a pretraining ({error})")) from error
        if config != asdict(self.config):
            found = f"the state of a pretraining with another config, {json.dumps(config)}"
            raise UsageError(_problem(file, found, "give the same options, or another folder"))
        sizes = {name: value.shape for name, value in self.average.items()}
        self.average = _group(tensors, "average.")
        if sizes != {name: value.shape for name, value in self.average.items()}:
            raise DataError(_problem(file, "the state of a network of another version"))
        self.net.load_state_dict(_group(tensors, "net."))
        self.progress = Progress(**progress)
        state = {
            number: _group(tensors, f"optimizer.{name}.")
            for number, (name, _) in enumerate(self.net.named_parameters())
        }
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def batch_loss(net: PretrainedNetwork, batch: Batch) -> Tensor:
    """Weighted mean quantile loss of normalized values.

    The loss of a series is divided by its mean change from step to step, as noisy series would
    count most. Constant contexts that change after the origin, which have no scale, do not count.
    """
    context = build_context(batch.values, batch.observed, batch.seasons)
    truth = context.normalize(batch.future)
    one = torch.ones_like(batch.seasons[:, :1])
    change = mean_change(context.z, context.observed.to(context.z.dtype), one)
    weight = 1 / (change + MIN_CHANGE)
    weight = weight * ((context.z != 0).any(1) | (truth == 0).all(1))
    step = torch.arange(1, truth.shape[1] + 1, device=truth.device).to(truth.dtype) ** STEP_EXPONENT
    weight = weight[:, None] * step
    quantiles = net(context, truth.shape[1] // PATCH_LENGTH)
    return weighted_mean(net.head.pinball_losses(quantiles, truth), weight)


def _problem(file: Path, found: str, cure: str = "remove it, or take another folder") -> Problem:
    return Problem(str(file), found, cure)


def _group(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
