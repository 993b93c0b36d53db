"""Measures ws-alembic and its peers, and prints a table of ratios::

    python benchmarks/run.py                     # the sizes of the goals, about fifteen minutes
    python benchmarks/run.py --quick             # small sizes, about one minute
    python benchmarks/run.py no-op               # only the cases with "no-op" in their name
    python benchmarks/run.py --write             # all cases, and write their table into README.rst
    python benchmarks/run.py --compare main~5    # ours against ours at another commit, in the same environment
    python benchmarks/run.py --imports           # what an upgrade with nothing to do imports

Both sides of a ratio run in turn, so that a noisy machine affects both. A time is the median of its rounds, for
all processes of a side together. MiB is the most memory that a process had. Use the ratios, not the absolute times. A
peer that is not installed is skipped; ``pip install websauna_migrate[benchmark]`` installs all.

The peers:

* ``alembic``: plain Alembic, for several packages one after another in one process. With ``application`` its ``env.py``
  starts the same Pyramid application to get the models, as Pyramid's documentation shows. With ``no application`` it
  only imports the models. ``ws-alembic`` always starts the application.
* ``stillhead``, ``django``: all packages in one process, without Pyramid. stillhead has no foreign keys between them.
* ``only imports``: a process that loads the same models with Pyramid and connects.
* ``bare driver``: a process that sends the same SQL with the database driver alone. No tool can be faster than this and
  its own imports.
* ``ours, one transaction``: ``ws-alembic`` with ``-x transaction=all``. The difference is the cost of the commits.
* ``no guard``: the same application without the guard. A row without requests is the start of the application.

PostgreSQL is a private server without fsync, as in the tests. SQLite is a file in the temporary folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import readme
from cases import FULL, OURS, QUICK, Bench, Case, Sizes, at_once, cases
from imports import import_times
from measure import Result, environment_of, measured, successes

import projects  # noqa: F401 - before tests/projects.py could be found

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from keeper import Keeper
from servers import PostgreSQL

PROCESSES = 8  # concurrent, in each round
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Run the cases and print the results."""
    options = _parser().parse_args()
    sizes = QUICK if options.quick else FULL
    rounds = options.rounds or sizes.rounds
    keeper = Keeper()
    try:
        with tempfile.TemporaryDirectory() as folder, _compared(options.compare) as other:
            bench = Bench(Path(folder), PostgreSQL(keeper))
            if options.imports:
                _print_imports(bench, sizes, rounds)
                return
            wanted = _wanted(cases(bench, sizes), options.names)
            results = _print_table(wanted, rounds, other, goals=not options.quick)
            if other is None and (not options.names or "at once" in options.names):
                tries = _print_at_once(bench, rounds)
            if options.write:
                readme.write(results, tries)
    finally:
        keeper.close()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="run only the cases whose name contains one of these")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds")
    parser.add_argument("--rounds", type=int, help="number of runs of each side")
    parser.add_argument("--write", action="store_true", help="write the table into README.rst")
    parser.add_argument("--compare", metavar="COMMIT", help="compare with this package at COMMIT instead of the peers")
    parser.add_argument("--imports", action="store_true", help="measure the imports of an upgrade with nothing to do")
    return parser


class _Parser(argparse.ArgumentParser):
    def parse_args(self, *args, **options):
        """Refuse a table in the README that would not be of one whole run."""
        found = super().parse_args(*args, **options)
        if found.write and (found.names or found.quick or found.compare or found.imports):
            self.error("--write needs a run of all cases: leave out the other options and the names")
        return found


@contextmanager
def _compared(commit: str | None) -> Iterator[tuple[str, Path] | None]:
    """Yield ``commit`` with a folder where it is checked out; None without one."""
    if commit is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", str(tree), commit], cwd=ROOT, check=True)
        try:
            yield commit, tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


def _wanted(found: Mapping[str, Callable[[], Case]], names: list[str]) -> dict[str, Callable[[], Case]]:
    return {name: make for name, make in found.items() if not names or any(part in name for part in names)}


def _print_table(
    wanted: Mapping[str, Callable[[], Case]], rounds: int, other: tuple[str, Path] | None, *, goals: bool
) -> dict[str, dict[str, Result]]:
    """Run the cases, print a row for each peer, and return the results by case and side."""
    print(f"{'':<72}{'ours':>9}{'peer':>9}{'':>8}{'':>7}{'ours':>9}{'peer':>9}")
    print(f"{'case':<46}{'peer':<26}{'s':>9}{'s':>9}{'ratio':>8}{'goal':>7}{'MiB':>9}{'MiB':>9}", flush=True)
    results = {}
    for name, make in wanted.items():
        case = make() if other is None else _with_ours_at(make(), *other)
        results[name] = measured(case.works, rounds)
        for peer in list(results[name])[1:]:
            _print_row(name, peer, results[name][OURS], results[name][peer], case.goals.get(peer) if goals else None)
    return results


def _with_ours_at(case: Case, commit: str, tree: Path) -> Case:
    """Return a case of our work now, and with the package in ``tree``."""
    ours = case.works[OURS]
    return Case({OURS: ours, commit: replace(ours, path=f"{tree}:{ours.path}")})


def _print_row(name: str, peer: str, ours: Result, theirs: Result, goal: float | None) -> None:
    ratio, mark = ours.seconds / theirs.seconds, "" if goal is None else f"{goal:.2f}"
    times = f"{ours.seconds:>9.2f}{theirs.seconds:>9.2f}{ratio:>8.2f}{mark:>7}"
    print(f"{name:<46}{peer:<26}{times}{ours.mebibytes:>9.0f}{theirs.mebibytes:>9.0f}", flush=True)


def _print_at_once(bench: Bench, rounds: int) -> dict[str, tuple[int, int]]:
    """Print how many concurrent processes succeed, and return that with their number, by side."""
    print(f"\n{PROCESSES} concurrent processes upgrade an empty PostgreSQL database; successes in {rounds} rounds:")
    found = {}
    for name, work in at_once(bench).works.items():
        found[name] = successes(work, PROCESSES, rounds), PROCESSES * rounds
        print("  {}: {} of {}".format(name, *found[name]), flush=True)
    return found


def _print_imports(bench: Bench, sizes: Sizes, rounds: int) -> None:
    (make,) = _wanted(cases(bench, sizes), ["no-op upgrade, one package"]).values()
    ours = make().works[OURS]
    times = import_times(ours.commands[0], environment_of(ours, ours.database()), rounds)
    print(f"{'package':<24}{'ms':>8}{'modules':>9}")
    for name, (milliseconds, modules) in times.items():
        print(f"{name:<24}{milliseconds:>8.1f}{modules:>9}")
    print(f"{'together':<24}{sum(time for time, _ in times.values()):>8.1f}{sum(n for _, n in times.values()):>9}")


if __name__ == "__main__":
    main()
