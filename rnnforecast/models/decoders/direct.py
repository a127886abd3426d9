"""Direct decoder: the whole horizon at once from the last state, through one hidden layer."""

from __future__ import annotations

from torch import Tensor, nn

from rnnforecast.models.decoders.encoder_output import EncoderOutput
from rnnforecast.models.layers.stack import RecurrentStack

TRAITS = ()


class DirectDecoder(nn.Module):
    """A hidden layer on the last output; one patch is the whole horizon."""

    def __init__(self, hidden_size: int, *, horizon: int, dropout: float) -> None:
        super().__init__()
        self.steps_per_patch = horizon
        self.layer = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, encoder_output: EncoderOutput, backbone: RecurrentStack | None) -> Tensor:
        """The only patch, `[B, 1, K]`."""
        return self.layer(encoder_output.last_output.unsqueeze(1))  # type: ignore[no-any-return]


def build(
    hidden_size: int, *, horizon: int, patch_length: int, dropout: float, attention: str
) -> DirectDecoder:
    """A new decoder of width K."""
    return DirectDecoder(hidden_size, horizon=horizon, dropout=dropout)
