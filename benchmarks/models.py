"""Every backbone, decoder and head on public benchmark data: what each costs and gives.

usage: models.py DATA [--part backbones|decoders|heads|hybrids] [--only NAME] [--out FILE.md]

One training each through the command line, everything else as `init` writes it, seed 1. DATA is
the folder that `quality.py` takes; so are the measures. The table is written after each row.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from competition import BENCHMARKS, run
from machine import describe
from measures import headings

from rnnforecast.registry import BACKBONES

BACKBONES = {name: [f"model.backbone={name}"] for name in BACKBONES.names()} | {
    "gru, both ways": ["model.bidirectional=true"],
}
DECODERS = {
    "direct": ["model.decoder=direct"],
    "forking": ["model.decoder=forking"],
    "parallel": ["model.decoder=parallel"],
    "recursive": ["model.decoder=recursive"],
    "recursive, normal": ["model.decoder=recursive", "training.loss=normal"],
    "seq2seq, additive": ["model.decoder=seq2seq"],
    "seq2seq, multiplicative": ["model.decoder=seq2seq", "model.attention=multiplicative"],
}
HEADS = {
    loss: [f"training.loss={loss}"]
    for loss in (
        "quantile", "normal", "student_t", "log_normal", "mixture", "negative_binomial", "mae",
        "mse", "rmse", "huber", "smape", "mase",
    )
}  # fmt: skip
HYBRIDS = {
    "linear map first": [],
    "without the linear map": ["model.base_forecast=none"],
    "exponential smoothing": ["model.normalize=exponential_smoothing"],
    "three networks": ["ensemble.members=3"],
}
PARTS = {"backbones": BACKBONES, "decoders": DECODERS, "heads": HEADS, "hybrids": HYBRIDS}

COLUMNS = headings(
    "train_s", "predict_s", "parameters", "owa", "smape", "wql", "cover_80", "cover_95"
)


def row(name: str, scores: dict[str, float]) -> str:
    """One line of the table."""
    cells = [f"{scores[measure]:.{digits}f}" for measure, (_, digits) in COLUMNS.items()]
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Trains and scores what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of NAME_train.csv.gz …")
    parser.add_argument("--part", choices=list(PARTS), default="backbones")
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("--only", choices=names, default=names[0], help="the data set")
    parser.add_argument("--rows", nargs="*", help="these rows only")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    asked = parser.parse_args()
    benchmark = next(each for each in BENCHMARKS if each.name == asked.only)
    lines = [
        f"| {asked.part} | " + " | ".join(title for title, _ in COLUMNS.values()) + " |",
        "| --- |" + " ---: |" * len(COLUMNS),
    ]
    command = f"python benchmarks/models.py DATA --part {asked.part} --only {asked.only}"
    for name, changes in PARTS[asked.part].items():
        if asked.rows and name not in asked.rows:
            continue
        lines.append(row(name, run(benchmark, asked.data, 1, changes)))
        print(lines[-1], file=sys.stderr, flush=True)
        if asked.out:
            title = f"# {asked.part.capitalize()} on {asked.only}"
            text = "\n".join([title, "", describe(), "", f"`{command}`", "", *lines, ""])
            asked.out.write_text(text, encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
