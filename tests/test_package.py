"""The package in Python: names that are imported on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rnnforecast as rf


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, rnnforecast as rf\n"
        "dir(rf)\n"
        "heavy = {'torch', 'numpy', 'pandas', 'pydantic', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "try:\n"
        "    rf.train({'window': {'horizn': 7}}, None)\n"
        "except rf.SpecError:\n"
        "    assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_exists_and_is_listed() -> None:
    for name in rf.__all__:
        assert getattr(rf, name).__name__ == name
        assert getattr(rf, name).__doc__
    assert set(rf.__all__) <= set(dir(rf))
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        _ = rf.fit  # type: ignore[attr-defined]
