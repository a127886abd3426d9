"""The number of threads of numerical libraries, and how they wait, as environment variables.

The libraries read these variables when they are loaded. OpenMP's threads, as torch and
scikit-learn start them, spin by default while they wait for each other, for milliseconds after
each matrix product: beside other programs they burn the time that those, and their own process,
need. The command line therefore calls `set_environment` before anything heavy is loaded. A process
that has loaded the libraries already, as one that uses the Python API, can only use fewer threads:
see `rnnforecast.training.device`.
"""

from __future__ import annotations

import os

from rnnforecast.parallel.cores import available_cores

_POLICY = {
    "OMP_WAIT_POLICY": "PASSIVE",  # libgomp, of torch: a thread that waits sleeps at once
    "KMP_BLOCKTIME": "0",  # the same of LLVM's and Intel's OpenMP
    "OPENBLAS_NUM_THREADS": "1",  # NumPy and SciPy: their matrices are small here
    "VECLIB_MAXIMUM_THREADS": "1",  # the same on macOS
    "MKL_CBWR": "AUTO",  # see `reproduce_sums`
}

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

_set_here: dict[str, str] = {}
"""What `set_environment` has added."""


def set_environment() -> None:
    """Sets the variables for the libraries that this process will load; what the user has set
    stays.

    `OMP_NUM_THREADS`, which torch and pyarrow obey, becomes the number of available cores: the
    libraries know the affinity of a process, but not the quota of its container.
    """
    for name, value in (_POLICY | {"OMP_NUM_THREADS": str(available_cores())}).items():
        if name not in os.environ:
            os.environ[name] = _set_here[name] = value


def reproduce_sums() -> None:
    """Has MKL add up the products of a row in one order, wherever the row lies in memory.

    Otherwise the forecast of a series would depend on the others in its batch. MKL reads the
    variable at the first matrix product of a process.
    """
    os.environ.setdefault("MKL_CBWR", _POLICY["MKL_CBWR"])


def worker_environment() -> dict[str, str]:
    """The environment of a process that runs one task at a time, with one thread.

    The number of its available cores is 1, so that it starts no processes of its own.
    """
    return {**_POLICY, **os.environ, **_ONE_THREAD}


def worker_variables() -> dict[str, str]:
    """What the environment of such a process has to have on another machine."""
    return {**_POLICY, **_ONE_THREAD}


def user_environment() -> dict[str, str]:
    """The environment of this process without what `set_environment` has added, for programs of
    the user."""
    return {name: text for name, text in os.environ.items() if _set_here.get(name) != text}
