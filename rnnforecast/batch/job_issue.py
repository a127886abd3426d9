"""The forecast of a job, published to all its places."""

from __future__ import annotations

from collections import Counter

from rnnforecast.batch.job_files import JobFiles
from rnnforecast.batch.job_summary import JobSummary
from rnnforecast.errors import OutputError
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.workflow.predict import PredictResult, predict


def publish_everywhere(job: JobFiles, summary: JobSummary, listener: ProgressListener) -> None:
    """Forecasts with the current model, and writes the forecast to each place of the job.

    Each place gets the whole forecast or keeps what it has; one that fails does not cost the
    others. Raises the first error of a place after all were tried, and the errors of `predict`.
    """
    failed: OutputError | None = None
    for place in job.out:
        try:
            result = predict(job.store, place, data=job.data or None, listener=listener)
        except OutputError as error:
            failed = failed or error
            summary.not_published[place] = str(error)
            listener.warning(f"not published: {error}")
        else:
            summary.published.append(place)
            _take_over(summary, result)
    if failed is not None:
        raise failed


def _take_over(summary: JobSummary, result: PredictResult) -> None:
    summary.series = dict(Counter({"model": result.series}))
    summary.first_timestamp = result.first_timestamp
    summary.last_timestamp = result.last_timestamp
