"""The parameters of statements in ``--sql``, where Alembic leaves them out and writes NULL in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import TextClause, text
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.sql.dml import UpdateBase, ValuesBase

from websauna_migrate.exceptions import RunError, listed

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Dialect


def keep_parameters(migration: MigrationContext) -> None:
    """Let ``op.get_bind().execute(statement, parameters)`` write the statement with its parameters in it.

    A parameter without a value is an error there, and for ``op.execute()``.
    """
    impl: Any = migration.impl
    usual = impl.execute

    def execute(statement: Any, execution_options: dict[str, Any] | None = None) -> None:
        _require_values(statement, migration.dialect)
        usual(statement, execution_options)

    def write(statement: Any, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None) -> None:
        for bound in with_parameters(statement, parameters):
            execute(bound)

    impl.execute = execute
    impl.connection = migration.connection = cast("Any", MockConnection(migration.dialect, write))


def with_parameters(
    statement: Any, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
) -> Iterator[Any]:
    """Yield ``statement`` once for each set of ``parameters``, with these in it.

    :raises RunError: a statement takes a parameter in a way that cannot be written
    """
    if not parameters:
        yield statement
        return
    plain = text(statement) if isinstance(statement, str) else statement
    for values in [parameters] if isinstance(parameters, Mapping) else parameters:
        yield _with_values(plain, values)


def _with_values(statement: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(statement, UpdateBase):
        return statement.bindparams(**values) if isinstance(statement, TextClause) else statement.params(**values)
    columns: Any = statement.table.c if isinstance(statement, ValuesBase) else ()
    others = tuple(name for name in values if name not in columns)
    if others or not isinstance(statement, ValuesBase):
        what = f"--sql cannot put the parameters {listed(others)} into the statement"
        raise RunError(what, "write their values in the statement")
    return statement.values(**values)


def _require_values(statement: Any, dialect: Dialect) -> None:
    clause = text(statement) if isinstance(statement, str) else statement
    binds = getattr(clause.compile(dialect=dialect), "binds", {})  # DDL has none
    unset = tuple(sorted(bind.key for bind in binds.values() if bind.required))
    if unset:
        raise RunError(
            f"a statement has no value for the parameter {listed(unset)}",
            r"pass one, or write \: for a colon that begins no parameter",
        )
