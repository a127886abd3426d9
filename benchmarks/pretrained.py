"""The gate of the pretrained network: accuracy without training, as a member and as a warm start.

usage: pretrained.py DATA [--parts PART ...] [--only NAME ...] [--series N] [--weights W ...]
                     [--inside] [--whole] [--seeds N] [--jobs N] [--with KEY=VALUE ...]
                     [--without KEY=VALUE ...] [--set KEY=VALUE ...] [--cache FILE.jsonl]
                     [--curve FOLDER] [--plot FILE.png] [--out FILE.md]

gift    eight configurations of GIFT-Eval without training, see `gift.py`
alone   series of M3 monthly and quarterly, each alone: the statistical combination with and without
        the pretrained network; with --whole also `init`, `train` and `predict`, see `alone.py`
warm    `fast` on whole sets at the same steps, with the keys of `--with` against `--without`: for
        trials of a warm start, which the package does not have
speed   `predict` of 10,000 series without a run
wheel   the size of the package

A first table has a row for each figure with its bound; a figure that could not be measured is said
to be so. With `--inside`, alone and warm forecast the last horizon of the training parts, on which
choices may be made. `--curve` adds the loss of a pretraining against the windows seen, from its
folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from alone_sets import Sample, samples
from arguments import benchmark_parser
from competition import BENCHMARKS
from gift_sets import CONFIGURATIONS
from machine import describe
from pretrained_accuracy import alone, gift, one_horizon_earlier
from pretrained_costs import speed, wheel
from pretrained_curve import curve
from pretrained_gate import Part, attempt, format_gate
from pretrained_training import Comparison, warm, whole
from score_tables import ResultCache
from speed import write_series

PARTS = ("gift", "alone", "warm", "speed", "wheel")
DEFAULT_PARTS = ("gift", "alone", "speed", "wheel")
ALONE = ("m3_monthly", "m3_quarterly")
"""Sets of the gate."""
WARM = ("m1_monthly", "m3_other", "tourism_monthly", "tourism_quarterly")
PICTURE = Path(__file__).parent / "results" / "pretraining.png"


def parse_arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = benchmark_parser(__doc__, presets=(), default_presets=[])
    add = parser.add_argument
    names = "|".join(PARTS)
    add("--parts", nargs="*", choices=PARTS, default=DEFAULT_PARTS, metavar="PART", help=names)
    add("--series", type=int, default=100, metavar="N", help="series of each set alone")
    add(
        "--weights", nargs="+", type=float, default=[], metavar="W",
        help="alone: of the pretrained network, 0 to 1, beside those of `predict`",
    )  # fmt: skip
    add("--inside", action="store_true", help="forecast the end of the training parts")
    add("--whole", action="store_true", help="alone: train too, 7 s a series")
    add("--jobs", type=int, default=os.cpu_count(), metavar="N", help="series alone at once")
    add("--with", nargs="+", default=[], metavar="KEY=VALUE", dest="with_it", help="of warm, whole")
    add("--without", nargs="+", default=[], metavar="KEY=VALUE", help="what it is compared with")
    add("--curve", type=Path, metavar="FOLDER", help="of a pretraining, with history.csv")
    add("--plot", type=Path, default=PICTURE, metavar="FILE.png", help="of the curve")
    return parser.parse_args()


def measure(arguments: argparse.Namespace) -> Iterator[Part]:
    """The parts that were asked for, one after the other."""
    data, only = arguments.data, arguments.only
    comparison = Comparison(
        (*arguments.with_it, *arguments.set),
        (*arguments.without, *arguments.set),
        arguments.seeds,
        ResultCache(arguments.cache),
    )
    if "gift" in arguments.parts:
        names = only or [one.name for one in CONFIGURATIONS]
        yield gift(data, names)
    if "alone" in arguments.parts:
        drawn = draw_samples(arguments, ALONE, arguments.series)
        yield alone(drawn, ALONE, arguments.weights)
        if arguments.whole:
            title = "series alone, `balanced`"
            yield attempt(title, lambda: whole(drawn, ALONE, comparison, arguments.jobs))
    if "warm" in arguments.parts:
        drawn = draw_samples(arguments, WARM, sys.maxsize)
        yield attempt("warm start, `fast`", lambda: warm(drawn, comparison))
    if "speed" in arguments.parts:
        yield attempt("`predict` without a run, s", lambda: speed(write_series))
    if "wheel" in arguments.parts:
        yield wheel()
    if arguments.curve:
        yield curve(arguments.curve, arguments.plot)


def draw_samples(
    arguments: argparse.Namespace, default: Sequence[str], count: int
) -> dict[str, Sample]:
    """So many series of each set of `--only`, or of `default`, by name."""
    chosen, names = arguments.only or default, [one.name for one in BENCHMARKS]
    drawn = {
        name: draw(count)
        for name, draw in samples(arguments.data).items()
        if name in chosen and name in names
    }
    if arguments.inside:
        drawn = {name: one_horizon_earlier(sample) for name, sample in drawn.items()}
    return drawn


def page(arguments: argparse.Namespace, parts: list[Part]) -> str:
    """The content of the result file: machine, command, the gate and all tables."""
    paths = {str(arguments.data): "DATA", str(arguments.curve): "FOLDER"}
    paths |= {
        str(file): file.name for file in (arguments.out, arguments.cache, arguments.plot) if file
    }
    words = " ".join(paths.get(word, word) for word in sys.argv[1:])
    sections = [f"## {part.title}\n\n{part.text}" for part in parts if part.text]
    gate = format_gate(row for part in parts for row in part.rows)
    head = f"# The pretrained network\n\n{describe()}\n\n`python benchmarks/pretrained.py {words}`"
    if arguments.inside:
        head += (
            "\n\nSeries alone and warm start: the last horizon of the training parts is forecast."
        )
    return "\n\n".join([head, gate, *sections]) + "\n"


def main() -> None:
    """Runs the parts; progress goes to stderr, the tables to stdout."""
    arguments, parts = parse_arguments(), []
    for part in measure(arguments):
        parts.append(part)
        if arguments.out:
            arguments.out.write_text(page(arguments, parts), encoding="utf-8")
    print(page(arguments, parts), end="")


if __name__ == "__main__":
    main()
