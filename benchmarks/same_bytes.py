"""Regression test over small trainings with all options: results of two versions are compared.

usage: same_bytes.py run FILE [--only REGEX]
       same_bytes.py compare A B [--tolerance 1e-6] [--only REGEX]
       same_bytes.py --list [--only REGEX]

`run` runs `check`, `train` and `predict` for each case in this process, with fixed seeds, on one
thread and on generated tables; it writes digests and numbers to FILE (JSON). `compare` prints a
line per case and exits with 1 if two files differ. Names of tensors, scores and columns may differ;
order, shape and values may not.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and torch are loaded
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import argparse
import csv
import gc
import hashlib
import io
import json
import math
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import yaml

Values = dict[str, Any]
Rows = list[list[Any]]


@dataclass(frozen=True)
class Case:
    """One training: its table, its spec, and the options of `predict` and `check`."""

    name: str
    table: str
    """A key of `TABLES`."""
    spec: Values = field(default_factory=dict)
    """Keys that are merged into `COMMON`."""
    predict: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    start: Values | None = None
    """Another spec of the same table, which is trained first into the folder `start`."""


COMMON: Values = {
    "window": {"horizon": 8, "lookback": 21, "patch_length": 7, "season": 7},
    "model": {"hidden_size": 8},
    "training": {
        "max_steps": 8, "batch_size": 16, "early_stopping": False, "seed": 7, "device": "cpu",
    },
    "forecast": {"plots": 0},
}  # fmt: skip
"""Keys of all cases; None in a case removes a key."""

HOURLY: Values = {"horizon": 24, "lookback": 48, "patch_length": 24, "season": 24}
ROLES: Values = {"time": "date", "series": ["store"], "targets": ["sales"]}

BACKBONES: dict[str, Values] = {
    "gru": {"backbone": "gru"},
    "gru, noise on the recurrence": {
        "backbone": "gru",
        "backbone_options": {"reset": "before"},
        "recurrent_dropout": 0.2,
        "zoneout": 0.1,
    },
    "gru, bidirectional": {"backbone": "gru", "bidirectional": True, "layers": 2},
    "gru, stack": {
        "backbone": "gru",
        "layers": 3,
        "residual": True,
        "layer_norm": True,
        "orthogonal_init": True,
        "dropout": 0.3,
    },
    "gru, no dropout": {"backbone": "gru", "dropout": 0.0, "layers": 2},
    "lstm": {"backbone": "lstm"},
    "lstm, noise on the recurrence": {
        "backbone": "lstm",
        "initial_state": "learned",
        "zoneout": 0.1,
        "recurrent_dropout": 0.1,
    },
    "lstm, bidirectional": {
        "backbone": "lstm",
        "bidirectional": True,
        "initial_state": "learned",
        "backbone_options": {"forget_bias": 0.5},
    },
    "peephole_lstm": {"backbone": "peephole_lstm"},
    "peephole_lstm, options": {
        "backbone": "peephole_lstm",
        "bidirectional": True,
        "backbone_options": {"coupled": True, "candidate": "sigmoid", "forget_bias": 2.0},
    },
    "slstm": {"backbone": "slstm"},
    "slstm, options": {
        "backbone": "slstm",
        "backbone_options": {"forget": "exp", "heads": 2},
        "zoneout": 0.1,
        "layers": 2,
    },
    "dilated": {"backbone": "dilated", "layers": 2},
    "dilated, options": {
        "backbone": "dilated",
        "layers": 2,
        "backbone_options": {"cell": "lstm", "base": 3},
        "recurrent_dropout": 0.1,
    },
    "rrnn": {"backbone": "rrnn"},
    "rrnn, options": {
        "backbone": "rrnn",
        "backbone_options": {"nonlinearity": "sigmoid", "gate": "tanh"},
        "orthogonal_init": True,
    },
    "rnn": {"backbone": "rnn", "orthogonal_init": True},
    "rnn, options": {
        "backbone": "rnn",
        "backbone_options": {"nonlinearity": "relu"},
        "zoneout": 0.1,
    },
    "min_gru": {"backbone": "min_gru"},
    "min_lstm": {"backbone": "min_lstm", "layers": 2, "layer_norm": True},
    "transformer": {"backbone": "transformer"},
    "transformer, options": {
        "backbone": "transformer",
        "layers": 2,
        "backbone_options": {"heads": 2, "feedforward": 2, "dropout": 0.1, "norm_first": True},
    },
}

DECODERS: dict[str, Values] = {
    "direct": {"model": {"decoder": "direct"}, "window": {"horizon": 17}},
    "forking": {"model": {"decoder": "forking"}},
    "parallel": {"model": {"decoder": "parallel"}},
    "recursive": {"model": {"decoder": "recursive"}},
    "recursive, lstm, normal": {
        "model": {"decoder": "recursive", "backbone": "lstm"}, "training": {"loss": "normal"},
    },
    "recursive, teacher forcing, mse": {
        "model": {"decoder": "recursive", "teacher_forcing": 0.3}, "training": {"loss": "mse"},
    },
    "seq2seq": {"model": {"decoder": "seq2seq"}},
    "seq2seq, options": {
        "model": {
            "decoder": "seq2seq", "attention": "multiplicative", "teacher_forcing": 0.5,
            "bidirectional": True,
        },
    },
}  # fmt: skip

LOSSES: dict[str, tuple[str, Values]] = {
    "quantile": ("daily", {"forecast": {"quantiles": [0.05, 0.3, 0.6, 0.95]}}),
    "mae": ("daily", {"training": {"loss": "mae"}}),
    "mse": ("daily", {"training": {"loss": "mse"}}),
    "rmse": ("daily", {"training": {"loss": "rmse"}}),
    "huber": ("daily", {"training": {"loss": "huber"}}),
    "smape": ("daily", {"training": {"loss": "smape"}}),
    "mase": ("daily", {"training": {"loss": "mase"}}),
    "normal": ("daily", {"training": {"loss": "normal"}}),
    "student_t": ("signed", {"training": {"loss": "student_t"}}),
    "log_normal": ("daily", {"training": {"loss": "log_normal"}}),
    "mixture": ("daily", {"training": {"loss": "mixture", "loss_options": {"components": 2}}}),
    "poisson": ("counts", {"training": {"loss": "poisson"}}),
    "negative_binomial": ("counts", {"training": {"loss": "negative_binomial"}}),
    "tweedie": ("counts", {"training": {"loss": "tweedie", "loss_options": {"power": 1.3}}}),
}

NORMALIZATIONS: dict[str, Values] = {
    "log_mean": {"normalize": "log_mean", "backbone": "rnn"},
    "mean": {"normalize": "mean"},
    "standard": {"normalize": "standard"},
    "robust": {"normalize": "robust"},
    "last": {"normalize": "last"},
    "none": {"normalize": "none"},
    "exponential_smoothing": {"normalize": "exponential_smoothing"},
    "exponential_smoothing, two seasons": {
        "normalize": "exponential_smoothing", "smoothing_seasons": [3, 7],
    },
}  # fmt: skip

MISSING = (
    "mask",
    "masked_constant",
    "ffill",
    "bfill",
    "mean",
    "median",
    "mode",
    "constant",
    "zero",
    "linear",
    "time",
    "spline",
    "seasonal",
    "knn",
    "random_forest",
    "svr",
    "rnn",
)

OUTLIERS: dict[str, Values] = {
    "hampel": {"outliers": "hampel"},
    "hampel, clip": {"outliers": "hampel", "outlier_action": "clip", "outlier_threshold": 3},
    "iqr, clip": {"outliers": "iqr", "outlier_action": "clip"},
    "seasonal, missing": {"outliers": "seasonal", "missing": "linear"},
    "seasonal, flag": {"outliers": "seasonal", "outlier_action": "flag"},
}

TRANSFORMS: dict[str, tuple[str, Values]] = {
    "log": ("daily", {"transform": "log"}),
    "log1p": ("daily", {"transform": "log1p"}),
    "box_cox": ("business", {"transform": "box_cox"}),
    "yeo_johnson": ("signed", {"transform": "yeo_johnson"}),
    "difference": ("daily", {"transform": "difference"}),
    "seasonal_difference": ("daily", {"transform": "seasonal_difference"}),
}

TRAINING: dict[str, Values] = {
    "sgd, plateau": {
        "optimizer": "sgd", "schedule": "plateau", "learning_rate": 0.05, "early_stopping": True,
    },
    "adam, cosine, l1": {"optimizer": "adam", "schedule": "cosine", "l1": 0.001},
    "rmsprop, step": {"optimizer": "rmsprop", "schedule": "step", "weight_decay": 0.1},
    "constant, accumulate, no clipping": {
        "schedule": "constant", "gradient_accumulation": 3, "clip_norm": None, "clip_value": None,
    },
    "average of the last weights": {"swa_fraction": 0.5, "early_stopping": True},
    "tbptt": {"tbptt_steps": 2},
    "horizon_weight, decreasing": {"horizon_weight": "decreasing"},
    "horizon_weight, list; uniform samples": {
        "horizon_weight": [1, 0, 0, 2, 0, 0, 0, 6], "sample_series": "uniform",
        "sample_origins": "uniform",
    },
    "series_weight, samples by scale": {"series_weight": "scale", "sample_series": "scale"},
    "early stopping": {"early_stopping": True, "patience": 2, "max_steps": 12},
    "no final fit": {"final_fit": False, "early_stopping": True},
    "bfloat16": {"precision": "bfloat16"},
}  # fmt: skip


def cases() -> Iterator[Case]:
    """All cases, in the order in which they run; they set every key of a spec."""
    for name, model in BACKBONES.items():
        yield Case(f"backbone/{name}", "daily", {"model": model})
    yield Case("backbone/gru_d", "gaps", {"model": {"backbone": "gru_d"}})
    small = {"patch_length": 1, "lookback": 14}
    for backbone in ("gru_d", "slstm"):
        spec = {"window": small, "model": {"backbone": backbone, "zoneout": 0.1}}
        yield Case(f"backbone/{backbone}, step by step", "gaps", spec)
    for name, spec in DECODERS.items():
        yield Case(f"decoder/{name}", "daily", spec)
    for name, (table, spec) in LOSSES.items():
        yield Case(f"loss/{name}", table, spec)
    yield Case("loss/mixture, recursive", "daily", {
        "model": {"decoder": "recursive"}, "training": {"loss": "mixture"},
    })  # fmt: skip
    yield Case("loss/negative_binomial, recursive", "counts", {
        "model": {"decoder": "recursive"}, "training": {"loss": "negative_binomial"},
    })  # fmt: skip
    for name, model in NORMALIZATIONS.items():
        yield Case(f"normalize/{name}", "daily", {"model": model})
    yield Case("normalize/standard, equal windows", "signed", {
        "model": {"normalize": "standard"}, "training": {"window_weight": "equal"},
    })  # fmt: skip
    for first in ("linear", "theta", "none"):
        yield Case(f"base forecast/{first}", "daily", {"model": {"base_forecast": first}})
    yield Case("base forecast/theta, months", "monthly", {
        "window": {"season": 12, "patch_length": 6, "lookback": 24, "horizon": 6},
        "model": {"base_forecast": "theta"},
    })  # fmt: skip
    for method in MISSING:
        yield Case(f"missing/{method}", "gaps", {"clean": {"missing": method, "fill_value": 15}})
    for method in ("linear", "time"):  # they differ for months, which have different lengths
        yield Case(f"missing/{method}, months", "monthly", {"clean": {"missing": method}})
    yield Case("missing/by column, longest gap", "wide", {
        "clean": {"missing": {"north": "linear", "south": "seasonal"}, "max_gap": 2},
    })  # fmt: skip
    yield Case("missing/impute report", "gaps", {"clean": {"missing": "spline"}},
               check=("--impute-report",))  # fmt: skip
    for name, clean in OUTLIERS.items():
        yield Case(f"outliers/{name}", "spikes", {"clean": clean})
    for name, (table, clean) in TRANSFORMS.items():
        yield Case(f"transform/{name}", table, {"clean": clean})
    yield Case("transform/by column, joint, mse", "wide", {
        "clean": {"transform": {"north": "log1p", "south": "box_cox"}},
        "model": {"channels": "joint"}, "training": {"loss": "mse"},
    })  # fmt: skip
    yield from _covariates()
    yield from _ensembles()
    for name, training in TRAINING.items():
        yield Case(f"training/{name}", "daily", {"training": training})
    yield Case("training/start_from, freeze", "daily", {
        "window": {"lookback": None, "patch_length": None, "season": None},
        "model": {"hidden_size": None},
        "training": {"start_from": "start", "freeze": ["backbone.*"]},
    }, start={"model": {"backbone": "lstm", "normalize": "exponential_smoothing"}})  # fmt: skip
    yield Case("training/start_from, all weights", "daily", {
        "training": {"start_from": "start", "seed": 3}, "model": {"dropout": 0.3},
    }, start={"training": {"loss": "mae"}})  # fmt: skip
    yield from _data()
    yield from _forecasts()


def _covariates() -> Iterator[Case]:
    """Cases with covariates and calendar features."""
    every: Values = {
        "past": ["temperature", "remark", "emb_*"], "future": ["price", "promotion"],
        "static": ["region", "size"], "categorical": ["size"], "text": ["remark"],
        "text_size": 4, "vector_size": 3, "calendar": "auto", "holidays": "DE-BY", "age": True,
    }  # fmt: skip
    single: dict[str, Values] = {
        "past": {"past": ["temperature"]},
        "future": {"future": ["price", "promotion"]},
        "static, categorical": {"static": ["region", "size"], "categorical": ["size"]},
        "text": {"past": ["remark"], "text": ["remark"]},
        "vector": {"past": ["emb_*"], "vector_size": 2},
        "calendar": {"calendar": ["day_of_week", "day_of_month", "week_of_year"]},
        "holidays, age": {"holidays": "DE", "holiday_window": 2, "age": True},
    }
    for name, features in single.items():
        yield Case(f"covariates/{name}", "covariates", {"features": features})
    for decoder in ("direct", "parallel", "recursive", "seq2seq", "forking"):
        spec = {"features": every, "model": {"decoder": decoder}}
        yield Case(f"covariates/all, {decoder}", "covariates", spec)
    yield Case("covariates/all, joint, special", "covariates", {
        "data": {"targets": ["sales", "visits"]}, "features": every,
        "model": {"channels": "joint"}, "clean": {"missing": "masked_constant"},
    })  # fmt: skip
    for rule in ("last", "seasonal"):
        yield Case(f"covariates/missing_future, {rule}", "covariates_without_ahead", {
            "features": {"future": ["price", "promotion"], "missing_future": rule},
        })  # fmt: skip


def _ensembles() -> Iterator[Case]:
    """Cases with several networks, and with presets."""
    yield Case("ensemble/two members", "daily", {"ensemble": {"members": 2, "combine": "mean"}})
    yield Case("ensemble/vary, median", "daily", {
        "ensemble": {
            "members": 3, "combine": "median",
            "vary": {
                "window.lookback": [14, 28], "training.loss": ["quantile", "mae"],
                "model.backbone": ["gru", "lstm"],
            },
        },
    })  # fmt: skip
    yield Case("ensemble/weights", "daily", {
        "ensemble": {
            "members": 2, "combine": "weights", "vary": {"model.normalize": ["log_mean", "last"]},
        },
    })  # fmt: skip
    yield Case("ensemble/point loss, totals", "daily", {
        "ensemble": {"members": 2}, "training": {"loss": "mae"}, "forecast": {"totals": [3, 8]},
    })  # fmt: skip
    for preset in ("fast", "balanced", "best"):
        yield Case(f"preset/{preset}", "daily", {
            "window": {"lookback": None, "patch_length": None, "season": None},
            "training": {"preset": preset, "batch_size": None, "early_stopping": None},
        })  # fmt: skip


def _data() -> Iterator[Case]:
    """Cases with layouts, calendars and cleaning rules."""
    yield Case("data/all automatic", "daily", {
        "data": {"time": None, "series": None, "targets": None},
        "window": {"lookback": None, "patch_length": None, "season": None},
        "model": {"hidden_size": None}, "training": {"batch_size": None},
    })  # fmt: skip
    yield Case("data/wide", "wide")
    yield Case("data/wide, joint", "wide", {"model": {"channels": "joint"}})
    yield Case("data/wide, joint, seq2seq, normal", "wide", {
        "model": {"channels": "joint", "decoder": "seq2seq"}, "training": {"loss": "normal"},
    })  # fmt: skip
    yield Case("data/German numbers and dates", "german", {
        "data": {
            "separator": ";", "decimal": ",", "thousands": ".", "time_format": "%d.%m.%Y",
            "missing_values": ["zu"], "encoding": "latin-1",
        },
    })  # fmt: skip
    yield Case("data/whole numbers as time", "integers", {"clean": {"frequency": "2"}})
    yield Case("data/months", "monthly", {
        "window": {"season": 12, "patch_length": 6, "lookback": 24, "horizon": 6},
        "features": {"calendar": "auto"},
    })  # fmt: skip
    yield Case("data/business days", "business", {
        "clean": {"frequency": "B"}, "window": {"patch_length": 5, "season": 5, "lookback": 20},
    })  # fmt: skip
    for hour in ("infer", "earlier", "later"):
        yield Case(f"data/time zone, {hour}", "local", {
            "data": {"timezone": "Europe/Berlin"}, "window": HOURLY,
            "clean": {"ambiguous_hour": hour, "duplicates": "mean", "missing": "linear"},
            "features": {"calendar": ["hour_of_day", "day_of_week"]},
        })  # fmt: skip
    for rule in ("shift_forward", "drop"):
        yield Case(f"data/time zone, missing hour {rule}", "local_spring", {
            "data": {"timezone": "Europe/Berlin"}, "window": HOURLY,
            "clean": {"nonexistent_hour": rule, "duplicates": "first"},
        })  # fmt: skip
    yield Case("data/offsets", "offsets", {
        "data": {"timezone": "Europe/Berlin"}, "window": HOURLY,
    })  # fmt: skip
    yield Case("data/time zone, days", "offsets", {
        "data": {"timezone": "Europe/Berlin"},
        "clean": {"frequency": "D", "resample": "sum", "partial_periods": "keep"},
        "window": {"horizon": 3, "lookback": 5, "patch_length": 1, "season": 1},
    })  # fmt: skip
    for rule in ("sum", "median", "last"):
        yield Case(f"data/resample, {rule}", "six_hours", {
            "clean": {"frequency": "D", "resample": rule},
            "features": {"past": ["temperature"]},
        })  # fmt: skip
    for rule in ("snap", "interpolate", "keep"):
        yield Case(f"data/irregular, {rule}", "irregular", {
            "clean": {"frequency": "h", "irregular": rule, "tolerance": 0.3}, "window": HOURLY,
        })  # fmt: skip
    yield Case("data/irregular, keep, gru_d", "irregular", {
        "clean": {"frequency": "h", "irregular": "keep"}, "window": HOURLY | {"patch_length": 6},
        "model": {"backbone": "gru_d"},
    })  # fmt: skip
    for rule in ("first", "sum"):
        yield Case(f"data/duplicates, {rule}", "duplicates", {"clean": {"duplicates": rule}})
    yield Case("data/lengths", "lengths", {
        "clean": {"min_length": 50, "max_length": 70},
    })  # fmt: skip


def _forecasts() -> Iterator[Case]:
    """Cases with options of `predict` and of the section `forecast`."""
    yield Case("forecast/longer than trained", "daily", predict=("--horizon", "19"))
    yield Case("forecast/longer, covariates", "covariates_far_ahead", {
        "features": {"future": ["price", "promotion"], "calendar": "auto"},
    }, predict=("--horizon", "13"))  # fmt: skip
    yield Case("forecast/shorter", "daily", predict=("--horizon", "3"))
    yield Case("forecast/totals, paths", "daily", {
        "forecast": {"totals": [7, 3], "sample_paths": 4},
    }, predict=("--total", "5"))  # fmt: skip
    yield Case("forecast/paths, point loss", "signed", {"training": {"loss": "mse"}},
               predict=("--paths", "3", "--total", "8", "--horizon", "8"))  # fmt: skip
    yield Case("forecast/paths, joint", "wide", {
        "model": {"channels": "joint"}, "forecast": {"totals": [8], "sample_paths": 2},
    })  # fmt: skip
    yield Case("forecast/bounds, automatic", "counts", {"training": {"loss": "quantile"}})
    yield Case("forecast/bounds, set", "signed", {
        "forecast": {"non_negative": True, "whole_numbers": True},
    })  # fmt: skip
    yield Case("forecast/bounds, off", "counts", {
        "forecast": {"non_negative": False, "whole_numbers": False},
    })  # fmt: skip


def _curve(rng: np.random.Generator, steps: int, *, level: float, season: int = 7) -> list[float]:
    """A positive curve with a trend, a season and noise of a tenth of its level."""
    t = np.arange(steps)
    wave = 0.3 * np.sin(2 * np.pi * t / season) + 0.002 * t + 0.1 * rng.standard_normal(steps)
    return [round(float(each), 2) for each in level * (1 + np.clip(wave, -0.9, None))]


def _days(steps: int, start: date = date(2024, 1, 1)) -> list[str]:
    return [(start + timedelta(days=step)).isoformat() for step in range(steps)]


def _daily(rng: np.random.Generator) -> Rows:
    """Three series of different length and level."""
    rows: Rows = [["date", "store", "sales"]]
    for store, steps, level in (("a", 100, 20.0), ("b", 90, 200.0), ("c", 80, 5.0)):
        curve = _curve(rng, steps, level=level)
        rows += [[day, store, y] for day, y in zip(_days(steps), curve, strict=True)]
    return rows


def _gaps(rng: np.random.Generator) -> Rows:
    """Blank cells, a long gap, and days without a row."""
    header, *rows = _daily(rng)
    found = [row if rng.random() > 0.08 else [*row[:2], ""] for row in rows]
    for row in found[25:31]:
        row[2] = ""
    return [header, *(row for at, row in enumerate(found) if at not in (40, 41, 42, 130))]


def _signed(rng: np.random.Generator) -> Rows:
    """Values on both sides of zero."""
    header, *rows = _daily(rng)
    return [header, *([day, store, round(y - {"a": 20, "b": 200, "c": 5}[store], 2)]
                      for day, store, y in rows)]  # fmt: skip


def _counts(rng: np.random.Generator) -> Rows:
    """Small counts, many of them zero."""
    rows: Rows = [["date", "store", "sales"]]
    for store, rate in (("a", 1.0), ("b", 4.0), ("c", 12.0)):
        rates = rate * (1 + 0.5 * np.sin(2 * np.pi * np.arange(90) / 7))
        rows += [[day, store, int(y)] for day, y in zip(_days(90), rng.poisson(rates), strict=True)]
    return rows


def _spikes(rng: np.random.Generator) -> Rows:
    """Values of which some are many times too large or too small."""
    header, *rows = _daily(rng)
    for at in rng.choice(len(rows), 12, replace=False):
        rows[at][2] = round(rows[at][2] * float(rng.choice([0.01, 4.0, 9.0])), 2)
    return [header, *rows]


def _wide(rng: np.random.Generator) -> Rows:
    """One row per day, two targets, with blanks."""
    rows: Rows = [["date", "north", "south"]]
    columns = zip(_curve(rng, 110, level=30.0), _curve(rng, 110, level=8.0), strict=True)
    for at, (day, (north, south)) in enumerate(zip(_days(110), columns, strict=True)):
        rows.append([day, "" if at in (30, 31, 32, 60) else north, "" if at % 23 == 5 else south])
    return rows


def _covariate_rows(rng: np.random.Generator, ahead: int) -> Rows:
    """Two targets and columns of all kinds; `ahead` more days without targets."""
    vector = [f"emb_{number}" for number in range(6)]
    rows: Rows = [["date", "store", "sales", "visits", "price", "promotion", "temperature",
                   "remark", "region", "size", *vector]]  # fmt: skip
    remarks = ("rain all day", "street closed", "fair weather, many guests", "", "power cut")
    for store, region, size in (("a", "north", 1), ("b", "south", 2), ("c", "north", 2)):
        steps = 84 + ahead
        sales, visits = (_curve(rng, steps, level=level) for level in (20.0, 50.0))
        for at, day in enumerate(_days(steps, date(2024, 3, 1))):
            known = at < 84
            price = round(2 + 0.2 * float(rng.standard_normal()), 2)
            past = [round(float(each), 3) for each in rng.standard_normal(7)]
            remark = remarks[int(rng.integers(len(remarks)))]
            rows.append([
                day, store, sales[at] if known else "", visits[at] if known else "", price,
                ("none", "flyer", "radio")[int(rng.integers(3))],
                past[0] if known and at % 17 else "", remark if known else "", region, size,
                *(past[1:] if known else [""] * 6),
            ])  # fmt: skip
    return rows


def _german(rng: np.random.Generator) -> Rows:
    """Decimal commas, points as thousands separators, words for closed days, umlauts."""
    rows: Rows = [["Datum", "Geschäft", "Umsatz"]]
    for store in ("Köln", "Ulm"):
        for at, y in enumerate(_curve(rng, 90, level=1500.0)):
            day = (date(2024, 1, 1) + timedelta(days=at)).strftime("%d.%m.%Y")
            text = f"{y:,.2f}".translate(str.maketrans(",.", ".,"))
            rows.append([day, store, "zu" if at % 19 == 4 else text])
    return rows


def _integers(rng: np.random.Generator) -> Rows:
    """An integer time index in steps of two."""
    rows: Rows = [["step", "machine", "load"]]
    for machine in (1, 2):
        rows += [[2 * at, machine, y] for at, y in enumerate(_curve(rng, 90, level=12.0))]
    return rows


def _monthly(rng: np.random.Generator) -> Rows:
    """Monthly values over six years, with blanks."""
    rows: Rows = [["date", "store", "sales"]]
    for store, level in (("a", 40.0), ("b", 7.0), ("c", 90.0), ("d", 3.0)):
        for at, y in enumerate(_curve(rng, 72, level=level, season=12)):
            rows.append(
                [
                    date(2018 + at // 12, at % 12 + 1, 1).isoformat(),
                    store,
                    "" if at % 11 in (6, 7) else y,
                ]
            )
    return rows


def _business(rng: np.random.Generator) -> Rows:
    """Mondays to Fridays."""
    days = [day for day in _days(140) if date.fromisoformat(day).weekday() < 5]
    rows: Rows = [["date", "store", "sales"]]
    for store in ("a", "b"):
        curve = _curve(rng, len(days), level=15.0, season=5)
        rows += [[day, store, y] for day, y in zip(days, curve, strict=True)]
    return rows


def _hours(rng: np.random.Generator, start: datetime, form: str, steps: int = 290) -> Rows:
    """Hours of one series, written in the local time of Berlin."""
    zone = ZoneInfo("Europe/Berlin")
    rows: Rows = [["time", "load"]]
    for at, y in enumerate(_curve(rng, steps, level=50.0, season=24)):
        local = (start + timedelta(hours=at)).astimezone(zone)
        rows.append([local.strftime(form) if form else local.isoformat(), y])
    return rows


def _local_spring(rng: np.random.Generator) -> Rows:
    """Hours without the change to summer time, so that one of them does not exist."""
    rows: Rows = [["time", "load"]]
    for at, y in enumerate(_curve(rng, 290, level=50.0, season=24)):
        rows.append([(datetime(2024, 3, 24) + timedelta(hours=at)).isoformat(" "), y])
    return rows


def _six_hours(rng: np.random.Generator) -> Rows:
    """Four rows per day; the first and the last day are incomplete."""
    rows: Rows = [["date", "store", "sales", "temperature"]]
    for store in ("a", "b"):
        for at, y in enumerate(_curve(rng, 350, level=6.0, season=28)):
            timestamp = datetime(2024, 1, 1, 12) + timedelta(hours=6 * at)
            warm = round(float(rng.standard_normal()), 2)
            rows.append([timestamp.isoformat(" "), store, y, warm])
    return rows


def _irregular(rng: np.random.Generator) -> Rows:
    """About one row per hour, up to a quarter of an hour early or late."""
    rows: Rows = [["time", "load"]]
    for at, y in enumerate(_curve(rng, 260, level=50.0, season=24)):
        late = int(rng.integers(-15, 16)) if at % 4 == 1 else 0
        timestamp = datetime(2024, 1, 1, 1) + timedelta(hours=at, minutes=late)
        if at % 37 != 20:
            rows.append([timestamp.isoformat(" "), y])
    return rows


def _duplicates(rng: np.random.Generator) -> Rows:
    """Days of which some have two rows, with the rows in random order."""
    header, *rows = _daily(rng)
    rows += [[*rows[at][:2], round(rows[at][2] * 1.1, 2)] for at in range(3, len(rows), 29)]
    return [header, *(rows[at] for at in rng.permutation(len(rows)))]


def _lengths(rng: np.random.Generator) -> Rows:
    """Series of which one is too short, and one has nothing observed at its ends."""
    header, *rows = _daily(rng)
    rows += [[day, "d", y] for day, y in zip(_days(30), _curve(rng, 30, level=9.0), strict=True)]
    for row in (*rows[:3], *rows[185:190]):
        row[2] = ""
    return [header, *rows]


@dataclass(frozen=True)
class Table:
    """A function that makes a table, and its keys of the section `data`."""

    rows: Callable[[np.random.Generator], Rows]
    roles: Values
    separator: str = ","
    encoding: str = "utf-8"


LOAD: Values = {"time": "time", "series": [], "targets": ["load"]}
TABLES: dict[str, Table] = {
    "daily": Table(_daily, ROLES),
    "gaps": Table(_gaps, ROLES),
    "signed": Table(_signed, ROLES),
    "counts": Table(_counts, ROLES),
    "spikes": Table(_spikes, ROLES),
    "wide": Table(_wide, {"time": "date", "series": [], "targets": ["north", "south"]}),
    "covariates": Table(lambda rng: _covariate_rows(rng, 8), ROLES),
    "covariates_without_ahead": Table(lambda rng: _covariate_rows(rng, 0), ROLES),
    "covariates_far_ahead": Table(lambda rng: _covariate_rows(rng, 14), ROLES),
    "german": Table(
        _german, {"time": "Datum", "series": ["Geschäft"], "targets": ["Umsatz"]}, ";", "latin-1"
    ),
    "integers": Table(_integers, {"time": "step", "series": ["machine"], "targets": ["load"]}),
    "monthly": Table(_monthly, ROLES),
    "business": Table(_business, ROLES),
    "local": Table(
        lambda rng: _hours(rng, datetime(2024, 10, 19, tzinfo=UTC), "%Y-%m-%d %H:%M"), LOAD
    ),
    "local_spring": Table(_local_spring, LOAD),
    "offsets": Table(lambda rng: _hours(rng, datetime(2024, 10, 19, tzinfo=UTC), "", 700), LOAD),
    "six_hours": Table(_six_hours, ROLES),
    "irregular": Table(_irregular, LOAD),
    "duplicates": Table(_duplicates, ROLES),
    "lengths": Table(_lengths, ROLES),
}


def write_table(path: Path, table: Table) -> None:
    """Writes the table as CSV, with random numbers of a fixed seed."""
    with path.open("w", newline="", encoding=table.encoding) as file:
        writer = csv.writer(file, delimiter=table.separator)
        writer.writerows(table.rows(np.random.default_rng(2024)))


class CommandFailed(Exception):
    """A command did not end with exit code 0."""

    def __init__(
        self, command: str, code: object, cause: BaseException | None, stderr: str
    ) -> None:
        self.cause = type(cause or self).__name__
        """The class of the exception that ended the command."""
        errors = [line.strip() for line in stderr.splitlines() if "error" in line.lower()]
        text = " / ".join(errors) or stderr.strip()[-300:] or str(cause)
        super().__init__(f"{command}, exit code {code}: {text}")


def command(*arguments: str) -> str:
    """Runs `rnnforecast` with these arguments in this process; returns its stdout."""
    from rnnforecast.cli.app import main

    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    cause: BaseException | None = None
    before = sys.argv
    sys.argv = ["rnnforecast", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code, cause = end.code, end.__context__
    finally:
        sys.argv = before
    if code:
        raise CommandFailed(arguments[0], code, cause, err.getvalue())
    return out.getvalue()


def draw_nothing() -> None:
    """Makes matplotlib write empty files: plots would take half of the time of a case."""
    from matplotlib.figure import Figure

    def save(self: Figure, target: Any, *_: Any, **__: Any) -> None:
        if isinstance(target, str | os.PathLike):
            Path(target).touch()

    Figure.savefig = save  # type: ignore[method-assign,assignment]


def merged(base: Values, more: Mapping[str, Any]) -> Values:
    """`base` with the keys of `more`, merged recursively; None removes a key of `base`."""
    found = dict(base)
    for key, value in more.items():
        old = found.get(key)
        if value is None and key in found:
            del found[key]
        elif isinstance(value, dict) and isinstance(old, dict):
            found[key] = merged(old, value)
        else:
            found[key] = value
    return found


def write_spec(path: Path, case: Case, spec: Values) -> None:
    """Writes the spec of a case: `COMMON`, the roles of the columns, and `spec`."""
    data = {"path": f"../tables/{case.table}.csv", **TABLES[case.table].roles}
    whole = merged(merged(COMMON, {"data": data}), spec)
    path.write_text(yaml.safe_dump(whole, allow_unicode=True, sort_keys=False), encoding="utf-8")


def run_case(case: Case, folder: Path) -> Values:
    """Checks, trains and predicts in `folder`; returns the results, or the error."""
    folder.mkdir()
    with chdir(folder):
        try:
            if case.start is not None:
                write_spec(Path("start.yaml"), case, case.start)
                command("train", "start.yaml", "-q", "-o", "start")
            write_spec(Path("spec.yaml"), case, case.spec)
            checked = command("check", "spec.yaml", "--json", "--no-report", *case.check)
            command("train", "spec.yaml", "-q", "-o", "run")
            command("predict", "run", "-q", "--no-plots", "-o", "forecast.csv", *case.predict)
            return {
                "tables": {path.name: table_digest(path) for path in sorted(Path().glob("*.csv"))},
                "weights": weights_digest(sorted(Path("run").glob("*.safetensors"))),
                "scores": numbers(json.loads(Path("run/metrics.json").read_text("utf-8"))),
                "losses": table_digest(Path("run/history.csv")),
                "check": numbers(json.loads(checked)),
            }
        except CommandFailed as error:
            return {"error": {"class": error.cause, "message": str(error)}}
        except Exception as error:  # noqa: BLE001 - recorded, and the next case runs
            return {"error": {"class": type(error).__name__, "message": str(error)}}


def numbers(value: Any) -> list[float]:
    """All numbers in a JSON value, sorted, without booleans and NaN."""
    return sorted(_numbers(value))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
    elif isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
        yield value


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def table_digest(path: Path) -> Values:
    """Digests of a CSV file, of its rows without the header and of its texts, and its numbers."""
    content = path.read_bytes()
    _, _, rows = content.partition(b"\n")
    texts: list[str] = []
    values: list[float] = []
    for row in csv.reader(io.StringIO(rows.decode("utf-8"))):
        for cell in row:
            try:
                values.append(float(cell))
            except ValueError:
                texts.append(cell)
    return {
        "sha256": sha256(content),
        "rows_sha256": sha256(rows),
        "texts_sha256": sha256("\n".join(texts).encode()),
        "values": values,
    }


TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
         "I8": "i1", "U8": "u1", "BOOL": "?"}  # fmt: skip


def weights_digest(paths: Iterable[Path]) -> Values:
    """Digests of all tensors in safetensors files, by name and without names, and two sums of each:
    of absolute values, and of values weighted by position."""
    named: dict[str, str] = {}
    digests: list[str] = []
    sums: list[float] = []
    projections: list[float] = []
    for path in paths:
        content = path.read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        header.pop("__metadata__", None)
        for name in sorted(header):
            tensor = header[name]
            first, last = tensor["data_offsets"]
            raw = content[start + first : start + last]
            named[f"{path.stem}/{name}"] = sha256(raw)
            digests.append(sha256(f"{tensor['dtype']} {tensor['shape']} ".encode() + raw))
            if tensor["dtype"] in TYPES:
                array = np.frombuffer(raw, TYPES[tensor["dtype"]]).astype(np.float64)
                sums.append(float(np.abs(array).sum()))
                projections.append(float((array * np.cos(np.arange(array.size))).sum()))
    return {
        "by_name": named,
        "without_names": sorted(digests),
        "values": sorted(sums) + sorted(projections),
    }


def run(out: Path, wanted: Sequence[Case]) -> int:
    """Runs the cases and writes their results to `out`; returns 1 if one failed, else 0."""
    import torch

    import rnnforecast

    print(f"{Path(rnnforecast.__file__).parent}", file=sys.stderr)
    torch.set_num_threads(1)
    draw_nothing()
    warnings.simplefilter("ignore")
    found: dict[str, Values] = {}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="same-bytes-") as place:
        folder = Path(place)
        (folder / "tables").mkdir()
        for name in sorted({case.table for case in wanted}):
            write_table(folder / "tables" / f"{name}.csv", TABLES[name])
        for number, case in enumerate(wanted):
            at = time.perf_counter()
            found[case.name] = result = run_case(case, folder / f"case-{number:03d}")
            gc.collect()
            seconds = time.perf_counter() - at
            line = f"{number + 1:4d}/{len(wanted)} {seconds:5.1f} s  {case.name}"
            if "error" in result:
                line += f"\n      FAILED  {result['error']['class']}: {result['error']['message']}"
            print(line, file=sys.stderr, flush=True)
    failed = sum("error" in result for result in found.values())
    about = {name: version(name) for name in ("numpy", "pandas", "scikit-learn", "torch")}
    text = json.dumps({"versions": about, "cases": found}, indent=1)
    out.write_text(text + "\n", encoding="utf-8")
    seconds = time.perf_counter() - began
    print(f"{len(found)} cases, {failed} failed, {seconds:.0f} s: {out}", file=sys.stderr)
    return 1 if failed else 0


EQUAL, WITHIN, DIFFERENT = "equal", "within", "DIFFERENT"
PARTS = ("tables", "weights", "scores", "losses", "check")


def distance(left: Sequence[float], right: Sequence[float]) -> float:
    """The largest difference, relative to the larger absolute value if that is above 1."""
    if len(left) != len(right):
        return math.inf
    pairs = zip(left, right, strict=True)
    shares = (abs(a - b) / max(1.0, abs(a), abs(b)) for a, b in pairs if a != b)
    return max((math.inf if math.isnan(share) else share for share in shares), default=0.0)


def part_distance(part: str, left: Any, right: Any) -> float:
    """Distance of two results of a part: 0 if equal, infinite if a shape or a text differs, and the
    smallest positive float if bytes differ but the stored numbers do not."""
    if part == "tables":
        if len(left) != len(right):
            return math.inf
        pairs = zip(left.values(), right.values(), strict=True)
        return max((part_distance("losses", a, b) for a, b in pairs), default=0.0)
    if part == "losses":
        if left["rows_sha256"] == right["rows_sha256"]:
            return 0.0
        if left["texts_sha256"] != right["texts_sha256"]:
            return math.inf
        return distance(left["values"], right["values"]) or sys.float_info.min
    if part == "weights":
        if left["without_names"] == right["without_names"]:
            return 0.0
        return distance(left["values"], right["values"]) or sys.float_info.min
    return distance(left, right)


def renamed(left: Values, right: Values) -> str:
    """The kinds of names that differ between two results of a case."""
    same = left["weights"]["by_name"] == right["weights"]["by_name"]
    notes = [] if same else ["tensor names"]
    one, other = (result["tables"] | {"": result["losses"]} for result in (left, right))
    if list(one) != list(other):
        notes.append("files")
    elif any(one[name]["sha256"] != other[name]["sha256"] for name in one):
        notes.append("headers")
    return ", ".join(notes)


def compare(left: Path, right: Path, tolerance: float, wanted: re.Pattern[str]) -> int:
    """Prints a line for each case of two files; returns 1 if one differs, failed or is missing."""
    stored = [json.loads(path.read_text(encoding="utf-8")) for path in (left, right)]
    if stored[0]["versions"] != stored[1]["versions"]:
        print(f"other versions: {stored[0]['versions']} and {stored[1]['versions']}")
    one, other = (
        {name: result for name, result in each["cases"].items() if wanted.search(name)}
        for each in stored
    )
    names = list(dict.fromkeys([*one, *other]))
    width = max((len(name) for name in names), default=4)
    print(f"{'case':{width}}  result     " + "".join(f"{part:11}" for part in PARTS))
    counts = dict.fromkeys((EQUAL, WITHIN, DIFFERENT), 0)
    for name in names:
        result, line = compare_case(one.get(name), other.get(name), tolerance)
        counts[result] += 1
        print(f"{name:{width}}  {result:9}  {line}".rstrip())
    print(f"{len(names)} cases: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 1 if counts[DIFFERENT] or not names else 0


def compare_case(left: Values | None, right: Values | None, tolerance: float) -> tuple[str, str]:
    """The verdict on a case, and the rest of its line."""
    if left is None or right is None:
        return DIFFERENT, f"only in {'B' if left is None else 'A'}"
    errors = [
        f"{side} FAILED: {result['error']['class']}: {result['error']['message']}"
        for side, result in (("A", left), ("B", right))
        if "error" in result
    ]
    if errors:
        return DIFFERENT, "; ".join(errors)
    cells, worst = [], EQUAL
    for part in PARTS:
        found = part_distance(part, left[part], right[part])
        cell = EQUAL if found == 0 else f"{found:.1e}"
        if found > tolerance:
            worst, cell = DIFFERENT, f"{found:.1e} !"
        elif found > 0 and worst == EQUAL:
            worst = WITHIN
        cells.append(f"{cell:11}")
    notes = renamed(left, right) if worst == EQUAL else ""
    return worst, "".join(cells) + (f"renamed: {notes}" if notes else "")


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", nargs="?", choices=("run", "compare"))
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument(
        "--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="these cases only"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    text = "largest tolerated difference, relative for values above 1"
    parser.add_argument("--tolerance", type=float, default=1e-6, help=text)
    given = parser.parse_args()
    wanted = [case for case in cases() if given.only.search(case.name)]
    if given.list:
        print("\n".join(case.name for case in wanted))
        return 0
    if given.action == "run" and len(given.files) == 1 and wanted:
        return run(given.files[0], wanted)
    if given.action != "compare" or len(given.files) != 2:
        parser.error("expected run FILE, compare A B or --list, and at least one case")
    return compare(given.files[0], given.files[1], given.tolerance, given.only)


if __name__ == "__main__":
    sys.exit(main())
