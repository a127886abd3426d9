"""What every peer's script shares: its command line and the clock of its phases."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def arguments(models: list[str]) -> argparse.Namespace:
    """What the driver asks of a peer; `steps` is None but in a smoke test."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=models)
    parser.add_argument("--train", type=Path, required=True, help="the table unique_id, ds, y")
    parser.add_argument("--horizon", type=int, required=True)
    parser.add_argument("--freq", required=True, help="in pandas' words for stamps: h, MS")
    parser.add_argument("--lookback", type=int, required=True, help="where a library has no own")
    parser.add_argument("--levels", type=float, nargs="+", required=True, help="of quantiles")
    parser.add_argument("--out", type=Path, required=True, help="the table of forecasts")
    parser.add_argument("--phases", type=Path, required=True, help="seconds a phase, as JSON")
    parser.add_argument("--steps", type=int, help="weight updates at most; not the library's own")
    return parser.parse_args()


class Phases:
    """Times named phases; the file is written after each, so that a stopped peer leaves some."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)
        self.file.write_text(json.dumps(self.seconds), encoding="utf-8")
