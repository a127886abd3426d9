"""Arguments that several benchmarks share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def benchmark_parser(
    description: str | None,
    *,
    presets: Sequence[str],
    default_presets: Sequence[str],
    names: Sequence[str] | None = None,
    trains: bool = True,
) -> argparse.ArgumentParser:
    """A parser with the arguments DATA, --only, --presets, --cache and --out.

    Args:
        description: the module's docstring, of which the first line is shown.
        names: the data sets that --only may name, all by default; without `names` those are not
            known before the data are read.
        trains: whether there are --seeds and --set of trainings too.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the data sets")
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME",
        help="these data sets, such as m4_hourly",
    )  # fmt: skip
    parser.add_argument("--presets", nargs="*", choices=presets, default=default_presets)
    parser.add_argument("--cache", type=Path, metavar="FILE.jsonl", help="results of finished runs")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the tables there")
    if trains:
        parser.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each")
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="passed on to train"
        )
    return parser
