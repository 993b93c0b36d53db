"""Applications with histories made for one test, written as real packages into a folder.

::

    project = write_project(tmp_path, url, {"shop": [Revision("s1", up=["CREATE TABLE a (id INTEGER)"])]})
    run(*project.argv("upgrade"), **project.options)

The first package is the application and registers the others. A package has no models: its revisions are what counts.
"""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, event, inspect, text

from forked import Process, Program
from looking import looking
from websauna_migrate.packages.histories import write_scaffold
from websauna_migrate.packages.package import history_table_name


@dataclass(frozen=True)
class Revision:
    """A revision: ``up`` and ``down`` are SQL statements, or the text of the Python function where they are strings."""

    id: str
    up: str | Sequence[str] = ()
    down: str | Sequence[str] = ()
    requires: Mapping[str, str] = field(default_factory=dict)
    run_before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Project:
    """An application on disk. ``options`` are the arguments of ``run`` and ``start`` for its commands."""

    folder: Path
    url: URL
    packages: tuple[str, ...]

    @property
    def ini(self) -> Path:
        return self.folder / "app.ini"

    @property
    def options(self) -> dict[str, Any]:
        return {"cwd": self.folder, "env": {"PYTHONPATH": str(self.folder)}}

    def argv(self, *args: object, packages: str = "all") -> list[object]:
        return ["ws-alembic", "-c", self.ini, "-x", f"packages={packages}", *args]

    def script(self, package: str, revision: str) -> Path:
        return self.folder / package / "alembic" / "versions" / f"{revision}.py"

    def engine(self) -> Engine:
        return create_engine(self.url, poolclass=NullPool)

    def tables(self) -> set[str]:
        """Return the tables in the database that are no history tables."""
        with looking(self.url) as connection:
            names = inspect(connection).get_table_names()
        return {name for name in names if not name.startswith("alembic_history_")}

    def heads(self) -> dict[str, list[str]]:
        """Return the rows of the history tables that exist, by package."""
        with looking(self.url) as connection:
            existing = inspect(connection).get_table_names()
            found = {}
            for package in self.packages:
                if (table := history_table_name(package)) in existing:
                    query = text(f"SELECT version_num FROM {table} ORDER BY 1")
                    found[package] = list(connection.scalars(query))
            return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with looking(self.url) as connection:
            return [tuple(row) for row in connection.execute(text(query))]


def write_project(
    folder: Path, url: URL, histories: Mapping[str, Sequence[Revision]], settings: Mapping[str, object] | None = None
) -> Project:
    """Write an application with ``histories``, by package, that uses the database of ``url``."""
    project = Project(folder, url, tuple(histories))
    app = project.packages[0]
    for package, revisions in histories.items():
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("import sqlalchemy as sa\n\nmetadata = sa.MetaData()\n")
        write_scaffold(folder / package / "alembic", package)
        before = None
        for revision in revisions:
            project.script(package, revision.id).write_text(_script(revision, before))
            before = revision.id
    with (folder / app / "__init__.py").open("a") as file:
        file.write(_APPLICATION.format(packages=project.packages))
    own = {"sqlalchemy.url": url.render_as_string(hide_password=False).replace("%", "%%"), **(settings or {})}
    lines = "".join(f"{name} = {value}\n" for name, value in own.items())
    project.ini.write_text(f"[app:main]\nuse = call:{app}:main\nwebsauna.init = {app}.Initializer\n{lines}")
    return project


def chain(package: str, length: int, statements: int = 1) -> list[Revision]:
    """Return revisions ``<package>1``, ``<package>2`` and so on; each creates tables named after it and fills them."""
    return [
        Revision(
            f"{package}{number}",
            up=[s for table in _tables(package, number, statements) for s in _create(table)],
            down=[f"DROP TABLE {table}" for table in _tables(package, number, statements)],
        )
        for number in range(1, length + 1)
    ]


def start_prepared(project: Project, prepare: str, *argv: object) -> Process:
    """Start ``ws-alembic`` in a process that does what ``prepare`` says before, a line of Python."""
    main = "from websauna_migrate.scripts.ws_alembic import main"
    (project.folder / "prepared.py").write_text(f"{main}\n\n\ndef prepared(argv):\n    {prepare}\n    main(argv)\n")
    words = list(map(str, project.argv(*argv)))
    program = Program("prepared:prepared", words, dict(os.environ), str(project.folder), [str(project.folder)])
    return Process(program, DEVNULL, PIPE, PIPE)


def run_killed_at(moment: int, project: Project, *argv: object, counted_from: str = "") -> int:
    """Run ``ws-alembic`` and return its exit code; it is killed at that ``moment`` from 1, if it comes so far.

    Moments are before each statement and each commit: after one, the database is as before the next. The first is the
    first statement that contains ``counted_from``.
    """
    environment = {**os.environ, **project.options["env"], "KILLED_AT": str(moment), "COUNTED_FROM": counted_from}
    words = list(map(str, project.argv(*argv)))
    program = Program("scenarios:killed", words, environment, str(project.folder), [str(Path(__file__).parent)])
    with Process(program, DEVNULL, DEVNULL, DEVNULL) as process:
        return process.wait(60)


def killed(argv: list[str]) -> int:
    """Run ``ws-alembic``, in a process that is killed at the moment ``$KILLED_AT``.

    On SQLite no revision shares its commit, or some, or all.
    """
    from websauna_migrate.run import grouping
    from websauna_migrate.scripts.ws_alembic import run

    moments = count(1)
    last, first = int(os.environ["KILLED_AT"]), os.environ["COUNTED_FROM"]
    grouping.LONGEST = (0, 0.01, 10)[last % 3]

    def kill(*of: object) -> None:
        nonlocal first
        if first and not any(first in one for one in of if isinstance(one, str)):
            return
        first = ""
        if next(moments) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, kill)
    return run(argv)


def _tables(package: str, number: int, count: int) -> list[str]:
    return [f"{package}{number}_{letter}" for letter in "abcdefgh"[:count]]


def _create(table: str) -> list[str]:
    return [f"CREATE TABLE {table} (id INTEGER NOT NULL PRIMARY KEY)", f"INSERT INTO {table} VALUES (1)"]


def _script(revision: Revision, before: str | None) -> str:
    bodies = _body(revision.up) + _body(revision.down)
    return _SCRIPT.format(
        imports="".join(f"import {name}\n" for name in ("os", "time") if f"{name}." in bodies),
        revision=revision,
        before=before,
        requires=dict(revision.requires),
        run_before=dict(revision.run_before),
        up=_body(revision.up),
        down=_body(revision.down),
    )


def _body(work: str | Sequence[str]) -> str:
    if not isinstance(work, str):
        work = "\n".join(f"op.execute({statement!r})" for statement in work)
    return textwrap.indent(textwrap.dedent(work).strip() or "pass", "    ")


_SCRIPT = '''\
"""Make {revision.id}"""

{imports}
import sqlalchemy as sa
from alembic import op

revision = {revision.id!r}
down_revision = {before!r}
requires = {requires!r}
run_before = {run_before!r}


def upgrade():
{up}


def downgrade():
{down}
'''

_APPLICATION = """

import websauna_migrate


class Initializer(websauna_migrate.Initializer):
    def configure_models(self):
        for package in {packages!r}:
            self.config.add_migration_package(package, package + ":metadata")


def main(global_config, **settings):
    return Initializer(global_config, settings).make_wsgi_app()
"""
