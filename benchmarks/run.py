"""Measures ws-alembic and its peers, and prints a table of ratios::

    python benchmarks/run.py            # the sizes of the goals, about fifteen minutes
    python benchmarks/run.py --quick    # small sizes, about one minute
    python benchmarks/run.py no-op      # only the cases with "no-op" in their name

Both sides of a ratio run in turn, so that a noisy machine affects both. A time is the median of its rounds, measured
from the start of the first process to the end of the last. Use the ratios, not the absolute times. A peer that is not
installed is skipped; ``pip install websauna_migrate[benchmark]`` installs all peers.

The peers:

* ``alembic``: plain Alembic. Its ``env.py`` starts the same Pyramid application to get the models, as Pyramid's
  documentation shows. ``processes`` is one process per package, ``one process`` calls ``alembic.command`` for each.
* ``alembic, no application``: ``env.py`` only imports the models. ``ws-alembic`` still starts the application.
* ``stillhead``, ``django``: all packages in one process, without Pyramid. stillhead has no foreign keys between them.
* ``only imports``: a process that loads the same models with Pyramid and connects. This is the lower limit for every
  tool that gets the models from an application.
* ``ours, one transaction``: ``ws-alembic`` with ``-x transaction=all``. The difference is the cost of the commits.

PostgreSQL is a private server without fsync, as in the tests. SQLite is a file in the temporary folder.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from crowd import crowded
from measure import Result, Work, measured, run_once, successes

from projects import (
    Size,
    alembic_commands,
    alembic_in_one_process,
    only_imports,
    our_command,
    write_alembic,
    write_django,
    write_packages,
    write_stillhead,
    write_wide,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from keeper import Keeper
from servers import PostgreSQL

PROCESSES = 8  # concurrent, in each round


@dataclass(frozen=True)
class Sizes:
    """The amount of work in the cases."""

    many: Size
    one: Sequence[int]
    rounds: int
    crowd: int
    wide: int


FULL = Sizes(Size(20, 20), (1000, 5000), 5, 3000, 1000)
QUICK = Sizes(Size(3, 4), (100,), 2, 100, 50)


@dataclass(frozen=True)
class Case:
    """The works to compare, ours first. ``goals`` are the maximum ratios ours/peer, by peer."""

    works: dict[str, Work]
    goals: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """Creates folders for projects, and databases."""

    folder: Path
    server: PostgreSQL
    numbers: Iterator[int] = field(default_factory=count)

    def new_folder(self) -> Path:
        """Create a folder for the projects of one case."""
        folder = self.folder / f"project{next(self.numbers)}"
        folder.mkdir()
        return folder

    def sqlite(self) -> str:
        """Return the URL of a file that does not exist yet."""
        return f"sqlite:///{self.folder}/{next(self.numbers)}.db"

    def copy_of(self, url: str) -> str:
        """Return the URL of a new copy of the SQLite file of ``url``."""
        copy = self.sqlite()
        shutil.copy(url.removeprefix("sqlite:///"), copy.removeprefix("sqlite:///"))
        return copy

    def postgresql(self) -> str:
        """Return the URL of a new, empty database."""
        return self.server.create_database().render_as_string()


def main() -> None:
    """Run the cases and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="run only the cases whose name contains one of these")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds")
    parser.add_argument("--rounds", type=int, help="number of runs of each side")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    keeper = Keeper()
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), PostgreSQL(keeper))
            wanted = [
                (name, make)
                for name, make in cases(bench, sizes).items()
                if not options.names or any(part in name for part in options.names)
            ]
            rounds = options.rounds or sizes.rounds
            _print_table(wanted, rounds, goals=not options.quick)
            if not options.names or "at once" in options.names:
                _print_at_once(bench, rounds)
    finally:
        keeper.close()


