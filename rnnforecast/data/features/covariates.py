"""Encoding of covariates: numbers, categories, text and vectors.

Scales, vocabularies and reductions are fitted to the training part alone. A blank number takes the
last number before it in the series, so that no later row is used; a blank category or text stays
blank.

| kind | encoding |
| --- | --- |
| number | standardized; a missing indicator where the training part has blanks |
| category | a code; 0 is blank, or unseen in training |
| text | hashed n-grams of letters and words, reduced by PCA |
| vector | the columns that match a pattern, reduced by PCA |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from rnnforecast.data.cleaning.imputation import impute
from rnnforecast.data.panel.panel import Panel
from rnnforecast.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


CovariateRole = Literal["past", "future", "static"]
CovariateKind = Literal["number", "category", "text", "vector"]

MAX_SCALED_VALUE = 10.0
"""Scaled numbers are clipped to this absolute value."""
MAX_RELATIVE_SIZE = 1e6
"""Numbers beyond so many times the median size, zeros left out, do not count in a scale."""
MIN_EXTREME_RATIO = 5.0
"""Smaller ratios of the largest to the mean size leave no such number, unless there are many."""
MAX_CATEGORIES = 1000
"""Only this many of the most frequent categories of a column get a code; the others share 0."""
HASH_BUCKETS = 4096
"""Hash buckets for the n-grams of letters, and the same number for words."""
MAX_FIT_ROWS = 20_000
"""The largest number of rows, evenly spaced, that a PCA is fitted to."""


@dataclass(frozen=True)
class CovariateGroup:
    """Columns that are encoded together."""

    columns: tuple[str, ...]
    role: CovariateRole
    is_text: bool = False


@dataclass(frozen=True)
class Covariate:
    """The encoding of one group of columns."""

    columns: tuple[str, ...]
    role: CovariateRole
    kind: CovariateKind
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    """One value per number of the encoding; for `text` divisors only."""
    has_missing_indicator: bool = False
    """Whether the network also reads whether each number was known."""
    vocabulary: tuple[str, ...] = ()
    """Word i has code i + 1."""


@dataclass(frozen=True)
class CovariatePlan:
    """The encodings of all covariates, in order."""

    covariates: tuple[Covariate, ...] = ()
    reductions: Mapping[int, Mapping[str, Floats]] = field(default_factory=dict)
    """By position in `covariates`: ``center`` `[D]` and ``components`` `[k, D]`."""

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values; the reductions are in `arrays`."""
        return [asdict(covariate) for covariate in self.covariates]

    def arrays(self) -> dict[str, Floats]:
        """The reductions, by names such as ``3.components``."""
        return {
            f"{position}.{name}": array
            for position, arrays in self.reductions.items()
            for name, array in arrays.items()
        }

    @classmethod
    def from_json(
        cls, stored: Sequence[Mapping[str, Any]], arrays: Mapping[str, Floats]
    ) -> CovariatePlan:
        """The plan whose `to_json` and `arrays` these are."""
        reductions: dict[int, dict[str, Floats]] = {}
        for key, array in arrays.items():
            position, _, name = key.partition(".")
            reductions.setdefault(int(position), {})[name] = array
        names = {each.name for each in fields(Covariate)}
        if any(set(each) != names for each in stored):
            raise ValueError("covariates with other keys")
        covariates = TypeAdapter(tuple[Covariate, ...]).validate_python(stored)
        return cls(covariates, reductions)


@dataclass(frozen=True)
class EncodedCovariate:
    """The X encoded rows of one covariate; one of the two arrays is None."""

    numbers: npt.NDArray[np.float32] | None = None
    """`[X, k]`"""
    codes: npt.NDArray[np.int64] | None = None
    """`[X]`"""
    unseen_count: int = 0
    """Cells whose category has no code."""


