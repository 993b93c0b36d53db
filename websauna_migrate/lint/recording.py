"""The SQL of the steps of a plan, as Alembic writes it offline, statement by statement with the line of the script."""

from __future__ import annotations

import io
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING

from websauna_migrate.lint.statements import Statement, read_statement, without_batches

if TYPE_CHECKING:
    from argparse import Namespace

    from alembic.runtime.migration import MigrationContext

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.exceptions import RunError
    from websauna_migrate.revisions.plan import Plan, PlanStep

_OF_OTHER_DATABASES = ("alter_column", "add_constraint", "drop_constraint")


@dataclass(frozen=True, slots=True)
class Recording:
    """The statements of the scripts, and the error of each one that cannot be written as SQL to its end."""

    statements: tuple[Statement, ...]
    errors: tuple[tuple[PlanStep, RunError], ...]


def record(app: Application, plan: Plan, cmd_opts: Namespace | None) -> Recording:
    """Return the statements of ``plan``. The scripts run as for ``upgrade --sql``: without a connection.

    Batches are left out: they keep no row for long, and what follows them is to be looked at.

    :raises RevisionScriptFailed: a script cannot be loaded
    """
    from websauna_migrate.run.batches import batches_left_out
    from websauna_migrate.run.offline import rendered

    output = _Output({str(step.revision.path) for step in plan.steps})
    statements: list[Statement] = []
    errors: list[tuple[PlanStep, RunError]] = []
    dialect = app.url.get_backend_name()
    with redirect_stdout(sys.stderr), batches_left_out():  # what a script prints is not a result
        for step, error in rendered(app, plan, output, cmd_opts, _write_batches_in_place):
            of_step = [read_statement(step, line, sql, dialect) for line, sql in output.take()]
            statements += without_batches(of_step)
            if error is not None:
                errors.append((step, error))
    return Recording(tuple(statements), tuple(errors))


def _write_batches_in_place(migration: MigrationContext) -> None:
    """Let batch mode on SQLite write one statement for each change, as on other databases.

    It makes a table anew from what the database has, which is not asked here. What changes is all that counts.
    """
    from alembic.ddl.impl import DefaultImpl

    impl = migration.impl
    if migration.dialect.name == "sqlite":
        own = {name: MethodType(getattr(DefaultImpl, name), impl) for name in _OF_OTHER_DATABASES}
        vars(impl).update(own, requires_recreate_in_batch=lambda batch: False)


class _Output(io.StringIO):
    """Takes what Alembic writes, each time with the line of the script that is running."""

    encoding = "utf-8"

    def __init__(self, scripts: set[str]) -> None:
        super().__init__()
        self.scripts = scripts
        self.written: list[tuple[int | None, str]] = []

    def write(self, text: str) -> int:
        """Take ``text``, which Alembic writes statement by statement."""
        if text.strip():
            frames = traceback.walk_stack(None)
            line = next((line for frame, line in frames if frame.f_code.co_filename in self.scripts), None)
            self.written.append((line, text.strip()))
        return len(text)

    def take(self) -> list[tuple[int | None, str]]:
        """Return what was written since the last time."""
        written, self.written = self.written, []
        return written
