"""Settings of the tests of workflows."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _without_pictures(without_pictures: None) -> None:
    """Workflows draw nothing, unless a test is marked ``pictures``."""
