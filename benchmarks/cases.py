"""The cases: what ws-alembic and its peers do on projects with the same packages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from bare import recorded, replayed
from crowd import crowded
from measure import Work, environment_of, run_once

from projects import (
    Size,
    alembic_commands,
    alembic_in_one_process,
    only_imports,
    our_command,
    served,
    write_alembic,
    write_django,
    write_packages,
    write_stillhead,
    write_wide,
)

if TYPE_CHECKING:
    from servers import PostgreSQL

OURS, BOOTS, PLAIN, BARE = "ours", "alembic, application", "alembic, no application", "bare driver"
NO_GUARD = "no guard"


@dataclass(frozen=True)
class Sizes:
    """The amount of work in the cases."""

    many: Size
    one: Sequence[int]
    rounds: int
    crowd: int
    wide: int
    requests: Sequence[int]


FULL = Sizes(Size(20, 20), (1000, 5000), 5, 3000, 1000, (0, 500_000))
QUICK = Sizes(Size(3, 4), (100,), 2, 100, 50, (0, 1000))


@dataclass(frozen=True)
class Case:
    """The works to compare, ours first. ``goals`` are the maximum ratios ours/peer, by peer."""

    works: Mapping[str, Work]
    goals: Mapping[str, float] = field(default_factory=dict)


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

    def bare(self, work: Work) -> Work:
        """Return the work of the driver alone: it sends what the command of ``work`` sends."""
        file = self.folder / f"sent{next(self.numbers)}.json"
        recorded(work.commands[0], environment_of(work, work.database()), file)
        return Work([replayed(file)], work.database, work.path)


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
    for number in sizes.requests:
        found[f"application with the guard, {number} requests"] = partial(_guarded, bench, number)
    return found


def at_once(bench: Bench) -> Case:
    """Return the case of an upgrade that several processes begin concurrently."""
    folder, size = bench.new_folder(), Size(1, 10)
    works = {
        name: Work(commands, bench.postgresql, str(folder)) for name, commands in _peers(folder, size, PLAIN).items()
    }
    return Case(works)


def _peers(folder: Path, size: Size, *peers: str) -> dict[str, list[list[str]]]:
    """Write a project for us and for each of ``peers``, and return the commands that upgrade it, by name."""
    write_packages(folder, size)
    commands = {OURS: [our_command(folder, "upgrade")]}
    for peer in peers:
        write_alembic(folder, size, _ENV[peer])
        commands[peer] = [alembic_in_one_process(folder, size, _ENV[peer])]
    return commands


_ENV = {BOOTS: "boots", PLAIN: "plain"}


def _guarded(bench: Bench, requests: int) -> Case:
    folder = bench.new_folder()
    write_packages(folder, Size(1, 100))
    url = run_once(Work([our_command(folder, "upgrade")], bench.postgresql, str(folder)))
    modes = {OURS: "503", NO_GUARD: "none"}
    works = {name: Work([served(mode, requests)], lambda: url, str(folder)) for name, mode in modes.items()}
    return Case(works, {NO_GUARD: 1.05} if requests else {})


def _one_package(bench: Bench, *args: str) -> Case:
    folder, size = bench.new_folder(), Size(1, 10)
    before = _peers(folder, size, BOOTS, PLAIN)
    now = {OURS: [our_command(folder, *args)]}
    now |= {peer: alembic_commands(folder, size, env, *args) for peer, env in _ENV.items()}
    works = {
        name: _on_the_result(Work(commands, bench.sqlite, str(folder)), now[name]) for name, commands in before.items()
    }
    return Case({**works, BARE: bench.bare(works[OURS])}, {BOOTS: 0.35})


def _many(bench: Bench, size: Size, *, no_op: bool) -> Case:
    folder = bench.new_folder()
    commands = _peers(folder, size, BOOTS, PLAIN)
    if no_op:
        commands["only imports"] = only_imports(size)
    paths = dict.fromkeys(commands, str(folder))
    if find_spec("stillhead"):
        commands["stillhead"], paths["stillhead"] = [write_stillhead(folder, size)], str(folder / "stillhead")
    if find_spec("django"):
        commands["django"], paths["django"] = [write_django(folder, size)], str(folder / "django")
    works = {name: Work(argv, bench.postgresql, paths[name]) for name, argv in commands.items()}
    if no_op:
        works = {name: _on_the_result(work, work.commands) for name, work in works.items()}
    goals = (0.45, 0.5, 0.9) if no_op else (0.75, 0.75, 0.65)
    return Case(
        {**works, BARE: bench.bare(works[OURS])},
        {**dict(zip((PLAIN, "stillhead", "django"), goals, strict=True)), **({} if no_op else {BOOTS: 0.38})},
    )


def _long(bench: Bench, size: Size, *args: str) -> Case:
    folder = bench.new_folder()
    before = _peers(folder, size, PLAIN)
    # One side is enough to create the database, because both have the same revisions.
    url = run_once(Work(before[OURS], bench.sqlite, str(folder)))
    run_once(Work(alembic_commands(folder, size, "plain", "stamp", "head"), lambda: url, str(folder)))
    commands = {OURS: [our_command(folder, *args)], PLAIN: alembic_commands(folder, size, "plain", *args)}
    works = {name: Work(argv, lambda: url, str(folder)) for name, argv in commands.items()}
    goals = {PLAIN: {1000: 0.4, 5000: 0.1}[size.revisions]} if args == ("current",) and size.revisions >= 1000 else {}
    return Case({**works, BARE: bench.bare(works[OURS])}, goals)


def _by_one(bench: Bench, size: Size) -> Case:
    folder = bench.new_folder()
    commands = _peers(folder, size, PLAIN)
    last_but_one = f"{size.names[0]}r{size.revisions - 2:04}"
    url = run_once(Work([our_command(folder, "upgrade", last_but_one)], bench.sqlite, str(folder)))
    run_once(Work(alembic_commands(folder, size, "plain", "stamp", last_but_one), lambda: url, str(folder)))
    works = {name: Work(argv, partial(bench.copy_of, url), str(folder)) for name, argv in commands.items()}
    return Case({**works, BARE: bench.bare(works[OURS])})


def _from_base(bench: Bench, size: Size, backend: str) -> Case:
    folder = bench.new_folder()
    commands = _peers(folder, size, PLAIN)
    commands["ours, one transaction"] = [our_command(folder, "-x", "transaction=all", "upgrade")]
    works = {name: Work(argv, getattr(bench, backend), str(folder)) for name, argv in commands.items()}
    goal = {"sqlite": 0.4, "postgresql": 1.05}[backend]
    return Case({**works, BARE: bench.bare(works[OURS])}, {PLAIN: goal})


def _among(bench: Bench, others: int) -> Case:
    folder, size = bench.new_folder(), Size(1, 20)
    commands = _peers(folder, size)
    works = {}
    for name, number in ((OURS, others), ("ours, no other tables", 0)):
        before = Work(commands[OURS], partial(crowded, bench.postgresql, number), str(folder))
        works[name] = _on_the_result(before, [our_command(folder, "check")])
    return Case({**works, BARE: bench.bare(works[OURS])}, {"ours, no other tables": 1.2})


def _wide(bench: Bench, tables: int, schemas: int) -> Case:
    folder = bench.new_folder()
    size = write_wide(folder, tables, schemas)
    write_alembic(folder, size, "plain")
    peer = partial(alembic_commands, folder, size, "plain")
    commands = {
        OURS: ([our_command(folder, "upgrade")], [our_command(folder, "check")]),
        PLAIN: (peer("upgrade", "head"), peer("check")),
    }
    works = {
        name: _on_the_result(Work(before, bench.postgresql, str(folder)), now)
        for name, (before, now) in commands.items()
    }
    return Case({**works, BARE: bench.bare(works[OURS])}, {PLAIN: 0.38 if schemas == 1 else 0.5})


def _on_the_result(before: Work, commands: Sequence[Sequence[str]]) -> Work:
    """Return the work of ``commands`` on the database that ``before`` creates once."""
    url = run_once(before)
    return Work(commands, lambda: url, before.path)
