"""Command line and timer that the scripts of all peers share."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def parse_arguments(models: list[str]) -> argparse.Namespace:
    """The arguments that `run.py` passes; `steps` is None except in a smoke test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=models)
    parser.add_argument("--train", type=Path, required=True, help="the table unique_id, ds, y")
    parser.add_argument("--horizon", type=int, required=True)
    parser.add_argument("--season", type=int, required=True, help="steps; 1 for none")
    parser.add_argument("--freq", required=True, help="pandas alias: h, MS")
    parser.add_argument("--lookback", type=int, help="for libraries without a default")
    parser.add_argument("--levels", type=float, nargs="+", required=True, help="of quantiles")
    parser.add_argument("--out", type=Path, required=True, help="the table of forecasts")
    parser.add_argument("--phases", type=Path, required=True, help="seconds per phase, as JSON")
    parser.add_argument("--steps", type=int, help="maximal weight updates instead of the default")
    return parser.parse_args()


class Phases:
    """Timer of named phases, written to a file after each one."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)
        self.file.write_text(json.dumps(self.seconds), encoding="utf-8")
