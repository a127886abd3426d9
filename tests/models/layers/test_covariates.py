"""Embeddings of covariates."""

from __future__ import annotations

import pytest
import torch

from rnnforecast.models.layers.covariates import CovariateEmbedding


@pytest.mark.parametrize(
    ("cardinality", "width"),
    [(1, 2), (2, 2), (3, 3), (6, 3), (7, 4), (210, 15), (211, 16), (256, 16), (1001, 16)],
)
def test_width_of_an_embedding_is_one_more_than_the_root_of_the_cardinality_and_at_most_16(
    cardinality: int, width: int
) -> None:
    layer = CovariateEmbedding(3, [cardinality, 2])
    assert [tuple(weight.shape) for weight in layer.parameters()] == [(cardinality, width), (2, 2)]
    assert layer.output_size == 3 + width + 2


def test_numbers_come_first_and_each_category_has_its_own_vectors() -> None:
    layer = CovariateEmbedding(2, [4, 3])
    numbers, codes = torch.randn(5, 2), torch.tensor([[0, 2], [3, 1], [1, 0], [2, 2], [0, 1]])
    output = layer(numbers, codes)
    first, second = layer.parameters()
    expected = torch.cat([numbers, first[codes[:, 0]], second[codes[:, 1]]], -1)
    assert torch.equal(output, expected)
    assert output.shape[-1] == layer.output_size
