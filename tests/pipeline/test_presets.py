"""Presets: numbers for each value they depend on."""

from __future__ import annotations

import pytest

from rnnforecast.pipeline.presets import BEST_MEMBERS, Preset, build_preset


def best(**values: object) -> Preset:
    """The preset `best` of a daily series with a week as its season."""
    usual = {
        "lookback": 56, "stride": 56, "patch_length": 7, "available_steps": 1000,
        "normalize": "log_mean", "loss": "quantile",
    }  # fmt: skip
    return build_preset("best", **(usual | values))  # type: ignore[arg-type]


def test_only_best_depends_on_the_data() -> None:
    for name, expected in (
        ("balanced", Preset(1.0, None, 0.002, 1, {}, 12, "")),
        ("fast", Preset(0.25, 64, 0.005, 1, {}, 4, "a first look")),
    ):
        found = build_preset(
            name, lookback=1, stride=1, patch_length=1, available_steps=1, normalize="", loss="mae"
        )
        assert found == expected
    assert best().members == BEST_MEMBERS == 6


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [56, 112, 168]),
        ({"lookback": 57}, [56, 7, 112]),  # a shorter one where the stride allows it
        ({"lookback": 112}, [112, 56, 168]),
        ({"lookback": 63}, [63, 7, 119]),
        ({"available_steps": 167}, [56, 112, 161]),
        ({"available_steps": 112}, [56, 112]),
        ({"available_steps": 50}, [56]),  # never shorter than that of the single network
        ({"lookback": 8, "stride": 4, "patch_length": 1}, [8, 4, 12]),
    ],
)
def test_lookbacks_differ_by_whole_strides(values: dict[str, int], expected: list[int]) -> None:
    assert best(**values).vary["window.lookback"] == expected


@pytest.mark.parametrize(
    ("normalize", "loss", "expected"),
    [
        ("log_mean", "quantile", ["log_mean", "standard"]),
        ("standard", "mae", ["standard", "last"]),
        ("mean", "quantile", None),
        ("log_mean", "log_normal", None),
        ("log_mean", "poisson", None),
    ],
)
def test_normalizations_differ_where_the_loss_allows_it(
    normalize: str, loss: str, expected: list[str] | None
) -> None:
    assert best(normalize=normalize, loss=loss).vary.get("model.normalize") == expected
