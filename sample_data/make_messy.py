"""Generation of `messy.csv`: the numbers of `employment.csv` with common faults of real data.

    python sample_data/make_messy.py

The changes, in this order:

1. a long table instead of a wide one, with sector codes (`05`, not `5`);
2. each sector begins and ends in its own month;
3. 3 % of the inner rows are removed, and 2 % of the values of the others (`""`, `NA` or `n/a`);
4. 4 % of the rows are duplicated: half of them as copies, half as a preliminary and a revised
   value whose mean is the true one;
5. rows are shuffled; the file has day-first dates, semicolons, decimal commas, a byte-order mark
   and Windows line endings, as spreadsheets write them.

A fixed seed makes the bytes reproducible. `messy.yaml` has rules that repair all faults.
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
    """One row per sector and month: `sector` (code), `month`, `jobs`."""
    long = wide.melt(id_vars="month", var_name="sector", value_name="jobs")
    long["sector"] = long["sector"].map(CODES)
    return long[["sector", "month", "jobs"]].sort_values(["sector", "month"], ignore_index=True)


def with_faults(long: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """The table with ragged ends, missing rows, missing values and duplicates."""
    step = long.groupby("sector").cumcount()
    length = long.groupby("sector")["month"].transform("size")
    first = long["sector"].map(dict(zip(CODES.values(), random.integers(0, 25, 22), strict=True)))
    last = length - long["sector"].map(
        dict(zip(CODES.values(), random.integers(1, 4, 22), strict=True))
    )
    inner = (step > first) & (step < last)
    is_removed = inner & (random.random(len(long)) < 0.03)
    is_blank = inner & (random.random(len(long)) < 0.02)
    table = long.assign(jobs=long["jobs"].mask(is_blank))
    table = table[(step >= first) & (step <= last) & ~is_removed]

    duplicated = table[table["jobs"].notna() & (random.random(len(table)) < 0.04)]
    revision = np.where(
        random.random(len(duplicated)) < 0.5, 0.0, random.integers(1, 20, len(duplicated))
    )
    table = table.copy()
    table.loc[duplicated.index, "jobs"] = duplicated["jobs"] - revision
    return pd.concat(
        [table, duplicated.assign(jobs=duplicated["jobs"] + revision)], ignore_index=True
    )


def as_delivered(table: pd.DataFrame, random: np.random.Generator) -> str:
    """The table as text: shuffled, day first, decimal commas, three markers of missing values."""
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
    """Writes `messy.csv` beside this file."""
    random = np.random.default_rng(7)
    wide = pd.read_csv(HERE / "employment.csv")
    text = as_delivered(with_faults(long_table(wide), random), random)
    (HERE / "messy.csv").write_bytes(text.encode("utf-8-sig"))


if __name__ == "__main__":
    main()
