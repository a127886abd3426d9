"""Ranking of the imputation methods on the weekly CO2 data with 30 % of the values removed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from machine import describe

DATA = Path(__file__).parents[1] / "sample_data" / "co2.csv"
REMOVED_SHARE = 0.3


def ranking(folder: Path) -> list[dict[str, object]]:
    """Runs `check --impute-report` on the data with values removed; returns the ranking."""
    frame = pd.read_csv(DATA)
    removed = np.random.default_rng(0).random(len(frame)) < REMOVED_SHARE
    frame.loc[removed, "co2"] = np.nan
    frame.to_csv(folder / "co2.csv", index=False)
    (folder / "spec.yaml").write_text("data: {path: co2.csv}\nwindow: {horizon: 26, season: 52}\n")
    command = (sys.executable, "-m", "rnnforecast", "check", "spec.yaml")
    options = ("--impute-report", "--json", "--no-report", "--quiet")
    output = subprocess.run(
        (*command, *options), cwd=folder, check=True, capture_output=True
    ).stdout
    rows: list[dict[str, object]] = json.loads(output)["imputation"]
    return rows


def main() -> None:
    """Prints the ranking as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rnnforecast-imputation-") as folder:
        rows = ranking(Path(folder))
    lines = [
        "| method | hidden one by one | hidden in runs | uses what comes after |",
        "| --- | ---: | ---: | :---: |",
    ]
    for row in rows:
        after = "yes" if row["looks_ahead"] else ""
        lines.append(f"| {row['method']} | {row['single']:.3f} | {row['runs']:.3f} | {after} |")
    text = "\n".join(lines)
    print(text)
    if arguments.out:
        note = (
            "Mean absolute error at hidden values of the training part, in addition to the 30 %"
            " that were removed; 1 is the mean absolute deviation of a series."
        )
        head = f"# Imputation\n\n{describe()}\n\n`python benchmarks/imputation.py`\n\n{note}\n\n"
        arguments.out.write_text(f"{head}{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
