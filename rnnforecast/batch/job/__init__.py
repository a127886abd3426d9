"""A nightly job: check, forecast, publish, record, score, and train again when it is due."""
