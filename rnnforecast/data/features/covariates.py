"""Columns besides the targets, as the network reads them: numbers, categories, text and vectors.

What a column becomes is learnt on the training part alone (scales, vocabularies, reductions) and
then only applied. Inside a series a blank number takes the last one before it, so nothing of a
later row is ever read; a blank category or text stays blank.

| kind | becomes |
| --- | --- |
| number | itself, scaled, and whether it was known where the training part has blanks |
| category | a code; 0 is blank, or was not seen in training |
| text | hashed n-grams of letters and words, reduced by a truncated SVD |
| vector | columns of one pattern, reduced by PCA where they are many |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
"""Scaled numbers are clipped to this size."""
MAX_CATEGORIES = 1000
"""The most frequent categories of a column have a code of their own; the others share 0."""
HASH_BUCKETS = 4096
"""Slots for the n-grams of letters, and as many for words."""
MAX_FIT_ROWS = 20_000
"""The most rows that a reduction is learnt from, evenly spread."""


@dataclass(frozen=True)
class CovariateGroup:
    """Columns that the spec names together, and what for."""

    columns: tuple[str, ...]
    role: CovariateRole
    is_text: bool = False


@dataclass(frozen=True)
class Covariate:
    """One group of columns and what was learnt of it; plain values."""

    columns: tuple[str, ...]
    role: CovariateRole
    kind: CovariateKind
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    """Of each number that the group becomes."""
    has_missing_indicator: bool = False
    """Whether the network is told if the number was known."""
    vocabulary: tuple[str, ...] = ()
    """Word i has code i + 1."""


@dataclass(frozen=True)
class CovariatePlan:
    """All covariates in order, and their reductions."""

    covariates: tuple[Covariate, ...] = ()
    reductions: Mapping[int, Mapping[str, Floats]] = field(default_factory=dict)
    """By place: ``center`` `[D]` and ``components`` `[k, D]`."""

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values; the reductions are in `arrays`."""
        return [asdict(covariate) for covariate in self.covariates]

    def arrays(self) -> dict[str, Floats]:
        """The reductions, by names such as ``3.components``."""
        return {
            f"{place}.{name}": array
            for place, held in self.reductions.items()
            for name, array in held.items()
        }

    @classmethod
    def from_json(
        cls, stored: Sequence[Mapping[str, Any]], arrays: Mapping[str, Floats]
    ) -> CovariatePlan:
        """The plan that `to_json` and `arrays` wrote."""
        reductions: dict[int, dict[str, Floats]] = {}
        for key, array in arrays.items():
            place, _, name = key.partition(".")
            reductions.setdefault(int(place), {})[name] = array
        found = tuple(TypeAdapter(Covariate).validate_python(dict(one)) for one in stored)
        return cls(found, reductions)


@dataclass(frozen=True)
class EncodedCovariate:
    """One covariate as the network reads it, row by row; one of the two is None."""

    numbers: npt.NDArray[np.float32] | None = None
    """`[X, k]`."""
    codes: npt.NDArray[np.int64] | None = None
    """`[X]`."""
    unseen_count: int = 0
    """Cells with a word that there was none of in training."""


def fit_covariates(
    groups: Sequence[CovariateGroup],
    table: Table,
    panel: Panel,
    train_mask: Bools,
    *,
    text_size: int,
    vector_size: int,
) -> CovariatePlan:
    """What the covariates of `groups` become, learnt from the rows `told [N]` of the panel."""
    wide = np.zeros(panel.wide_offsets[-1], dtype=np.bool_)
    wide[_wide_rows(panel)] = train_mask
    covariates, reductions = [], {}
    for place, group in enumerate(groups):
        raw = raw_covariates(panel, group.columns)  # [M, D]
        words = column_categories(table, group.columns[0])
        if words is None and len(group.columns) > vector_size:
            found, reductions[place] = _fit_vector(group, raw, wide, vector_size)
        elif words is None:
            found = _fit_numbers(group, raw, wide)
        elif group.is_text:
            found, reductions[place] = _fit_text(group, raw[:, 0], words, wide, text_size)
        else:
            found = _fit_category(group, raw[:, 0], words, wide)
        covariates.append(found)
    return CovariatePlan(tuple(covariates), reductions)


