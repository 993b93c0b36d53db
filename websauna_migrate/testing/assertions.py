"""Checks of an application's migrations, for its own tests.

Everything runs in a scratch database, which is gone afterwards.
"""

from __future__ import annotations

import io
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from websauna_migrate.autogenerate.findings import differences, differences_text
from websauna_migrate.bootstrap import load_application
from websauna_migrate.database.connection import reading
from websauna_migrate.database.errors import DatabaseUnreachable
from websauna_migrate.database.history_table import read_heads
from websauna_migrate.exceptions import MigrateError
from websauna_migrate.packages.selection import select
from websauna_migrate.repair.facts import Facts, Watch
from websauna_migrate.repair.facts import differences as fact_differences
from websauna_migrate.repair.trial import trial
from websauna_migrate.revisions.contents import created_tables
from websauna_migrate.run.config import make_config
from websauna_migrate.run.context import ATTRIBUTE, comparison_of, run_context
from websauna_migrate.run.steps import execute
from websauna_migrate.scratch.places import ScratchPlaces

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from websauna_migrate.autogenerate.findings import Difference
    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.package import TableName
    from websauna_migrate.packages.selection import Selected
    from websauna_migrate.revisions.plan import Plan
    from websauna_migrate.run.observer import Progress


def assert_migrations(config_uri: str, packages: Collection[str] = (), *, downgrades: bool = True) -> None:
    """Check the revisions of ``packages``, by default all, of the application of ``config_uri``.

    Each history has one head. All revisions can be applied to an empty database, which then matches the models. Each
    ``downgrade()`` restores the tables from before its ``upgrade()``, and all revisions can be applied again. Pass
    ``downgrades=False`` for revisions that cannot be undone.

    The database of the settings is only asked what it is like, and need not exist.

    :raises AssertionError: a check failed; the message names revision, table and column
    :raises NoScratchPlace: there is no scratch database to run them in
    :raises MigrateError: the application does not start, or a revision fails
    """
    app = load_application(config_uri)
    selected = select(app.histories, packages or app.packages)
    assert_one_head(app, selected)
    up = app.plan_selected({}, selected)
    with settings_database(app) as real, ScratchPlaces() as places, trial(app, up, places, real) as tried:
        scratch, connection = tried.app, tried.connection
        states = _upgraded(scratch, up, connection)
        assert_models_match(scratch, selected, connection)
        if downgrades:
            _assert_undone(scratch, up, states, connection)
            execute(scratch, up, connection)


def assert_up_and_down(app: Application, selected: Sequence[Selected]) -> None:
    """Check that each ``downgrade()`` restores what was before, and that all revisions can be applied again."""
    up = app.plan_selected({}, selected)
    with settings_database(app) as real, ScratchPlaces() as places, trial(app, up, places, real) as tried:
        states = _upgraded(tried.app, up, tried.connection)
        _assert_undone(tried.app, up, states, tried.connection)
        execute(tried.app, up, tried.connection)


@contextmanager
def settings_database(app: Application) -> Iterator[Connection | None]:
    """Yield a connection to the database of the settings, None where there is none."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(app.connected(writes=False))
        except DatabaseUnreachable:
            connection = None
        yield connection


def assert_one_head(app: Application, selected: Sequence[Selected]) -> None:
    """Check that each of the ``selected`` histories has one head."""
    graph = app.graph()
    for one in selected:
        heads = graph.histories[one.history.package].heads
        assert len(heads) < 2, (
            f"{one.history.package} has several heads: {', '.join(heads)}; run ws-alembic merge heads"
        )


def assert_models_match(app: Application, selected: Sequence[Selected], connection: Connection) -> None:
    """Check that the models are what ``connection`` shows, the database of ``app`` with all revisions applied."""
    found = [difference for one in selected for difference in _compared(app, one, connection)]
    assert not found, f"after all revisions the database does not match the models:\n{differences_text(found)}"


def _compared(app: Application, one: Selected, connection: Connection) -> Iterator[Difference]:
    from alembic import command
    from alembic.util import AutogenerateDiffsDetected

    comparison = comparison_of(app, one)
    run = run_context(app, one.history, lambda: connection, comparison=comparison)
    attributes = {ATTRIBUTE: run}
    try:
        command.check(
            make_config(one.history, app.ini, section=app.section, stdout=io.StringIO(), attributes=attributes)
        )
    except AutogenerateDiffsDetected as error:
        yield from differences(error.diffs, one.history.package, app.ownership.owners, connection.dialect)


def _upgraded(app: Application, up: Plan, connection: Connection) -> _States:
    """Run the revisions of ``up``, and return the tables after each."""
    schemas = {table.schema for table in created_tables(step.revision for step in up.steps)}
    states = _States(Watch(frozenset({None, *schemas})))
    states.note(connection)

    def note(progress: Progress) -> None:
        if progress.state == "done":
            states.applied |= {progress.step.revision.path}
            states.note(connection)

    execute(app, up, connection, on_progress=note)
    return states


def _assert_undone(app: Application, up: Plan, states: _States, connection: Connection) -> None:
    """Undo the revisions of ``up``, and compare the tables after each."""
    wrong: list[str] = []

    def look(progress: Progress) -> None:
        if progress.state == "done":
            states.applied -= {progress.step.revision.path}
            wrong.extend(states.differences(connection))
            if wrong:
                step = f"{progress.step.package} {progress.step.revision.id}"
                wrong.insert(0, f"the downgrade of {step} does not restore the tables from before its upgrade")
                raise AssertionError

    rows = read_heads(connection, app.histories)
    packages = list(dict.fromkeys(step.package for step in up.steps))
    down = app.plan(rows, packages, "base", direction="down")
    try:
        execute(app, down, connection, on_progress=look)
    except MigrateError:
        if not wrong:
            raise
    assert not wrong, "\n  ".join(wrong)


@dataclass(slots=True)
class _States:
    """The tables at each point of an upgrade, by the scripts that are ``applied`` at that point."""

    watch: Watch
    applied: frozenset[Path] = frozenset()
    facts: dict[frozenset[Path], Mapping[TableName, Facts]] = field(default_factory=dict)

    def note(self, connection: Connection) -> None:
        with reading(connection):
            self.facts[self.applied] = self.watch.read(connection)

    def differences(self, connection: Connection) -> tuple[str, ...]:
        """Return the differences between the database and the same point of the upgrade."""
        before = self.facts.get(self.applied)
        with reading(connection):
            now = self.watch.read(connection)
        return () if before is None else fact_differences(now, before)[0]
