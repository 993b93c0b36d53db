"""What a command imports, and how long that takes: the sum of several runs with ``python -X importtime``."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence

_LINE = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")


def import_times(command: Sequence[str], environment: dict[str, str], rounds: int) -> dict[str, tuple[float, int]]:
    """Return the milliseconds and the number of modules of each package that ``command`` imports, the slowest first.

    A module counts with the shortest of its times, which are without those of the modules that it imports.
    """
    shortest: dict[str, float] = {}
    for _ in range(rounds):
        argv = [sys.executable, "-X", "importtime", *command]
        done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
        for microseconds, module in _LINE.findall(done.stderr):
            shortest[module] = min(float(microseconds), shortest.get(module, float("inf")))
    packages: defaultdict[str, list[float]] = defaultdict(list)
    for module, microseconds in shortest.items():
        packages[_package(module)].append(microseconds / 1000)
    times = {name: (sum(parts), len(parts)) for name, parts in packages.items()}
    return dict(sorted(times.items(), key=lambda item: -item[1][0]))


def _package(module: str) -> str:
    """Return the package of ``module``; the ORM of SQLAlchemy counts by itself, and the standard library as one."""
    name = module.partition(".")[0]
    if name in sys.stdlib_module_names:
        return "(standard library)"
    return "sqlalchemy.orm" if module.startswith("sqlalchemy.orm") else name
