"""Support for scheduled jobs: the lock on a run folder."""