def encode_covariate(
    covariate: Covariate,
    reduction: Mapping[str, Floats],
    raw: Floats,
    offsets: Ints,
    categories: tuple[str, ...] | None,
) -> EncodedCovariate:
    """Rows of series that begin at `offsets`, of which `raw [X, D]` was read, as the network reads
    them. Words that the training part did not have count as unseen."""
    if covariate.kind == "category":
        slots = {word: code for code, word in enumerate(covariate.vocabulary, 1)}
        code_of = np.array([0, *(slots.get(word, 0) for word in categories or ())], dtype=np.int64)
        place = np.where(np.isnan(raw[:, 0]), -1, raw[:, 0]).astype(np.int64) + 1
        codes = code_of[place]
        return EncodedCovariate(codes=codes, unseen_count=int(((codes == 0) & (place > 0)).sum()))
    if covariate.kind == "text":
        of_word = _hash_ngrams(categories or ()) @ reduction["components"].T  # [W, k]
        scaled = np.vstack([np.zeros(of_word.shape[1]), of_word / np.array(covariate.scale)])
        place = np.where(np.isnan(raw[:, 0]), -1, raw[:, 0]).astype(np.int64) + 1
        return EncodedCovariate(numbers=scaled[place].astype(np.float32))
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


def raw_covariates(panel: Panel, columns: Sequence[str]) -> Floats:
    """`[M, D]` what was read of these columns."""
    assert panel.covariates is not None
    return panel.covariates[:, [panel.covariate_names.index(name) for name in columns]]


def column_categories(table: Table, column: str) -> tuple[str, ...] | None:
    """What the codes of a column stand for; None for numbers."""
    return getattr(table.covariates[column], "vocabulary", None)


def _wide_rows(panel: Panel) -> Ints:
    """[N] the place of each row of the panel in the table of covariates."""
    rows: Ints = panel.wide_offsets[panel.series] + panel.step
    return rows


def _mean_and_scale(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each column, blanks left out; 0 and 1 where there is nothing."""
    from sklearn.preprocessing import StandardScaler  # a second to import

    some = ~np.isnan(values).all(axis=0)
    mean, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
    if some.any():
        # in a unit of their own: the squares of huge numbers overflow
        unit = np.nanmax(np.abs(values[:, some]), axis=0)
        unit = np.where(unit > 0, unit, 1.0)
        scaler = StandardScaler().fit(values[:, some] / unit)
        mean[some], scale[some] = scaler.mean_ * unit, scaler.scale_ * unit
        scale[some] = np.where(scaler.var_ > 0, scale[some], 1.0)
    return tuple(mean.tolist()), tuple(scale.tolist())


def _fit_numbers(group: CovariateGroup, raw: Floats, train_mask: Bools) -> Covariate:
    mean, scale = _mean_and_scale(raw[train_mask])
    blank = bool(np.isnan(raw[train_mask]).any()) and group.role != "static"
    return Covariate(group.columns, group.role, "number", mean, scale, has_missing_indicator=blank)


def _fit_vector(
    group: CovariateGroup, raw: Floats, train_mask: Bools, n_components: int
) -> tuple[Covariate, dict[str, Floats]]:
    from sklearn.decomposition import PCA

    rows = raw[train_mask & ~np.isnan(raw).all(axis=1)]
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_FIT_ROWS)).astype(np.int64)]
    if len(rows) < 2:
        held = {"center": np.zeros(raw.shape[1]), "components": np.zeros((1, raw.shape[1]))}
        return Covariate(group.columns, group.role, "vector", (0.0,), (1.0,)), held
    known = ~np.isnan(rows)  # a blank stands in the middle
    middle = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    rows = np.where(known, rows, middle)
    pca = PCA(min(n_components, *rows.shape), svd_solver="full").fit(rows)
    spread = np.sqrt(pca.explained_variance_)
    scale = np.where(spread > 1e-12 * max(spread.max(), 1e-300), spread, 1.0)
    found = Covariate(
        group.columns, group.role, "vector", (0.0,) * len(scale), tuple(scale.tolist())
    )
    return found, {"center": pca.mean_, "components": pca.components_}


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
    from sklearn.decomposition import TruncatedSVD

    known = np.unique(codes[train_mask & ~np.isnan(codes)].astype(np.int64))
    texts = _hash_ngrams([categories[code] for code in known])
    if len(known) < 2:
        held = {"components": np.zeros((1, texts.shape[1]))}
        return Covariate(group.columns, group.role, "text", scale=(1.0,)), held
    svd = TruncatedSVD(min(n_components, len(known) - 1), algorithm="arpack", random_state=0)
    with np.errstate(invalid="ignore"):  # shares of no variance, where all texts are alike
        spread = svd.fit_transform(texts).std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    found = Covariate(group.columns, group.role, "text", scale=tuple(scale.tolist()))
    return found, {"components": svd.components_}


def _hash_ngrams(texts: Sequence[str]) -> Any:
    """`[W, 2 * HASHES]` sparse: how often each n-gram of letters, and each word, comes."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import HashingVectorizer

    if not texts:
        return csr_matrix((0, 2 * HASH_BUCKETS))
    letters = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=HASH_BUCKETS)
    whole = HashingVectorizer(token_pattern=r"\w+", n_features=HASH_BUCKETS)
    return hstack([letters.transform(texts), whole.transform(texts)]).tocsr()
