"""Accuracy and cost of every backbone, decoder and head on public benchmark data.

usage: models.py DATA [--part backbones|decoders|heads|hybrids] [--only NAME] [--rows NAME ...]
                 [--out FILE.md]

Each row is one training through the command line with seed 1 and all other keys as `init` writes
them. DATA and the measures are those of `quality.py`. The table is written after each row.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from competition import BENCHMARKS, run
from machine import describe
from measures import headings

from rnnforecast.registry import BACKBONES

BACKBONE_ROWS = {name: [f"model.backbone={name}"] for name in BACKBONES.names()} | {
    "gru, bidirectional": ["model.bidirectional=true"],
}
DECODER_ROWS = {
    "direct": ["model.decoder=direct"],
    "forking": ["model.decoder=forking"],
    "parallel": ["model.decoder=parallel"],
    "recursive": ["model.decoder=recursive"],
    "recursive, normal": ["model.decoder=recursive", "training.loss=normal"],
    "seq2seq, additive": ["model.decoder=seq2seq"],
    "seq2seq, multiplicative": ["model.decoder=seq2seq", "model.attention=multiplicative"],
}
HEAD_ROWS = {
    loss: [f"training.loss={loss}"]
    for loss in (
        "quantile", "normal", "student_t", "log_normal", "mixture", "negative_binomial", "mae",
        "mse", "rmse", "huber", "smape", "mase",
    )
}  # fmt: skip
HYBRID_ROWS = {
    "linear base forecast": ["model.base_forecast=linear"],
    "without a base forecast": ["model.base_forecast=none"],
    "exponential smoothing": ["model.normalize=exponential_smoothing"],
    "three networks": ["ensemble.members=3"],
}
PARTS = {
    "backbones": BACKBONE_ROWS,
    "decoders": DECODER_ROWS,
    "heads": HEAD_ROWS,
    "hybrids": HYBRID_ROWS,
}

COLUMNS = headings(
    "train_s", "predict_s", "parameters", "owa", "smape", "wql", "cover_80", "cover_95"
)


def row(name: str, scores: dict[str, float]) -> str:
    """One line of the table."""
    cells = [f"{scores[measure]:.{digits}f}" for measure, (_, digits) in COLUMNS.items()]
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Trains and scores the rows of a part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of NAME_train.csv.gz …")
    parser.add_argument("--part", choices=list(PARTS), default="backbones")
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("--only", choices=names, default=names[0], help="the data set")
    parser.add_argument("--rows", nargs="*", help="these rows only")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    args = parser.parse_args()
    benchmark = next(each for each in BENCHMARKS if each.name == args.only)
    lines = [
        f"| {args.part} | " + " | ".join(title for title, _ in COLUMNS.values()) + " |",
        "| --- |" + " ---: |" * len(COLUMNS),
    ]
    command = f"python benchmarks/models.py DATA --part {args.part} --only {args.only}"
    for name, changes in PARTS[args.part].items():
        if args.rows and name not in args.rows:
            continue
        lines.append(row(name, run(benchmark, args.data, 1, changes)))
        print(lines[-1], file=sys.stderr, flush=True)
        if args.out:
            title = f"# {args.part.capitalize()} on {args.only}"
            text = "\n".join([title, "", describe(), "", f"`{command}`", "", *lines, ""])
            args.out.write_text(text, encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
