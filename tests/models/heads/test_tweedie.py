"""Quantiles of the Tweedie distribution in parts."""

from __future__ import annotations

import pytest
import torch

from rnnforecast.models.heads import tweedie


def test_quantiles_are_searched_in_parts_as_large_as_memory_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    levels = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    mean = torch.linspace(0.5, 6, 12, dtype=torch.float64).reshape(3, 4)
    distribution = tweedie.Tweedie(mean, torch.ones_like(mean), 1.5)
    whole = distribution.quantile(levels)
    sizes = []
    search = tweedie.Tweedie._flat_quantile

    def record(part: tweedie.Tweedie, levels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(part.mean))
        return search(part, levels)

    monkeypatch.setattr(tweedie.Tweedie, "_flat_quantile", record)
    monkeypatch.setattr(tweedie, "MAX_TERMS_IN_MEMORY", 4 * tweedie.CDF_TERMS * 3)
    torch.testing.assert_close(distribution.quantile(levels), whole)
    assert sizes == [4, 4, 4]
