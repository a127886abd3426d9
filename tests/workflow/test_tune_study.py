"""The study of a search: nothing that ended is lost, and several processes share it."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rnnforecast.errors import DataError, OutputPathError, UsageError
from rnnforecast.spec.search import SearchSpec
from rnnforecast.spec.search_space import Choices, Parameter, Range
from rnnforecast.workflow.tune_journal import STUDY_FILE
from rnnforecast.workflow.tune_study import Candidate, Study, TrialRecord, _union_seconds

SPACE: dict[str, Parameter] = {
    "model.hidden_size": Choices((4, "auto", 8)),
    "training.learning_rate": Range(0.001, 1.0, None, log=True, is_whole=False),
    "window.lookback": Range(10, 33, 5, log=False, is_whole=True),
}
UNTUNED = {"model.hidden_size": "auto", "training.learning_rate": 0.01, "window.lookback": 20}


def opened(folder: Path, **search: Any) -> Study:
    given = SearchSpec(**{"trials": 6, "prune": False, **search})
    space = {
        key: SPACE[key] for key in SPACE if search.get("sampler") != "grid" or "rate" not in key
    }
    return Study(folder, space, given, seed=1)


def run(study: Study, count: int = 100) -> list[TrialRecord]:
    """Runs trials whose score is known; all ended ones."""
    untuned = {key: UNTUNED[key] for key in study.space.parameters}
    while count and not study.is_over:
        if (candidate := study.ask(untuned)) is None:
            continue  # another process runs the last trials of a generation
        count -= 1
        score = candidate.values["window.lookback"] / 100
        candidate.report_fold(score, [score, score])
        study.tell(candidate, score)
    study.close()
    return study.records()


def test_the_first_trial_is_the_spec_as_given_and_values_are_of_the_space(tmp_path: Path) -> None:
    records = run(opened(tmp_path))
    assert [record.number for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[0].values == UNTUNED
    assert [record.is_untuned for record in records] == [True, *[False] * 5]
    for record in records:
        assert all(SPACE[key].contains(value) for key, value in record.values.items())


def test_a_continued_search_draws_what_an_uninterrupted_one_draws(tmp_path: Path) -> None:
    whole = run(opened(tmp_path / "whole"))
    run(opened(tmp_path / "parts"), 2)
    stopped = opened(tmp_path / "parts")
    candidate = stopped.ask(UNTUNED)
    assert candidate is not None
    stopped.give_back(candidate)
    stopped.close()
    assert run(opened(tmp_path / "parts")) == whole


KILLED = """
import sys, time
from pathlib import Path
from tests.workflow.test_tune_study import UNTUNED, opened
study = opened(Path(sys.argv[1]))
for _ in range(2):
    study.tell(study.ask(UNTUNED), 0.1)
study.ask(UNTUNED)
print("running", flush=True)
time.sleep(60)
"""


def test_a_killed_process_loses_no_ended_trial_and_its_running_one_is_repeated(
    tmp_path: Path,
) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        study = opened(tmp_path)
        assert study.n_running_elsewhere() == 1
        before = study.records()
        process.kill()
    with (tmp_path / STUDY_FILE).open("ab") as journal:
        journal.write(b'{"op_code":4,"wor')  # a line that was cut off by the kill
    assert study.n_running_elsewhere() == 0
    records = run(study)
    assert records[:2] == before
    assert len(records) == 6
    assert records == run(opened(tmp_path))
    uninterrupted = run(opened(tmp_path / "whole"))
    assert [record.values for record in records][:3] == [record.values for record in uninterrupted][
        :3
    ]


def test_several_processes_draw_what_one_draws(tmp_path: Path) -> None:
    studies = [opened(tmp_path / "several", trials=11) for _ in range(3)]
    threads = [threading.Thread(target=run, args=(study,)) for study in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = run(opened(tmp_path / "several", trials=11))
    assert [record.number for record in records] == list(range(1, 12))
    assert records == run(opened(tmp_path / "one", trials=11))


def test_a_search_with_more_trials_goes_on_with_the_generation_that_was_cut(tmp_path: Path) -> None:
    whole = run(opened(tmp_path / "whole", trials=11))
    assert len(run(opened(tmp_path / "parts", trials=6))) == 6
    assert run(opened(tmp_path / "parts", trials=11)) == whole


def test_a_grid_has_each_combination_once_and_then_ends(tmp_path: Path) -> None:
    records = run(opened(tmp_path, sampler="grid", trials=99))
    points = {tuple(record.values.values()) for record in records}
    assert len(records) == len(points) == 3 * 5


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no json\n", b"{}\n", b"5\n", None])
def test_a_damaged_journal_is_named(tmp_path: Path, content: bytes | None) -> None:
    run(opened(tmp_path), 2)
    journal = tmp_path / "study.journal"
    if content is None:
        journal.unlink()
        journal.mkdir()
    else:
        journal.write_bytes(content + journal.read_bytes())
    with pytest.raises(DataError, match=r"study\.journal.*damaged"):
        opened(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputPathError, match="not a folder"):
        opened(tmp_path / "file/study")


def test_a_grid_of_too_many_values_is_refused_without_listing_them(tmp_path: Path) -> None:
    space = {"model.hidden_size": Range(1, 2_000_000_000, None, log=False, is_whole=True)}
    with pytest.raises(UsageError, match="2,000,000,000 combinations"):
        Study(tmp_path / "study", space, SearchSpec(sampler="grid", prune=False), seed=1)
    assert not (tmp_path / "study").exists()


def test_a_study_of_another_spec_is_refused(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.check_fingerprint("one")
    study.check_fingerprint("one")
    with pytest.raises(UsageError, match="another spec"):
        study.check_fingerprint("other")
    study.close()


def test_a_trial_that_is_worse_than_the_best_of_earlier_generations_is_pruned(
    tmp_path: Path,
) -> None:
    study = opened(tmp_path, prune=True)

    def began(score: float) -> Candidate:
        trial = study.ask(None)
        assert trial is not None
        trial.report_fold(score, [score + 0.01 * part for part in range(8)])
        return trial

    for score in (0.5, 0.6, 0.6, 0.6):
        trial = began(score)
        assert not trial.is_worse_than_best()
        study.tell(trial, score)
    other = began(0.55)
    assert other.is_worse_than_best()
    study.tell(other, None, state="pruned", note="worse")
    assert [record.state for record in study.records()][3:] == ["complete", "pruned"]
    study.close()


def test_the_time_in_which_several_trials_ran_is_spent_once() -> None:
    start = datetime(2026, 1, 1)
    times = [(0, 10), (5, 12), (20, 21), (20, 21)]
    intervals = [(start + timedelta(seconds=a), start + timedelta(seconds=b)) for a, b in times]
    assert _union_seconds(intervals[::-1]) == 13
