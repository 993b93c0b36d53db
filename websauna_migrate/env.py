"""The function that a user's ``env.py`` calls.

It configures Alembic for one history, under ``ws-alembic`` and under plain ``alembic``::

    from websauna_migrate.env import run_alembic

    run_alembic(package="my.app")
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from alembic import context
from alembic.util import CommandError, to_tuple
from sqlalchemy.exc import SAWarning

from websauna_migrate.database.connection import connection_of
from websauna_migrate.database.reflection import know_types, quiet_reflection
from websauna_migrate.dialects.install import install_implementations
from websauna_migrate.exceptions import MigrateError, RunError
from websauna_migrate.private import expect_standard_strings
from websauna_migrate.run.context import ATTRIBUTE, RunContext
from websauna_migrate.run.data import commit_joined, end_revision, joined_transaction, transaction_of_caller
from websauna_migrate.run.errors import names_other_package, transaction_left_open

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

# Only the settings and the registration decide about the database and the tables of a run.
OURS = frozenset({"connection", "dialect_name", "target_metadata", "url", "version_table", "version_table_schema"})
_URL = "set sqlalchemy.url = ... in the [app:...] section of the INI"
_INSTEAD = {
    "target_metadata": "call config.add_migration_package({package!r}, '{package}.models:Base') in the application",
    "version_table": "take the revisions of that table over with ws-alembic adopt --from {value}",
    "version_table_schema": "put the schema first in the search_path of the database user, or of sqlalchemy.url",
}


def run_alembic(package: str, **options: object) -> None:
    """Run the Alembic command for the history of ``package``; the last line of an ``env.py``.

    ``options`` are passed to :meth:`alembic.runtime.environment.EnvironmentContext.configure`. The hooks
    ``include_name``, ``include_object`` and ``process_revision_directives`` are called in addition to those of
    websauna_migrate.

    :raises MigrateError: an option may not be set here, or ``package`` is not the package that is run
    """
    install_implementations()
    refused = OURS.intersection(options)
    if refused:
        raise _not_taken(package, {name: options[name] for name in sorted(refused)})
    run = context.config.attributes.get(ATTRIBUTE)
    if run is not None:
        _run(run, package, options)
        return
    with _run_of_plain_alembic(context.config, package) as run:
        _run(run, package, options)


def _not_taken(package: str, options: Mapping[str, object]) -> RunError:
    shown = {name: value if isinstance(value, str) else "TABLE" for name, value in options.items()}
    instead = dict.fromkeys(_INSTEAD.get(name, _URL).format(package=package, value=shown[name]) for name in options)
    return RunError(
        f"env.py of {package}: run_alembic() does not take {', '.join(options)}",
        f"leave it out, and {'; '.join(instead)}",
    )


def _run(run: RunContext, package: str, options: dict[str, object]) -> None:
    if package != run.history.package:
        raise names_other_package(str(run.history.script_location / "env.py"), package, run.history.package)
    connection = None if context.is_offline_mode() else run.connect()
    begun_by_caller = connection is not None and run.of_caller and connection.in_transaction()
    if connection is not None and connection.in_transaction() and not begun_by_caller:
        raise transaction_left_open(run.history.package)
    context.configure(**_options(run, connection, options))
    if connection is None:
        expect_standard_strings(context.get_context().dialect)
    if run.has_objects:
        from websauna_migrate.run.entities import adapt_operations

        adapt_operations()
    run.on_configured(context.get_context())
    if run.only_configures:
        return
    joined: AbstractContextManager[None] = nullcontext()
    if connection is not None:
        joined = transaction_of_caller(connection) if begun_by_caller else joined_transaction(connection)
    with quiet_reflection(), context.begin_transaction(), joined:
        # Tables that refer to each other are handled: their foreign keys are created last.
        warnings.filterwarnings("ignore", "Cannot correctly sort tables", SAWarning)
        # Our own comparator compares indexes over expressions on SQLite.
        warnings.filterwarnings("ignore", "autogenerate skipping metadata-specified expression-based index")
        context.run_migrations()
    if connection is not None and not begun_by_caller:
        # Alembic's reads began a transaction. Revisions are committed; the table that ensure_version creates is not.
        if run.comparison is None:
            connection.commit()
        else:
            connection.rollback()


def _options(run: RunContext, connection: Connection | None, user: dict[str, object]) -> dict[str, Any]:
    options = {"transaction_per_migration": True, **user, "version_table": run.history.history_table}
    options["target_metadata"] = run.metadata
    if run.only_configures:
        options["transaction_per_migration"] = True  # -x transaction= decides
    if connection is not None:
        know_types(connection.dialect)
    if run.comparison is not None:
        from websauna_migrate.autogenerate.install import install
        from websauna_migrate.autogenerate.options import comparison_options

        install()
        options = comparison_options(run.comparison, connection, options)
    if run.url.get_backend_name() == "sqlite" and not run.of_caller:  # ours has real transactions
        options["transactional_ddl"] = True
    if connection is None:
        return options | {"url": run.url, "literal_binds": True, "dialect_opts": {"paramstyle": "named"}}
    if not run.only_configures:
        options["on_version_apply"] = (*to_tuple(options.get("on_version_apply"), ()), _revision_ended(options))
    if connection.dialect.name == "postgresql":  # else Alembic looks in the whole search path
        options["version_table_schema"] = connection.dialect.default_schema_name
    return options | {"connection": connection}


def _revision_ended(options: Mapping[str, object]) -> Callable[..., None]:
    """Return the function that Alembic's own loop calls at the end of each revision, inside its transaction."""

    def revision_ended(ctx: MigrationContext, **_: object) -> None:
        connection = connection_of(ctx)
        end_revision(connection)
        if options["transaction_per_migration"] or not ctx.impl.transactional_ddl:
            commit_joined(connection)

    return revision_ended


@contextmanager
def _run_of_plain_alembic(config: Config, package: str) -> Iterator[RunContext]:
    """Provide the run when plain ``alembic -c development.ini`` runs the ``env.py``."""
    from websauna_migrate.run.plain_alembic import run_of_plain_alembic

    try:
        with run_of_plain_alembic(config, package) as run:
            yield run
    except MigrateError as error:
        raise CommandError(str(error)) from error
