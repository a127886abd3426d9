"""The time: one column of dates, or several columns that make a date together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.data.io.joined_columns import join_texts
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table, read_files
from rnnforecast.errors import DataError
from rnnforecast.spec.data import DataSpec
from tests.data.tables import read

DAYS = pd.date_range("2022-12-25", periods=60)
HOURS = pd.date_range("2023-01-01", periods=72, freq="h")
MONTHS = pd.date_range("2010-01-01", periods=30, freq="MS")
QUARTERS = pd.date_range("2010-01-01", periods=12, freq="QS")
WEEKS = pd.date_range("2020-11-02", periods=30, freq="W-MON")


def read_rows(path: Path, header: str, rows: list[str], **options: Any) -> Table:
    file = path / "sales.csv"
    file.write_text("\n".join([header, *(f"{row},{n + 0.5}" for n, row in enumerate(rows))]))
    return read([str(file)], **options)


def weeks(form: str) -> list[str]:
    return [form.format(y=i.year, w=i.week) for i in (week.isocalendar() for week in WEEKS)]


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        ("Year,Month", MONTHS.strftime("%Y,%-m"), MONTHS),
        ("Year,Month", MONTHS.strftime("%Y.0,%-m.0"), MONTHS),
        ("month,year", MONTHS.strftime("%B,%Y"), MONTHS),
        ("Monat,Jahr", MONTHS.strftime("%m,%Y"), MONTHS),
        ("Year,Period", MONTHS.strftime("%Y,M%m"), MONTHS),
        ("year,quarter", [f"{d.year},{d.quarter}" for d in QUARTERS], QUARTERS),
        ("year,Qtr", [f"{d.year},Q{d.quarter}" for d in QUARTERS], QUARTERS),
        ("Year,Week", weeks("{y},{w}"), WEEKS),
        ("Jahr,KW", weeks("{y},KW {w}"), WEEKS),
        ("anio,mes,dia", DAYS.strftime("%Y,%-m,%-d"), DAYS),
        ("year,day_of_year", DAYS.strftime("%Y,%-j"), DAYS),
        ("Year,Day", DAYS.strftime("%Y,%b %d"), DAYS),
        ("Date,Time", HOURS.strftime("%d/%m/%Y,%H:%M:%S"), HOURS),
        ("Date,Time", HOURS.strftime("%Y-%m-%d 00:00:00,%H:%M"), HOURS),
        ("Date,Time", HOURS.strftime("%Y%m%d,%H%M"), HOURS),
        ("Datum,Zeit", HOURS.strftime("%d.%m.%Y,%H:00 - %H:59"), HOURS),
        ("date,hour", HOURS.strftime("%Y-%m-%d,%-H"), HOURS),
        ("date,Hour Ending", [f"{d:%m/%d/%Y},{d.hour + 1}" for d in HOURS], HOURS),
        ("date,HE", [f"{d:%m/%d/%Y},HE{d.hour + 1}" for d in HOURS], HOURS),
        ("year,month,day,hour", HOURS.strftime("%Y,%-m,%-d,%-H"), HOURS),
        ("date,hour,minute", HOURS.strftime("%Y-%m-%d,%-H,%-M"), HOURS),
    ],
)
def test_columns_that_make_a_date_together_are_the_time(
    tmp_path: Path, header: str, rows: Any, expected: pd.DatetimeIndex
) -> None:
    table = read_rows(tmp_path, f"{header},units", list(rows))
    assert (table.roles.time, table.roles.targets, table.roles.series) == ("ds", ("units",), ())
    assert set(table.roles.time_columns) <= set(header.split(","))
    np.testing.assert_array_equal(table.time, expected.to_numpy("datetime64[us]"))
    again = read_rows(tmp_path, f"{header},units", list(rows), time=table.roles.time_columns)
    np.testing.assert_array_equal(again.time, table.time)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("date,week,month,year", [f"{d:%Y-%m-%d},{d.week},{d.month},{d.year}" for d in DAYS]),
        ("date,clock", [f"{d:%Y-%m-%d},12:00" for d in DAYS]),  # tells no rows apart
        ("timestamp,time", DAYS.strftime("%Y-%m-%d %H:%M,%H:%M")),
    ],
)
def test_a_date_that_is_whole_needs_no_other_column(tmp_path: Path, header: str, rows: Any) -> None:
    table = read_rows(tmp_path, f"{header},units", list(rows))
    assert (table.roles.time, table.roles.time_columns) == (header.split(",")[0], ())


def test_a_day_of_the_week_is_not_the_day_of_the_month(tmp_path: Path) -> None:
    rows = [f"{d.year},{d.month},{d.day_of_week + 1},{d.day}" for d in DAYS]
    table = read_rows(tmp_path, "Year,Month,Day,n,units", rows)
    assert table.roles.time_columns == ("Year", "Month")


def test_a_faulty_part_is_named_with_the_columns_and_its_line(tmp_path: Path) -> None:
    rows = MONTHS.strftime("%Y,%-m").tolist()
    for wrong, found in (("2011,13", "'2011 13' is not a time"), ("2011,", "'2011' is not a time")):
        with pytest.raises(DataError) as caught:
            read_rows(tmp_path, "Year,Month,units", [*rows[:10], wrong, *rows[11:]])
        (problem,) = caught.value.problems
        assert problem.where == "sales.csv, line 12, columns 'Year', 'Month'"
        assert problem.found.startswith(found)


def test_years_and_months_of_several_series_are_read(tmp_path: Path) -> None:
    rows = [f"{shop},{row}" for shop in "ab" for row in MONTHS.strftime("%Y,%-m")]
    table = read_rows(tmp_path, "shop,Year,Month,units", rows)
    assert table.roles.series == ("shop",)
    assert len(np.unique(table.time)) == len(MONTHS)


def test_partitions_and_typed_columns_can_be_parts_of_the_time(tmp_path: Path) -> None:
    for year in (2021, 2022):
        folder = tmp_path / f"year={year}"
        folder.mkdir()
        rows = pa.table({"month": range(1, 13), "y": [1.5] * 12})
        pq.write_table(rows, folder / "part.parquet")
    table = read([str(tmp_path)])
    assert table.roles.time_columns == ("year", "month")
    expected = pd.date_range("2021-01-01", periods=24, freq="MS").to_numpy("datetime64[us]")
    np.testing.assert_array_equal(np.sort(table.time), expected)


def test_another_column_of_the_name_of_the_joined_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rename the column ds"):
        read_rows(tmp_path, "Year,Month,ds", MONTHS.strftime("%Y,%-m").tolist())


def test_joined_texts_are_those_of_the_cells() -> None:
    years, months = ["2020", "2020.0", None, "2021"], ["1", " 2 ", "3", "1"]
    columns = [pa.array(years).dictionary_encode(), pa.array(months)]
    assert join_texts(columns).to_pylist() == ["2020 1", "2020 2", None, "2021 1"]


def test_given_columns_are_joined_for_a_given_format(tmp_path: Path) -> None:
    rows = HOURS.strftime("%d-%m-%Y,%Hh").tolist()
    table = read_rows(
        tmp_path, "a,b,units", rows, time=["a", "b"], time_format="%d-%m-%Y %Hh", targets=["units"]
    )
    np.testing.assert_array_equal(table.time, HOURS.to_numpy("datetime64[us]"))


def test_a_given_format_finds_its_column(tmp_path: Path) -> None:
    rows = [f"{n},{d:%Y/%j},{d:%d.%m.%y}" for n, d in enumerate(DAYS)]
    for time_format, column in (("%Y/%j", "b"), ("%d.%m.%y", "c"), ("integer", "a")):
        table = read_rows(tmp_path, "a,b,c,units", rows, time_format=time_format, targets=["units"])
        assert table.roles.time == column
    with pytest.raises(
        DataError, match=r"no column is in the format .%Y.*correct data\.time_format"
    ):
        read_rows(tmp_path, "a,b,c,units", rows, time_format="%Y")


@pytest.mark.parametrize(
    ("header", "cells", "found", "cure", "mended"),
    [
        ("time", HOURS[:20].strftime("%H:%M"), "times of day such as '00:00' without a date",
         "a column with the date", ("date,time", HOURS[:20].strftime("%Y-%m-%d,%H:%M"))),
        ("day", DAYS.strftime("%b %d"), "days such as 'Dec 25' without a year",
         "a column named year", ("year,day", DAYS.strftime("%Y,%b %d"))),
        ("FY", [f"{year}/{(year + 1) % 100:02d}" for year in range(2000, 2020)],
         "years such as '2000/01'", "write one year", ("year", range(2000, 2020))),
    ],
)  # fmt: skip
def test_the_cure_of_what_is_no_date_leads_to_one(
    tmp_path: Path, header: str, cells: Any, found: str, cure: str, mended: tuple[str, Any]
) -> None:
    with pytest.raises(DataError, match=f"column '{header}' holds {found}.* — .*{cure}"):
        read_rows(tmp_path, f"{header},units", list(cells))
    table = read_rows(tmp_path, f"{mended[0]},units", [str(cell) for cell in mended[1]])
    assert len(np.unique(np.diff(table.time))) == 1


def test_a_table_without_a_time_may_be_given_a_number_of_steps(tmp_path: Path) -> None:
    rows = [f"{number * 2}" for number in range(20)]
    with pytest.raises(DataError, match=r"the columns are 'n' \('0'\).* — set data.time .*steps"):
        read_rows(tmp_path, "n,units", rows)
    assert read_rows(tmp_path, "n,units", rows, time="n").time[-1] == 38


def test_numbers_without_a_telling_name_are_dates_if_they_have_no_gaps(tmp_path: Path) -> None:
    rows = [f"{2000 + (month + 0.5) / 12:.3f}" for month in range(60)]
    table = read_rows(tmp_path, "a,b", rows)
    assert (table.roles.time, table.roles.targets) == ("a", ("b",))
    doubts = [str(note) for note in table.notes if note.is_doubtful]
    assert any("no column is named like a time" in text for text in doubts)
    with pytest.raises(DataError, match="no column holds dates"):
        read_rows(tmp_path, "a,b", rows[::-1])


AMBIGUOUS = {
    "days or months": (DAYS[7:19].strftime("%d/%m/%Y"), ["%d/%m/%Y", "%m/%d/%Y"]),
    "weeks or months": (MONTHS[:9].strftime("%Y%m"), ["%G%V", "%Y%m"]),
    "quarters or months": ([f"{n}-2010" for n in range(1, 5)], ["%m-%Y", "%q-%Y"]),
    "days of Excel or steps": ([str(44330 + n) for n in range(30)], ["excel", "integer"]),
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_two_plausible_readings_are_refused_and_each_can_be_set(tmp_path: Path, kind: str) -> None:
    rows, settings = AMBIGUOUS[kind]
    with pytest.raises(DataError) as caught:
        read_rows(tmp_path, "x,units", list(rows), time="x")
    (problem,) = caught.value.problems
    assert problem.cure == "set data.time_format to " + " or ".join(map(repr, settings))
    first, second = (
        read_rows(tmp_path, "x,units", list(rows), time="x", time_format=setting).time
        for setting in settings
    )
    assert first.tolist() != second.tolist()


def test_a_choice_is_noted_with_the_key_for_the_other_reading(tmp_path: Path) -> None:
    rows = pd.date_range("2010-01-01", periods=30, freq="MS").strftime("%m/%d/%Y").tolist()
    table = read_rows(tmp_path, "when,units", rows)
    (note,) = table.notes
    assert "no gaps" in note.decision.found
    assert note.decision.cure == "set data.time_format to '%d/%m/%Y' for the other reading"
    assert not note.is_doubtful
    other = read_rows(tmp_path, "when,units", rows, time_format="%d/%m/%Y")
    assert str(other.time[1])[:10] == "2010-01-02"


def test_the_format_of_training_decides_in_a_short_file(tmp_path: Path) -> None:
    """Twelve days at which day and month could be exchanged."""
    long = read_rows(tmp_path, "when,units", DAYS.strftime("%m/%d/%Y").tolist())
    assert long.roles.known_time_format == "%m/%d/%Y"
    path = str(tmp_path / "sales.csv")
    resolved = long.roles.resolve(ReadOptions(DataSpec(path=(path,))))
    days = pd.date_range("2024-03-01", periods=12)
    read_rows(tmp_path, "when,units", days.strftime("%m/%d/%Y").tolist(), time_format="%m/%d/%Y")
    np.testing.assert_array_equal(read_files([path], resolved).time, days.to_numpy("M8[us]"))
    read_rows(tmp_path, "when,units", days.strftime("%Y-%m-%d").tolist())
    np.testing.assert_array_equal(read_files([path], resolved).time, days.to_numpy("M8[us]"))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (weeks("{y}-W{w:02d}"), "read as their Mondays"),
        ([f"{d:%d.%m.%Y %H:00} - {d:%d.%m.%Y %H:59}" for d in HOURS], "read as their beginnings"),
        ([f"Q{d.quarter} {d.year}" for d in QUARTERS], "read as their first days"),
        ([f"{1900 + n / 4:.2f}" for n in range(20)], "decimal years .* read as quarters"),
        ([f"{45000 + n / 24:.6f}" for n in range(20)], "Excel's days"),
    ],
)
def test_what_a_time_stands_for_is_noted(tmp_path: Path, cells: list[str], said: str) -> None:
    table = read_rows(tmp_path, "date,units", cells)
    assert [bool(pd.Series([str(note)]).str.contains(said)[0]) for note in table.notes] == [True]


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ([f"{4700 + number:06d}" for number in range(24)], "part"),  # no weeks of the year 47
        ([f"{4700 + number:06d}" for number in range(24)], "reference"),
        ([f"{number:06d}" for number in range(110101, 110125)], "part_no"),
        ([f"{number}" for number in range(20240101, 20240125)], "Artikelnummer"),
        ([f"{number}" for number in range(20240101, 20240125)], "reference"),
    ],
)
def test_ids_that_could_be_dates_are_no_time_beside_a_date(
    parts: list[str], name: str, tmp_path: Path
) -> None:
    days = [f"{day:%Y-%m-%d}" for day in DAYS]
    rows = [f"{day},{part}" for day in days for part in parts]
    table = read_rows(tmp_path, f"sale_date,{name},qty", rows)
    assert (table.roles.time, table.roles.series) == ("sale_date", (name,))
    assert table.keys[name].tolist() == parts


def test_two_dates_named_alike_are_still_refused(tmp_path: Path) -> None:
    rows = [f"{day:%Y-%m-%d},{day + pd.Timedelta(days=2):%Y-%m-%d}" for day in DAYS]
    with pytest.raises(DataError, match="all hold dates"):
        read_rows(tmp_path, "order_date,ship_date,qty", rows)


def test_hours_and_minutes_without_leading_zeros_are_refused_with_a_cure_that_works(
    tmp_path: Path,
) -> None:
    rows = [f"{hour:%Y-%m-%d},{hour.hour * 100}" for hour in HOURS]
    with pytest.raises(DataError, match="'100' without leading zeros"):
        read_rows(tmp_path, "date,time,y", rows)
    found = read_rows(tmp_path, "date,time,y", [f"{hour:%Y-%m-%d,%H%M}" for hour in HOURS])
    np.testing.assert_array_equal(found.time, HOURS.to_numpy().astype("datetime64[us]"))
    assert len(read_rows(tmp_path, "date,time,y", rows, time="date").keys) == 24


def test_blanks_between_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "printed.txt"
    path.write_text(
        "date        load  t\n" + "".join(f"{day:%Y-%m-%d}  {day.day}  5\n" for day in DAYS)
    )
    with pytest.raises(DataError, match="commas in place of the blanks"):
        read([str(path)])
    path.write_text("date,load\n" + "".join(f"{day:%Y-%m-%d},{day.day}\n" for day in DAYS))
    assert len(read([str(path)]).time) == len(DAYS)


def test_the_note_of_a_choice_shows_a_cell_that_the_readings_read_differently(
    tmp_path: Path,
) -> None:
    rows = [f"{day.quarter}-{day.year}" for day in pd.date_range("2010", periods=28, freq="QS")]
    note = next(str(n) for n in read_rows(tmp_path, "period,y", rows).notes if "not as" in str(n))
    assert "'2-2010' is read as 2010-04-01 (%q-%Y), not as 2010-02-01 (%m-%Y)" in note


@pytest.mark.parametrize("name", ["ts", "timestamp", "ds"])
def test_milliseconds_since_1970_of_several_series_are_found_by_their_name(
    tmp_path: Path, name: str
) -> None:
    times = [f"{hour.value // 1_000_000}" for hour in HOURS]
    rows = [f"{meter},{time}" for meter in ("0012", "0013") for time in times]
    found = read_rows(tmp_path, f"meter_id,{name},kwh", rows)
    assert (found.roles.time, found.roles.series) == (name, ("meter_id",))
    assert found.keys["meter_id"].tolist() == ["0012", "0013"]
    np.testing.assert_array_equal(np.unique(found.time), HOURS.to_numpy().astype("datetime64[us]"))
