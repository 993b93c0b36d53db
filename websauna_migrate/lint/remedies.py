"""The safe form of what a statement does: lines for a script, which are clean themselves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from websauna_migrate.database.sql import escape_colons, quoted_table
from websauna_migrate.packages.package import TableName

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from websauna_migrate.lint.actions import Action

IN_CONTRACT = "# in the header of a revision of its own, which runs when no old code is left:\ncontract = True"

NO_REWRITE = "# not in a migration: run it in a maintenance window, or use a tool such as pg_repack"

_ALONE = "with op.get_context().autocommit_block():"


def changed_in_batches(action: Action, key: str | None, dialect: Dialect) -> str:
    """Return how rows are changed so that each is locked for a moment only; ``key`` is that of the table."""
    if key is None or action.marks:
        return "# in a revision of its own, with websauna_migrate.data.in_batches()"
    condition = f"({action.rest}) AND " if action.rest else ""
    sql = f"{escape_colons(f'{action.start} WHERE {condition}')}{_quoted(key, dialect)} BETWEEN :low AND :high"
    schema = f", schema={action.table.schema!r}" if action.table.schema else ""
    return "\n".join(
        [
            "# in a revision of its own:",
            "from websauna_migrate.data import in_batches",
            f"in_batches({action.table.name!r}, {sql!r}{schema})",
        ]
    )


def waiting_longer(seconds: float) -> str:
    """Return how a script says that its statements may wait longer for a table."""
    return (
        f"# in the header of the script, if it has to wait so long; else leave it out:\nlock_wait = {_shown(seconds)}"
    )


def _shown(seconds: float) -> str:
    return "0" if math.isinf(seconds) else f"{seconds:g}"


def concurrent_index(action: Action, dialect: Dialect, *, is_partitioned: bool) -> str:
    """Return how an index is built while the table is written to."""
    unique = "UNIQUE " * ("UNIQUE" in action.marks)
    name = _quoted(action.name, dialect) + " " if action.name else ""
    table = quoted_table(action.table, dialect)
    if is_partitioned:
        return "\n".join(
            [
                "# then build it CONCURRENTLY on each partition, and attach these: ALTER INDEX ... ATTACH PARTITION",
                _execute(f"CREATE {unique}INDEX {name}ON ONLY {table} {action.rest}"),
            ]
        )
    return f"{_ALONE}\n    {_execute(f'CREATE {unique}INDEX CONCURRENTLY {name}ON {table} {action.rest}')}"


def constraint_of_index(action: Action, dialect: Dialect) -> str:
    """Return how a ``UNIQUE`` or ``PRIMARY KEY`` is made of an index that was built while the table is written to."""
    kind = "UNIQUE" if action.kind == "add unique" else "PRIMARY KEY"
    columns = action.rest[action.rest.index("(") :] if "(" in action.rest else "(...)"
    name = _quoted(_constraint_name(action), dialect)
    table = quoted_table(action.table, dialect)
    return "\n".join(
        [
            _ALONE,
            f"    {_execute(f'CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {columns}')}",
            _execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {kind} USING INDEX {name}"),
        ]
    )


def validated_later(action: Action, dialect: Dialect) -> str:
    """Return how a constraint is checked while the table is written to."""
    name = _constraint_name(action)
    return "\n".join(_validated(action.table, name, action.rest.removesuffix("NOT VALID").strip(), dialect))


def not_null_by_check(action: Action, dialect: Dialect) -> str:
    """Return how a column becomes ``NOT NULL`` without a scan: by a constraint that is checked before."""
    table, column = quoted_table(action.table, dialect), _quoted(action.name, dialect)
    name = f"{action.table.name}_{action.name}_not_null"
    return "\n".join(
        [
            *_validated(action.table, name, f"CHECK ({column} IS NOT NULL)", dialect),
            _execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"),
            _execute(f"ALTER TABLE {table} DROP CONSTRAINT {_quoted(name, dialect)}"),
        ]
    )


def nullable_first(action: Action, dialect: Dialect) -> str:
    """Return how a column is added that the rows and the old code have no value for."""
    return "\n".join(
        [
            _execute(f"ALTER TABLE {quoted_table(action.table, dialect)} ADD COLUMN {_column(action, dialect)}"),
            "# then fill it with websauna_migrate.data.in_batches(), and make it NOT NULL where contract = True",
        ]
    )


def default_later(action: Action, expression: str, dialect: Dialect) -> str:
    """Return how a column gets a default that is another value for each row, without all rows being written."""
    table = quoted_table(action.table, dialect)
    return "\n".join(
        [
            _execute(f"ALTER TABLE {table} ADD COLUMN {_column(action, dialect)}"),
            _execute(f"ALTER TABLE {table} ALTER COLUMN {_quoted(action.name, dialect)} SET DEFAULT {expression}"),
            "# then fill the rows that are there with websauna_migrate.data.in_batches()",
        ]
    )


def column_beside(action: Action, dialect: Dialect) -> str:
    """Return how a column gets another type without all rows being written at once."""
    new = _quoted(f"{action.name}_new", dialect)
    return "\n".join(
        [
            _execute(f"ALTER TABLE {quoted_table(action.table, dialect)} ADD COLUMN {new} {action.type}"),
            "# then fill it with websauna_migrate.data.in_batches(), while the code writes both columns;",
            "# the old column is dropped where contract = True",
        ]
    )


def validated_alone(table: TableName, name: str, dialect: Dialect) -> str:
    """Return how a constraint is checked after the transaction that added it, which holds a lock."""
    statement = f"ALTER TABLE {quoted_table(table, dialect)} VALIDATE CONSTRAINT {_quoted(name, dialect)}"
    return f"{_ALONE}\n    {_execute(statement)}"


def _validated(table: TableName, name: str, definition: str, dialect: Dialect) -> list[str]:
    added = f"{quoted_table(table, dialect)} ADD CONSTRAINT {_quoted(name, dialect)} {definition} NOT VALID"
    return [_execute(f"ALTER TABLE {added}"), validated_alone(table, name, dialect)]


def _constraint_name(action: Action) -> str:
    """Return the name of a constraint, or what the database would call it."""
    if action.name:
        return action.name
    ending = {"add check": "check", "add foreign key": "fkey", "add unique": "key"}.get(action.kind, "pkey")
    columns = action.rest[action.rest.find("(") + 1 : action.rest.find(")")].replace('"', "").split(",")
    is_over_columns = action.kind in ("add foreign key", "add unique")
    parts = [action.table.name, *(column.strip() for column in columns if is_over_columns), ending]
    return "_".join(parts)


def _column(action: Action, dialect: Dialect) -> str:
    return f"{_quoted(action.name, dialect)} {action.type}"


def _quoted(name: str, dialect: Dialect) -> str:
    return quoted_table(TableName(None, name), dialect)


def _execute(sql: str) -> str:
    return f"op.execute({escape_colons(sql)!r})"
