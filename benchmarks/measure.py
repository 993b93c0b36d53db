"""Runs the processes of all sides in turn, and measures their time and memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
        subprocess.run(argv, env=environment_of(work, url), check=True, stdout=subprocess.DEVNULL)
    return url


def successes(work: Work, processes: int, rounds: int) -> int:
    """Start ``processes`` concurrently on one database, ``rounds`` times, and return how many succeeded."""
    argv = work.commands[0]
    good = 0
    with ThreadPoolExecutor(processes) as pool:
        for _ in range(rounds):
            environment = environment_of(work, work.database())
            done = pool.map(lambda _: subprocess.run(argv, env=environment, capture_output=True), range(processes))  # noqa: B023
            good += sum(process.returncode == 0 for process in done)
    return good


def environment_of(work: Work, url: str) -> dict[str, str]:
    """Return the environment of the processes of ``work`` on the database ``url``."""
    # With PYTHONDONTWRITEBYTECODE, an editable install would be compiled in each run, unlike an installed package.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": work.path, URL: url}


def _timed(work: Work) -> tuple[float, float]:
    environment = environment_of(work, work.database())
    seconds = memory = 0.0
    for argv in work.commands:
        taken, kibibytes, code = _ask(argv, environment)
        if code:
            raise subprocess.CalledProcessError(code, list(argv))
        seconds, memory = seconds + taken, max(memory, kibibytes / 1024)
    return seconds, memory


def _ask(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float, int]:
    runner = _runner()
    assert runner.stdin and runner.stdout
    runner.stdin.write(json.dumps([list(argv), dict(environment)]) + "\n")
    runner.stdin.flush()
    seconds, kibibytes, code = json.loads(runner.stdout.readline())
    return seconds, kibibytes, code


@cache
def _runner() -> subprocess.Popen[str]:
    """Start the process that starts those that are measured; it ends with this one."""
    program = str(Path(__file__).with_name("runner.py"))
    return subprocess.Popen([sys.executable, "-S", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
