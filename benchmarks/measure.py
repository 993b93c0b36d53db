"""Runs the processes of all sides in turn, and measures their time and memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from projects import URL


@dataclass(frozen=True)
class Work:
    """The ``commands`` of one side, run in order on the database that ``database`` returns for each round."""

    commands: Sequence[Sequence[str]]
    database: Callable[[], str]
    path: str


@dataclass(frozen=True)
class Result:
    """The median of the times in seconds, and the maximum memory of a process in MiB."""

    seconds: float
    mebibytes: float


def measured(works: Mapping[str, Work], rounds: int) -> dict[str, Result]:
    """Run all ``works`` in turn, ``rounds`` times, and return the result of each."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            runs[name].append(_timed(work))
    return {
        name: Result(statistics.median(seconds for seconds, _ in times), max(memory for _, memory in times))
        for name, times in runs.items()
    }


def run_once(work: Work) -> str:
    """Run ``work`` on a database and return that database's URL."""
    url = work.database()
    for argv in work.commands:
        subprocess.run(argv, env=_environment(work, url), check=True, stdout=subprocess.DEVNULL)
    return url


def successes(work: Work, processes: int, rounds: int) -> int:
    """Start ``processes`` concurrently on one database, ``rounds`` times, and return how many succeeded."""
    argv = work.commands[0]
    good = 0
    with ThreadPoolExecutor(processes) as pool:
        for _ in range(rounds):
            environment = _environment(work, work.database())
            done = pool.map(lambda _: subprocess.run(argv, env=environment, capture_output=True), range(processes))  # noqa: B023
            good += sum(process.returncode == 0 for process in done)
    return good


def _timed(work: Work) -> tuple[float, float]:
    environment = _environment(work, work.database())
    memory = 0.0
    start = time.perf_counter()
    for argv in work.commands:
        process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, list(argv))
        memory = max(memory, usage.ru_maxrss / 1024)  # KiB on Linux
    return time.perf_counter() - start, memory


def _environment(work: Work, url: str) -> dict[str, str]:
    # With PYTHONDONTWRITEBYTECODE, an editable install would be compiled in each run, unlike an installed package.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": work.path, URL: url}