def fit_covariates(
    groups: Sequence[CovariateGroup],
    table: Table,
    panel: Panel,
    train_mask: Bools,
    *,
    text_size: int,
    vector_size: int,
) -> CovariatePlan:
    """The encodings of `groups`, fitted to the rows `train_mask [N]` of the panel."""
    train_rows = train_mask
    if panel.future_steps is not None:  # rows of covariates known ahead are not trained on
        train_rows = np.zeros(panel.wide_offsets[-1], dtype=np.bool_)  # [M]
        train_rows[panel.wide_offsets[panel.series] + panel.step] = train_mask
    covariates, reductions = [], {}
    for i, group in enumerate(groups):
        raw = raw_covariates(panel, group.columns)  # [M, D]
        categories = column_categories(table, group.columns[0])
        if categories is None and len(group.columns) > vector_size:
            covariate, reductions[i] = _fit_vector(group, raw, train_rows, vector_size)
        elif categories is None:
            covariate = _fit_numbers(group, raw, train_rows)
        elif group.is_text:
            covariate, reductions[i] = _fit_text(
                group, raw[:, 0], categories, train_rows, text_size
            )
        else:
            covariate = _fit_category(group, raw[:, 0], categories, train_rows)
        covariates.append(covariate)
    return CovariatePlan(tuple(covariates), reductions)


def encode_covariate(
    covariate: Covariate,
    reduction: Mapping[str, Floats],
    raw: Floats,
    offsets: Ints,
    categories: tuple[str, ...] | None,
) -> EncodedCovariate:
    """The encoding of the X rows `raw [X, D]` of series that begin at `offsets`."""
    if covariate.kind == "category":
        code = {word: code for code, word in enumerate(covariate.vocabulary, 1)}
        table = np.array([0, *(code.get(word, 0) for word in categories or ())], dtype=np.int64)
        index = _vocabulary_index(raw)
        codes = table[index]
        return EncodedCovariate(codes=codes, unseen_count=int(((codes == 0) & (index > 0)).sum()))
    if covariate.kind == "text":
        components = reduction["components"]
        reduced = _hash_ngrams(categories or ()) @ components.T  # [W, k]
        reduced = reduced - reduction["center"] @ components.T
        scaled = np.vstack([np.zeros(reduced.shape[1]), reduced / np.array(covariate.scale)])
        return EncodedCovariate(numbers=scaled[_vocabulary_index(raw)].astype(np.float32))
    known = ~np.isnan(raw)
    filled = impute(raw, known, offsets, "ffill")
    mean, scale = np.array(covariate.mean), np.array(covariate.scale)
    values = np.where(filled.value_mask, filled.inputs, mean if covariate.kind == "number" else 0.0)
    if covariate.kind == "vector":
        center, components = reduction["center"], reduction["components"]
        values = np.where(filled.value_mask, filled.inputs, center) - center
        values = values @ components.T
    scaled = np.clip((values - mean) / scale, -MAX_SCALED_VALUE, MAX_SCALED_VALUE)
    if covariate.has_missing_indicator:
        scaled = np.hstack([scaled, known.astype(np.float64)])
    return EncodedCovariate(numbers=scaled.astype(np.float32))


def _vocabulary_index(raw: Floats) -> Ints:
    """`[X]` 1 + the table's category code in each cell of `raw [X, 1]`; 0 for a blank."""
    return np.where(np.isnan(raw[:, 0]), -1, raw[:, 0]).astype(np.int64) + 1


def raw_covariates(panel: Panel, columns: Sequence[str]) -> Floats:
    """`[M, D]` these columns as read."""
    assert panel.covariates is not None
    return panel.covariates[:, [panel.covariate_names.index(name) for name in columns]]


def column_categories(table: Table, column: str) -> tuple[str, ...] | None:
    """The category of each code of a column of `table`; None for a column of numbers."""
    return getattr(table.covariates[column], "vocabulary", None)


