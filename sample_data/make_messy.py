"""Make `messy.csv` from `employment.csv`: the same numbers, as an office might deliver them.

    python sample_data/make_messy.py

What is done to it, in this order:

1. long instead of wide, with the statistical office's codes for the sectors (`05`, not `5`);
2. each sector begins and ends at a month of its own;
3. 3 % of the inner rows are lost, and 2 % of the values of the others (`""`, `NA` or `n/a`);
4. 4 % of the rows come twice: half of them as plain copies, half as a preliminary and a later
   figure whose mean is the true one;
5. rows shuffled; day-first dates, semicolons, decimal commas, byte-order mark and Windows line
   ends, as spreadsheets write them.

A fixed seed gives the same bytes every time. `messy.yaml` repairs all of it by declared rules.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
CODES = {
    "nonfarm": "00",
    "private": "05",
    "goods_producing": "06",
    "service_providing": "07",
    "private_service_providing": "08",
    "mining_and_logging": "10",
    "construction": "20",
    "manufacturing": "30",
    "durable_goods": "31",
    "nondurable_goods": "32",
    "trade_transportation_utilities": "40",
    "wholesale_trade": "41",
    "retail_trade": "42",
    "transportation_and_warehousing": "43",
    "utilities": "44",
    "information": "50",
    "financial_activities": "55",
    "professional_and_business_services": "60",
    "education_and_health_services": "65",
    "leisure_and_hospitality": "70",
    "other_services": "80",
    "government": "90",
}


def long_table(wide: pd.DataFrame) -> pd.DataFrame:
    """Return one row a sector and month: `sector` (the office's code), `month`, `jobs`."""
    long = wide.melt(id_vars="month", var_name="sector", value_name="jobs")
    long["sector"] = long["sector"].map(CODES)
    return long[["sector", "month", "jobs"]].sort_values(["sector", "month"], ignore_index=True)


def with_faults(long: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return the table with ragged ends, lost rows, lost values and rows that come twice."""
    step = long.groupby("sector").cumcount()
    length = long.groupby("sector")["month"].transform("size")
    first = long["sector"].map(dict(zip(CODES.values(), random.integers(0, 25, 22), strict=True)))
    last = length - long["sector"].map(
        dict(zip(CODES.values(), random.integers(1, 4, 22), strict=True))
    )
    inner = (step > first) & (step < last)
    lost_row = inner & (random.random(len(long)) < 0.03)
    lost_value = inner & (random.random(len(long)) < 0.02)
    table = long.assign(jobs=long["jobs"].mask(lost_value))
    table = table[(step >= first) & (step <= last) & ~lost_row]

    twice = table[table["jobs"].notna() & (random.random(len(table)) < 0.04)]
    revision = np.where(random.random(len(twice)) < 0.5, 0.0, random.integers(1, 20, len(twice)))
    table = table.copy()
    table.loc[twice.index, "jobs"] = twice["jobs"] - revision
    return pd.concat([table, twice.assign(jobs=twice["jobs"] + revision)], ignore_index=True)


def as_delivered(table: pd.DataFrame, random: np.random.Generator) -> str:
    """Return the table as text: shuffled, day first, decimal commas, missing in three ways."""
    table = table.iloc[random.permutation(len(table))]
    blank = random.choice(["", "NA", "n/a"], len(table))
    number = table["jobs"].map(lambda jobs: f"{jobs:.1f}".replace(".", ","))
    text = pd.DataFrame(
        {
            "sector": table["sector"],
            "month": pd.to_datetime(table["month"]).dt.strftime("%d/%m/%Y"),
            "jobs": np.where(table["jobs"].isna(), blank, number),
        }
    )
    return text.to_csv(index=False, sep=";", lineterminator="\r\n")


def main() -> None:
    """Write `messy.csv` beside this file."""
    random = np.random.default_rng(7)
    wide = pd.read_csv(HERE / "employment.csv")
    text = as_delivered(with_faults(long_table(wide), random), random)
    (HERE / "messy.csv").write_bytes(text.encode("utf-8-sig"))


if __name__ == "__main__":
    main()
