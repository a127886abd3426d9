"""How the methods of `clean.missing` rank on the weekly CO2 data with 30 % of the values hidden."""

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
HIDDEN = 0.3


def ranked(folder: Path) -> list[dict[str, object]]:
    """What `check --impute-report` says of the data without the hidden values."""
    frame = pd.read_csv(DATA)
    hidden = np.random.default_rng(0).random(len(frame)) < HIDDEN
    frame.loc[hidden, "co2"] = np.nan
    frame.to_csv(folder / "co2.csv", index=False)
    (folder / "spec.yaml").write_text("data: {path: co2.csv}\nwindow: {horizon: 26, season: 52}\n")
    words = (sys.executable, "-m", "rnnforecast", "check", "spec.yaml")
    options = ("--impute-report", "--json", "--no-report", "--quiet")
    said = subprocess.run((*words, *options), cwd=folder, check=True, capture_output=True).stdout
    found: list[dict[str, object]] = json.loads(said)["imputation"]
    return found


def main() -> None:
    """Prints the ranking as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rnnforecast-imputation-") as place:
        found = ranked(Path(place))
    lines = [
        "| method | hidden one by one | hidden in runs | uses what comes after |",
        "| --- | ---: | ---: | :---: |",
    ]
    for one in found:
        after = "yes" if one["looks_ahead"] else ""
        lines.append(f"| {one['method']} | {one['single']:.3f} | {one['runs']:.3f} | {after} |")
    text = "\n".join(lines)
    print(text)
    if asked.out:
        says = (
            "Mean absolute error at values hidden on purpose, of the training part, beside the 30 %"
            " that the data lack; 1 is the usual distance of a value from the mean of its series."
        )
        head = f"# Imputation\n\n{describe()}\n\n`python benchmarks/imputation.py`\n\n{says}\n\n"
        asked.out.write_text(f"{head}{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
