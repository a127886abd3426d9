"""Conversion of tables to panels: grids, gaps, duplicates and refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.errors import DataError, SpecError
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

NAN = float("nan")


def days(count: int, start: str = "2024-01-01") -> list[str]:
    return pd.date_range(start, periods=count, freq="D").strftime("%Y-%m-%d").tolist()


def own_rows(panel: Panel):
    """The rows of a panel as a table again."""
    codes = np.repeat(np.arange(panel.n_series), panel.lengths)
    steps = panel.window_timestamps(
        np.zeros(panel.n_series, dtype=np.int64), int(panel.lengths.max())
    )
    inside = np.arange(steps.shape[1]) < panel.lengths[:, None]
    return table(steps[inside], panel.targets, panel.labels()[codes])


def test_sorted_regular_rows_become_a_panel_unchanged():
    panel, changes = regularize(table(days(6), range(6), list("aaabbb")))
    assert panel.offsets.tolist() == [0, 3, 6]
    assert panel.targets[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert panel.observed_mask.all()
    assert panel.labels().tolist() == ["a", "b"]
    assert panel.frequency.alias == "D"
    assert panel.target_names == ("y",)
    first_days = panel.window_timestamps(np.array([0, 0]), 1)[:, 0].astype("datetime64[D]")
    assert first_days.astype(str).tolist() == ["2024-01-01", "2024-01-04"]
    assert changes.agreement == 1.0
    assert changes.n_steps == changes.n_rows == 6
    for name in ("out_of_order", "duplicates", "gaps", "missing", "leading", "trailing"):
        assert changes.counts[name] == 0
    assert not changes.problems
    assert not changes.skipped


def test_gaps_become_missing_steps_and_are_counted():
    time = [*days(3), "2024-01-06", "2024-01-07"]
    panel, changes = regularize(table(time, [1, 2, 3, 6, 7]))
    np.testing.assert_array_equal(panel.targets[:, 0], [1, 2, 3, NAN, NAN, 6, 7])
    assert panel.observed_mask[:, 0].tolist() == [True, True, True, False, False, True, True]
    assert changes.counts["gaps"] == 2
    assert changes.agreement == 0.75
    assert changes.series["agreement"].tolist() == [0.75]


def test_rows_out_of_order_are_sorted_and_counted():
    panel, changes = regularize(table([days(4)[k] for k in (0, 2, 1, 3)], [0, 2, 1, 3]))
    assert panel.targets[:, 0].tolist() == [0, 1, 2, 3]
    assert changes.counts["out_of_order"] == 1


def test_rows_of_several_series_in_turn_are_not_out_of_order():
    time = np.repeat(days(3), 2)
    panel, changes = regularize(table(time, [0, 10, 1, 11, 2, 12], list("ababab")))
    assert panel.targets[:, 0].tolist() == [0, 1, 2, 10, 11, 12]
    assert changes.counts["out_of_order"] == 0


def test_a_duplicate_timestamp_is_refused_with_both_line_numbers():
    rows = table([*days(3), "2024-01-02"], [1, 2, 3, 4])
    with pytest.raises(DataError) as raised:
        regularize(rows)
    (problem,) = raised.value.problems
    assert problem.where == "sales.csv, line 5"
    assert problem.found == "series 'series' has 2024-01-02 again, after sales.csv, line 3"
    assert "clean.duplicates" in problem.cure


def test_many_duplicates_are_shown_up_to_five_and_counted():
    rows = table(np.repeat(days(20), 2), range(40))
    with pytest.raises(DataError) as raised:
        regularize(rows)
    assert len(raised.value.problems) == 6
    assert "15 more repeated timestamps" in raised.value.problems[-1].found
    assert preview_changes(rows).counts["duplicates"] == 20


@pytest.mark.parametrize(
    ("rule", "expected"), [("first", [1, 2, 3]), ("last", [1, 8, 3]), ("mean", [1, 5, 3]),
                           ("sum", [1, 10, 3])],
)  # fmt: skip
def test_duplicates_are_combined_by_the_rule(rule, expected):
    rows = table([*days(3), "2024-01-02", "2024-01-02"], [1, 2, 3, NAN, 8])
    panel, changes = regularize(rows, CleanSpec(duplicates=rule))
    assert panel.targets[:, 0].tolist() == expected
    assert changes.counts["duplicates"] == 2


def test_duplicates_without_any_value_stay_missing_in_a_sum():
    panel, _ = regularize(
        table([*days(3), "2024-01-02"], [1, NAN, 3, NAN]), CleanSpec(duplicates="sum")
    )
    np.testing.assert_array_equal(panel.targets[:, 0], [1, NAN, 3])


def test_rows_without_a_value_at_either_end_are_dropped_and_counted():
    panel, changes = regularize(table(days(7), [NAN, NAN, 1, NAN, 3, 4, NAN]))
    np.testing.assert_array_equal(panel.targets[:, 0], [1, NAN, 3, 4])
    assert (changes.counts["leading"], changes.counts["missing"], changes.counts["trailing"]) == (
        2,
        1,
        1,
    )
    first = panel.window_timestamps(np.zeros(1, dtype=np.int64), 1)[0, 0]
    assert first == np.datetime64("2024-01-03")


def test_a_row_with_any_target_observed_is_kept():
    values = [[NAN, 1], [2, NAN], [NAN, NAN]]
    panel, changes = regularize(table(days(3), values))
    np.testing.assert_array_equal(panel.targets, [[NAN, 1], [2, NAN]])
    assert (changes.counts["missing"], changes.counts["trailing"]) == (2, 1)


def test_empty_and_short_series_are_left_out_by_name():
    values = [1, 2, 3, NAN, NAN, NAN, 7, 8, NAN]
    rows = table(days(3) * 3, values, list("aaabbbccc"))
    panel, changes = regularize(rows, CleanSpec(min_length=3))
    assert panel.labels().tolist() == ["a"]
    assert changes.skipped == {"b": "no observed value", "c": "fewer than 3 observed values"}
    assert changes.series["steps"].tolist() == [3, 0, 0]
    assert changes.series["too_short"].tolist() == [False, True, True]


def test_a_table_of_which_nothing_is_left_is_refused():
    with pytest.raises(DataError, match="no series has 10 observed values; the longest has 3"):
        regularize(table(days(3), [1, 2, 3]), CleanSpec(min_length=10))
    with pytest.raises(DataError, match="no row has a value of a target"):
        regularize(table(days(3), [NAN, NAN, NAN]))


def test_a_timestamp_off_the_grid_is_refused_with_its_neighbours_and_a_cure():
    time = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:15", "2024-01-01 03:00",
            "2024-01-01 04:00"]  # fmt: skip
    with pytest.raises(DataError) as raised:
        regularize(table(time, range(5)), CleanSpec(frequency="h"))
    (problem,) = raised.value.problems
    assert problem.where == "sales.csv, line 4"
    between = "2024-01-01 02:15, which is between 2024-01-01 02:00 and 2024-01-01 03:00"
    assert between in problem.found
    assert "correct the timestamp, or set clean.irregular to snap" in problem.cure
    panel, _ = regularize(table(time, range(5)), CleanSpec(frequency="15min"))
    assert panel.lengths.tolist() == [17]


def test_a_weekend_among_business_days_is_refused_with_days_as_the_cure():
    time = pd.date_range("2024-01-01", periods=10, freq="B").append(
        pd.DatetimeIndex(["2024-01-13"])
    )
    with pytest.raises(DataError, match=r"2024-01-13.*set clean.frequency to D"):
        regularize(table(time, range(11)), CleanSpec(frequency="B"))


def test_the_grids_of_two_series_may_lie_beside_each_other():
    time = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 00:20", "2024-01-01 01:20"]
    panel, _ = regularize(table(time, range(4), list("aabb")))
    ends = panel.window_timestamps(panel.lengths, 1)[:, 0]
    assert ends.astype("datetime64[m]").astype(str).tolist() == [
        "2024-01-01T02:00", "2024-01-01T02:20"
    ]  # fmt: skip


def test_months_on_their_last_but_one_day_are_regular():
    time = ["2023-12-30", "2024-01-30", "2024-02-29", "2024-03-30", "2024-05-30"]
    panel, changes = regularize(table(time, range(5)))
    assert panel.frequency.alias == "1mo"
    assert changes.counts["gaps"] == 1
    timestamps = (
        panel.window_timestamps(np.zeros(1, dtype=np.int64), 7)[0]
        .astype("datetime64[D]")
        .astype(str)
    )
    assert timestamps.tolist() == ["2023-12-30", "2024-01-30", "2024-02-29", "2024-03-30",
                               "2024-04-30", "2024-05-30", "2024-06-30"]  # fmt: skip


def test_a_slip_in_a_year_is_refused_with_the_lines_around_the_gap():
    time = [*pd.date_range("2024-01-01", periods=50, freq="h"), pd.Timestamp("2204-01-03 02:00")]
    with pytest.raises(DataError) as raised:
        regularize(table(time, range(51)), CleanSpec(far_rows="keep"))
    (problem,) = raised.value.problems
    assert problem.where == "sales.csv, line 51 and sales.csv, line 52"
    assert "2024-01-03 01:00 and 2204-01-03 02:00" in problem.found


def test_an_unknown_frequency_is_a_fault_of_the_spec():
    with pytest.raises(SpecError, match=r"clean\.frequency: 'dayly'"):
        regularize(table(days(3), [1, 2, 3]), CleanSpec(frequency="dayly"))


@pytest.mark.parametrize(("time", "alias"), [([1, 2, 3], "D"), (days(3), "1")])
def test_a_frequency_of_another_kind_than_the_time_is_refused(time, alias):
    with pytest.raises(DataError, match="does not fit a time column that holds"):
        regularize(table(time, [1, 2, 3]), CleanSpec(frequency=alias))


def test_an_integer_index_is_a_calendar_too():
    panel, changes = regularize(table([10, 20, 40, 50], [1, 2, 4, 5]))
    assert panel.frequency.alias == "10"
    assert changes.counts["gaps"] == 1
    assert panel.window_timestamps(panel.lengths, 2).tolist() == [[60, 70]]


def test_inspect_lists_all_faults_and_counts_without_raising():
    time = [*days(4), "2024-01-02", "2024-01-02 11:00"]
    changes = preview_changes(table(time, range(6)), CleanSpec(frequency="D"))
    assert [fault.where for fault in changes.problems] == ["sales.csv, line 6", "sales.csv, line 7"]
    assert (changes.counts["duplicates"], changes.counts["off_grid"], changes.n_rows) == (1, 1, 6)


def test_invalid_series_can_be_skipped_by_name():
    hours = pd.date_range("2024-01-01", periods=4, freq="h")
    slip = hours[:3].append(hours[2:3] + pd.Timedelta("1min"))
    twice = hours[[0, 1, 1, 2]]
    far = hours[:3].append(pd.DatetimeIndex(["2204-01-01"]))
    rows = table(hours.append([slip, twice, far]), range(16), np.repeat(list("abcd"), 4))
    panel, changes = regularize(rows, CleanSpec(frequency="h"), skip_invalid_series=True)
    assert panel.labels().tolist() == ["a"]
    assert changes.skipped == {
        "b": "timestamps off the grid", "c": "repeated timestamps", "d": "a gap of very many steps"
    }  # fmt: skip
    assert not changes.problems


def test_a_table_of_invalid_series_only_is_refused_even_then():
    rows = table(np.repeat(days(3), 2), range(6))
    with pytest.raises(DataError, match="again, after"):
        regularize(rows, skip_invalid_series=True)


def test_constant_targets_are_counted_for_each_series():
    values = [[1, 5], [1, 6], [1, 7], [2, NAN], [NAN, NAN], [3, 4]]
    changes = preview_changes(table(days(3) * 2, values, list("aaabbb")))
    assert changes.series["constant"].tolist() == [1, 1]


@st.composite
def messy_rows(draw):
    """Rows of up to four series with gaps, blanks and their own beginning, no two alike."""
    alias = draw(st.sampled_from(["h", "D", "B", "MS", "ME", "W-TUE", "QE-DEC"]))
    calendar = pd.date_range("2019-12-01", periods=40, freq=alias)
    time, values, series = [], [], []
    for name in draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)):
        steps = draw(st.lists(st.integers(0, 39), min_size=2, max_size=25, unique=True))
        for step in sorted(steps):
            time.append(calendar[step])
            values.append(NAN if draw(st.integers(0, 5)) == 0 else float(step))
            series.append(name)
    if np.isnan(values).all():
        values[0] = 1.0
    return alias, np.array(time), np.array(values), np.array(series)


def same(one: Panel, other: Panel) -> None:
    np.testing.assert_array_equal(one.labels(), other.labels())
    for name in ("offsets", "start", "phase", "targets", "observed_mask"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=60, deadline=None)
@given(rows=messy_rows(), seed=st.integers(0, 1000))
def test_the_order_of_the_rows_does_not_matter(rows, seed):
    alias, time, values, series = rows
    order = np.random.default_rng(seed).permutation(len(time))
    panel, changes = regularize(table(time, values, series), CleanSpec(frequency=alias))
    other, others = regularize(
        table(time[order], values[order], series[order]), CleanSpec(frequency=alias)
    )
    same(panel, other)
    pd.testing.assert_frame_equal(
        changes.series.drop(columns="out_of_order"), others.series.drop(columns="out_of_order")
    )


@settings(max_examples=60, deadline=None)
@given(rows=messy_rows())
def test_the_order_of_the_series_does_not_matter(rows):
    alias, time, values, series = rows
    renamed = np.array([{"a": "z", "b": "y", "c": "x", "d": "w"}[name] for name in series])
    panel, _ = regularize(table(time, values, series), CleanSpec(frequency=alias))
    mirrored, _ = regularize(table(time, values, renamed), CleanSpec(frequency=alias))
    for place in range(panel.n_series):
        one = panel.filter_series(np.arange(panel.n_series) == place)
        other = mirrored.filter_series(np.arange(panel.n_series) == panel.n_series - 1 - place)
        np.testing.assert_array_equal(one.targets, other.targets)
        assert one.start == other.start
        assert one.phase == other.phase


@settings(max_examples=60, deadline=None)
@given(rows=messy_rows())
def test_a_regular_panel_is_not_changed_again(rows):
    alias, time, values, series = rows
    panel, _ = regularize(table(time, values, series), CleanSpec(frequency=alias))
    again, changes = regularize(own_rows(panel), CleanSpec(frequency=alias))
    same(panel, again)
    assert (
        changes.counts["gaps"]
        == changes.counts["leading"]
        == changes.counts["trailing"]
        == changes.counts["out_of_order"]
        == 0
    )
    assert changes.n_rows == changes.n_steps


@settings(max_examples=60, deadline=None)
@given(rows=messy_rows())
def test_each_series_is_what_pandas_asfreq_makes_of_it(rows):
    alias, time, values, series = rows
    panel, _ = regularize(table(time, values, series), CleanSpec(frequency=alias, far_rows="keep"))
    for place, label in enumerate(panel.labels()):
        mine = pd.Series(values[series == label], index=pd.DatetimeIndex(time[series == label]))
        seen = mine[mine.first_valid_index() : mine.last_valid_index()]
        expected = seen.asfreq(alias)
        begin, end = panel.offsets[place : place + 2]
        np.testing.assert_array_equal(panel.targets[begin:end, 0], expected.to_numpy())
        timestamps = panel.window_timestamps(np.zeros(panel.n_series, dtype=np.int64), end - begin)[
            place
        ]
        assert (timestamps == expected.index.to_numpy()).all()


def test_series_of_exactly_the_least_length_stay_and_shorter_ones_are_skipped():
    rows = table([*days(3), *days(2)], [1, 2, 3, 4, 5], list("aaabb"))
    panel, changes = regularize(rows, CleanSpec(min_length=3))
    assert panel.labels().tolist() == ["a"]
    assert list(changes.skipped) == ["b"]
    assert regularize(rows, CleanSpec(min_length=2))[0].n_series == 2


@pytest.mark.parametrize(("minute", "is_refused"), [(15, False), (16, True)])
def test_a_row_is_snapped_up_to_the_tolerance_itself(minute, is_refused):
    time = [*pd.date_range("2024-01-01", periods=5, freq="h"), pd.Timestamp(2024, 1, 1, 5, minute)]
    clean = CleanSpec(frequency="h", irregular="snap", tolerance=0.25)
    if is_refused:
        with pytest.raises(DataError, match="which is between"):
            regularize(table(time, range(6)), clean)
    else:
        assert regularize(table(time, range(6)), clean)[1].counts["snapped"] == 1


def test_rows_of_irregular_series_that_are_kept_are_steps_without_gaps_between_them():
    time = ["2024-01-01T00:00", "2024-01-01T00:50", "2024-01-03T07:10", "2024-01-02T00:00"]
    clean = CleanSpec(frequency="h", irregular="keep")
    panel, changes = regularize(table(time, range(4), list("aaab")), clean)
    assert (panel.start.tolist(), panel.phase.tolist()) == ([0, 0], [0, 0])
    assert panel.phase.dtype == panel.start.dtype == np.int64
    assert (panel.irregular_timestamps == np.array(time, "datetime64[us]")).all()
    assert changes.counts["gaps"] == 0


def test_a_series_with_a_cell_that_cannot_be_read_is_skipped_with_the_cell_as_the_reason() -> None:
    days = pd.date_range("2024-01-01", periods=5).tolist()
    given = table(days * 2, np.arange(10.0), ["a"] * 5 + ["b"] * 5)
    given = replace(given.filter(given.codes == 0), invalid_series={1: "line 7: 'x' is no number"})
    panel, changes = regularize(given, skip_invalid_series=True)
    assert panel.labels().tolist() == ["a"]
    assert changes.skipped == {"b": "line 7: 'x' is no number"}
