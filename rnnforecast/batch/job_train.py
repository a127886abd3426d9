"""The trainings of a job: the first model, and a new one when it is due."""

from __future__ import annotations

from rnnforecast.batch.job_files import JobFiles
from rnnforecast.batch.job_summary import JobSummary
from rnnforecast.batch.stop_signal import stop_on_signal
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.spec.yaml_source import dump_value
from rnnforecast.workflow.train import train


def has_model(job: JobFiles) -> bool:
    """Whether there is a model to forecast with."""
    return job.store.exists()


def overrides(job: JobFiles) -> list[str]:
    """The changes that the job makes to its spec."""
    return [f"data.path={dump_value(list(job.data))}"] if job.data else []


def train_first(job: JobFiles, summary: JobSummary, listener: ProgressListener) -> None:
    """Trains the first model; raises what `train` raises."""
    with stop_on_signal(listener) as should_stop:
        train(
            job.spec,
            job.store,
            overrides=overrides(job),
            listener=listener,
            should_stop=should_stop,
        )
    summary.retrain = "first"
