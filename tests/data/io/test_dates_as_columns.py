"""Tables with one row a series and one column a date, as agencies and competitions publish them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.io import dates_as_columns
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table, read_files
from rnnforecast.data.panel.panel import series_labels
from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec
from tests.data.tables import read

DAYS = pd.date_range("2020-01-22", periods=40)
US_NAMES = [f"{day.month}/{day.day}/{day:%y}" for day in DAYS]
VALUES = np.arange(120).reshape(3, 40)
PLACES = pd.DataFrame(
    {
        "Province/State": ["", "Ontario", "Québec"],
        "Country/Region": ["Thailand", "Canada", "Canada"],
        "Lat": [15.0, 51.2, 52.9],
        "Long": [101.0, -85.3, -73.5],
    }
)


def places(names: list[str] = US_NAMES) -> pd.DataFrame:
    """One row a place, as Johns Hopkins University published cases."""
    return pd.concat([PLACES, pd.DataFrame(VALUES, columns=names)], axis=1)


def write(frame: pd.DataFrame, path: Path, **options: object) -> str:
    frame.to_csv(path, index=False, **options)
    return str(path)


def by_series(table: Table) -> dict[str, list[float]]:
    """The values of each series in the order of time, by label."""
    frame = pd.DataFrame({"t": table.time, "y": table.values[:, 0]})
    frame["key"] = series_labels(table.keys)[table.codes]
    return {str(k): rows.sort_values("t")["y"].tolist() for k, rows in frame.groupby("key")}


def test_rows_are_series_and_columns_are_dates(tmp_path: Path) -> None:
    table = read([write(places(), tmp_path / "a.csv")])
    assert table.roles.has_dates_as_columns
    assert (table.roles.time, table.roles.targets) == ("date", ("value",))
    assert table.roles.series == ("Province/State",)  # its blank is as good as any other id
    assert by_series(table)["Ontario"] == list(range(40, 80))
    assert sorted({*table.time.astype("datetime64[D]")}) == DAYS.to_numpy("datetime64[D]").tolist()
    assert set(table.roles.unused) == {"Country/Region", "Lat", "Long"}
    (note,) = table.notes
    assert "40 columns are dates, '1/22/20' to '3/1/20'" in str(note)
    assert "data.layout to dates_as_rows" in str(note)


def test_blank_ids_have_readable_labels(tmp_path: Path) -> None:
    table = read([write(places(), tmp_path / "a.csv")], series=["Country/Region", "Province/State"])
    assert set(by_series(table)) == {"Thailand", "Canada/Ontario", "Canada/Québec"}


def test_columns_beside_the_dates_are_covariates(tmp_path: Path) -> None:
    table = read([write(places(), tmp_path / "a.csv")], covariates=["Lat", "Country/Region"])
    latitude = table.covariates["Lat"].to_floats()
    assert np.unique(latitude).tolist() == sorted(PLACES["Lat"])
    assert table.covariates["Country/Region"].is_categorical


@pytest.mark.parametrize(
    "names",
    [
        [f"{day:%Y-%m-%d}" for day in DAYS],
        [f"{day:%d.%m.%Y}" for day in DAYS],
        [f"{day:%d-%b-%Y}" for day in DAYS],
        [f"X{day:%Y.%m.%d}" for day in DAYS],
        [f"{day:%Y-%m-%d} 00:00:00" for day in DAYS],
        [f" {day:%Y-%m-%d} " for day in DAYS],
    ],
)
def test_dates_of_many_formats_are_read(tmp_path: Path, names: list[str]) -> None:
    table = read([write(places(names), tmp_path / "a.csv")])
    assert by_series(table)["Ontario"] == list(range(40, 80))
    assert str(table.time.min())[:10] == "2020-01-22"


@pytest.mark.parametrize(
    "names",
    [
        [str(year) for year in range(1960, 2000)],
        [f"{year} [YR{year}]" for year in range(1960, 2000)],
        [f"Y{year}" for year in range(1960, 2000)],
        [str(year) for year in range(1999, 1959, -1)],
    ],
)
def test_years_in_equal_steps_are_dates(tmp_path: Path, names: list[str]) -> None:
    frame = pd.concat([PLACES[["Country/Region"]], pd.DataFrame(VALUES, columns=names)], axis=1)
    frame.insert(1, "Code", ["THA", "CAN", "QUE"])
    frame.insert(2, "Indicator", "Population")
    table = read([write(frame, tmp_path / "a.csv")])
    assert table.roles.series == ("Code",)
    assert "Indicator" in table.roles.unused
    first = list(range(40, 80))
    assert by_series(table)["CAN"] == (first if names[0] < names[-1] else first[::-1])


def test_a_world_bank_table_is_read_from_below_its_title(tmp_path: Path) -> None:
    header = '"Country Name","Country Code","Indicator Name","Indicator Code",'
    header += "".join(f'"{year}",' for year in range(1960, 2000))
    rows = [
        f'"{name}, Rep.","{name[:3]}","Population, total","SP.POP",'
        + "".join(f'"{value}",' if value % 7 else '"",' for value in range(40))
        for name in ("Aruba", "Chile")
    ]
    path = tmp_path / "API.csv"
    title = '"Data Source","Indicators",\n\n"Last Updated Date","2024-06-28",\n\n'
    path.write_text(title + "\n".join([header, *rows, ""]), encoding="utf-8-sig")
    table = read([str(path)])
    assert table.keys["Country Name"].tolist() == ["Aruba, Rep.", "Chile, Rep."]
    known = by_series(table)["Aruba, Rep."]
    assert [y for y in known if not np.isnan(y)] == [y for y in range(40) if y % 7]
    assert table.line_index.location(41) == "API.csv, line 7, column '1961'"


def test_numbered_days_are_steps_if_there_are_many(tmp_path: Path) -> None:
    """The layout of the M5 competition."""
    frame = pd.DataFrame(VALUES, columns=[f"d_{n}" for n in range(1, 41)])
    frame.insert(0, "id", ["a_1", "b_1", "c_1"])
    frame.insert(1, "store", "CA")
    path = write(frame, tmp_path / "a.csv")
    table = read([path])
    assert table.roles.series == ("id",)
    assert table.time.min() == 1
    few = frame.iloc[:, :10]
    few_path = write(few, tmp_path / "b.csv")
    with pytest.raises(DataError, match="no column holds dates"):
        read([few_path])
    assert len(read([few_path], layout="dates_as_columns").time) == 3 * 8


def test_a_table_with_a_time_column_is_one_of_rows(tmp_path: Path) -> None:
    years = pd.DataFrame(VALUES.T[:, :3] * 7 % 11, columns=["2019", "2020", "2021"])
    years.insert(0, "date", DAYS.astype(str))
    table = read([write(years, tmp_path / "a.csv")])
    assert not table.roles.has_dates_as_columns
    assert table.roles.targets == ("2019", "2020", "2021")


def test_dates_in_rows_and_columns_are_as_the_spec_says(tmp_path: Path) -> None:
    path = write(places(), tmp_path / "a.csv")
    with pytest.raises(DataError):
        read([path], layout="dates_as_rows")
    rows = write(pd.DataFrame({"ds": DAYS, "y": range(40)}), tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"no column is named by a date.*data\.time_format"):
        read([rows], layout="dates_as_columns")


@pytest.mark.parametrize("form", ["%b", "%B"])
def test_months_beside_a_column_of_years_are_refused_with_what_can_be_done(
    tmp_path: Path, form: str
) -> None:
    months = pd.date_range("2024-01-01", periods=12, freq="MS").strftime(form)
    frame = pd.DataFrame(VALUES[:, :36].reshape(9, 12) * 7 % 11, columns=months)
    frame.insert(0, "Year", range(2015, 2024))
    path = write(frame, tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"twelve months.*data\.layout to dates_as_rows"):
        read([path])
    assert read([path], layout="dates_as_rows").roles.time == "Year"


def test_ambiguous_dates_in_the_header_need_their_format(tmp_path: Path) -> None:
    names = [f"{day:02}/01/2024" for day in range(1, 11)]
    frame = pd.DataFrame(VALUES[:, :10], columns=names)
    frame.insert(0, "shop", ["a", "b", "c"])
    path = write(frame, tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"'01/01/2024' can be read as .* set data\.time_format"):
        read([path])
    table = read([path], time_format="%d/%m/%Y")
    assert str(table.time.max())[:10] == "2024-01-10"


def test_a_later_file_with_more_dates_is_read_by_the_stored_options(tmp_path: Path) -> None:
    path = write(places().iloc[:, :24], tmp_path / "a.csv")
    options = ReadOptions(DataSpec(path=(path,)))
    resolved = read_files([path], options).roles.resolve(options)
    assert resolved.data.layout == "dates_as_columns"
    assert len(read_files([write(places(), tmp_path / "b.csv")], resolved).time) == 120


def test_several_files_gzip_and_rows_of_dates_go_together(tmp_path: Path) -> None:
    frame = places()
    one = write(frame.iloc[:, :24], tmp_path / "a.csv")
    rest = frame[[*PLACES.columns, *US_NAMES[20:]]].to_csv(index=False).encode()
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(rest))
    table = read([one, str(tmp_path / "b.csv.gz")])
    assert by_series(table)["Ontario"] == list(range(40, 80))


def test_names_that_the_file_has_are_not_made_up(tmp_path: Path) -> None:
    frame = places().rename(columns={"Lat": "value", "Country/Region": "date"})
    table = read([write(frame, tmp_path / "a.csv")], series=["Province/State"])
    assert (table.roles.time, table.roles.targets) == ("date_", ("value_",))
    named = read([write(places(), tmp_path / "b.csv")], time="day", targets=["cases"])
    assert (named.roles.time, named.roles.targets) == ("day", ("cases",))


def test_one_row_without_ids_is_one_series(tmp_path: Path) -> None:
    frame = pd.DataFrame(VALUES[:1], columns=US_NAMES)
    table = read([write(frame, tmp_path / "a.csv")])
    assert table.keys.shape == (1, 0)
    assert table.values[:, 0].tolist() == list(range(40))


def test_a_faulty_cell_is_found_in_its_line_and_column(tmp_path: Path) -> None:
    frame = places().astype(object)
    frame.loc[1, "1/25/20"] = "oops oops"
    with pytest.raises(DataError, match=r"a\.csv, line 3, column '1/25/20': 'oops oops' is not"):
        read([write(frame, tmp_path / "a.csv")])


def test_a_row_of_another_width_and_another_encoding_are_found_in_their_lines(
    tmp_path: Path,
) -> None:
    path = Path(write(places(), tmp_path / "a.csv"))
    path.write_text(path.read_text(encoding="utf-8") + "Bern,Switzerland,1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.csv, line 5: 4 cells, but the header has 44"):
        read([str(path)])
    path.write_bytes(places().to_csv(index=False).encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.csv, line 4: bytes that are not UTF-8"):
        read([str(path)])
    assert "Québec" in by_series(read([str(path)], encoding="latin-1"))


def test_parquet_and_decimal_commas_are_melted_alike(tmp_path: Path) -> None:
    frame = places([f"{day:%Y-%m-%d}" for day in DAYS])
    frame.to_parquet(tmp_path / "a.parquet")
    halves = frame.copy()
    halves[halves.columns[4:]] = halves[halves.columns[4:]] + 0.5
    path = write(halves, tmp_path / "b.csv", sep=";", decimal=",")
    assert by_series(read([str(tmp_path / "a.parquet")]))["Ontario"] == list(range(40, 80))
    assert by_series(read([path]))["Ontario"] == [y + 0.5 for y in range(40, 80)]


@settings(max_examples=25, deadline=None)
@given(
    cells=st.lists(
        st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=5, max_size=5),
        min_size=2,
        max_size=9,
    ),
    size=st.sampled_from([1, 7, 1 << 20]),
)
def test_reading_is_the_melt_of_pandas(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[int | None]], size: int
) -> None:
    frame = pd.DataFrame(cells, columns=[f"2024-01-0{day}" for day in range(1, 6)], dtype=float)
    frame.insert(0, "shop", [f"s{number}" for number in range(len(cells))])
    frame.iloc[[0, -1], 1] = 1.0  # a last row of text alone would be a note
    path = write(frame, tmp_path_factory.mktemp("melt") / "a.csv")
    before, dates_as_columns._BATCH_CELLS = dates_as_columns._BATCH_CELLS, size
    try:
        table = read([path], layout="dates_as_columns")
    finally:
        dates_as_columns._BATCH_CELLS = before
    melted = frame.melt("shop").sort_values(["shop", "variable"])
    rows = np.lexsort((table.time, table.codes))
    np.testing.assert_array_equal(table.values[rows, 0], melted["value"])
    assert table.keys["shop"].tolist() == sorted(frame["shop"])