def cases(bench: Bench, sizes: Sizes) -> dict[str, Callable[[], Case]]:
    """Return the cases by name. Calling a case writes its projects."""
    found: dict[str, Callable[[], Case]] = {
        "current, one package": partial(_one_package, bench, "current"),
        "no-op upgrade, one package": partial(_one_package, bench, "upgrade", "head"),
        f"no-op upgrade, {sizes.many}, PostgreSQL": partial(_many, bench, sizes.many, no_op=True),
        f"upgrade from base, {sizes.many}, PostgreSQL": partial(_many, bench, sizes.many, no_op=False),
    }
    for revisions in sizes.one:
        size = Size(1, revisions, every=50, models=False)
        found[f"current, {revisions} revisions, SQLite"] = partial(_long, bench, size, "current")
        found[f"no-op upgrade, {revisions} revisions, SQLite"] = partial(_long, bench, size, "upgrade", "head")
        found[f"upgrade by one, {revisions} revisions, SQLite"] = partial(_by_one, bench, size)
    found[f"check, 20 tables among {sizes.crowd}, PostgreSQL"] = partial(_among, bench, sizes.crowd)
    for schemas in (1, 10):
        place = f"{schemas} schemas, PostgreSQL" if schemas > 1 else "PostgreSQL"
        found[f"check, {sizes.wide} tables, {place}"] = partial(_wide, bench, sizes.wide, schemas)
    size = Size(1, sizes.one[0])
    for backend in ("sqlite", "postgresql"):
        found[f"upgrade from base, {size.revisions} revisions, {backend}"] = partial(_from_base, bench, size, backend)
    return found


def _one_package(bench: Bench, *args: str) -> Case:
    folder, size = bench.new_folder(), Size(1, 10)
    write_packages(folder, size)
    write_alembic(folder, size, "boots")
    commands = {
        "ours": ([our_command(folder, *args)], [our_command(folder, "upgrade")]),
        "alembic": (
            alembic_commands(folder, size, "boots", *args),
            alembic_commands(folder, size, "boots", "upgrade", "head"),
        ),
    }
    works = {
        name: _on_the_result(Work(before, bench.sqlite, str(folder)), now) for name, (now, before) in commands.items()
    }
    return Case(works, {"alembic": 0.5})


def _many(bench: Bench, size: Size, *, no_op: bool) -> Case:
    folder = bench.new_folder()
    write_packages(folder, size)
    for env in ("boots", "plain"):
        write_alembic(folder, size, env)
    commands = {
        "ours": [our_command(folder, "upgrade")],
        "alembic, processes": alembic_commands(folder, size, "boots", "upgrade", "head"),
        "alembic, one process": [alembic_in_one_process(folder, size, "boots")],
        "alembic, no application": [alembic_in_one_process(folder, size, "plain")],
    }
    if no_op:
        commands["only imports"] = only_imports(size)
    paths = dict.fromkeys(commands, str(folder))
    if find_spec("stillhead"):
        commands["stillhead"], paths["stillhead"] = [write_stillhead(folder, size)], str(folder / "stillhead")
    if find_spec("django"):
        commands["django"] = [write_django(folder, size)]
        paths["django"] = str(folder / "django")
    works = {name: Work(argv, bench.postgresql, paths[name]) for name, argv in commands.items()}
    if no_op:
        return Case({name: _on_the_result(work, work.commands) for name, work in works.items()}, {"stillhead": 0.55})
    return Case(works, {"alembic, one process": 0.65})


def _long(bench: Bench, size: Size, *args: str) -> Case:
    case = _from_base(bench, size, "sqlite")
    commands = {"ours": [our_command(Path(case.works["ours"].path), *args)]}
    commands["alembic, no application"] = alembic_commands(Path(case.works["ours"].path), size, "plain", *args)
    # One side is enough to create the database, because both have the same revisions.
    url = run_once(case.works["ours"])
    stamp = alembic_commands(Path(case.works["ours"].path), size, "plain", "stamp", "head")
    run_once(Work(stamp, lambda: url, case.works["ours"].path))
    works = {name: Work(argv, lambda: url, case.works["ours"].path) for name, argv in commands.items()}
    is_goal = args == ("current",) and size.revisions == 5000
    return Case(works, {"alembic, no application": 0.1} if is_goal else {})


