"""What is seen of a net is what it does: units, gates, attention, and how far gradients reach."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rnnforecast.models import registry
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.heads.heads import LOSSES
from rnnforecast.models.inputs import History
from rnnforecast.models.interpret.activations import located, looks, median, reach, tracks
from rnnforecast.models.layers.covariates import Sizes
from rnnforecast.models.layers.stack import Plan
from tests.training.fits import net as small

B, L, H, C = 3, 13, 5, 2
GATED = {
    "gru": 2, "lstm": 3, "peephole_lstm": 3, "slstm": 2, "gru_d": 3, "min_gru": 1, "min_lstm": 1,
    "rrnn": 1, "dilated": 2, "rnn": 0, "transformer": 0,
}  # fmt: skip
DECODERS = ("direct", "parallel", "recursive", "seq2seq", "forking")

every_backbone = pytest.mark.parametrize("backbone", registry.names())
every_decoder = pytest.mark.parametrize("decoder", DECODERS)


def net(backbone: str = "gru", *, layers: int = 2, channels: int = C, **changes: Any) -> Forecaster:
    """A small net with random weights everywhere, in double precision."""
    given: dict[str, Any] = {
        "lookback": L,
        "horizon": H,
        "segment": 3,
        "season": 3,
        "recurrent": Plan(backbone, layers=layers),
        "hidden_size": 8,
        "channels": channels,
        "covariates": Sizes(known=1, elapsed=True),
    }
    found = small(seed=4, dropout=0.0, **{**given, **changes}).double().eval()
    found.head.float()  # it reads float32 whatever the net is
    for weight in found.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.3)
    return found


def history(found: Forecaster, windows: int = 1) -> History:
    random = torch.Generator().manual_seed(5)
    a = found.architecture
    shape = (windows, a.steps_read, a.channels)
    values = 20 + 4 * torch.randn(shape, generator=random, dtype=torch.float64)
    seen = torch.rand(shape, generator=random) < 0.9
    known = torch.randn(windows, a.steps_read + H, 1, generator=random)
    return History(
        values=values,
        visible=seen,
        present=torch.ones_like(seen),
        elapsed=(~seen).float(),
        known=known,
    )


def slope_by_differences(found: Forecaster, read: History, target: int) -> Tensor:
    """`[H, L, C]`: a pair of windows for each number read, all at once."""
    step, a = 1e-5, found.architecture
    numbers = a.lookback * a.channels
    nudge = torch.eye(numbers, dtype=torch.float64).reshape(numbers, a.lookback, a.channels)
    many = read.repeated(numbers)
    with torch.no_grad():
        up, down = (located(found, many, sign * step * nudge)[..., target] for sign in (1, -1))
    return ((up - down) / (2 * step)).T.reshape(H, a.lookback, a.channels)


@every_backbone
@every_decoder
def test_gradients_are_those_of_finite_differences(backbone: str, decoder: str) -> None:
    found = net(backbone, decoder=decoder)
    read = history(found)
    slope = reach(found, read, 1)
    torch.testing.assert_close(slope, slope_by_differences(found, read, 1), rtol=1e-5, atol=1e-7)
    assert (slope != 0).any()


@pytest.mark.parametrize("changes", [{"difference": 2}, {"normalize": "log_mean"}], ids=str)
@pytest.mark.parametrize("decoder", ["direct", "forking"])
def test_gradients_are_over_what_the_net_reads(decoder: str, changes: dict[str, Any]) -> None:
    found = net(decoder=decoder, **changes)
    read = history(found)
    slope = reach(found, read, 0)
    torch.testing.assert_close(slope, slope_by_differences(found, read, 0), rtol=1e-5, atol=1e-7)


def test_a_linear_map_alone_reaches_as_far_as_its_weights() -> None:
    found = net(channels=1)
    assert found.ahead is not None
    for part in (found.unfold, found.ahead.out):
        torch.nn.init.zeros_(part.weight)
    assert found.first is not None
    slope = reach(found, history(found), 0)[..., 0]
    torch.testing.assert_close(slope, found.first.map.weight.detach())
    assert not reach(found, history(found), 0, recurrent_only=True).any()
    assert found.first is not None


def test_without_levels_a_net_that_forks_is_one_that_does_not() -> None:
    found = net(channels=1, decoder="forking", normalize="none")
    plain = net(channels=1, decoder="direct", normalize="none")
    plain.load_state_dict(found.state_dict(), strict=False)
    assert found.change is not None
    torch.nn.init.zeros_(found.change.project.weight)
    read = history(found)
    torch.testing.assert_close(reach(found, read, 0), reach(plain, read, 0))


@every_backbone
@every_decoder
def test_units_and_gates_are_those_of_the_net(backbone: str, decoder: str) -> None:
    found = net(backbone, decoder=decoder).float()
    read = history(found)
    seen = tracks(found, read)
    assert [track.name for track in seen] == ["layer 1", "layer 2"]
    for track in seen:
        assert track.hidden.shape == (5, 8)
        assert len(track.gates) == GATED[backbone]
        for gate in track.gates.values():
            assert gate.shape == (5, 8)
            assert ((gate >= 0) & (gate <= 1)).all()
    if decoder != "forking":
        read, frame = found.read(read)
        encoded = found._encode(frame.past(read.values), read)
        torch.testing.assert_close(seen[-1].hidden, encoded.out[0])


def test_every_backbone_is_known_here() -> None:
    assert set(GATED) == set(registry.names())


@pytest.mark.parametrize("backbone", ["gru", "lstm", "peephole_lstm", "min_gru", "gru_d"])
def test_gates_are_those_of_the_equations(backbone: str) -> None:
    found = net(backbone, layers=1).float()
    (track,) = tracks(found, history(found))
    gates = {name.partition(" ")[0]: gate for name, gate in track.gates.items()}
    before = torch.cat([torch.zeros(1, 8), track.hidden[:-1]])
    if backbone in ("lstm", "peephole_lstm"):  # |h| <= o, as h = o tanh(c)
        assert (track.hidden.abs() <= gates["output"] + 1e-6).all()
        return
    before = before * gates.get("belief", torch.ones(1))
    new = (track.hidden - gates["keep"] * before) / (1 - gates["keep"])
    if backbone == "min_gru":
        assert (new >= -1e-5).all()
    else:  # a candidate is a tanh
        assert (new.abs() <= 1 + 1e-4).all()


@pytest.mark.parametrize("truncate", [None, 2])
def test_reading_in_parts_shows_all_segments(truncate: int | None) -> None:
    found = net("lstm", truncate=truncate).float()
    whole = net("lstm").float()
    for part, expected in zip(
        tracks(found, history(found)), tracks(whole, history(whole)), strict=True
    ):
        torch.testing.assert_close(part.hidden, expected.hidden)
        torch.testing.assert_close(part.gates, expected.gates)


def test_both_ways_have_tracks_in_the_order_of_time() -> None:
    found = net("gru", bidirectional=True).float()
    seen = {track.name: track for track in tracks(found, history(found))}
    assert list(seen) == [
        "layer 1 forwards", "layer 2 forwards", "layer 1 backwards", "layer 2 backwards",
    ]  # fmt: skip
    read, frame = found.read(history(found))
    encoded = found._encode(frame.past(read.values), read)
    backbone = found.backbone
    joined = torch.cat([seen["layer 2 forwards"].hidden, seen["layer 2 backwards"].hidden], -1)
    torch.testing.assert_close(backbone.join(joined), encoded.out[0])  # type: ignore[operator]


@pytest.mark.parametrize("attention", ["additive", "multiplicative"])
def test_attention_has_a_row_a_piece_of_the_horizon(attention: str) -> None:
    found = net(decoder="seq2seq", attention=attention).float()
    seen = looks(found, history(found))
    assert seen.ahead is not None
    assert seen.ahead.shape == (2, 5)
    torch.testing.assert_close(seen.ahead.sum(-1), torch.ones(2))
    assert seen.within == ()


@pytest.mark.parametrize("truncate", [None, 2])
@pytest.mark.parametrize("decoder", ["direct", "parallel"])
def test_self_attention_looks_at_what_came_before(decoder: str, truncate: int | None) -> None:
    found = net("transformer", decoder=decoder, truncate=truncate).float()
    seen = looks(found, history(found))
    assert seen.ahead is None
    assert len(seen.within) == 2
    for map_ in seen.within:
        torch.testing.assert_close(map_, map_.tril())
        torch.testing.assert_close(map_.sum(-1), torch.ones(5))


def test_nets_without_attention_have_none() -> None:
    seen = looks(net().float(), history(net()))
    assert seen.ahead is None
    assert seen.within == ()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_median_is_that_of_the_forecast(loss: str) -> None:
    found = net(loss=loss, normalize="mean").float()
    read = history(found, 3)
    z, level = found.forecast(read, (0.5,))
    torch.testing.assert_close(median(found, read), level.undo(z[..., 0]))


@pytest.mark.parametrize("decoder", ["recursive", "seq2seq"])
@pytest.mark.parametrize("loss", ["quantile", "student_t"])
def test_what_is_fed_back_is_not_left_to_chance(decoder: str, loss: str) -> None:
    found = net(decoder=decoder, loss=loss).float()
    read = history(found, 3)
    torch.manual_seed(1)
    first = median(found, read)
    torch.manual_seed(2)
    assert torch.equal(median(found, read), first)
    assert "draw" not in vars(found.head)
