"""Windows of a backtest, counted from the end or of dates, and its fits."""

import numpy as np
import pytest

from rnnforecast.errors import DataError, SpecError
from rnnforecast.spec.backtest import BacktestSpec
from rnnforecast.workflow.backtest_plan import describe_left_out, plan_backtest
from tests.data.panels import panel


def days(*lengths, start="2024-01-01"):
    return panel(*(np.arange(float(length)) for length in lengths), start=start)


def plan(data, horizon=4, season=1, trained_steps=None, **keys):
    spec = BacktestSpec.model_validate(keys)
    return plan_backtest(data, spec, horizon=horizon, season=season, trained_steps=trained_steps)


def test_counted_windows_go_back_from_the_end_of_each_series():
    found = plan(days(30, 20), windows=3, step=5)
    # the last of 4 steps begins at step 26 of 30, counted from 0
    assert found.origins.tolist() == [[16, 6], [21, 11], [26, 16]]
    assert found.is_used.all()


def test_windows_lie_a_horizon_apart_by_default():
    assert np.diff(plan(days(30), windows=3).origins[:, 0]).tolist() == [4, 4]


def test_a_gap_moves_the_cutoff_and_not_the_scored_steps():
    found = plan(days(30), windows=2, gap=3)
    assert found.origins[:, 0].tolist() == [19, 23]
    assert (found.origins + found.gap + found.horizon).max() == 30


def test_a_short_series_is_left_out_of_windows_before_its_history():
    found = plan(days(30, 10), windows=3, step=4, season=7)
    assert found.is_used.tolist() == [[True, False], [True, False], [True, True]]
    assert "1, 1, 0" in describe_left_out(found)
    assert describe_left_out(plan(days(30), windows=2)) == ""


@pytest.mark.parametrize(("length", "expected"), [(100, 5), (30, 3), (10, 1)])
def test_automatic_windows_leave_half_of_a_usual_series_before_them(length, expected):
    assert plan(days(length)).n_windows == expected


def test_windows_of_dates_have_the_same_cutoffs_in_all_series():
    data = panel(
        np.arange(40.0), np.arange(30.0), start=["2024-01-01", "2024-01-11"], frequency="D"
    )
    found = plan(data, first_time="2024-01-21", step=7)
    assert found.origins.tolist() == [[20, 10], [27, 17], [34, 24]]
    cutoffs = data.window_timestamps(found.origins[0] - 1, 1)
    assert np.unique(cutoffs).astype("datetime64[D]").tolist() == [np.datetime64("2024-01-20")]


def test_a_series_that_begins_after_the_start_date_has_the_cutoffs_of_the_others():
    data = panel(np.arange(30.0), np.arange(16.0), start=["2024-01-01", "2024-01-15"])
    found = plan(data, first_time="2024-01-11", step=4)
    assert found.origins.tolist() == [[10, -4], [14, 0], [18, 4], [22, 8], [26, 12]]
    assert found.is_used[:, 1].tolist() == [False, False, True, True, True]


def test_windows_that_no_series_has_are_counted():
    assert plan(days(30), windows=10, step=4).lacking == 3
    assert plan(days(30), first_time="2024-01-20", windows=10).lacking == 8
    assert plan(days(30)).lacking == 0


def test_the_last_window_of_dates_ends_at_the_end_date():
    found = plan(days(40), first_time="2024-01-21", last_time="2024-01-30", step=2)
    ends = found.origins[:, 0] + found.horizon  # the last forecast step is ends - 1
    assert ends.tolist() == [24, 26, 28, 30]
    backwards = plan(days(40), last_time="2024-01-30", windows=2)
    assert (backwards.origins[:, 0] + backwards.horizon).tolist() == [26, 30]


def test_a_date_without_a_time_is_the_whole_day():
    hours = panel(np.arange(72.0), frequency="h")
    found = plan(hours, last_time="2024-01-02", windows=1)
    assert found.origins[0, 0] + found.horizon == 48


def test_a_series_that_ends_before_a_window_of_dates_is_left_out():
    found = plan(days(40, 25), first_time="2024-01-21", step=4)
    assert found.is_used[:, 1].tolist() == [True, True, False, False, False]


def test_a_refit_begins_every_so_many_windows():
    data = days(60)
    assert plan(data, windows=5).fits == ((0, 1, 2, 3, 4),)
    assert plan(data, windows=3, refit="always").fits == ((0,), (1,), (2,))
    assert plan(data, windows=5, refit=2).fits == ((0, 1), (2, 3), (4,))


def test_windows_of_a_run_are_those_after_its_training_data():
    found = plan(days(60), trained_steps=np.array([48]))
    assert found.origins[:, 0].tolist() == [48, 52, 56]
    assert found.in_sample == ()


def test_windows_within_the_training_data_of_a_run_are_named():
    found = plan(days(60), windows=4, trained_steps=np.array([53]))
    assert found.origins[:, 0].tolist() == [44, 48, 52, 56]
    assert found.in_sample == (0, 1, 2)
    # without newer data the last windows are taken
    assert plan(days(60), trained_steps=np.array([60])).in_sample == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"first_time": "someday"}, SpecError),
        ({"first_time": "2030-01-01"}, DataError),
        ({"last_time": "2020-01-01"}, DataError),
    ],
)
def test_dates_that_give_no_window_are_refused(keys, error):
    with pytest.raises(error, match=r"backtest\."):
        plan(days(30), **keys)


def test_a_horizon_that_leaves_no_history_is_refused():
    with pytest.raises(DataError, match="30 steps"):
        plan(days(30), horizon=30)