def _mean_and_scale(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the values of each column; 0 and 1 for an empty column.

    A value far beyond all others does not count, such as one absurd value of a static column.
    """
    from sklearn.preprocessing import StandardScaler  # slow to import (about a second)

    values = _without_extremes(values)
    known = ~np.isnan(values).all(axis=0)  # [D]
    mean, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
    if known.any():
        # in units of the largest value: the squares of huge numbers overflow
        unit = np.nanmax(np.abs(values[:, known]), axis=0)
        unit = np.where(unit > 0, unit, 1.0)
        scaler = StandardScaler().fit(values[:, known] / unit)
        mean[known], scale[known] = scaler.mean_ * unit, scaler.scale_ * unit
        scale[known] = np.where(scaler.var_ > 0, scale[known], 1.0)
    return tuple(mean.tolist()), tuple(scale.tolist())


def _without_extremes(values: Floats) -> Floats:
    """`values [M, D]` with NaN in place of those beyond `MAX_RELATIVE_SIZE`."""
    size = np.abs(values)
    with np.errstate(over="ignore"):
        mean = np.nansum(size, axis=0) / np.maximum((size > 0).sum(axis=0), 1)  # [D]
        largest = np.max(size, axis=0, initial=0.0, where=size > 0)
        possible = np.flatnonzero((largest > MIN_EXTREME_RATIO * mean) | np.isinf(mean))  # few
        for column in possible:
            usual = np.median(size[size[:, column] > 0, column])
            extreme = size[:, column] > MAX_RELATIVE_SIZE * usual
            if extreme.any():
                values = values.copy()
                values[extreme, column] = np.nan
    return values


def _fit_numbers(group: CovariateGroup, raw: Floats, train_mask: Bools) -> Covariate:
    mean, scale = _mean_and_scale(raw[train_mask])
    has_blanks = bool(np.isnan(raw[train_mask]).any()) and group.role != "static"
    return Covariate(group.columns, group.role, "number", mean, scale, has_blanks)


def _fit_vector(
    group: CovariateGroup, raw: Floats, train_mask: Bools, n_components: int
) -> tuple[Covariate, dict[str, Floats]]:
    from sklearn.decomposition import PCA

    rows = raw[train_mask & ~np.isnan(raw).all(axis=1)]
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_FIT_ROWS)).astype(np.int64)]
    if len(rows) < 2:
        empty = {"center": np.zeros(raw.shape[1]), "components": np.zeros((1, raw.shape[1]))}
        return Covariate(group.columns, group.role, "vector", (0.0,), (1.0,)), empty
    known = ~np.isnan(rows)  # blanks are replaced by the mean
    mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    rows = np.where(known, rows, mean)
    pca = PCA(min(n_components, *rows.shape), svd_solver="full").fit(rows)
    std = np.sqrt(pca.explained_variance_)
    scale = np.where(std > 1e-12 * max(std.max(), 1e-300), std, 1.0)
    covariate = Covariate(
        group.columns, group.role, "vector", (0.0,) * len(scale), tuple(scale.tolist())
    )
    return covariate, {"center": pca.mean_, "components": pca.components_}


def _fit_category(
    group: CovariateGroup, codes: Floats, categories: tuple[str, ...], train_mask: Bools
) -> Covariate:
    counts = Counter(codes[train_mask & ~np.isnan(codes)].astype(np.int64).tolist())
    order = sorted(counts, key=lambda code: (-counts[code], categories[code]))
    vocabulary = tuple(categories[code] for code in order[:MAX_CATEGORIES])
    return Covariate(group.columns, group.role, "category", vocabulary=vocabulary)


def _fit_text(
    group: CovariateGroup,
    codes: Floats,
    categories: tuple[str, ...],
    train_mask: Bools,
    n_components: int,
) -> tuple[Covariate, dict[str, Floats]]:
    from sklearn.decomposition import PCA

    known = np.unique(codes[train_mask & ~np.isnan(codes)].astype(np.int64))
    texts = _hash_ngrams([categories[code] for code in known])
    if len(known) < 2 or not (texts.max(axis=0) - texts.min(axis=0)).count_nonzero():
        empty = {"center": np.zeros(texts.shape[1]), "components": np.zeros((1, texts.shape[1]))}
        return Covariate(group.columns, group.role, "text", scale=(1.0,)), empty
    # centered: two texts differ along one component, of which an uncentered SVD knows nothing
    pca = PCA(min(n_components, len(known) - 1), svd_solver="arpack", random_state=0)
    std = pca.fit_transform(texts).std(axis=0)
    scale = np.where(std > 1e-9, std, 1.0)
    covariate = Covariate(group.columns, group.role, "text", scale=tuple(scale.tolist()))
    return covariate, {"center": pca.mean_, "components": pca.components_}


def _hash_ngrams(texts: Sequence[str]) -> Any:
    """`[len(texts), 2 * HASH_BUCKETS]` sparse: weights of n-grams of letters, and of words."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    if not texts:
        return csr_matrix((0, 2 * HASH_BUCKETS))
    letters = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=HASH_BUCKETS)
    words = HashingVectorizer(token_pattern=r"\w+", n_features=HASH_BUCKETS)
    return hstack([letters.transform(texts), words.transform(texts)]).tocsr()
