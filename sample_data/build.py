"""Generation of the sample data from packages that contain them.

    python sample_data/build.py

`temperatures.csv` and `employment.csv` come from vega_datasets, `co2.csv` and `macro.csv` from
statsmodels (both in the `dev` extra); `messy.csv` is made from `employment.csv` afterwards, by
`make_messy.py`. The same package versions give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import make_messy
import pandas as pd
from statsmodels.datasets import co2, macrodata
from vega_datasets import local_data

HERE = Path(__file__).parent


def temperatures() -> pd.DataFrame:
    """Hourly temperatures [°F] of two cities, long: one row per city and hour.

    The source has no row for 03:00 on 14 March, when daylight saving time begins; that hour stays
    missing.
    """
    cities = {"San Francisco": local_data.sf_temps(), "Seattle": local_data.seattle_temps()}
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "city": city,
                    "time": pd.to_datetime(source["date"]).dt.strftime("%Y-%m-%d %H:%M"),
                    "temperature": source["temp"],
                }
            )
            for city, source in cities.items()
        ]
    )
    return table.sort_values(["city", "time"])


def weekly_co2() -> pd.DataFrame:
    """Weekly CO2 concentrations [ppm] at Mauna Loa; weeks without a measurement are empty."""
    source: pd.DataFrame = co2.load_pandas().data
    week = pd.to_datetime(source.index).strftime("%Y-%m-%d")
    return pd.DataFrame({"week_ending": week, "co2": source["co2"].to_numpy()})


def employment() -> pd.DataFrame:
    """Monthly jobs [thousands], wide: one column per sector.

    The month-to-month change in the source is dropped, and a misspelled column is renamed.
    """
    source: pd.DataFrame = local_data.us_employment()
    table = source.drop(columns="nonfarm_change").rename(
        columns={"trade_transportation_utilties": "trade_transportation_utilities"}
    )
    return table.assign(month=pd.to_datetime(table["month"]).dt.strftime("%Y-%m-%d"))


def macro() -> pd.DataFrame:
    """Quarterly indicators of the United States, dated by the first day of the quarter."""
    source: pd.DataFrame = macrodata.load_pandas().data
    quarter = pd.to_datetime(
        {"year": source["year"], "month": 3 * source["quarter"] - 2, "day": 1}
    ).dt.strftime("%Y-%m-%d")
    values = source.drop(columns=["year", "quarter"])
    return pd.concat([quarter.rename("quarter"), values], axis="columns")


def main() -> None:
    """Writes all sample data beside this file."""
    tables = {
        "temperatures": temperatures(),
        "co2": weekly_co2(),
        "employment": employment(),
        "macro": macro(),
    }
    for name, table in tables.items():
        table.to_csv(HERE / f"{name}.csv", index=False, lineterminator="\n")
    make_messy.main()


if __name__ == "__main__":
    main()