def _by_one(bench: Bench, size: Size) -> Case:
    case = _from_base(bench, size, "sqlite")
    folder = Path(case.works["ours"].path)
    commands = {
        "ours": [our_command(folder, "upgrade")],
        "alembic, no application": alembic_commands(folder, size, "plain", "upgrade", "head"),
    }
    last_but_one = f"{size.names[0]}r{size.revisions - 2:04}"
    url = run_once(Work([our_command(folder, "upgrade", last_but_one)], bench.sqlite, str(folder)))
    run_once(Work(alembic_commands(folder, size, "plain", "stamp", last_but_one), lambda: url, str(folder)))
    works = {name: Work(argv, partial(bench.copy_of, url), str(folder)) for name, argv in commands.items()}
    return Case(works)


def _from_base(bench: Bench, size: Size, backend: str) -> Case:
    folder = bench.new_folder()
    write_packages(folder, size)
    write_alembic(folder, size, "plain")
    commands = {
        "ours": [our_command(folder, "upgrade")],
        "alembic, no application": alembic_commands(folder, size, "plain", "upgrade", "head"),
        "ours, one transaction": [our_command(folder, "-x", "transaction=all", "upgrade")],
    }
    works = {name: Work(argv, getattr(bench, backend), str(folder)) for name, argv in commands.items()}
    return Case(works, {"alembic, no application": {"sqlite": 0.3, "postgresql": 1.05}[backend]})


def _among(bench: Bench, others: int) -> Case:
    folder, size = bench.new_folder(), Size(1, 20)
    write_packages(folder, size)
    works = {}
    for name, number in (("ours", others), ("ours, no other tables", 0)):
        before = Work([our_command(folder, "upgrade")], partial(crowded, bench.postgresql, number), str(folder))
        works[name] = _on_the_result(before, [our_command(folder, "check")])
    return Case(works, {"ours, no other tables": 1.2})


def _wide(bench: Bench, tables: int, schemas: int) -> Case:
    folder = bench.new_folder()
    size = write_wide(folder, tables, schemas)
    write_alembic(folder, size, "plain")
    peer = partial(alembic_commands, folder, size, "plain")
    commands = {
        "ours": ([our_command(folder, "upgrade")], [our_command(folder, "check")]),
        "alembic, no application": (peer("upgrade", "head"), peer("check")),
    }
    works = {
        name: _on_the_result(Work(before, bench.postgresql, str(folder)), now)
        for name, (before, now) in commands.items()
    }
    return Case(works, {"alembic, no application": 0.45 if schemas == 1 else 0.5})


def _on_the_result(before: Work, commands: Sequence[Sequence[str]]) -> Work:
    """Return the work of ``commands`` on the database that ``before`` creates once."""
    url = run_once(before)
    return Work(commands, lambda: url, before.path)


def _print_table(wanted: Sequence[tuple[str, Callable[[], Case]]], rounds: int, *, goals: bool) -> None:
    print(f"{'':<72}{'ours':>9}{'peer':>9}{'':>8}{'':>7}{'ours':>9}{'peer':>9}")
    print(f"{'case':<46}{'peer':<26}{'s':>9}{'s':>9}{'ratio':>8}{'goal':>7}{'MiB':>9}{'MiB':>9}")
    for name, make in wanted:
        case = make()
        results = measured(case.works, rounds)
        for peer in list(results)[1:]:
            _print_row(name, peer, results["ours"], results[peer], case.goals.get(peer) if goals else None)


def _print_row(name: str, peer: str, ours: Result, theirs: Result, goal: float | None) -> None:
    ratio, mark = ours.seconds / theirs.seconds, "" if goal is None else f"{goal:.2f}"
    times = f"{ours.seconds:>9.2f}{theirs.seconds:>9.2f}{ratio:>8.2f}{mark:>7}"
    print(f"{name:<46}{peer:<26}{times}{ours.mebibytes:>9.0f}{theirs.mebibytes:>9.0f}", flush=True)


def _print_at_once(bench: Bench, rounds: int) -> None:
    case = _from_base(bench, Size(1, 10), "postgresql")
    print(f"\n{PROCESSES} concurrent processes upgrade an empty PostgreSQL database; successes in {rounds} rounds:")
    for name, work in case.works.items():
        print(f"  {name}: {successes(work, PROCESSES, rounds)} of {PROCESSES * rounds}", flush=True)


if __name__ == "__main__":
    main()
