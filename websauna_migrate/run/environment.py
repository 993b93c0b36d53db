"""One run of a history's ``env.py``, kept open while the steps of the history are run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from websauna_migrate.database.history_table import RowStatements, history_table
from websauna_migrate.exceptions import MigrateError
from websauna_migrate.revisions.errors import RevisionScriptFailed
from websauna_migrate.revisions.scripts import load_script
from websauna_migrate.run.config import make_config
from websauna_migrate.run.context import ATTRIBUTE, run_context
from websauna_migrate.run.errors import EnvFailed, did_not_run_alembic, raised_in_env, transaction_left_open

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from types import ModuleType
    from typing import TextIO

    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from websauna_migrate.bootstrap import Application
    from websauna_migrate.packages.package import History
    from websauna_migrate.revisions.plan import Plan, PlanStep


@dataclass(frozen=True, slots=True)
class Environment:
    """One history, set up by its ``env.py``.

    ``rows`` are those of its ``table`` before the first of its ``steps``, and ``statements`` change them. ``modules``
    are the loaded scripts of the steps, by revision.
    """

    table: Table
    statements: RowStatements
    rows: Sequence[str]
    steps: Sequence[PlanStep]
    scripts: ScriptDirectory
    context: EnvironmentContext
    migration: MigrationContext
    modules: Mapping[str, ModuleType]

    def begins_with(self, step: PlanStep) -> bool:
        """Return whether ``step`` is the first of the whole history, so that its table may be missing."""
        return not self.rows and step is self.steps[0]

    def rows_after(self, step: PlanStep) -> set[str]:
        """Return what the table holds when ``step`` is done."""
        rows = set(self.rows)
        for done in self.steps[: self.steps.index(step) + 1]:
            rows = rows.difference(done.old_rows).union(done.new_rows)
        return rows


def open_all(
    app: Application, plan: Plan, connection: Connection | None, output: TextIO | None, cmd_opts: Namespace | None
) -> dict[str, Environment]:
    """Run the ``env.py`` of each history of ``plan`` once, and return what the steps of each need."""
    packages = dict.fromkeys(step.package for step in plan.steps)
    return {package: _open(app, app.history(package), plan, connection, output, cmd_opts) for package in packages}


def _open(
    app: Application,
    history: History,
    plan: Plan,
    connection: Connection | None,
    output: TextIO | None,
    cmd_opts: Namespace | None,
) -> Environment:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    configured: list[MigrationContext] = []

    def connect() -> Connection:
        if connection is None:
            raise transaction_left_open(history.package)
        return connection

    run = run_context(app, history, connect, on_configured=configured.append, only_configures=True)
    config = make_config(
        history, app.ini, section=app.section, cmd_opts=cmd_opts, stdout=output, attributes={ATTRIBUTE: run}
    )
    scripts = ScriptDirectory.from_config(config)
    tag = getattr(cmd_opts, "tag", None)
    options = {"as_sql": connection is None, "destination_rev": "heads", "starting_rev": None, "tag": tag}
    context = EnvironmentContext(config, scripts, fn=lambda heads, migration: [], **options)
    steps = [step for step in plan.steps if step.package == history.package]
    with context:
        try:
            scripts.run_env()
        except (MigrateError, KeyboardInterrupt):
            raise
        except BaseException as error:  # whatever the env.py raises
            raise failed_env(Path(scripts.env_py_location), history.package, error) from error
        if not configured:
            raise did_not_run_alembic(scripts.env_py_location, history.package)
        # All of them before the first is run: one that is broken stops the run while there is nothing to undo.
        modules = {step.revision.id: _loaded(step) for step in steps}
    if connection is not None and connection.in_transaction():
        raise transaction_left_open(history.package)
    rows = plan.heads_before[history.package]
    table, migration = history_table(history.history_table), configured[0]
    statements = RowStatements(table, migration.dialect)
    return Environment(table, statements, rows, steps, scripts, context, migration, modules)


def failed_env(path: Path, package: str, error: BaseException) -> EnvFailed:
    """Return the error of the ``env.py`` at ``path``, which raised ``error``."""
    is_ours = path.is_file() and b"run_alembic" in path.read_bytes()
    return raised_in_env(str(path), package, error, is_ours=is_ours)


def _loaded(step: PlanStep) -> ModuleType:
    module = load_script(step.revision.path)
    name = "upgrade" if step.direction == "up" else "downgrade"
    if not callable(getattr(module, name, None)):
        raise RevisionScriptFailed(step.revision.path, AttributeError(f"it has no function {name}()"))
    return module
